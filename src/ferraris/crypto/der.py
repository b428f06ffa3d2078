"""As much of DER as certificates need beyond the library: cut a value into its parts, join parts.

Certificates name serial numbers and issuers by their octets; these are cut out of the original, so
that no detour through names changes them.
"""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import DecodeError

__all__ = ["BIT_STRING", "OCTET_STRING", "SEQUENCE", "Part", "encoded", "one", "parts"]

OCTET_STRING = 0x04
BIT_STRING = 0x03
SEQUENCE = 0x30
_LONGEST_LENGTH = 4
_WHERE = "certificate"


class Part(NamedTuple):
    """One value: its tag, its content, and all its octets."""

    tag: int
    content: bytes
    whole: bytes


def parts(octets: bytes) -> list[Part]:
    """The values that `octets` is made of, one after the other; `DecodeError` when cut short."""
    found = []
    offset = 0
    while offset < len(octets):
        start, end = _bounds(octets, offset)
        found.append(Part(octets[offset], octets[start:end], octets[offset:end]))
        offset = end
    return found


def one(octets: bytes, tag: int) -> bytes:
    """The content of the only value in `octets`; `DecodeError` for another tag or a rest."""
    found = parts(octets)
    if len(found) != 1 or found[0].tag != tag:
        raise DecodeError(f"not one value of tag {tag:02X}", where=_WHERE, octets=octets)
    return found[0].content


def encoded(tag: int, *content: bytes) -> bytes:
    """One value of that tag around the contents."""
    inside = b"".join(content)
    size = len(inside)
    if size < 0x80:
        return bytes((tag, size)) + inside
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + inside


def _bounds(octets: bytes, offset: int) -> tuple[int, int]:
    if len(octets) - offset < 2 or octets[offset] & 0x1F == 0x1F:
        raise DecodeError("a value of DER is cut short", where=_WHERE, offset=offset)
    size, start = octets[offset + 1], offset + 2
    if size & 0x80:
        count = size & 0x7F
        if not 0 < count <= _LONGEST_LENGTH:
            raise DecodeError("a length of DER is not definite", where=_WHERE, offset=offset + 1)
        size = int.from_bytes(octets[start : start + count], "big")
        start += count
    if start + size > len(octets):
        raise DecodeError("a value of DER is cut short", where=_WHERE, offset=offset)
    return start, start + size
