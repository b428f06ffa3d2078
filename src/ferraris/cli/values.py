"""COSEM data as people type them: `double-long-unsigned:5`, `octet-string:0a0b`, `now`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ferraris.core.errors import UsageError
from ferraris.data import axdr, kinds
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis

__all__ = ["parse_moment", "parse_object", "parse_value"]

_INTEGERS: dict[str, Callable[[int], Data]] = {
    "double-long": kinds.double_long,
    "double-long-unsigned": kinds.double_long_unsigned,
    "integer": kinds.integer,
    "long": kinds.long,
    "unsigned": kinds.unsigned,
    "long-unsigned": kinds.long_unsigned,
    "long64": kinds.long64,
    "long64-unsigned": kinds.long64_unsigned,
    "enum": kinds.enum,
    "bcd": kinds.bcd,
}
_OTHERS: dict[str, Callable[[str], Data]] = {
    "boolean": lambda text: kinds.boolean(_truth(text)),
    "bit-string": kinds.bit_string,
    "octet-string": lambda text: kinds.octet_string(_octets(text)),
    "visible-string": kinds.visible_string,
    "utf8-string": kinds.utf8_string,
    "float32": lambda text: kinds.float32(_float(text)),
    "float64": lambda text: kinds.float64(_float(text)),
    "date-time": lambda text: kinds.date_time(_stamp(text)),
    "clock": lambda text: kinds.octet_string(_stamp(text)),
    "null-data": lambda text: kinds.null_data(),
    "hex": lambda text: axdr.decode(_hex(text)),
}


def parse_value(text: str, declared: Any = None) -> Data:
    """Data from `KIND:VALUE`; without a kind, that of the declared type, when it has only one.

    `hex:` takes encoded data, `clock:` a date-time in an octet-string. Raises `UsageError`.
    """
    kind, colon, value = text.partition(":")
    if colon and (kind in _INTEGERS or kind in _OTHERS):
        return _of_kind(kind, value)
    tags = sorted(getattr(declared, "tags", ()))
    if len(tags) == 1:
        kind = kinds.kind_name(tags[0])
        if kind in _INTEGERS or kind in _OTHERS:
            return _of_kind(kind, text)
    if 9 in tags and _is_moment(text):
        return kinds.octet_string(_stamp(text))
    if text in ("null", "null-data", ""):
        return kinds.null_data()
    known = ", ".join(sorted((*_INTEGERS, *_OTHERS)))
    raise UsageError(f"{text[:40]!r}: write KIND:VALUE, where KIND is one of {known}")


def parse_object(text: str) -> tuple[int, Obis, int]:
    """Class, name and index from `CLASS/OBIS/INDEX`, as in `8/0-0:1.0.0*255/2`."""
    parts = text.split("/")
    if len(parts) != 3 or not parts[0].isdigit() or not parts[2].lstrip("-").isdigit():
        raise UsageError(f"{text[:60]!r}: write CLASS/OBIS/INDEX, as in 8/0-0:1.0.0*255/2")
    return int(parts[0]), Obis.parse(parts[1]), int(parts[2])


def parse_moment(text: str) -> datetime:
    """A moment from ISO 8601, from `now`; without an offset it is UTC."""
    if text == "now":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no time: write 2026-03-01T00:00+01:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _of_kind(kind: str, text: str) -> Data:
    if kind in _OTHERS:
        return _OTHERS[kind](text)
    try:
        number = int(text, 0)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no number") from None
    return _INTEGERS[kind](number)


def _octets(text: str) -> bytes:
    """Hex, or a text in quotes, or a date-time."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].encode("utf-8")
    if _is_moment(text):
        return bytes(_stamp(text))
    return _hex(text)


def _is_moment(text: str) -> bool:
    return text == "now" or (len(text) > 4 and text[:4].isdigit() and text[4] == "-")


def _stamp(text: str) -> DateTime:
    return DateTime.from_datetime(parse_moment(text).replace(microsecond=0))


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is not hexadecimal") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no number") from None


def _truth(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"{text[:40]!r} is neither true nor false")
