"""Queries for meters as data: what a group is, and what a list is filtered by.

`state=active and below=Cell-7` is `{"all": [{"state": ["active"]}, {"below": ["Cell-7"]}]}`: a
condition names a field and the values that will do, of which `{"prefix": "FRR"}` stands for all
that begin so. `all` and `any` take a list of queries, `not` takes one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ferraris.core.errors import UsageError
from ferraris.headend.inventory.records import MEDIA, Authentication, Contact, Kind
from ferraris.headend.inventory.states import State

__all__ = [
    "EVERY",
    "FIELDS",
    "AllOf",
    "AnyOf",
    "Condition",
    "Not",
    "Query",
    "QueryError",
    "Value",
    "check_condition",
    "check_size",
    "from_document",
    "to_document",
]

MOST_DEPTH = 20
_MOST_PARTS = 1000
_VALUE_CHARACTERS = 200
_LABEL = re.compile(r"label\.[A-Za-z][A-Za-z0-9_-]{0,49}")

FIELDS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "id": None,
    "kind": tuple(Kind),
    "state": tuple(State),
    "model": None,
    "maker": None,
    "serial": None,
    "medium": MEDIA,
    "companion": None,
    "template": None,
    "contact": tuple(Contact),
    "authentication": tuple(Authentication),
    "firmware": None,
    "firmware_wanted": None,
    "configuration": None,
    "configuration_wanted": None,
    "differs": ("firmware", "configuration"),
    "node": None,
    "below": None,
    "behind": None,
}
"""What can be asked for, with the words where only some make sense; besides `label.NAME`.

`node` is where a meter hangs itself, `below` any node above it as well; `differs` finds those whose
known firmware or configuration is not the wanted one.
"""


class QueryError(UsageError):
    """A query that cannot be understood; `place` is where, counted from 1, or 0."""

    def __init__(self, message: str, place: int = 0) -> None:
        super().__init__(message, where=f"query, character {place}" if place else "query")
        self.place = place


@dataclass(frozen=True, slots=True)
class Value:
    """A word, or all words that begin with it."""

    text: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A field has one of some values."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All parts hold; with none of them everything does."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part holds at least; with none of them nothing does."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Query


Query: TypeAlias = Condition | AllOf | AnyOf | Not

EVERY: Final = AllOf(())
"""Every meter."""


def check_condition(field: str, values: tuple[Value, ...]) -> Condition:
    """A condition, if there is such a field and its values make sense; `QueryError` otherwise."""
    words = FIELDS.get(field)
    if field not in FIELDS and not _LABEL.fullmatch(field):
        raise QueryError(f"no field {_shown(field)}; there are {', '.join(FIELDS)}, label.NAME")
    if not values:
        raise QueryError(f"{field}: no value")
    for value in values:
        if len(value.text) > _VALUE_CHARACTERS or not value.text.isprintable():
            raise QueryError(
                f"{field}: a value has at most {_VALUE_CHARACTERS} printable characters"
            )
        if words is not None and (value.prefix or value.text not in words):
            raise QueryError(f"{field}: one of {', '.join(words)}, not {_shown(value.text)}")
    return Condition(field, values)


def check_size(query: Query) -> Query:
    """The query itself; `QueryError` when it has too many parts or is nested too deep."""
    layer: list[Query] = [query]
    parts = depth = 0
    while layer:
        parts += sum(len(each.values) if isinstance(each, Condition) else 1 for each in layer)
        depth += 1
        if parts > _MOST_PARTS or depth > MOST_DEPTH:
            raise QueryError(
                f"a query has at most {_MOST_PARTS} parts, nested at most {MOST_DEPTH} deep"
            )
        layer = [part for each in layer for part in _parts(each)]
    return query


def to_document(query: Query) -> dict[str, Any]:
    """The query as JSON has it."""
    if isinstance(query, Condition):
        values = [{"prefix": each.text} if each.prefix else each.text for each in query.values]
        return {query.field: values}
    if isinstance(query, Not):
        return {"not": to_document(query.part)}
    name = "all" if isinstance(query, AllOf) else "any"
    return {name: [to_document(part) for part in query.parts]}


def from_document(document: object) -> Query:
    """The query that JSON describes; `QueryError` for anything else."""
    return check_size(_read(document, 1))


def together(kind: type[AllOf] | type[AnyOf], parts: tuple[Query, ...]) -> Query:
    """All or any of some parts; one alone needs no wrapping."""
    return parts[0] if len(parts) == 1 else kind(parts)


def _read(document: object, depth: int) -> Query:
    if depth > MOST_DEPTH:
        raise QueryError(f"nested at most {MOST_DEPTH} deep")
    if not isinstance(document, Mapping) or len(document) != 1:
        raise QueryError('an object with one name: a field, "all", "any" or "not"')
    ((name, content),) = document.items()
    if name == "not":
        return Not(_read(content, depth + 1))
    if name in ("all", "any"):
        if not isinstance(content, list) or len(content) > _MOST_PARTS:
            raise QueryError(f'"{name}" takes a list of at most {_MOST_PARTS} queries')
        parts = tuple(_read(each, depth + 1) for each in content)
        return together(AllOf if name == "all" else AnyOf, parts)
    listed = content if isinstance(content, list) else [content]
    return check_condition(str(name), tuple(_value(each) for each in listed))


def _value(content: object) -> Value:
    if isinstance(content, str):
        return Value(content)
    if isinstance(content, Mapping) and content.keys() == {"prefix"}:
        text = content["prefix"]
        if isinstance(text, str):
            return Value(text, prefix=True)
    raise QueryError('a value is a text, or {"prefix": a text}')


def _parts(query: Query) -> tuple[Query, ...]:
    if isinstance(query, Condition):
        return ()
    return (query.part,) if isinstance(query, Not) else query.parts


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
