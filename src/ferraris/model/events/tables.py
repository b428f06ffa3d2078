"""The tables of events and alarms: a text file for each family of companion specifications.

A line in brackets says what the rows after it are, `|` parts their fields:

    `[companion] NAME`          then `inherits NAME` and `rests on two-sources`, `one-source` or
                                `memory`
    `[log NUMBER KEY] TITLE`    code | words
    `[alarms NUMBER] TITLE`     bit | words
    `[status] TITLE`            bit of the status of a profile | words

A code is `7`, a range `230-249`, or several parted by commas: `{n}` stands for the code, `{n-15}`
for that less fifteen, `{k}` for its place among several. A third field says what the row rests on
where that is not what all rest on. `since 5.1` under a log or register says which version of the
specification brought it. What is inherited may be said anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.model.interface_class import Provenance

__all__ = ["FAMILIES", "Family", "Saying", "Table", "family"]

FAMILIES = ("dsmr", "smr", "idis", "is-15959", "t5", "italy-gas")
_MARKS: Mapping[str, Provenance] = {
    "two-sources": "two-sources",
    "one-source": "one-source",
    "memory": "memory",
}
_PLACE = re.compile(r"\{([kn])(?:([+-])(\w+))?\}")
_SECTION = re.compile(r"\[(companion|log|alarms|status) ?(\d*) ?([a-z-]*)\] ?(.*)")


class Saying(NamedTuple):
    """What a code or bit says, and what that rests on."""

    words: str
    provenance: Provenance


class Table(NamedTuple):
    """A log or a register: its number, key and title, since which version, and its codes."""

    number: int
    key: str
    title: str
    since: tuple[int, ...]
    codes: Mapping[int, Saying]


class Family(NamedTuple):
    """Companion specifications that share their codes, with what they inherit."""

    name: str
    logs: Mapping[int, Table]
    alarms: Mapping[int, Table]
    status: Mapping[int, Saying]


@cache
def family(name: str) -> Family:
    """The tables of a family; `UsageError` when there is none of this name."""
    if name not in FAMILIES:
        raise UsageError(f"no events are known of {name[:40]!r}: known are {', '.join(FAMILIES)}")
    lines = _lines(name)
    base, rests_on = Family(name, {}, {}, {}), _MARKS["one-source"]
    logs: dict[int, Table] = {}
    alarms: dict[int, Table] = {}
    status: dict[int, Saying] = {}
    for section, rows in lines:
        kind, number, key, title = section
        if kind == "companion":
            head = dict(row.rsplit(" ", 1) for row in rows)
            rests_on = _MARKS[head["rests on"]]
            if "inherits" in head:
                base = family(head["inherits"])
            continue
        since = tuple(
            int(part) for row in rows if row.startswith("since ") for part in row[6:].split(".")
        )
        codes = dict(_codes([row for row in rows if "|" in row], rests_on))
        if kind == "status":
            status.update(codes)
            continue
        tables, inherited = (logs, base.logs) if kind == "log" else (alarms, base.alarms)
        before = inherited.get(int(number))
        codes = {**(before.codes if before is not None else {}), **codes}
        tables[int(number)] = Table(int(number), key, title, since, codes)
    return Family(name, {**base.logs, **logs}, {**base.alarms, **alarms}, {**base.status, **status})


def _lines(name: str) -> Iterator[tuple[tuple[str, str, str, str], list[str]]]:
    """Each section with its rows."""
    text = files(__package__).joinpath(f"{name.replace('-', '_')}.txt").read_text("utf-8")
    head: tuple[str, str, str, str] | None = None
    rows: list[str] = []
    for line in text.splitlines():
        if found := _SECTION.fullmatch(line):
            if head is not None:
                yield head, rows
            head, rows = (found[1], found[2], found[3], found[4]), []
        elif line and not line.startswith("#"):
            rows.append(line)
    if head is not None:
        yield head, rows


def _codes(rows: list[str], rests_on: Provenance) -> Iterator[tuple[int, Saying]]:
    for row in rows:
        key, words, *own = (field.strip() for field in row.split("|"))
        mark = _MARKS[own[0]] if own else rests_on
        for place, part in enumerate(key.split(","), 1):
            low, _, high = part.partition("-")
            for code in range(int(low, 0), int(high or low, 0) + 1):
                yield code, Saying(_filled(words, code, place), mark)


def _filled(words: str, code: int, place: int) -> str:
    def number(found: re.Match[str]) -> str:
        value = code if found[1] == "n" else place
        added = int(found[3], 0) if found[3] else 0
        return str(value - added if found[2] == "-" else value + added)

    return _PLACE.sub(number, words)
