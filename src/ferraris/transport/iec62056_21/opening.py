"""The reader's end of the opening of mode E: request, identification, acknowledgement, new speed.

It ends in order when the line is ready for HDLC, so that `then(opening, hdlc)` puts HDLC in its
place. Nothing that comes while the speed changes is of use: a meter speaks only when it is asked.
"""

from __future__ import annotations

from collections import deque

from ferraris.core.errors import (
    DecodeError,
    Error,
    IncompatibleError,
    LineError,
    SequenceError,
    UsageError,
)
from ferraris.core.layer import Closed, Failed, LineSettings, Notice
from ferraris.core.stack import Plain
from ferraris.transport.iec62056_21.characters import proven, sent, start_settings
from ferraris.transport.iec62056_21.lines import LineReader
from ferraris.transport.iec62056_21.messages import (
    ACK,
    BAUD_RATES,
    LONGEST,
    NAK,
    STX,
    Identification,
    OptionSelect,
    Request,
)
from ferraris.transport.iec62056_21.states import READER, Happening, State, step

__all__ = ["REACTION_S", "Opening"]

_WHERE = "iec62056-21"

REACTION_S = 1.5
"""The longest reaction time, and the longest pause between two characters. [memory]"""

_MARGIN_S = 0.5  # what ports and adapters add before they hand octets on [memory]
_PAUSE_S = 0.3  # for a meter to change its speed [iec21-facts]
_NOISE = 4 * LONGEST  # characters that put a time-out off; more is noise
_ECHO = b"/?"
_SILENT = (
    "no identification after {tries} requests: the optical head is not in its place, the address "
    "is wrong, or the port or head does not do 300 baud 7E1"
)


