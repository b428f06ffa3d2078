"""Lines that open a serial or modem connection before DLMS begins, read and explained.

The sign-on of IEC 62056-21 up to mode E, and what a modem and its computer say to each other
[memory, facts of several open readers].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ferraris.core.errors import DecodeError
from ferraris.core.explain import Line

__all__ = ["opening_lines", "opening_shape"]

_BAUD = {ord("0") + n: 300 << n for n in range(7)}
_MODES = {ord("0"): "data readout", ord("1"): "programming", ord("2"): "binary, HDLC (mode E)"}
_PROCEDURES = {ord("0"): "normal", ord("1"): "secondary", ord("2"): "HDLC"}

_REQUEST = re.compile(rb"(?P<start>/\?)(?P<address>[ -~]{0,32})(?P<end>!\r\n)")
_IDENTIFICATION = re.compile(
    rb"(?P<start>/)(?P<manufacturer>[A-Za-z]{3})(?P<baud>[!-~])(?P<mode>(\\[ -~])*)"
    rb"(?P<identification>[ -~]{0,32})(?P<end>\r\n)"
)
_OPTION = re.compile(
    rb"(?P<start>\x06)(?P<procedure>[0-9])(?P<baud>[0-9])(?P<option>[0-9])(?P<end>\r\n)"
)
_COMMAND = re.compile(rb"(?P<start>[Aa][Tt])(?P<command>[ -~]{0,256})(?P<end>\r\n?)")
_RESULT = re.compile(
    rb"(\r\n)?(?P<result>OK|RING|ERROR|BUSY|NO CARRIER|NO DIALTONE|NO ANSWER|CONNECT[ -~]{0,64})"
    rb"(?P<end>\r\n)"
)
_KINDS = {
    "request message": _REQUEST,
    "identification message": _IDENTIFICATION,
    "option select message": _OPTION,
    "modem command": _COMMAND,
    "modem result": _RESULT,
}


def opening_shape(octets: bytes) -> dict[str, Any]:
    """What the line is and says, by names; `DecodeError` when it is none of these."""
    kind, match = _match(octets)
    shape: dict[str, Any] = {"line": kind}
    for name, octets_of in match.groupdict().items():
        if name in ("start", "end") or octets_of is None:
            continue
        if name == "baud" and octets_of[0] in _BAUD:
            shape["baud"] = _BAUD[octets_of[0]]
        else:
            shape[name] = octets_of.decode("ascii")
    return shape


def opening_lines(octets: bytes) -> list[Line]:
    """The parts of the line; `DecodeError` when it is none of these."""
    kind, match = _match(octets)
    return [Line(0, b"", 0, kind), *_parts(octets, match)]


def _match(octets: bytes) -> tuple[str, re.Match[bytes]]:
    for kind, pattern in _KINDS.items():
        match = pattern.fullmatch(octets)
        if match is not None:
            return kind, match
    raise DecodeError("no line that opens a connection", where="opening")


def _parts(octets: bytes, match: re.Match[bytes]) -> Iterator[Line]:
    position = 0
    for name in match.groupdict():
        start, end = match.span(name)
        if start > position:
            yield Line(position, octets[position:start], 1, "end of line")
        if end > start >= 0:
            yield Line(start, octets[start:end], 1, _words(name, octets[start:end]))
            position = end


def _words(name: str, octets: bytes) -> str:
    text = octets.decode("latin-1")
    if name == "start":
        return "acknowledge" if octets == b"\x06" else f"start {text}"
    if name == "end":
        return "end of line"
    if name == "baud":
        rate = _BAUD.get(octets[0])
        return f"baud rate character {text}" + (f": {rate} Bd" if rate else "")
    if name == "procedure":
        return f"protocol control character {text}: {_PROCEDURES.get(octets[0], 'reserved')}"
    if name == "option":
        return f"mode control character {text}: {_MODES.get(octets[0], 'of the manufacturer')}"
    return f"{name} {text}"
