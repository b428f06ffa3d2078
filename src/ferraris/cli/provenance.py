"""`ferraris provenance`: what our data of the standard rest on, in shares and by name.

Two sources that agree are the best that is claimed. What was verified at last vanishes from here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from ferraris.model.companion import Companion
    from ferraris.model.interface_class import Attribute, InterfaceClass, Method, Provenance

__all__ = ["register"]

_MARKS = ("two-sources", "one-source", "memory")
_BEST = _MARKS[0]
_CITATION = re.compile(r"\[memory(?: §[^\]]*)?\]")
_OWN_FILES = ("provenance.py",)  # speaks of the mark, and cites nothing


class Piece(NamedTuple):
    """One piece of the data, or as many alike as its weight: group, name, what it rests on.

    What has no name counts, and is not listed: something else speaks for it.
    """

    group: str
    what: str
    rests_on: str
    weight: int = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("provenance")(provenance)


def provenance(as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False) -> None:
    """Say what the data rest on: shares, and all that rest on memory or a single source."""
    from ferraris.cli.output import aligned, json_text

    pieces = list(_pieces())
    shares = _shares(pieces)
    weak = [each for each in pieces if each.what and each.rests_on != _BEST]
    if as_json:
        found = [{"what": each.what, "rests_on": each.rests_on} for each in weak]
        typer.echo(json_text({"version": 1, "shares": shares, "found": found}))
        return
    heads = {"group": "", **{mark: mark for mark in _MARKS}}
    for line in aligned([heads, *map(_with_percent, shares)], right=_MARKS):
        typer.echo(line)
    typer.echo()
    for line in aligned([{"rests_on": each.rests_on, "what": each.what} for each in weak]):
        typer.echo(line)


def _shares(pieces: list[Piece]) -> list[dict[str, Any]]:
    """For each group, and for all, how many pieces rest on what."""
    counts: dict[str, Counter[str]] = {}
    for piece in pieces:
        for group in (piece.group, "all"):
            counts.setdefault(group, Counter())[piece.rests_on] += piece.weight
    everything = counts.pop("all", Counter())
    rows = [*counts.items(), ("all", everything)]
    return [{"group": group, **{mark: found[mark] for mark in _MARKS}} for group, found in rows]


def _with_percent(row: dict[str, Any]) -> dict[str, Any]:
    whole = sum(row[mark] for mark in _MARKS)
    shown = {mark: f"{row[mark]} ({100 * row[mark] / whole:3.0f} %)" for mark in _MARKS}
    return {"group": row["group"], **shown}


def _pieces() -> Iterator[Piece]:
    from ferraris.client.push_makers import MAKERS
    from ferraris.data.units import UNITS
    from ferraris.model import companion

    yield from _classes()
    for maker in MAKERS:
        what = f"scalers and order of the lists that {maker.prefix}… meters push"
        yield Piece("pushed lists", what, maker.provenance)
    remembered = [unit for unit in UNITS.values() if unit.provenance == "memory"]
    yield Piece("units", "the list of units", "one-source", len(UNITS) - len(remembered))
    for unit in remembered:
        yield Piece("units", f"unit {unit.code}, {unit.name}", "memory")
    for name in companion.names():
        yield from _rows(companion.companion(name))
    yield from _names()
    yield from _events()
    for module, line in _cited(resources.files("ferraris"), "ferraris"):
        yield Piece("lines that cite memory", f"{module}: {line}", "memory")


def _classes() -> Iterator[Piece]:
    from ferraris.model import registry
    from ferraris.model.known_by_name import LATER_VERSIONS, NAMED_CLASSES

    for group in registry.GROUPS:
        for class_id in sorted(each for ids in group.modules.values() for each in ids):
            for declared in reversed(registry.versions(class_id)):
                name = f"classes of {group.title}"
                yield Piece(name, declared.title(), declared.provenance)
    for known in NAMED_CLASSES.values():
        what = f"{known.name} (class {known.class_id}): by name alone, layout not known"
        yield Piece("classes known by name", what, known.provenance)
    for later in LATER_VERSIONS.values():
        what = f"{registry.name(later.class_id)} (class {later.class_id}, version {later.version})"
        yield Piece("classes known by name", f"{what}: layout not known", later.provenance)
    for declared in registry.classes():
        yield from _members(declared)


def _members(declared: type[InterfaceClass]) -> Iterator[Piece]:
    """Attributes and methods: as good as their class, but for those that say otherwise."""
    from ferraris.model.interface_class import Trait

    group = "attributes and methods"
    members: list[Attribute[Any] | Method[Any, Any]] = [
        *declared.attributes.values(),
        *declared.methods.values(),
    ]
    weak = [member for member in members if Trait.UNVERIFIED in member.traits]
    yield Piece(group, "", declared.provenance, len(members) - len(weak))
    for member in weak:
        what = f"{declared.__name__}.{member.name} (class {declared.class_id}): index or type"
        yield Piece(group, what, "memory")


def _rows(specification: Companion) -> Iterator[Piece]:
    """The rows of a companion specification of its own, counted by what they rest on."""
    own = (row for row in specification.objects if row.origin == specification.name)
    for rests_on, count in sorted(Counter(row.provenance for row in own).items()):
        what = f"companion specification {specification.name}, {count} of its rows"
        yield Piece("companion specifications", what, rests_on, count)


def _names() -> Iterator[Piece]:
    """Words for OBIS codes: those of memory by name, the others counted for each table."""
    from ferraris.model import obis_names

    counts: Counter[tuple[str, Provenance]] = Counter()
    for file, words, rests_on in obis_names.rows():
        if rests_on == "memory":
            yield Piece("names of OBIS codes", f"OBIS codes, {file}: {words}", rests_on)
        else:
            counts[file, rests_on] += 1
    for (file, rests_on), count in counts.items():
        what = f"OBIS codes, {file}: {count} rows"
        yield Piece("names of OBIS codes", what, rests_on, count)


def _events() -> Iterator[Piece]:
    """Codes of events and bits of alarms, counted for each family of specifications."""
    from ferraris.model import events

    for family in events.families():
        marks = Counter(each.provenance for each in events.events(family))
        marks += Counter(each.provenance for each in events.alarms(family))
        marks += Counter(each.provenance for each in events.status_bits(family))
        for rests_on, count in marks.items():
            what = f"events and alarms of {family}, {count} codes and bits"
            yield Piece("events and alarms", what, rests_on, count)


def _cited(folder: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every line of our own source that cites memory."""
    for entry in sorted(folder.iterdir(), key=lambda entry: str(entry.name)):
        if entry.is_dir() and not entry.name.startswith("_"):
            yield from _cited(entry, f"{name}.{entry.name}")
        elif entry.name.endswith(".py") and entry.name not in _OWN_FILES:
            for line in entry.read_text(encoding="utf-8").splitlines():
                if _CITATION.search(line):
                    yield f"{name}.{entry.name.removesuffix('.py')}", line.strip(" #\"'")
