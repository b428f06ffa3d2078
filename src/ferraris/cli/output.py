"""Values as JSON, exact to the last digit, and as indented text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

__all__ = ["indented", "json_text"]


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
