"""Values as exact text, and what kind a value is that is no whole number."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from ferraris.data.date_time import DateTime
from ferraris.data.kinds import BitString

__all__ = ["KINDS", "plain_number", "scaled", "spelled"]

KINDS: Final = (
    "integer", "none", "text", "octets", "float", "decimal", "boolean", "date-time", "bits", "list",
)  # fmt: skip
"""What a value can be; the text of one that is no whole number of 64 bits says it exactly."""

_INTEGER, _NONE, _TEXT, _OCTETS, _FLOAT, _DECIMAL, _BOOLEAN, _TIME, _BITS, _LIST = range(len(KINDS))
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1

# Special kinds first: a boolean is an int, a date-time is a bytes.
_SPELLINGS: Final[tuple[tuple[Any, int, Callable[[Any], str]], ...]] = (
    (bool, _BOOLEAN, lambda value: str(value).lower()),
    (int, _INTEGER, str),
    (str, _TEXT, str),
    (DateTime, _TIME, bytes.hex),
    (bytes, _OCTETS, bytes.hex),
    (float, _FLOAT, repr),
    (Decimal, _DECIMAL, str),
    (BitString, _BITS, lambda bits: str(bits.text)),
)


def scaled(value: int, scaler: int) -> str:
    """A whole number times ten to the scaler, all digits kept: 1500 and -3 are 1.500."""
    if scaler >= 0:
        return str(value) if scaler == 0 else str(value * 10**scaler)
    digits = str(abs(value)).rjust(1 - scaler, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:scaler]}.{digits[scaler:]}"


def plain_number(value: Any) -> bool:
    """Whether it is a whole number of 64 bits."""
    return type(value) is int and _LEAST <= value <= _MOST


def spelled(value: Any) -> tuple[int, str | None]:
    """The place of its kind among `KINDS`, and the exact text; None where the number says it."""
    if value is None:
        return _NONE, None
    if plain_number(value):
        return _INTEGER, None
    for kind, place, spell in _SPELLINGS:
        if isinstance(value, kind):
            return place, spell(value)
    return _LIST, json.dumps(_listed(value), separators=(",", ":"), ensure_ascii=False)


def _listed(value: Any) -> Any:
    """Lists within lists; what JSON does not have as [kind, text]."""
    if isinstance(value, list | tuple):
        return [_listed(each) for each in value]
    kind, text = spelled(value)
    if text is None or kind in (_TEXT, _BOOLEAN):
        return value
    return [KINDS[kind], text]
