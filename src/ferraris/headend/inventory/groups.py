"""Groups of meters by query: membership follows the inventory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ferraris.core.errors import UsageError
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory.checking import check_name
from ferraris.headend.inventory.query import Query, check_size, from_document, to_document
from ferraris.headend.inventory.query_statement import selection_of
from ferraris.headend.inventory.query_text import parse_query, query_text
from ferraris.headend.store.tables.access import GRANT
from ferraris.headend.store.tables.collecting import PLAN
from ferraris.headend.store.tables.inventory import GROUP

__all__ = [
    "Group",
    "change_group",
    "create_group",
    "delete_group",
    "group",
    "group_selection",
    "groups",
    "members",
]


@dataclass(frozen=True, slots=True)
class Group:
    """A name for a query."""

    name: str
    query: Query
    built_in: bool = False

    @property
    def text(self) -> str:
        """The query as people write it."""
        return query_text(self.query)


def create_group(connection: Connection, tenant: int, name: str, query: Query | str) -> Group:
    """Give a query a name; `ConflictError` when the name is taken."""
    made = Group(check_name(name), _query(query))
    try:
        connection.execute(
            insert(GROUP).values(tenant=tenant, name=name, query=_stored(made.query), built_in=0)
        )
    except IntegrityError:
        raise ConflictError(f"there is a group {name!r} already") from None
    return made


def change_group(connection: Connection, tenant: int, name: str, query: Query | str) -> Group:
    """Give a name another query; the built-in groups stay as they are."""
    _own(connection, tenant, name)
    made = Group(name, _query(query))
    connection.execute(
        update(GROUP)
        .where(GROUP.c.tenant == tenant, GROUP.c.name == name)
        .values(query=_stored(made.query))
    )
    return made


def delete_group(connection: Connection, tenant: int, name: str) -> None:
    """Forget a group; `ConflictError` while a plan or somebody's rights hang on it."""
    _own(connection, tenant, name)
    for table, what in ((PLAN, "a plan"), (GRANT, "a grant")):
        used = connection.execute(
            select(table.c.id).where(table.c.tenant == tenant, table.c.group_name == name).limit(1)
        ).scalar()
        if used is not None:
            raise ConflictError(f"{what} is for the group {name!r}: change that first")
    connection.execute(delete(GROUP).where(GROUP.c.tenant == tenant, GROUP.c.name == name))


def group(connection: Connection, tenant: int, name: str) -> Group:
    """A group; `NotFoundError` when the tenant has no such."""
    row = connection.execute(
        select(GROUP).where(GROUP.c.tenant == tenant, GROUP.c.name == name)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"no group {name!r}")
    return _group(row)


def groups(connection: Connection, tenant: int) -> list[Group]:
    """All groups of a tenant in the order of their names."""
    rows = connection.execute(
        select(GROUP).where(GROUP.c.tenant == tenant).order_by(GROUP.c.name)
    )  # fmt: skip
    return [_group(row) for row in rows]


def group_selection(connection: Connection, tenant: int, name: str) -> Select[Any]:
    """The rows (`meter.id`) of the members, as a part of other statements."""
    return selection_of(group(connection, tenant, name).query, tenant)


def members(connection: Connection, tenant: int, name: str) -> list[int]:
    """The rows of the members, in order."""
    selection = group_selection(connection, tenant, name)
    return sorted(connection.execute(selection).scalars())


def _query(query: Query | str) -> Query:
    return parse_query(query) if isinstance(query, str) else check_size(query)


def _stored(query: Query) -> str:
    return json.dumps(to_document(query), separators=(",", ":"), ensure_ascii=False)


def _group(row: Any) -> Group:
    return Group(row.name, from_document(json.loads(row.query)), bool(row.built_in))


def _own(connection: Connection, tenant: int, name: str) -> None:
    if group(connection, tenant, name).built_in:
        raise UsageError(f"the group {name!r} is built in")
