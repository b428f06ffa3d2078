"""Names put together from a pattern and one choice for each of its groups C, D and E."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data.obis import Obis
from ferraris.model.obis_names.names import rests_on
from ferraris.model.obis_names.query import split
from ferraris.model.obis_names.tables import Group, Medium, Pattern, Words, medium, shared, tabled

if TYPE_CHECKING:
    from ferraris.model.interface_class import Provenance

__all__ = ["Made", "Part", "Place", "Token", "called", "own_tokens", "parts", "vocabulary"]

_PLACE = re.compile(r"\{([a-fn])([+-]\d+)?\}")
_LETTERS = string.ascii_letters
_CURRENT = 255


class Place(NamedTuple):
    """A number in a name: that of a group, plus `offset`, behind a `prefix` as in `L{e}`."""

    letter: str
    offset: int
    prefix: str
    numbers: Collection[int]

    def holds(self, word: str) -> int | None:
        """The number of the group that shows as this word, None when it has no such number."""
        digits = word.removeprefix(self.prefix)
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 3:
            return None
        if len(word) != len(self.prefix) + len(digits):
            return None
        number = int(digits) - self.offset
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
        for piece in _pieces(self.pattern.name):
            tokens += self._placed(piece) if isinstance(piece, _Hole) else split(piece)
        return tokens

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

    def _placed(self, hole: _Hole) -> list[Token]:
        if hole.letter == "a":
            return list(split(self.tables.name))
        if self._row(hole.letter) is not None:
            return list(getattr(self, hole.letter).tokens)
        group = _group(self.pattern, hole.letter)
        return [] if group is None else [Place(*hole, group.numbers)]

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
    return tuple(_part(row, letter) for row in group.table)


@cache
def _part(row: Words, letter: str) -> Part:
    return Part(row.numbers.start, row, tuple(_tokens(row.words, letter, row.numbers)))


@cache
def called(number: int) -> tuple[Token, ...]:
    """The words that a medium is called by."""
    row = tabled("medium", number)
    return tuple(split(f"{row.words} {row.alone}")) if row is not None else ()


@cache
def own_tokens(medium_name: str, pattern: Pattern) -> tuple[Token, ...]:
    """The words of a pattern that no choice brings."""
    tokens: list[Token] = []
    for piece in _pieces(pattern.name.replace("{a}", medium_name)):
        if not isinstance(piece, _Hole):
            tokens += split(piece)
        elif (group := _group(pattern, piece.letter)) is not None and not group.table:
            tokens.append(Place(*piece, group.numbers))
    return tuple(tokens)


@cache
def vocabulary() -> frozenset[str]:
    """Every word that names and media are made of."""
    words: set[Token] = set()
    for row in shared("medium"):
        tables = medium(row.numbers.start)
        words.update(called(tables.number))
        for pattern in tables.patterns:
            words.update(own_tokens(tables.name, pattern))
            for letter in "cde":
                words.update(token for part in parts(pattern, letter) for token in part.tokens)
    return frozenset(word for word in words if isinstance(word, str))


class _Hole(NamedTuple):
    """Where a name has a number or other words: its letter, what is added, what sticks to it."""

    letter: str
    offset: int
    prefix: str


def _pieces(text: str) -> Iterator[str | _Hole]:
    at = 0
    for place in _PLACE.finditer(text):
        before = text[at : place.start()]
        words = before.rstrip(_LETTERS)
        yield words
        yield _Hole(place[1], int(place[2] or 0), before[len(words) :].lower())
        at = place.end()
    yield text[at:]


def _group(pattern: Pattern, letter: str) -> Group | None:
    found: Group | None = getattr(pattern, letter, None)
    return found


def _tokens(words: str, letter: str, numbers: range) -> Iterator[Token]:
    """The words of a row of a table, `{n}` as the place of its number."""
    for piece in _pieces(words):
        if isinstance(piece, _Hole):
            yield Place(letter, piece.offset, piece.prefix, numbers)
        else:
            yield from split(piece)


def _number(shown: str, offset: str | None) -> str:
    return str(int(shown) + int(offset or 0)) if shown.isdigit() else shown
