"""Reads companion specifications: TOML files of a form that `docs/companions.md` describes.

A malformed file is a `UsageError` that names file, line and key, and says what was expected.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast, get_args

from ferraris.core.errors import UsageError
from ferraris.data import units
from ferraris.data.obis import Obis
from ferraris.model.companion.shapes import Shape
from ferraris.model.companion.specification import (
    RIGHTS,
    Client,
    Companion,
    CompanionColumn,
    CompanionObject,
    Profile,
    has_channel,
    placed,
)
from ferraris.model.companion.tables import Table
from ferraris.model.interface_class import Provenance

__all__ = ["companion", "names", "parse"]

_ENDING = ".toml"
_BASE = "cosem"
_AUTHENTICATIONS = ("none", "password", "gmac", "ecdsa")
_RANGE = re.compile(r"\[(\d+)-(\d+)\]")
_MOST_CHANNELS = 255


@cache
def names() -> tuple[str, ...]:
    """The specifications that come with Ferraris."""
    found = (each.name for each in files(__package__).joinpath("data").iterdir())
    stems = (name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING))
    return tuple(sorted(name for name in stems if name != _BASE))


def companion(name: str) -> Companion:
    """The specification with this name, or in the file of this name.

    Raises `UsageError` when there is none, or when the file is malformed.
    """
    if name in names():
        return _shipped(name)
    if not name.endswith(_ENDING):
        known = ", ".join(names())
        raise UsageError(
            f"no companion specification {name!r}; there are: {known}, or a .toml file"
        )
    try:
        text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: UTF-8 expected, octet {error.start} is none") from error
    return parse(text, name)


@cache
def _shipped(name: str) -> Companion:
    file = files(__package__).joinpath("data", name + _ENDING)
    return parse(file.read_text(encoding="utf-8"), name + _ENDING)


def parse(text: str, file: str = "companion") -> Companion:
    """Read a specification from its text; `file` is what errors call it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from error
    return _companion(Table(document, file, text))


def _companion(table: Table) -> Companion:
    base = table.text("extends", "")
    extended = None if not base else _base(table, base)
    name = table.text("name")
    kinds = tuple(table.texts("kinds", list(extended.kinds if extended else ("any",))))
    channels = table.number("channels", extended.channels if extended else 0, 0, _MOST_CHANNELS)
    client = table.number(
        "client", -1 if not extended or extended.client is None else extended.client, -1, 127
    )
    rests_on = _provenance(table, "memory")
    source = table.text("source", "memory")
    dropped = set(table.texts("drop", []))
    clients = tuple(_client(each) for each in table.tables("clients"))
    rows: dict[tuple[int, str], CompanionObject] = {}
    for row in extended.objects if extended else ():
        label = f"{row.class_id}/{row.pattern}"
        if label not in dropped:
            rows[row.key] = row
        dropped.discard(label)
    if dropped:
        raise table.error("drop", f"{min(dropped)} is not in {base or 'anything that is extended'}")
    _own_rows(
        table,
        kinds,
        rows,
        CompanionObject(0, (0,), "", "", provenance=rests_on, source=source, origin=name),
    )
    made = Companion(
        name,
        table.text("title", name),
        kinds,
        channels,
        None if client < 0 else client,
        clients or (extended.clients if extended else ()),
        tuple(rows.values()),
        rests_on,
        source,
        table.text("note", ""),
    )
    table.finish()
    return made


def _base(table: Table, base: str) -> Companion:
    if base != _BASE and base not in names():
        raise table.error(
            "extends", f"one of {', '.join((_BASE, *names()))} expected, not {base!r}"
        )
    return _shipped(base)


def _own_rows(
    table: Table,
    kinds: Sequence[str],
    rows: dict[tuple[int, str], CompanionObject],
    start: CompanionObject,
) -> None:
    own: set[tuple[int, str]] = set()
    for each in table.tables("objects"):
        for row in _rows(each, kinds, start):
            if row.key in own:
                raise each.error("obis", f"{row.class_id}/{row.pattern} stands here twice")
            own.add(row.key)
            rows[row.key] = row


