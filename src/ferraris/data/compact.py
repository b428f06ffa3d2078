"""Compact arrays: a type description, then the values of all elements without tags.

Strings keep their lengths, arrays inside have the count of the description. What an element is
may nest to any depth of the limits. [asn1 TypeDescription]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.axdr import DEFAULT_LIMITS, Limits, decode_content, encode_content
from ferraris.data.kinds import CompactArray, Data, Description

__all__ = ["describe", "elements", "fixed_size", "pack"]

_WHERE = "compact-array"


def elements(compact: CompactArray, limits: Limits = DEFAULT_LIMITS) -> list[Data]:
    """The elements as ordinary values with tags.

    Raises:
        DecodeError: contents that do not fit the description, elements that take no octets, or
            more values than `limits.max_count`. Offsets count from the start of the contents.
    """
    description, contents = compact
    reader = _Contents(contents, limits)
    found: list[Data] = []
    while reader.position < len(contents):
        start = reader.position
        found.append(reader.value(description, 0))
        if reader.position == start:
            raise DecodeError("elements without octets", where=_WHERE, offset=start)
    return found


def pack(description: Description, values: Iterable[Data]) -> CompactArray:
    """Put values of one described type into a compact-array; `UsageError` when one does not fit."""
    out = bytearray()
    for value in values:
        _append(description, value, out)
    return CompactArray(description, bytes(out))


def describe(value: Data) -> Description:
    """The type description that fits a value; an array is described by its first element.

    `UsageError` for an empty array and for a compact-array, which have no description.
    """
    tag, content = value
    if tag == 2:
        return (2, tuple(describe(member) for member in content))
    if tag == 1:
        if not content or len(content) > 0xFFFF:
            raise UsageError("an array in a compact-array has 1 to 65535 elements")
        return (1, (len(content), describe(content[0])))
    if tag == 19:
        raise UsageError("a compact-array cannot hold compact-arrays")
    return (tag, None)


def fixed_size(description: Description) -> int | None:
    """Octets of one element, None when strings in it make that vary."""
    tag, inner = description
    if tag == 1:
        count, element = inner
        size = fixed_size(element)
        return None if size is None else count * size
    if tag == 2:
        total = 0
        for member in inner:
            size = fixed_size(member)
            if size is None:
                return None
            total += size
        return total
    return None if tag in (4, 9, 10, 12) else _SIZES[tag]


_SIZES = {0: 0, 3: 1, 5: 4, 6: 4, 13: 1, 15: 1, 16: 2, 17: 1, 18: 2, 20: 8, 21: 8, 22: 1}
_SIZES |= {23: 4, 24: 8, 25: 12, 26: 5, 27: 4, 28: 1, 29: 2, 30: 4, 31: 1, 32: 2, 33: 4, 255: 0}


class _Contents:
    """A cursor over contents that counts the values it makes: nulls must not multiply for free."""

    __slots__ = ("limits", "octets", "position", "room")

    def __init__(self, octets: bytes, limits: Limits) -> None:
        self.octets = octets
        self.limits = limits
        self.position = 0
        self.room = limits.max_count

    def value(self, description: Description, depth: int) -> Data:
        tag, inner = description
        self.room -= 1
        if self.room < 0 or depth > self.limits.max_depth:
            raise DecodeError("beyond the limits", where=_WHERE, offset=self.position)
        if tag == 1:
            count, element = inner
            return (1, [self.value(element, depth + 1) for _ in range(count)])
        if tag == 2:
            return (2, [self.value(member, depth + 1) for member in inner])
        try:
            content, self.position = decode_content(tag, self.octets, self.position, self.limits)
        except DecodeError as error:
            error.where = _WHERE
            raise
        return (tag, content)


def _append(description: Description, value: Data, out: bytearray) -> None:
    tag, inner = description
    if value[0] != tag:
        raise UsageError(f"a value of tag {value[0]} where {tag} is described")
    content: Any = value[1]
    if tag == 1:
        count, element = inner
        if len(content) != count:
            raise UsageError(f"an array of {len(content)} where {count} are described")
        for member in content:
            _append(element, member, out)
    elif tag == 2:
        if len(content) != len(inner):
            raise UsageError(f"a structure of {len(content)} where {len(inner)} are described")
        for kind, member in zip(inner, content, strict=True):
            _append(kind, member, out)
    else:
        out += encode_content(tag, content)
