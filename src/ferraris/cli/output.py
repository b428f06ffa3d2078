"""Values as JSON, exact to the last digit, and as indented text; explained octets in colour."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, TextIO

from ferraris.core.explain import Line

__all__ = ["aligned", "colourful", "explained_text", "indented", "json_text"]

_ROW_OCTETS = 8

# Of the sixteen colours of every terminal, those that can be read on black and on white.
_DIM, _BOLD, _RED, _GREEN, _MAGENTA, _CYAN = "2", "1", "31", "32", "35", "36"
_WRONG = ("not understood", "left over", "no frame", "no wrapper unit")


def json_text(value: Any) -> str:
    """One line of JSON. Decimals are written digit by digit, octets as hex, NaN as null."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(str(k))}: {json_text(v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    if isinstance(value, bytes):
        return json.dumps(value.hex())
    if isinstance(value, str):
        # Octets that are no text ride in surrogates; JSON for programs holds none.
        return json.dumps(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return json.dumps(value)


def indented(value: Any, *, depth: int = 0) -> Iterator[str]:
    """The same value as lines of text for people."""
    pairs: Any
    if isinstance(value, dict):
        pairs = [(str(key).replace("_", "-"), each) for key, each in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [("-", each) for each in value]
    else:
        yield "  " * depth + _scalar(value)
        return
    for name, each in pairs:
        mark = name if name == "-" else f"{name}:"
        if isinstance(each, dict | list | tuple) and each:
            if _short(each):
                yield "  " * depth + f"{mark} [{', '.join(map(_scalar, each))}]"
                continue
            yield "  " * depth + mark
            yield from indented(each, depth=depth + 1)
        elif each is not None:
            yield "  " * depth + f"{mark} {_scalar(each)}"


def _short(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) <= 8
        and not any(isinstance(each, dict | list | tuple) for each in value)
        and sum(len(_scalar(each)) for each in value) <= 72
    )


def _scalar(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex() or "(no octets)"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict | list | tuple):
        return "(none)"
    return "".join(c if c.isprintable() else "·" for c in str(value))


def aligned(rows: Sequence[dict[str, Any]], *, right: Sequence[str] = ()) -> Iterator[str]:
    """Rows of the same names as lines with straight columns; those named in `right` end flush."""
    widths: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            widths[name] = max(widths.get(name, 0), len(str(value)))
    for row in rows:
        cells = (
            str(value).rjust(widths[name]) if name in right else str(value).ljust(widths[name])
            for name, value in row.items()
        )
        yield "  ".join(cells).rstrip()


def colourful(stream: TextIO) -> bool:
    """Is this a terminal whose owner likes colour? `NO_COLOR` with any value says no."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def explained_text(lines: Sequence[Line], *, colour: bool = False) -> Iterator[str]:
    """Explained octets as rows: offset, octets, and what they say, indented by nesting.

    A `=` before the offset marks what was deciphered and so stands nowhere in the telegram.
    """

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text

    width = 3 * _ROW_OCTETS
    for line in lines:
        rows = [line.shown[n : n + 2 * _ROW_OCTETS] for n in range(0, len(line.shown), 16)] or [""]
        mark = "=" if line.deciphered else " "
        offset = f"{mark}{line.offset:5d}" if line.octets else mark.rjust(6)
        hexes = [" ".join(row[n : n + 2] for n in range(0, len(row), 2)) for row in rows]
        text = "  " * line.depth + "".join(c if c.isprintable() else "·" for c in line.text)
        octets = paint(hexes[0], _MAGENTA if line.secret else _CYAN)
        gap = " " * (width - len(hexes[0]))
        yield f"{paint(offset, _DIM)}  {octets}{gap} {paint(text, _colour(line))}".rstrip()
        for each in hexes[1:]:
            yield " " * 8 + paint(each, _MAGENTA if line.secret else _CYAN)


def _colour(line: Line) -> str:
    text = line.text
    if text.startswith(_WRONG) or ", wrong: " in text or ", not verified: " in text:
        return _RED
    if text.endswith((", right", ", verified")):
        return _GREEN
    if line.secret:
        return _MAGENTA
    return "0" if line.octets else _BOLD
