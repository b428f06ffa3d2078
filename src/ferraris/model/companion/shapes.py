"""Shapes: what kind a value is to be, as a companion specification writes it.

    double-long-unsigned
    array of unsigned
    structure {octet-string, bit-string}
    array of structure {unsigned, long}

These are the words of the type tree, less the names of the fields.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.kinds import Data, Tag, kind_name

__all__ = ["Shape"]

_KINDS = {kind_name(tag): int(tag) for tag in Tag}
_TOKENS = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|[{},])")
_DEEPEST = 16
_MOMENTS = frozenset((int(Tag.DATE_TIME), int(Tag.DATE), int(Tag.TIME)))


class Shape(NamedTuple):
    """A kind and, where known, those of its elements: one for an array, all for a structure."""

    tag: int
    members: tuple[Shape, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Read the words; `UsageError` says what is wrong with them."""
        tokens, place = [], 0
        while text[place:].strip():
            found = _TOKENS.match(text, place)
            if found is None:
                raise UsageError(f"not a kind: {text[:60]!r}, from {text[place:][:20]!r} on")
            tokens.append(found[1])
            place = found.end()
        shape = _read(tokens, text, 0)
        if tokens:
            raise UsageError(f"not a kind: {text[:60]!r}, {tokens[0]!r} is too much")
        return shape

    def fits(self, data: Data) -> bool:
        """Whether data are of this shape; date-times may come as octet-strings."""
        tag, value = data
        if tag != self.tag:
            return tag == Tag.OCTET_STRING and self.tag in _MOMENTS
        if self.members is None:
            return True
        if self.tag == Tag.ARRAY:
            return all(self.members[0].fits(each) for each in value)
        return len(value) == len(self.members) and all(
            member.fits(each) for member, each in zip(self.members, value, strict=True)
        )

    def __str__(self) -> str:
        words = kind_name(self.tag)
        if self.members is None:
            return words
        if self.tag == Tag.ARRAY:
            return f"{words} of {self.members[0]}"
        return f"{words} {{{', '.join(map(str, self.members))}}}"


def _read(tokens: list[str], text: str, depth: int) -> Shape:
    word = tokens.pop(0) if tokens else "nothing"
    tag = _KINDS.get(word)
    if tag is None or depth > _DEEPEST:
        raise UsageError(f"not a kind: {text[:60]!r}, {word!r} is none")
    if tag == Tag.ARRAY and tokens[:1] == ["of"]:
        del tokens[0]
        return Shape(tag, (_read(tokens, text, depth + 1),))
    if tag == Tag.STRUCTURE and tokens[:1] == ["{"]:
        del tokens[0]
        return Shape(tag, _fields(tokens, text, depth))
    return Shape(tag)


def _fields(tokens: list[str], text: str, depth: int) -> tuple[Shape, ...]:
    fields: list[Shape] = []
    while True:
        fields.append(_read(tokens, text, depth + 1))
        mark = tokens.pop(0) if tokens else "nothing"
        if mark == "}":
            return tuple(fields)
        if mark != ",":
            raise UsageError(f"not a kind: {text[:60]!r}, ',' or '}}' expected, not {mark!r}")
