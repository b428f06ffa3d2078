"""The meter's end of the opening of mode E: it lies under HDLC and carries it once it is open.

Unlike the reader's end it stays: when the link above is closed, or nothing has come for long, the
line goes back to 300 baud and the next reader signs on.
"""

from __future__ import annotations

from collections import deque

from ferraris.core.errors import DecodeError, LineError, UsageError
from ferraris.core.layer import Closed, Deliver, LineSettings, Notice, Opened
from ferraris.core.stack import Plain
from ferraris.transport.iec62056_21.characters import proven, sent, start_settings
from ferraris.transport.iec62056_21.lines import LineReader
from ferraris.transport.iec62056_21.messages import (
    BAUD_RATES,
    Identification,
    OptionSelect,
    Request,
)
from ferraris.transport.iec62056_21.opening import REACTION_S
from ferraris.transport.iec62056_21.states import METER, Happening, State, step

__all__ = ["MeterOpening"]

_WHERE = "iec62056-21"
_REACTION_S = 0.2  # the shortest reaction time of a meter [iec21-facts]
_MARGIN_S = 0.5  # what ports and adapters add before they hand octets on [memory]


class MeterOpening(Plain[bytes, bytes, bytes]):
    """Answers requests for `address` with `identification`, and carries octets in mode E.

    `confirms`: repeat the reader's acknowledgement at 300 baud, as most meters do.
    `software_parity` is as for readers. After `inactivity_timeout_s` without an octet it closes, to
    be opened again.
    """

    _down: deque[bytes | LineSettings]  # type: ignore[assignment]
    _until: float | None
    _left: bool  # a line of the dialogue was given: its clock starts when it has left

    def __init__(
        self,
        identification: Identification,
        *,
        address: str = "",
        confirms: bool = True,
        software_parity: bool = False,
        inactivity_timeout_s: float = 120.0,
    ) -> None:
        super().__init__()
        if identification.baud is None:
            text = f"Z = {identification.speed} is no speed of mode E"
            raise UsageError(text, where=_WHERE)
        self.identification = identification
        self.address = address
        self.confirms = confirms
        self.software_parity = software_parity
        self.inactivity_timeout_s = inactivity_timeout_s
        self._lines = LineReader()
        self._state = State.CLOSED
        self._begin()

    @property
    def room(self) -> bool:
        return self._state is State.CARRYING and not self._down

    @property
    def deadline(self) -> float | None:
        return self._until

    def open(self, now: float) -> None:
        self._step(Happening.LISTEN)
        self._listen()

    def close(self, now: float) -> None:
        self._end(Happening.DISCONNECT, Closed())

    def cancel(self, now: float) -> None:
        if self._state is State.CARRYING:
            self._down.clear()

    def send(self, unit: bytes, now: float) -> None:
        if not self.room:
            raise UsageError(f"no room while {self._state.value}", where=_WHERE)
        self._down.append(unit)
        self._until = now + self.inactivity_timeout_s

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._end(Happening.LOST, what)
        else:
            super().notice(what, now)

    def receive(self, unit: bytes, now: float) -> None:
        if self._state is State.CARRYING:
            self._until = now + self.inactivity_timeout_s
            self._up.append(Deliver(unit))
            return
        characters = proven(unit, self.software_parity)
        while characters and self._state in {State.LISTENING, State.IDENTIFYING, State.SELECTING}:
            line, taken = self._lines.take(characters)
            characters = characters[taken:]
            if line is None:
                continue
            if line.startswith(b"/"):
                self._requested(line, now)
            elif self._state is State.SELECTING or self._left:
                # A quick reader is heard before the port says that the identification has left.
                self._left = False
                self._selected(line, now)

    def wake(self, now: float) -> None:
        if self._until is None or now < self._until:
            return
        self._until = None
        if self._state is State.IDENTIFYING:
            self._put(self.identification.to_octets())
        elif self._state is State.ACKNOWLEDGING:
            self._confirm()
        elif self._state is State.SELECTING:
            self._step(Happening.REPEAT)
        elif self._state is State.CARRYING:
            text = f"no octet for {self.inactivity_timeout_s:g} s"
            self._end(Happening.INACTIVITY, Closed(LineError(text, where=_WHERE)))

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        if self._left:
            self._left = False
            self._has_left(now)
        if not self._down:
            return None
        self._left = self._state is not State.CARRYING
        return self._down.popleft()

    # -- the dialogue -------------------------------------------------------------------------

    def _requested(self, line: bytes, now: float) -> None:
        try:
            wanted = Request.from_octets(line)
        except DecodeError:
            return  # noise, or what the optical head sends back
        if wanted.is_for(self.address):
            self._step(Happening.REQUEST)
            self._down.clear()
            self._left = False
            self._until = now + _REACTION_S

    def _selected(self, line: bytes, now: float) -> None:
        try:
            option = OptionSelect.from_octets(line)
        except DecodeError:
            return
        self._until = None
        if option.is_hdlc and option.speed <= self.identification.speed:
            self._option = option
            self._step(Happening.OPTION_SELECT)
            self._until = now + _REACTION_S
        else:
            self._step(Happening.REFUSED)  # data readout and programming are not for us

    def _confirm(self) -> None:
        if self.confirms:
            self._put(self._option.to_octets())
        else:
            self._switch()

    def _has_left(self, now: float) -> None:
        if self._state is State.IDENTIFYING:
            self._step(Happening.IDENTIFIED)
            self._lines.reset()
            self._until = now + REACTION_S + _MARGIN_S
        elif self._state is State.ACKNOWLEDGING:
            self._switch()
        elif self._state is State.SWITCHING:
            self._step(Happening.SWITCHED)
            self._until = now + self.inactivity_timeout_s
            self._up.append(Opened())

    def _put(self, line: bytes) -> None:
        self._down.append(sent(line, self.software_parity))

    def _switch(self) -> None:
        self._step(Happening.CONFIRMED)
        self._down.append(LineSettings(BAUD_RATES[self._option.speed]))

    # -- beginning and ending -----------------------------------------------------------------

    def _step(self, happening: Happening) -> None:
        self._state = step(METER, self._state, happening)

    def _begin(self) -> None:
        self._down.clear()
        self._lines.reset()
        self._until = None
        self._left = False
        self._option = OptionSelect("2", "0", "2")

    def _listen(self) -> None:
        self._begin()
        self._down.append(start_settings(self.software_parity))

    def _end(self, happening: Happening, what: Closed) -> None:
        was_open = self._state is not State.CLOSED
        self._step(happening)
        self._begin()
        if was_open:
            self._up.append(what)
