"""Names put together from a pattern and one choice for each of its groups C, D and E."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data.obis import Obis
from ferraris.model.obis_names.names import rests_on
from ferraris.model.obis_names.query import split
from ferraris.model.obis_names.tables import Group, Medium, Pattern, Words

if TYPE_CHECKING:
    from ferraris.model.interface_class import Provenance

__all__ = ["Made", "Part", "Place", "Token", "own_tokens", "parts"]

_PLACE = re.compile(r"\{([a-fn])([+-]\d+)?\}")
_CURRENT = 255


class Place(NamedTuple):
    """A number in a name that is the number of a group, plus `offset`."""

    letter: str
    offset: int
    numbers: Collection[int]

    def holds(self, word: str) -> int | None:
        """The number of the group that shows as this word, None when it has no such number."""
        if not (word.isascii() and word.isdigit()) or len(word) > 3:
            return None
        number = int(word) - self.offset
        return number if number in self.numbers else None


Token = str | Place
"""A word of a name, or the place of a number in it."""


class Part(NamedTuple):
    """One choice for a group: a row of its table, or all its numbers; `number` is the least."""

    number: int
    row: Words | None
    tokens: tuple[Token, ...]


class Made(NamedTuple):
    """A name in the making."""

    tables: Medium
    pattern: Pattern
    c: Part
    d: Part
    e: Part

    @property
    def mark(self) -> Provenance:
        """What the name rests on."""
        return rests_on(self.pattern, self.c.row, self.d.row, self.e.row)

    def tokens(self) -> list[Token]:
        """All words of the name, in their order."""
        tokens: list[Token] = []
        at = 0
        for place in _PLACE.finditer(self.pattern.name):
            tokens += split(self.pattern.name[at : place.start()])
            at = place.end()
            tokens += self._placed(place[1], int(place[2] or 0))
        return tokens + list(split(self.pattern.name[at:]))

    def code(self, bound: dict[str, int]) -> Obis:
        """A code of this name: numbers that are not bound are the least there are."""
        least = {"c": self.c.number, "d": self.d.number, "e": self.e.number, "f": _CURRENT}
        if self.pattern.f is not None:
            least["f"] = self.pattern.f.least
        c, d, e, f = (bound.get(letter, least[letter]) for letter in "cdef")
        return Obis.of(self.tables.number, 0, c, d, e, f)

    def shown(self, bound: dict[str, int]) -> dict[str, str]:
        """Groups C to F as text, letters for those whose number in the name is open."""
        code = self.code(bound)
        return {
            letter: letter if letter not in bound and self._is_open(letter) else str(number)
            for letter, number in zip("cdef", code[2:], strict=True)
        }

    def words(self, shown: dict[str, str]) -> str:
        """The name, with the groups as they are shown."""

        def part(place: re.Match[str]) -> str:
            if place[1] == "a":
                return self.tables.name
            row = self._row(place[1])
            if row is None:
                return _number(shown[place[1]], place[2])
            return _PLACE.sub(lambda n: _number(shown[place[1]], n[2]), row.words)

        words = _PLACE.sub(part, self.pattern.name)
        return ", ".join(each for each in words.split(", ") if each)

    def _row(self, letter: str) -> Words | None:
        return getattr(self, letter).row if letter in "cde" else None

    def _placed(self, letter: str, offset: int) -> list[Token]:
        if letter == "a":
            return list(split(self.tables.name))
        if self._row(letter) is not None:
            return list(getattr(self, letter).tokens)
        group = _group(self.pattern, letter)
        return [] if group is None else [Place(letter, offset, group.numbers)]

    def _is_open(self, letter: str) -> bool:
        group, row = _group(self.pattern, letter), self._row(letter)
        if row is not None:
            return "{n" in row.words
        return group is not None and not group.single and f"{{{letter}" in self.pattern.name


@cache
def parts(pattern: Pattern, letter: str) -> tuple[Part, ...]:
    """All choices for a group."""
    group: Group = getattr(pattern, letter)
    if group.table is None:
        return (Part(group.least, None, ()),)
    return tuple(
        Part(row.numbers.start, row, tuple(_tokens(row.words, letter, row.numbers)))
        for row in group.table
    )


@cache
def own_tokens(medium_name: str, pattern: Pattern) -> tuple[Token, ...]:
    """The words of a pattern that no choice brings."""
    words = split(_PLACE.sub(" ", pattern.name.replace("{a}", medium_name)))
    places = (
        Place(letter, int(offset or 0), group.numbers)
        for letter, offset in _PLACE.findall(pattern.name)
        if (group := _group(pattern, letter)) is not None and not group.table
    )
    return (*words, *places)


def _group(pattern: Pattern, letter: str) -> Group | None:
    found: Group | None = getattr(pattern, letter, None)
    return found


def _tokens(words: str, letter: str, numbers: range) -> Iterator[Token]:
    """The words of a row of a table, `{n}` as the place of its number."""
    at = 0
    for place in _PLACE.finditer(words):
        yield from split(words[at : place.start()])
        yield Place(letter, int(place[2] or 0), numbers)
        at = place.end()
    yield from split(words[at:])


def _number(shown: str, offset: str | None) -> str:
    return str(int(shown) + int(offset or 0)) if shown.isdigit() else shown
