"""Result codes of a modem, in words and in numbers, out of what it says in command state.

Numbers are those of ITU-T V.250 and its forerunners [memory].
"""

from __future__ import annotations

from enum import Enum

from ferraris.core.errors import DecodeError

__all__ = ["LONGEST", "Result", "ResultReader", "parse_result"]

_WHERE = "modem"
LONGEST = 256
"""Octets of a line that we take; more is noise."""


class Result(Enum):
    """What a modem answers."""

    OK = "OK"
    CONNECT = "CONNECT"
    RING = "RING"
    NO_CARRIER = "NO CARRIER"
    ERROR = "ERROR"
    NO_DIALTONE = "NO DIALTONE"
    BUSY = "BUSY"
    NO_ANSWER = "NO ANSWER"


_NUMBERS = {
    "0": Result.OK,
    "1": Result.CONNECT,
    "2": Result.RING,
    "3": Result.NO_CARRIER,
    "4": Result.ERROR,
    "5": Result.CONNECT,  # at 1200 bit/s; makers number faster ones from 10 on
    "6": Result.NO_DIALTONE,
    "7": Result.BUSY,
    "8": Result.NO_ANSWER,
}
_WORDS = {
    "OK": Result.OK,
    "RING": Result.RING,
    "RINGING": Result.RING,
    "NO CARRIER": Result.NO_CARRIER,
    "ERROR": Result.ERROR,
    "NO DIALTONE": Result.NO_DIALTONE,
    "NO DIAL TONE": Result.NO_DIALTONE,
    "BUSY": Result.BUSY,
    "NO ANSWER": Result.NO_ANSWER,
}
_EXTENDED = ("+CME ERROR", "+CMS ERROR")


def parse_result(line: bytes) -> Result:
    """The result code that a line is, without CR and LF; `DecodeError` when it is none."""
    text = line.decode("latin-1").strip()
    found = _WORDS.get(text) or _NUMBERS.get(text)
    if found is not None:
        return found
    if text == "CONNECT" or text.startswith(("CONNECT ", "CONNECT/")):
        return Result.CONNECT
    if text.startswith(_EXTENDED):
        return Result.ERROR
    if text.isascii() and text.isdigit() and int(text[:4]) >= 10 and len(text) <= 3:
        return Result.CONNECT
    raise DecodeError("this is no result code", where=_WHERE, octets=line)


class ResultReader:
    """Feeds on chunks of any size, gives one result at a time; echoes and other lines are skipped.

    Lines end with CR; a LF after it, in the same chunk or the next, belongs to it.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_return = False

    def reset(self) -> None:
        """Forget what came in part."""
        self._line.clear()
        self._after_return = False

    def take(self, octets: bytes) -> tuple[Result | None, int]:
        """Take octets up to the end of one result; the result if it came, how many were taken."""
        for place, octet in enumerate(octets):
            if octet in b"\r\n":
                line = bytes(self._line)
                self._line.clear()
                try:
                    found = parse_result(line)
                except DecodeError:
                    continue
                self._after_return = octet == 0x0D
                return found, place + 1
            if len(self._line) < LONGEST:
                self._line.append(octet)
        return None, len(octets)

    def rest(self, octets: bytes) -> bytes:
        """What of the octets behind a result is data: not the LF that ends its line."""
        if not octets or not self._after_return:
            return octets
        self._after_return = False
        return octets[1:] if octets.startswith(b"\n") else octets