class Opening(Plain[bytes, bytes, bytes]):
    """Signs on at 300 baud and asks for HDLC; takes no units from above.

    `address` is that of the device, empty for whichever is there. `fastest` is the highest speed
    that we can do, None for what the meter proposes. `software_parity`: the port has 8-bit
    characters only, so parity is made and proven here. The request is sent `max_tries` times. An
    optical head that sends back all we send is recognised by the echo of the request. Ends with
    `Closed` of `IncompatibleError` when the meter has no mode E or a speed that we cannot do.
    """

    identification: Identification | None = None
    """How the meter identified itself, once it has."""

    _down: deque[bytes | LineSettings]  # type: ignore[assignment]
    _until: float | None
    _left: bool  # what was given last ends a turn: its clock starts when it has left
    _refusal: str | None
    _wrong: Error | None

    def __init__(
        self,
        *,
        address: str = "",
        fastest: int | None = None,
        software_parity: bool = False,
        max_tries: int = 3,
    ) -> None:
        super().__init__()
        self._request = Request(address).to_octets()
        speeds = [z for z, baud in BAUD_RATES.items() if fastest is None or baud <= fastest]
        if not speeds:
            text = f"{fastest} baud is slower than the opening itself: at least 300 are needed"
            raise UsageError(text, where=_WHERE)
        self._speeds = speeds
        self.software_parity = software_parity
        self.max_tries = max_tries
        self._lines = LineReader()
        self._state = State.CLOSED
        self._begin()

    @property
    def room(self) -> bool:
        return False

    @property
    def expects(self) -> bool:
        return self._until is not None

    @property
    def deadline(self) -> float | None:
        return self._until

    def open(self, now: float) -> None:
        self._begin()
        self._step(Happening.CONNECT)
        self._down.append(start_settings(self.software_parity))
        self._put(self._request)

    def close(self, now: float) -> None:
        self._end(Happening.DISCONNECT, None)

    def cancel(self, now: float) -> None:
        self._begin()
        self._step(Happening.DISCONNECT)

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._end(Happening.LOST, what.error)
        else:
            super().notice(what, now)

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        if self._left:
            self._left = False
            pause = _PAUSE_S if self._state is State.SWITCHING else REACTION_S + _MARGIN_S
            self._until = now + pause
        if not self._down:
            return None
        self._left = len(self._down) == 1
        return self._down.popleft()

    def receive(self, unit: bytes, now: float) -> None:
        characters = proven(unit, self.software_parity)
        while characters and self._state in {State.SIGNING_ON, State.CONFIRMING}:
            line, taken = self._lines.take(characters)
            characters = characters[taken:]
            if line is not None:
                self._take(line)
        waits = self._until is not None and self._state is not State.SWITCHING
        if waits and self._lines.heard <= _NOISE:
            self._until = now + REACTION_S + _MARGIN_S

    def wake(self, now: float) -> None:
        if self._until is None or now < self._until:
            return
        self._until = None
        if self._state is State.SWITCHING:
            self._end(Happening.SWITCHED, None)
        elif self._state is State.CONFIRMING:
            if self._refusal is None:
                self._switch(Happening.REPEAT)
            else:
                self._end(Happening.REFUSED, IncompatibleError(self._refusal, where=_WHERE))
        elif self._tries < self.max_tries:
            self._step(Happening.REPEAT)
            self._lines.reset()
            self._put(self._request)
        else:
            text = _SILENT.format(tries=self._tries)
            self._end(Happening.SILENCE, self._wrong or LineError(text, where=_WHERE))

    # -- what comes ---------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        if self._state is State.SIGNING_ON:
            if line.startswith(_ECHO):
                self._echoes = True
            elif line.startswith(b"/"):
                self._identified(line)
        elif line[0] == ACK:
            if self._echoes:
                self._echoes = False  # of this line; what comes next is the meter's own
            else:
                self._confirmed(line)
        elif line[0] == NAK:
            self._refusal = f"{self._name} refuses HDLC (NAK to protocol 2, mode 2)"
        elif line[0] == STX:
            self._refusal = f"{self._name} sends its data readout instead of going over to HDLC"

    def _identified(self, line: bytes) -> None:
        try:
            found = Identification.from_octets(line)
        except DecodeError as error:
            self._wrong = error
            self._up.append(Failed(error))
            return
        self.identification = found
        self._name = f"the meter {found.manufacturer} {found.identification}".strip()
        if found.mode != "E":
            text = f"{self._name} offers mode {found.mode} only: there is no HDLC on this port"
            self._end(Happening.REFUSED, IncompatibleError(text, where=_WHERE))
        elif found.baud is None:
            text = f"{self._name} proposes a speed that is reserved (Z = {found.speed})"
            self._end(Happening.REFUSED, IncompatibleError(text, where=_WHERE))
        else:
            self._speed = min(found.speed, self._speeds[-1])
            self._step(Happening.IDENTIFICATION)
            self._lines.reset()
            self._until = None
            self._down.clear()
            self._put(OptionSelect("2", self._speed, "2").to_octets())

    def _confirmed(self, line: bytes) -> None:
        try:
            found = OptionSelect.from_octets(line)
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        if found == OptionSelect("2", self._speed, "2"):
            self._switch(Happening.CONFIRMATION)
        else:
            text = f"{self._name} confirms something else than HDLC at {BAUD_RATES[self._speed]}"
            self._end(Happening.REFUSED, SequenceError(text, where=_WHERE, octets=line))

    # -- what goes ----------------------------------------------------------------------------

    def _put(self, line: bytes) -> None:
        if self._state is State.SIGNING_ON:
            self._tries += 1
        self._down.append(sent(line, self.software_parity))

    def _switch(self, happening: Happening) -> None:
        self._step(happening)
        self._until = None
        self._down.clear()
        self._down.append(LineSettings(BAUD_RATES[self._speed]))

    def _step(self, happening: Happening) -> None:
        self._state = step(READER, self._state, happening)

    def _begin(self) -> None:
        self._down.clear()
        self._lines.reset()
        self._until = None
        self._left = False
        self._tries = 0
        self._echoes = False
        self._speed = "0"
        self._name = "the meter"
        self._refusal = None
        self._wrong = None

    def _end(self, happening: Happening, error: Error | None) -> None:
        was_open = self._state is not State.CLOSED
        self._step(happening)
        self._begin()
        if was_open:
            self._up.append(Closed(error))
