"""A simulated modem: AT commands in, result codes out, then octets both ways."""

from __future__ import annotations

import re

__all__ = ["SimulatedModem"]

_ESCAPE = b"+++"
_NUMBERS = {"OK": "0", "CONNECT": "1", "NO CARRIER": "3", "ERROR": "4", "BUSY": "7"}
_SETTING = re.compile(r"([EV])([01])")


class SimulatedModem:
    """What lies between a port and a telephone network, with `now` in monotonic seconds.

    `outcome` is what dialling brings, such as "CONNECT 9600" or "BUSY". `words` and `echo` are as
    after power-on; ATE and ATV change them. `guard_s` of silence surround an escape sequence.
    """

    def __init__(
        self,
        *,
        outcome: str = "CONNECT 9600",
        words: bool = True,
        echo: bool = True,
        guard_s: float = 0.3,
    ) -> None:
        self.outcome = outcome
        self.words = words
        self.echo = echo
        self.guard_s = guard_s
        self.online = False
        self.dialled: list[str] = []
        self.deadline: float | None = None
        """When `wake` is due: an escape sequence was heard and silence follows it."""
        self._line = bytearray()
        self._heard_at = float("-inf")

    def heard(self, octets: bytes, now: float) -> tuple[bytes, bytes]:
        """Take octets from the port; what goes back to it, and what goes into the network."""
        quiet = now - self._heard_at >= self.guard_s
        self._heard_at = now
        if not self.online:
            return self._commands(octets), b""
        if self.deadline is not None:
            self.deadline = None
            return b"", _ESCAPE + octets
        if octets == _ESCAPE and quiet:
            self.deadline = now + self.guard_s
            return b"", b""
        return b"", octets

    def wake(self, now: float) -> bytes:
        """The silence after an escape sequence is over: what goes to the port."""
        if self.deadline is None or now < self.deadline:
            return b""
        self.deadline = None
        self.online = False
        return self._result("OK")

    def lose_carrier(self) -> bytes:
        """The other end has hung up: what goes to the port."""
        if not self.online:
            return b""
        self.drop()
        return self._result("NO CARRIER")

    def drop(self) -> None:
        """The port has dropped DTR: hang up, and wait for commands."""
        self.online = False
        self.deadline = None
        self._line.clear()

    def _commands(self, octets: bytes) -> bytes:
        answer = bytearray()
        for octet in octets:
            if self.echo:
                answer.append(octet)
            if octet == 0x0D:
                command = self._line.decode("latin-1").strip().upper()
                self._line.clear()
                answer += self._obey(command)
            elif octet != 0x0A:
                self._line.append(octet)
        return bytes(answer)

    def _obey(self, command: str) -> bytes:
        if not command:
            return b""
        if not command.startswith("AT"):
            return self._result("ERROR")
        if command.startswith("ATD"):
            self.dialled.append(command[3:])
            self.online = self.outcome.startswith("CONNECT")
            return self._result(self.outcome)
        for letter, value in _SETTING.findall(command[2:]):
            if letter == "E":
                self.echo = value == "1"
            else:
                self.words = value == "1"
        return self._result("OK")

    def _result(self, text: str) -> bytes:
        if self.words:
            return f"\r\n{text}\r\n".encode("ascii")
        known = "CONNECT" if text.startswith("CONNECT") else text
        return f"{_NUMBERS.get(known, '4')}\r".encode("ascii")
