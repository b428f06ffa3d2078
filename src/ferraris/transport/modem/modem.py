"""A modem under a link: initialise, dial, carry, notice a lost carrier, hang up.

It stays under the link for as long as the connection lives, `over(hdlc, modem)`: who else would
hear that the carrier is lost, or hang up when the link is closed?
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from ferraris.core.errors import Error, IncompatibleError, LineError, RefusedError, UsageError
from ferraris.core.layer import Closed, Deliver, LineSettings, Notice, Opened
from ferraris.core.stack import Plain
from ferraris.transport.modem.results import Result, ResultReader
from ferraris.transport.modem.states import MODEM, Happening, State, step

__all__ = ["Modem"]

_WHERE = "modem"
_ESCAPE = b"+++"
_CARRIER_LOST = b"\r\nNO CARRIER\r\n"
_PHONE = re.compile(r"[0-9*#+A-D,WPT@!;() -]{1,40}", re.IGNORECASE)
_COMMAND = re.compile(r"AT[ -~]{0,120}", re.IGNORECASE)
_WHY = {
    Result.BUSY: "the number is busy: try again later",
    Result.NO_ANSWER: "nobody answers at this number",
    Result.NO_DIALTONE: "there is no dial tone: is the telephone line plugged in?",
    Result.NO_CARRIER: "no modem answers at this number, or the two do not agree",
}
_SILENT = (
    "the modem does not answer to {command!r}: it is off, has another speed, or is no modem at all"
)


class Modem(Plain[bytes, bytes, bytes]):
    """Dials `phone` when opened, then carries octets both ways until closed.

    `initialisation` are AT commands, each of which must be answered by OK within
    `command_timeout_s`. The first is sent up to three times, since modems learn their speed from
    it, and what may be left of an earlier call is hung up after the first. `dial` is the command
    before the number. The connection must come within `dial_timeout_s`.

    Hanging up is by escape sequence, with `guard_s` of silence before and after it; without
    `escape` by closing the port, which drops DTR. NO CARRIER among the data counts when nothing
    follows it for `guard_s`; as a number it cannot be told from data, and the link above notices.
    """

    _down: deque[bytes]
    _until: float | None
    _waits: float | None  # the clock that starts when the command has left
    _tail: bytes  # the end of what came, as far as it may be NO CARRIER

    def __init__(
        self,
        phone: str,
        *,
        initialisation: Sequence[str] = ("ATE0V1",),
        dial: str = "ATD",
        dial_timeout_s: float = 60.0,
        command_timeout_s: float = 5.0,
        guard_s: float = 1.0,
        escape: bool = True,
    ) -> None:
        super().__init__()
        if not _PHONE.fullmatch(phone):
            text = "a phone number has up to 40 digits, and signs such as +, comma, T, W"
            raise UsageError(text, where=_WHERE)
        for command in (*initialisation, dial):
            if not _COMMAND.fullmatch(command):
                text = f"{command[:40]!r} is no command to a modem: it begins with AT"
                raise UsageError(text, where=_WHERE)
        self._commands = [command.encode("ascii") for command in initialisation]
        self._dial = f"{dial}{phone}".encode("ascii")
        self._dial_name = dial
        self.dial_timeout_s = dial_timeout_s
        self.command_timeout_s = command_timeout_s
        self.guard_s = guard_s
        self.escape = escape
        self._reader = ResultReader()
        self._state = State.DOWN
        self._begin()

    @property
    def room(self) -> bool:
        return self._state is State.CONNECTED and not self._down

    @property
    def expects(self) -> bool:
        return self._until is not None and self._state is not State.CONNECTED

    @property
    def deadline(self) -> float | None:
        return self._until

    # -- from above -------------------------------------------------------------------------

    def open(self, now: float) -> None:
        if self._state is State.DOWN:
            self._begin()
            self._step(Happening.CONNECT)
            self._next()

    def close(self, now: float) -> None:
        if self._state is not State.CONNECTED or not self.escape:
            self._end(Happening.DROP, None)
            return
        self._step(Happening.HANG_UP)
        self._down.clear()
        self._reader.reset()
        self._until = now + self.guard_s

    def cancel(self, now: float) -> None:
        if self._state is State.CONNECTED:
            self._down.clear()

    def send(self, unit: bytes, now: float) -> None:
        if not self.room:
            raise UsageError(f"the modem has no room ({self._state.value})", where=_WHERE)
        self._down.append(unit)

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._end(Happening.LOST, what.error)
        else:
            super().notice(what, now)

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        if self._waits is not None:
            self._until, self._waits = now + self._waits, None
        if not self._down:
            return None
        if self._state is not State.CONNECTED:
            self._waits = self._patience()
        return self._down.popleft()

    # -- from below -------------------------------------------------------------------------

    def receive(self, unit: bytes, now: float) -> None:
        while unit and self._state not in {State.DOWN, State.CONNECTED}:
            result, taken = self._reader.take(unit)
            unit = unit[taken:]
            if result is not None:
                self._take(result)
        if self._state is State.CONNECTED:
            unit = self._reader.rest(unit)
            if unit:
                self._carry(unit, now)

    def _carry(self, unit: bytes, now: float) -> None:
        self._up.append(Deliver(unit))
        self._tail = (self._tail + unit)[-len(_CARRIER_LOST) :]
        self._until = now + self.guard_s if self._tail == _CARRIER_LOST else None

    def wake(self, now: float) -> None:
        if self._until is None or now < self._until:
            return
        self._until = None
        state = self._state
        if state is State.CONNECTED:
            text = "carrier lost: the meter or the network has hung up"
            self._end(Happening.CARRIER_LOST, LineError(text, where=_WHERE))
        elif state is State.GUARDING:
            self._step(Happening.GUARDED)
            self._down.append(_ESCAPE)
        elif state is State.ESCAPING:
            self._step(Happening.REPEAT)  # no OK: it may be in command state all the same
            self._put(b"ATH")
        elif state is State.HANGING_UP:
            self._hung_up(Happening.SILENCE)
        elif state is State.DIALLING:
            text = f"no connection within {self.dial_timeout_s:g} s"
            self._end(Happening.SILENCE, LineError(text, where=_WHERE))
        else:
            self._repeat()

    # -- the dialogue -----------------------------------------------------------------------

    def _next(self) -> None:
        """The next initialisation, then the number."""
        if self._place < len(self._commands):
            self._put(self._commands[self._place])
        else:
            self._step(Happening.DIAL)
            self._put(self._dial)

    def _repeat(self) -> None:
        self._tries += 1
        if self._place == 0 and self._tries < 3:
            self._reader.reset()
            if self._tries == 1:  # the silence of this time-out is the guard time, too
                self._recovering = True
                self._step(Happening.RECOVER)
                self._down.append(_ESCAPE)
            else:
                self._step(Happening.REPEAT)
                self._put(self._commands[0])
            return
        command = self._commands[self._place].decode("ascii")
        text = _SILENT.format(command=command)
        self._end(Happening.SILENCE, LineError(text, where=_WHERE))

    def _take(self, result: Result) -> None:
        state = self._state
        if result is Result.RING:
            return
        if state is State.INITIALISING:
            self._initialised(result)
        elif state is State.DIALLING:
            self._dialled(result)
        elif result in {Result.OK, Result.NO_CARRIER, Result.ERROR} and state is not State.GUARDING:
            self._escaped(result)

    def _initialised(self, result: Result) -> None:
        if result is Result.OK:
            self._step(Happening.OK)
            self._until = self._waits = None
            self._down.clear()
            self._place += 1
            self._next()
        elif result is Result.ERROR:
            command = self._commands[self._place].decode("ascii")
            text = f"the modem does not take {command!r}: give it another initialisation"
            self._end(Happening.FAILED, IncompatibleError(text, where=_WHERE))

    def _dialled(self, result: Result) -> None:
        if result is Result.CONNECT:
            self._step(Happening.CONNECTED)
            self._until = self._waits = None
            self._up.append(Opened())
        elif result is Result.ERROR:
            text = f"the modem does not take '{self._dial_name}' with this number"
            self._end(Happening.FAILED, IncompatibleError(text, where=_WHERE))
        elif result in _WHY:
            error = RefusedError(_WHY[result], reason=result, where=_WHERE)
            self._end(Happening.FAILED, error)

    def _escaped(self, result: Result) -> None:
        if self._state is State.HANGING_UP:
            self._hung_up(Happening.OK)
        elif result is Result.OK:
            self._step(Happening.OK)
            self._until = self._waits = None
            self._put(b"ATH")
        elif result is Result.NO_CARRIER:
            self._hung_up(Happening.CARRIER_LOST)

    def _hung_up(self, happening: Happening) -> None:
        if not self._recovering:
            self._end(happening, None)
            return
        self._recovering = False
        self._step(Happening.RECOVERED)
        self._until = self._waits = None
        self._put(self._commands[0])

    def _put(self, command: bytes) -> None:
        self._down.append(command + b"\r")

    def _patience(self) -> float:
        """How long to wait for an answer to what is being sent."""
        if self._state is State.DIALLING:
            return self.dial_timeout_s
        if self._state is State.ESCAPING:
            return self.guard_s + 1.0
        return self.command_timeout_s

    # -- beginning and ending ---------------------------------------------------------------

    def _step(self, happening: Happening) -> None:
        self._state = step(MODEM, self._state, happening)

    def _begin(self) -> None:
        self._down.clear()
        self._reader.reset()
        self._until = None
        self._waits = None
        self._place = 0
        self._tries = 0
        self._tail = b""
        self._recovering = False

    def _end(self, happening: Happening, error: Error | None) -> None:
        was_up = self._state is not State.DOWN
        self._step(happening)
        self._begin()
        if was_up:
            self._up.append(Closed(error))