def _rows(table: Table, kinds: Sequence[str], start: CompanionObject) -> Iterator[CompanionObject]:
    """The rows of one table: as many as a range of numbers in its name."""
    pattern = table.text("obis")
    class_id = table.number("class", None, 1, 0xFFFF)
    row = replace(
        start,
        class_id=class_id,
        versions=tuple(table.numbers("version", [0], 0, 0xFF)),
        name=table.text("name", ""),
        kinds=tuple(table.texts("kinds", [])),
        optional=table.flag("optional", False),
        shapes={
            index: tuple(map(table.reading("types", Shape.parse), _as_list(words)))
            for index, words in table.by_index("types", (str, list))
        },
        scalers=tuple(table.numbers("scaler", [], -128, 127)),
        units=tuple(
            table.reading("unit", units.find)(symbol).code for symbol in table.texts("unit", [])
        ),
        values=dict(_values(table)),
        profile=_profile(table),
        usual=_profile(table.table("usual")),
        rights=dict(_rights(table.table("rights"))),
        events=table.text("events", ""),
        provenance=_provenance(table, start.provenance),
        source=table.text("source", start.source),
        note=table.text("note", ""),
    )
    for kind in row.kinds:
        if kind not in kinds:
            raise table.error("kinds", f"one of {', '.join(kinds)} expected, not {kind!r}")
    table.finish()
    for spelled in _each_of(pattern):
        yield replace(row, pattern=_pattern(spelled, table.reading("obis", _checked)))


def _each_of(pattern: str) -> Iterator[str]:
    """`1-0:1.8.[1-4]*255` is four names."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    for number in range(int(found[1]), int(found[2]) + 1):
        yield from _each_of(f"{pattern[: found.start()]}{number}{pattern[found.end() :]}")


def _pattern(spelled: str, checked: Callable[[str], Obis]) -> str:
    name = str(checked(spelled))
    if not has_channel(spelled):
        return name
    medium, _, rest = name.partition("-")
    return f"{medium}-x:{rest.partition(':')[2]}"


def _checked(spelled: str) -> Obis:
    return placed(spelled, 1)


def _profile(table: Table) -> Profile:
    columns = table.texts("columns", None)
    period = table.number("period", -1, 0, 0xFFFFFFFF)
    entries = table.number("entries", -1, 0, 0xFFFFFFFF)
    column = table.reading("columns", _column)
    selectable = table.reading("selectable", _column)
    made = Profile(
        None if columns is None else tuple(map(column, columns)),
        tuple(map(selectable, table.texts("selectable", []))),
        None if period < 0 else period,
        None if entries < 0 else entries,
    )
    if table.inner:
        table.finish()
    return made


def _column(text: str) -> CompanionColumn:
    parts = text.split("/")
    numbers = [*parts[:1], *parts[2:]]
    if not 2 <= len(parts) <= 4 or not all(part.isdigit() for part in numbers):
        raise UsageError(f"CLASS/OBIS/ATTRIBUTE expected, not {text[:40]!r}")
    name = _pattern(parts[1], _checked)
    attribute, index = (int(part) for part in (*parts[2:], "0", "0")[:2])
    return CompanionColumn(int(parts[0]), name, attribute, index)


def _values(table: Table) -> Iterator[tuple[int, int | Obis]]:
    for index, value in table.by_index("values", (bool, int, str)):
        if isinstance(value, str):
            yield index, table.reading("values", Obis.parse)(value)
        else:
            yield index, int(value)


def _rights(table: Table) -> Iterator[tuple[int, int]]:
    for right, bits in RIGHTS.items():
        for index in table.numbers(right, [], 1, 127):
            yield index, bits
    table.finish()


def _client(table: Table) -> Client:
    authentication = table.text("authentication")
    if authentication not in _AUTHENTICATIONS:
        raise table.error(
            "authentication",
            f"one of {', '.join(_AUTHENTICATIONS)} expected, not {authentication!r}",
        )
    made = Client(
        table.number("address", None, 0, 127),
        table.text("name"),
        authentication,
        table.reading("association", Obis.parse)(table.text("association", "0-0:40.0.0*255")),
    )
    table.finish()
    return made


def _provenance(table: Table, usual: Provenance) -> Provenance:
    known = get_args(Provenance)
    found = table.text("provenance", usual)
    if found not in known:
        raise table.error("provenance", f"one of {', '.join(known)} expected, not {found!r}")
    return cast("Provenance", found)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
