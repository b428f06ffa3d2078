"""Names that people use for meters and nodes, and the rows that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from sqlalchemy import Connection, select

from ferraris.core.errors import UsageError
from ferraris.headend.errors import NotFoundError
from ferraris.headend.inventory.states import State
from ferraris.headend.store.tables.inventory import METER, NODE

__all__ = [
    "chunks",
    "external_ids_of",
    "meter_number",
    "node_numbers",
    "numbers_of",
    "owners_of",
    "some",
]

_CHUNK = 1000
_NAMED = 3  # names that an error repeats

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int = _CHUNK) -> Iterator[list[Item]]:
    """Lists that a statement can name one by one."""
    listed = list(items)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def some(names: Iterable[str]) -> str:
    """A few names for an error, and how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:_NAMED])
    return shown if len(listed) <= _NAMED else f"{shown} and {len(listed) - _NAMED} more"


def numbers_of(
    connection: Connection, tenant: int, external_ids: Iterable[str]
) -> dict[str, int]:  # fmt: skip
    """Rows of meters by external id; those that are unknown are not in it."""
    found: dict[str, int] = {}
    for names in chunks(set(external_ids)):
        rows = connection.execute(
            select(METER.c.external_id, METER.c.id).where(
                METER.c.tenant == tenant, METER.c.external_id.in_(names)
            )
        )
        found.update((name, number) for name, number in rows)
    return found


def external_ids_of(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """External ids of rows of meters."""
    found: dict[int, str] = {}
    for some_numbers in chunks(set(numbers)):
        rows = connection.execute(
            select(METER.c.id, METER.c.external_id).where(METER.c.id.in_(some_numbers))
        )
        found.update((number, name) for number, name in rows)
    return found


def owners_of(
    connection: Connection, tenant: int, titles: Iterable[bytes]
) -> list[tuple[bytes, str]]:
    """System titles with the external ids of the meters that have them, but for retired ones."""
    found: list[tuple[bytes, str]] = []
    for some_titles in chunks(titles):
        rows = connection.execute(
            select(METER.c.system_title, METER.c.external_id).where(
                METER.c.tenant == tenant,
                METER.c.system_title.in_(some_titles),
                METER.c.state != State.RETIRED.value,
            )
        )
        found += ((title, name) for title, name in rows)
    return found


def meter_number(connection: Connection, tenant: int, external_id: str) -> int:
    """The row of a meter; `NotFoundError` when the tenant has no such meter."""
    found = connection.execute(
        select(METER.c.id).where(METER.c.tenant == tenant, METER.c.external_id == external_id)
    ).scalar()
    if found is None:
        raise NotFoundError(f"no meter {external_id!r}")
    return int(found)


def node_numbers(connection: Connection, tenant: int, names: Iterable[str]) -> dict[str, int]:
    """Rows of nodes by name; `UsageError` for one that does not exist."""
    wanted = set(names)
    found: dict[str, int] = {}
    for some_names in chunks(wanted):
        rows = connection.execute(
            select(NODE.c.name, NODE.c.id).where(
                NODE.c.tenant == tenant, NODE.c.name.in_(some_names)
            )
        )
        found.update((name, number) for name, number in rows)
    missing = sorted(wanted - found.keys())
    if missing:
        raise UsageError(f"no node {some(missing)}: make it first")
    return found
