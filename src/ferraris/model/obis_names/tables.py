"""The tables that names of OBIS codes are made from: text files beside this module.

They are read when they are first needed. A line in brackets says what the rows after it are, `|`
parts their fields, and fields at the end may be left out. A row rests on one source unless its last
field says `two` or `memory`.

    `[table NAME]`    number | words in a name | words by themselves | two or memory
    `[headings]`      C or C.D | words
    `[objects]`       C.D.E or C.D.E*F | classes that usually carry it | name | two or memory
    `[frequent]`      A.C.D, one after the other
    `[synonyms]`      what people write | words of names / other words of names

A number is `7`, a range `1-63`, or several of these parted by commas; `*` is any. In a table
`by phase`, four numbers are the sum and the phases L1 to L3 of one quantity. A group of an object
is numbers, or `@NAME` for all numbers of a table, `@NAME(1-4,9)` for some.

In names `{c}` stands for the table's words of that group, or for its number when it has no table,
`{e-9}` for that number less nine, `{a}` for the medium, `{n}` in a table for the number of the row.
Words that are empty vanish with their comma. The first object that fits wins.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ferraris.model.interface_class import Provenance

__all__ = [
    "ABSTRACT",
    "ELECTRICITY",
    "Group",
    "Medium",
    "Pattern",
    "Words",
    "frequent",
    "medium",
    "rows",
    "shared",
    "synonyms",
    "tabled",
    "weakest",
]

ABSTRACT = 0
ELECTRICITY = 1
_FILES = {
    0: "abstract",
    1: "electricity",
    4: "heat_cost",
    5: "thermal",
    6: "thermal",
    7: "gas",
    8: "water",
    9: "water",
}
_PHASES = ("", ", phase L1", ", phase L2", ", phase L3")
_MARKS: dict[str, Provenance] = {"": "one-source", "two": "two-sources", "memory": "memory"}
_STRENGTH = ("memory", "one-source", "two-sources")
_PLACE_OF_NUMBER = re.compile(r"\{n([+-]\d+)?\}")


class Words(NamedTuple):
    """What one number, or a range of them, of a group means.

    `words` is the part of a name, perhaps none; `alone` says it by itself. `{n}` stands for the
    number where `numbers` are several.
    """

    numbers: range
    words: str
    alone: str
    provenance: Provenance

    def filled(self, number: int, *, alone: bool = False) -> str:
        """The words for this number."""
        text = self.alone if alone else self.words
        if "{" not in text:
            return text
        return _PLACE_OF_NUMBER.sub(lambda place: str(number + int(place[1] or 0)), text)


class Group(NamedTuple):
    """The numbers that one group of a pattern may have, with their table if there is one."""

    numbers: Collection[int]
    least: int
    table: tuple[Words, ...] | None
    single: bool

    def words(self, number: int) -> Words | None:
        """The row of the table for a number, None without a table."""
        for row in self.table or ():
            if number in row.numbers:
                return row
        return None


class Pattern(NamedTuple):
    """One row of objects: which codes it names and how. `f` is None where periods are usual."""

    c: Group
    d: Group
    e: Group
    f: Group | None
    classes: tuple[int, ...]
    name: str
    provenance: Provenance

    def fits(self, d: int, e: int, f: int) -> bool:
        """Whether it names codes with these groups; C has been looked at."""
        return (
            d in self.d.numbers and e in self.e.numbers and (self.f is None or f in self.f.numbers)
        )


class Medium(NamedTuple):
    """All that is known of a value of group A."""

    number: int
    name: str
    headings: Mapping[str, str]
    patterns: tuple[Pattern, ...]
    by_c: Mapping[int, tuple[Pattern, ...]]
    tables: Mapping[str, tuple[Words, ...]]


def shared(name: str) -> tuple[Words, ...]:
    """A table that all media share: medium, country or period."""
    return _common().tables[name]


def tabled(name: str, number: int) -> Words | None:
    """The row of a shared table for a number."""
    for row in shared(name):
        if number in row.numbers:
            return row
    return None


@cache
def frequent() -> frozenset[tuple[int, int, int]]:
    """Groups A, C and D of what is met often."""
    return frozenset(_common().frequent)


def synonyms() -> Mapping[str, tuple[str, ...]]:
    """What people write for words of names, each with its alternatives."""
    return _common().synonyms


@cache
def medium(number: int) -> Medium:
    """The tables of a medium; those without a file of their own have headings of none."""
    row = tabled("medium", number)
    name = row.words if row is not None else f"Medium {number}"
    if number not in _FILES:
        return Medium(number, name, {}, (), {}, {})
    read = _read(_FILES[number])
    by_c: dict[int, list[Pattern]] = {}
    for pattern in read.patterns:
        for c in pattern.c.numbers:
            by_c.setdefault(c, []).append(pattern)
    grouped = {c: tuple(patterns) for c, patterns in by_c.items()}
    return Medium(number, name, read.headings, tuple(read.patterns), grouped, read.tables)


def rows() -> Iterator[tuple[str, str, Provenance]]:
    """Every row of all tables: its file, its words, and what it rests on."""
    for name in ("common", *dict.fromkeys(_FILES.values())):
        read = _read(name)
        for table in read.tables.values():
            yield from ((name, row.alone, row.provenance) for row in table)
        yield from ((name, pattern.name, pattern.provenance) for pattern in read.patterns)


def weakest(*marks: Provenance) -> Provenance:
    """What a name rests on that is made of parts."""
    return min(marks, key=_STRENGTH.index)


class _File(NamedTuple):
    tables: dict[str, tuple[Words, ...]]
    headings: dict[str, str]
    patterns: list[Pattern]
    synonyms: dict[str, tuple[str, ...]]
    frequent: set[tuple[int, int, int]]


def _common() -> _File:
    return _read("common")


@cache
def _read(name: str) -> _File:
    read = _File({}, {}, [], {}, set())
    for section, rows in _sections(name):
        if section.startswith("table "):
            title = section.removeprefix("table ")
            by_phase = title.endswith(" by phase")
            table = (row for fields in rows for row in _table_rows(fields, by_phase=by_phase))
            read.tables[title.removesuffix(" by phase")] = tuple(table)
        elif section == "headings":
            read.headings.update((key, words) for key, words in rows)
        elif section == "objects":
            read.patterns.extend(_pattern(fields, read.tables) for fields in rows)
        elif section == "frequent":
            for each in (code for fields in rows for code in fields[0].split()):
                a, c, d = map(int, each.split("."))
                read.frequent.add((a, c, d))
        elif section == "synonyms":
            for key, words in rows:
                read.synonyms[key] = tuple(each.strip() for each in words.split(" / "))
    return read


def _sections(name: str) -> Iterator[tuple[str, list[list[str]]]]:
    text = files(__package__).joinpath(f"{name}.txt").read_text("utf-8")
    section, rows = "", list[list[str]]()
    for line in text.splitlines():
        if line.startswith("["):
            yield section, rows
            section, rows = line.strip("[] "), []
        elif line and not line.startswith("#"):
            rows.append([field.strip() for field in line.split("|")])
    yield section, rows


def _table_rows(fields: list[str], *, by_phase: bool) -> Iterator[Words]:
    key, words, alone, mark = (*fields, "", "", "")[:4]
    parts = key.split(",")
    for position, part in enumerate(parts):
        phase = _PHASES[position] if by_phase and len(parts) == len(_PHASES) else ""
        if part != "-":
            yield Words(_span(part), words + phase, (alone or words) + phase, _MARKS[mark])


def _pattern(fields: list[str], tables: Mapping[str, tuple[Words, ...]]) -> Pattern:
    key, classes, name, mark = (*fields, "")[:4]
    groups, _, f = key.partition("*") if not key.endswith("*") else (key, "", "")
    c, d, e = (_group(part, tables) for part in groups.split("."))
    carried = tuple(int(number) for number in classes.split(",") if number)
    return Pattern(c, d, e, _group(f, tables) if f else None, carried, name, _MARKS[mark])


def _group(text: str, tables: Mapping[str, tuple[Words, ...]]) -> Group:
    if not text.startswith("@"):
        plain = _span(text) if "," not in text else _numbers(text)
        return Group(plain, min(plain), None, len(plain) == 1)
    name, _, some = text.removeprefix("@").rstrip(")").partition("(")
    chosen = _numbers(some or "*")
    table = tuple(row for row in tables[name] if not chosen.isdisjoint(row.numbers))
    numbers = frozenset(number for row in table for number in row.numbers) & chosen
    return Group(numbers, min(numbers), table, len(numbers) == 1)


def _numbers(text: str) -> frozenset[int]:
    return frozenset(number for part in text.split(",") for number in _span(part))


def _span(text: str) -> range:
    if text == "*":
        return range(256)
    low, _, high = text.partition("-")
    return range(int(low), int(high or low) + 1)
