"""Queries as conditions of SQL, the same for every back end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    and_,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from ferraris.headend.inventory.query import AllOf, Condition, Not, Query, Value
from ferraris.headend.store.tables.inventory import LABEL, METER, NODE

__all__ = ["condition_of", "selection_of"]

_COLUMNS: Final[Mapping[str, Column[Any]]] = {
    "id": METER.c.external_id,
    "serial": METER.c.serial_number,
    **{
        name: METER.c[name]
        for name in (
            "kind",
            "state",
            "model",
            "maker",
            "medium",
            "companion",
            "template",
            "contact",
            "authentication",
            "firmware",
            "firmware_wanted",
            "configuration",
            "configuration_wanted",
        )
    },
}


def condition_of(query: Query, tenant: int) -> ColumnElement[bool]:
    """The condition on the table of meters; it does not ask for the tenant's rows by itself."""
    if isinstance(query, Condition):
        return _condition(query, tenant)
    if isinstance(query, Not):
        return not_(condition_of(query.part, tenant))
    parts = [condition_of(part, tenant) for part in query.parts]
    return and_(true(), *parts) if isinstance(query, AllOf) else or_(false(), *parts)


def selection_of(query: Query, tenant: int) -> Select[Any]:
    """The rows (`meter.id`) of the tenant's meters that a query finds."""
    return select(METER.c.id).where(METER.c.tenant == tenant, condition_of(query, tenant))


def _condition(condition: Condition, tenant: int) -> ColumnElement[bool]:
    field, values = condition.field, condition.values
    if field in _COLUMNS:
        return _one_of(_COLUMNS[field], values)
    if field == "differs":
        return or_(false(), *(_differs(value.text) for value in values))
    if field == "node":
        here = select(NODE.c.id).where(NODE.c.tenant == tenant, _one_of(NODE.c.name, values))
        return _among(METER.c.node, here)
    if field == "below":
        return _among(METER.c.node, _below(values, tenant))
    if field == "behind":
        host = METER.alias()
        hosts = select(host.c.id).where(
            host.c.tenant == tenant, _one_of(host.c.external_id, values)
        )
        return _among(METER.c.behind, hosts)
    name = field.removeprefix("label.")
    labelled = select(LABEL.c.meter).where(
        LABEL.c.tenant == tenant, LABEL.c.name == name, _one_of(LABEL.c.value, values)
    )
    return METER.c.id.in_(labelled)


def _one_of(column: ColumnElement[Any], values: tuple[Value, ...]) -> ColumnElement[bool]:
    exact = [value.text for value in values if not value.prefix]
    begins = [value.text for value in values if value.prefix]
    ways = [func.substr(column, 1, len(text)) == text for text in begins]
    if exact:
        ways.append(column.in_(exact))
    return or_(false(), *ways)


def _differs(what: str) -> ColumnElement[bool]:
    wanted = METER.c[f"{what}_wanted"]
    return and_(wanted != "", METER.c[what] != wanted)


def _among(column: ColumnElement[Any], rows: Select[Any]) -> ColumnElement[bool]:
    # Without the first half, NOT of an unknown would be unknown.
    return and_(column.is_not(None), column.in_(rows))


def _below(values: tuple[Value, ...], tenant: int) -> Select[Any]:
    start = (
        select(NODE.c.id)
        .where(NODE.c.tenant == tenant, _one_of(NODE.c.name, values))
        .cte(recursive=True)
    )
    child = NODE.alias()
    tree = start.union(select(child.c.id).join(start, child.c.parent == start.c.id))
    return select(tree.c.id)
