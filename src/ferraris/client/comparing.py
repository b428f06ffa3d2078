"""Compares what a meter shows with what a companion specification says; nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ferraris.client.inventory import READABLE, WRITABLE, FoundObject
from ferraris.core.errors import DecodeError
from ferraris.data import units
from ferraris.data.kinds import Data, kind_name, show
from ferraris.data.obis import Obis
from ferraris.data.types import LogicalName, ScalerUnitType
from ferraris.model import registry
from ferraris.model.companion import Companion, CompanionColumn, CompanionObject, Profile
from ferraris.model.data_storage import ProfileGeneric
from ferraris.model.interface_class import InterfaceClass
from ferraris.model.obis_names import name as obis_name

__all__ = ["DIFFERS", "EXTRA", "MISSING", "UNCHECKED", "Finding", "compare", "demanded"]

MISSING, EXTRA, DIFFERS, UNCHECKED = "missing", "extra", "differs", "unchecked"

_WIDEST = 60
_ANY = 0
_CAPTURE_OBJECTS, _PERIOD, _ENTRIES = 3, 4, 8
_RIGHTS = {0: "none", READABLE: "R", WRITABLE: "W", READABLE | WRITABLE: "RW"}


class Finding(NamedTuple):
    """One thing about one object.

    Attributes:
        verdict: `MISSING`, `EXTRA`, `DIFFERS` or `UNCHECKED`.
        attribute: its index, 0 where the object as a whole is meant.
        what: what was compared: "class", "version", "type", "unit", "scaler", "value", "columns",
            "period", "entries" or "rights".
        expected, found: both in words.
        rests_on: what the specification rests on: "two-sources", "one-source" or "memory".
    """

    verdict: str
    class_id: int
    logical_name: Obis
    name: str
    attribute: int = 0
    what: str = ""
    expected: str = ""
    found: str = ""
    rests_on: str = ""


def compare(
    companion: Companion,
    expected: Sequence[CompanionObject],
    found: Sequence[FoundObject],
    client: int | None,
) -> list[Finding]:
    """All findings: what is missing, what is extra, what differs and what could not be checked.

    Rights are compared when `client` is the one that the specification states them for.
    """
    by_key = {(each.class_id, each.logical_name): each for each in found}
    by_name: dict[Obis, FoundObject] = {each.logical_name: each for each in found}
    known = {(row.class_id, row.logical_name) for row in expected}
    judged = set(known)
    findings: list[Finding] = []
    for row in expected:
        there = by_key.get((row.class_id, row.logical_name))
        if there is not None:
            findings += _Object(row, there, client == companion.client).findings()
            continue
        other = by_name.get(row.logical_name)
        if other is not None and (other.class_id, other.logical_name) not in known:
            judged.add((other.class_id, other.logical_name))
            classes = f"class {row.class_id}", f"class {other.class_id}"
            findings.append(_about(DIFFERS, row, 0, "class", *classes))
        elif not row.optional:
            findings.append(_about(MISSING, row))
    for each in found:
        if (each.class_id, each.logical_name) not in judged:
            findings.append(_extra(each))
    return findings


def demanded(row: CompanionObject, found: FoundObject) -> set[int]:
    """The attributes whose values tell whether an object is as its row says."""
    declared = registry.find(found.class_id, found.version)
    wanted = set(row.shapes) | set(row.values)
    if declared is not None:
        wanted |= set(declared.attributes)
    else:
        wanted |= set(found.attributes)
    return wanted - {1}


class _Object:
    """One object beside its row."""

    def __init__(self, row: CompanionObject, found: FoundObject, with_rights: bool) -> None:
        self._row = row
        self._found = found
        self._with_rights = with_rights
        self._declared: type[InterfaceClass] | None = registry.find(found.class_id, found.version)

    def findings(self) -> Iterator[Finding]:
        row, found = self._row, self._found
        if found.version not in row.versions:
            versions = "version " + " or ".join(map(str, row.versions))
            yield self._about(DIFFERS, 0, "version", versions, f"version {found.version}")
        yield from self._types()
        yield from self._scaler_unit()
        yield from self._values()
        if found.class_id == ProfileGeneric.class_id:
            yield from self._profile()
        yield from self._rights()

    def _about(self, verdict: str, attribute: int, what: str, *both: str) -> Finding:
        return _about(verdict, self._row, attribute, what, *both)

    def _types(self) -> Iterator[Finding]:
        for index in sorted(demanded(self._row, self._found)):
            words = self._type_words(index)
            data = self._found.values.get(index)
            if data is None:
                why = self._found.unread.get(index, "the meter does not list it")
                yield self._about(UNCHECKED, index, "type", words, why)
            elif not self._fits(index, data):
                yield self._about(DIFFERS, index, "type", words, _kind(data))
            elif words == _UNKNOWN:
                yield self._about(UNCHECKED, index, "type", words, _kind(data))

    def _fits(self, index: int, data: Data) -> bool:
        shapes = self._row.shapes.get(index)
        if shapes and not any(shape.fits(data) for shape in shapes):
            return False
        if self._declared is None or index not in self._declared.attributes:
            return True
        try:
            self._declared.attributes[index].type.load(data)
        except DecodeError:
            return False
        return True

    def _type_words(self, index: int) -> str:
        shapes = self._row.shapes.get(index)
        if shapes:
            return " or ".join(map(str, shapes))
        if self._declared is not None and index in self._declared.attributes:
            return self._declared.attributes[index].type.words
        return _UNKNOWN

    def _scaler_unit(self) -> Iterator[Finding]:
        row = self._row
        if (not row.scalers and not row.units) or self._declared is None:
            return
        places = [each.index for each in self._declared.attributes.values() if _has_unit(each.name)]
        for index in places[:1]:
            loaded = self._loaded(index, ScalerUnitType.load)
            if loaded is None:
                continue  # `_types` has said so
            if row.scalers and loaded.scaler not in row.scalers:
                wanted = " or ".join(map(str, row.scalers))
                yield self._about(DIFFERS, index, "scaler", wanted, str(loaded.scaler))
            if row.units and loaded.unit not in row.units:
                wanted = " or ".join(map(_unit, row.units))
                yield self._about(DIFFERS, index, "unit", wanted, _unit(loaded.unit))

    def _values(self) -> Iterator[Finding]:
        for index, value in self._row.values.items():
            data = self._found.values.get(index)
            if data is None:
                continue  # `_types` has said so
            if isinstance(value, Obis):
                loaded: Any = self._loaded(index, LogicalName.load)
            else:
                loaded = data[1]
            if loaded != value:
                yield self._about(DIFFERS, index, "value", str(value), _short(loaded, data))

    def _profile(self) -> Iterator[Finding]:
        profile: Profile = self._row.profile
        captured = self._loaded(_CAPTURE_OBJECTS, _columns)
        if captured is not None:
            yield from self._columns(profile, captured)
        for index, what, wanted in (
            (_PERIOD, "period", profile.period_s),
            (_ENTRIES, "entries", profile.entries),
        ):
            data = self._found.values.get(index)
            if wanted is not None and data is not None and data[1] != wanted:
                yield self._about(DIFFERS, index, what, str(wanted), str(data[1]))

    def _columns(self, profile: Profile, captured: list[CompanionColumn]) -> Iterator[Finding]:
        index = _CAPTURE_OBJECTS
        if profile.columns is not None:
            for place in range(max(len(profile.columns), len(captured))):
                wanted, there = _at(profile.columns, place), _at(captured, place)
                if wanted != there:
                    column = f"column {place + 1}: "
                    yield self._about(DIFFERS, index, "columns", column + wanted, column + there)
        elif profile.selectable:
            for place, chosen in enumerate(captured, 1):
                if not any(_selected(chosen, choice) for choice in profile.selectable):
                    words = f"column {place}: one of those that can be chosen"
                    yield self._about(DIFFERS, index, "columns", words, f"column {place}: {chosen}")
        else:
            yield self._about(UNCHECKED, index, "columns", "no source states them")

    def _rights(self) -> Iterator[Finding]:
        row, found = self._row, self._found
        if not row.rights:
            yield self._about(UNCHECKED, 0, "rights", "no source states them")
        elif not self._with_rights:
            yield self._about(UNCHECKED, 0, "rights", "stated for another client")
        elif not found.attributes:
            yield self._about(UNCHECKED, 0, "rights", "the meter does not tell them")
        else:
            for index, wanted in row.rights.items():
                there = found.attributes.get(index, 0) & (READABLE | WRITABLE)
                if there != wanted:
                    words = _RIGHTS[wanted], _RIGHTS[there]
                    yield self._about(DIFFERS, index, "rights", *words)

    def _loaded(self, index: int, load: Callable[[Data], Any]) -> Any:
        data = self._found.values.get(index)
        if data is None:
            return None
        try:
            return load(data)
        except DecodeError:
            return None


_UNKNOWN = "a type that no source states"


def _about(  # noqa: PLR0917 - the fields of a finding
    verdict: str,
    row: CompanionObject,
    attribute: int = 0,
    what: str = "",
    expected: str = "",
    found: str = "",
) -> Finding:
    return Finding(
        verdict,
        row.class_id,
        row.logical_name,
        row.name,
        attribute,
        what,
        expected,
        found,
        row.provenance,
    )


def _extra(found: FoundObject) -> Finding:
    name = obis_name(found.logical_name)
    return Finding(EXTRA, found.class_id, found.logical_name, name)


def _has_unit(name: str) -> bool:
    return name == "scaler_unit"


def _unit(code: int) -> str:
    return units.unit(code).symbol or "no unit"


def _columns(data: Data) -> list[CompanionColumn]:
    loaded: Iterable[Any] = ProfileGeneric.capture_objects.type.load(data)
    return [
        CompanionColumn(each.class_id, str(each.logical_name), each.attribute, each.data_index)
        for each in loaded
    ]


def _at(columns: Sequence[CompanionColumn], place: int) -> str:
    return str(columns[place]) if place < len(columns) else "nothing"


def _selected(column: CompanionColumn, choice: CompanionColumn) -> bool:
    if choice.attribute == _ANY:
        return column[:2] == choice[:2]
    return column == choice


def _kind(data: Data) -> str:
    return kind_name(data[0]) if data[0] not in (1, 2) else _short(None, data)


def _short(loaded: Any, data: Data) -> str:
    text = str(loaded) if isinstance(loaded, Obis) else show(data)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
