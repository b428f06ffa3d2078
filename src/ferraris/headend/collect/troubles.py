"""Meters that were tried in vain: which, why, and what they wait for; counted, and as a list."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Text,
    and_,
    case,
    func,
    or_,
    select,
    true,
)

from ferraris.core.errors import UsageError
from ferraris.headend.store.tables.collecting import CONTACT, LACK
from ferraris.headend.store.tables.inventory import METER, NODE

__all__ = ["ORDERS", "Trouble", "TroubleCount", "Where", "trouble_counts", "troubles"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A meter of which something is missing, and why; `heard_s` None when it never was."""

    meter: int
    external_id: str
    segment: str
    model: str
    firmware: str
    state: str
    reason: str
    message: str
    tries: int
    since_s: float
    not_before_s: float
    heard_s: float | None


@dataclass(frozen=True, slots=True)
class TroubleCount:
    """How many meters of a segment, model and firmware are in trouble for one reason."""

    reason: str
    node: int
    segment: str
    model: str
    firmware: str
    meters: int


@dataclass(frozen=True, slots=True)
class Where:
    """Which of them: None for all; `nodes` and `meter` are rows, nodes without what is below."""

    reason: str | None = None
    nodes: Collection[int] | None = None
    model: str | None = None
    firmware: str | None = None
    meter: int | None = None


ORDERS: Final = ("silent", "meter", "segment", "reason", "next", "tries")
"""What a list can be in the order of: longest silent, name, segment, reason, next try - those held
for a human first -, and most tries."""

_SEGMENT: Final = func.coalesce(NODE.c.name, "")


def trouble_counts(
    connection: Connection, tenant: int, among: ColumnElement[bool]
) -> list[TroubleCount]:
    """How many there are; `among` is a condition on `meter`."""
    found = _found(tenant, among)
    node = func.coalesce(METER.c.node, 0)
    by = (found.c.reason, node, _SEGMENT, METER.c.model, METER.c.firmware)
    rows = connection.execute(
        _with_meter(found, *by, func.count()).group_by(
            found.c.reason, METER.c.node, NODE.c.name, METER.c.model, METER.c.firmware
        )
    )
    return [TroubleCount(*row) for row in rows]


def troubles(
    connection: Connection,
    tenant: int,
    among: ColumnElement[bool],
    where: Where,
    *,
    order: str = "silent",
    after: str = "",
    limit: int = 100,
) -> tuple[list[Trouble], str]:
    """Some of them in an order of `ORDERS`, and what `after` gets the rest: empty at the end.

    Equal ones are in the order of their ids. Raises `UsageError` for another order or `after`.
    """
    if order not in ORDERS:
        raise UsageError(f"the order is one of {', '.join(ORDERS)}", where="collect")
    found = _found(tenant, among & _condition(where))
    key = _key(order, found)
    query = (
        _with_meter(
            found,
            METER.c.id,
            METER.c.external_id,
            _SEGMENT,
            METER.c.model,
            METER.c.firmware,
            found.c.state,
            found.c.reason,
            found.c.message,
            found.c.tries,
            found.c.since_s,
            found.c.not_before_s,
            METER.c.heard_s,
            key.label("key"),
        )
        .order_by(key, METER.c.external_id)
        .limit(limit + 1)
    )
    if where.reason is not None:
        query = query.where(found.c.reason == where.reason)
    if after:
        at, name = _place(after, str if isinstance(key.type, Text) else float)
        query = query.where(or_(key > at, and_(key == at, METER.c.external_id > name)))
    rows = connection.execute(query).all()
    more = ""
    if len(rows) > limit:
        last = rows[limit - 1]
        more = json.dumps([last.key, last.external_id], ensure_ascii=False)
    return [Trouble(*row[:-1]) for row in rows[:limit]], more


def _found(tenant: int, among: ColumnElement[bool]) -> Subquery:
    """One row a meter: of its contact as a whole, else of the worst of what it lacks.

    One that is being tried again is still in trouble.
    """
    resting = (CONTACT.c.tenant == tenant) & (CONTACT.c.reason != "")
    whole = select(
        CONTACT.c.meter,
        case((CONTACT.c.state == "claimed", "trying"), else_=CONTACT.c.state).label("state"),
        CONTACT.c.reason,
        CONTACT.c.message,
        CONTACT.c.tries,
        CONTACT.c.since_s,
        CONTACT.c.not_before_s,
    ).where(resting)
    # Of one reason, or of the first by name where there are several; held counts more than waiting.
    part = (
        select(
            LACK.c.meter,
            case((func.max(LACK.c.held) == 1, "held"), else_="waiting").label("state"),
            func.min(LACK.c.reason).label("reason"),
            func.min(LACK.c.message).label("message"),
            func.max(LACK.c.tries).label("tries"),
            func.min(LACK.c.since_s).label("since_s"),
            func.min(LACK.c.not_before_s).label("not_before_s"),
        )
        .where(
            LACK.c.tenant == tenant,
            LACK.c.meter.not_in(select(CONTACT.c.meter).where(resting)),
        )
        .group_by(LACK.c.meter)
    )
    both = whole.union_all(part).subquery()
    return select(both).join(METER, METER.c.id == both.c.meter).where(among).subquery()


def _with_meter(found: Subquery, *columns: Any) -> Select[Any]:
    joined = found.join(METER, METER.c.id == found.c.meter)
    return select(*columns).select_from(joined.outerjoin(NODE, NODE.c.id == METER.c.node))


def _condition(where: Where) -> ColumnElement[bool]:
    wanted: list[ColumnElement[bool]] = [true()]
    if where.nodes is not None:
        wanted.append(METER.c.node.in_(sorted(where.nodes)))
    if where.model is not None:
        wanted.append(METER.c.model == where.model)
    if where.firmware is not None:
        wanted.append(METER.c.firmware == where.firmware)
    if where.meter is not None:
        wanted.append(METER.c.id == where.meter)
    return and_(*wanted)


def _place(after: str, kind: type[str] | type[float]) -> tuple[float | str, str]:
    key: object = None
    name: object = None
    with suppress(ValueError, TypeError, OverflowError, RecursionError):
        key, name = json.loads(after)
        key = float(key) if kind is float else key  # type: ignore[arg-type]
    known = isinstance(name, str) and "\0" not in f"{key}{name}"
    if known and isinstance(key, str | float) and isinstance(key, kind):
        return key, str(name)
    raise UsageError("after is what the page before said, nothing else", where="collect")


def _key(order: str, found: Subquery) -> ColumnElement[Any]:
    keys: Mapping[str, ColumnElement[Any]] = {
        "silent": func.coalesce(METER.c.heard_s, 0.0),
        "meter": METER.c.external_id,
        "segment": _SEGMENT,
        "reason": found.c.reason,
        "next": case((found.c.state == "held", 0.0), else_=found.c.not_before_s),
        "tries": -found.c.tries,
    }
    return keys[order]
