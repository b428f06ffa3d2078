"""Plans in the store: put, list, delete, and the meters that each has at the moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Select,
    and_,
    delete,
    func,
    insert,
    literal,
    not_,
    select,
    update,
)

from ferraris.core.errors import UsageError
from ferraris.headend.collect.gaps import AtWork, GapList, answering
from ferraris.headend.collect.plan import BILLING, REGISTERS, Item, Plan, plan_of
from ferraris.headend.collect.plan import PROFILE as PROFILE_KIND
from ferraris.headend.collect.target import SUB_METER
from ferraris.headend.collect.windows import local_day
from ferraris.headend.store import changes
from ferraris.headend.store.tables.collecting import (
    ITEM,
    ITEM_LAYOUT,
    PLAN,
    PLAN_ITEM,
    PLAN_METER,
    READ_SUCCESS,
)
from ferraris.headend.store.tables.inventory import LIFE, METER
from ferraris.headend.store.tables.readings import CHANNEL, LAYOUT, PROFILE
from ferraris.headend.store.upsert import add

__all__ = [
    "KnownPlan",
    "Members",
    "answers_of",
    "at_work",
    "check_group",
    "delete_plan",
    "find_plan",
    "gap_list",
    "no_groups",
    "plans",
    "profile_numbers",
    "put_plan",
    "refresh_members",
    "registers_of",
]

Members = Callable[[Connection, int, str], "Select[Any]"]
"""From tenant and name of a group to the selection of `meter.id`, as the inventory gives it."""

_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A plan of the store with its number and the numbers of its items."""

    number: int
    plan: Plan
    items: Mapping[int, Item]
    changed_s: int


def put_plan(connection: Connection, tenant: int, plan: Plan, *, now: float) -> KnownPlan:
    """Make a plan, or change the one of this name; whoever collects takes it over by itself."""
    row = {
        "group_name": plan.group,
        "priority": plan.priority,
        "active": int(plan.active),
        "document": json.dumps(plan.document(), separators=(",", ":")),
        "changed_s": int(now),
    }
    known = select(PLAN.c.id).where(PLAN.c.tenant == tenant, PLAN.c.name == plan.name)
    number = connection.execute(known).scalar()
    if number is None:
        add(connection, PLAN, [{"tenant": tenant, "name": plan.name, **row}])
        number = connection.execute(known).scalar_one()
    connection.execute(update(PLAN).where(PLAN.c.id == number).values(row))
    items = {_item_number(connection, tenant, item): item for item in plan.items}
    connection.execute(delete(PLAN_ITEM).where(PLAN_ITEM.c.plan == number))
    connection.execute(
        insert(PLAN_ITEM), [{"tenant": tenant, "plan": number, "item": item} for item in items]
    )
    changes.note(connection, tenant, "plan", plan.name, at_s=now, detail={"active": plan.active})
    return KnownPlan(int(number), plan, items, int(now))


def delete_plan(connection: Connection, tenant: int, name: str, *, now: float) -> bool:
    """Forget a plan and its read success; what was read stays. False when there is none."""
    number = connection.execute(
        select(PLAN.c.id).where(PLAN.c.tenant == tenant, PLAN.c.name == name)
    ).scalar()
    if number is None:
        return False
    for table in (PLAN_ITEM, PLAN_METER, READ_SUCCESS):
        connection.execute(delete(table).where(table.c.plan == number))
    connection.execute(delete(PLAN).where(PLAN.c.id == number))
    changes.note(connection, tenant, "plan", name, at_s=now, detail={"deleted": True})
    return True


def plans(connection: Connection, tenant: int) -> list[KnownPlan]:
    """All plans of a tenant in the order of their names."""
    items = {
        row.id: Item(row.kind, row.name, row.period_s, row.each)
        for row in connection.execute(select(ITEM).where(ITEM.c.tenant == tenant))
    }
    of_plan: dict[int, dict[int, Item]] = {}
    for row in connection.execute(
        select(PLAN_ITEM.c.plan, PLAN_ITEM.c.item).where(PLAN_ITEM.c.tenant == tenant)
    ):
        of_plan.setdefault(row.plan, {})[row.item] = items[row.item]
    rows = connection.execute(select(PLAN).where(PLAN.c.tenant == tenant).order_by(PLAN.c.name))
    return [
        KnownPlan(row.id, plan_of(json.loads(row.document)), of_plan.get(row.id, {}), row.changed_s)
        for row in rows
    ]  # fmt: skip


def find_plan(connection: Connection, tenant: int, name: str) -> KnownPlan | None:
    """The plan of a name, None when there is none."""
    return next((each for each in plans(connection, tenant) if each.plan.name == name), None)


def at_work(known: Iterable[KnownPlan], now: float, *, always: bool = False) -> list[AtWork]:
    """The plans whose windows are open at a moment; with `always` all that are active."""
    found = (AtWork.at(each.number, each.plan, each.items, now, always=always) for each in known)
    return [each for each in found if each is not None]


def gap_list(connection: Connection, tenant: int, work: list[AtWork]) -> GapList:
    """The gap list of plans at work."""
    items: dict[int, Item] = {}
    for each in work:
        items |= each.items
    profiles = profile_numbers(connection, tenant, items)
    return GapList(tenant, work, profiles, answers_of(connection, tenant, items))


def registers_of(connection: Connection, meter: int) -> list[str]:
    """The registers that the plans of a meter read, each once."""
    rows = connection.execute(
        select(ITEM.c.name)
        .join(PLAN_ITEM, PLAN_ITEM.c.item == ITEM.c.id)
        .join(PLAN_METER, PLAN_METER.c.plan == PLAN_ITEM.c.plan)
        .where(
            PLAN_METER.c.meter == meter,
            PLAN_METER.c.until_day.is_(None),
            ITEM.c.kind == REGISTERS,
        )
        .order_by(ITEM.c.id)
    )
    return list(dict.fromkeys(name for row in rows for name in Item(REGISTERS, row.name).registers))


def profile_numbers(
    connection: Connection, tenant: int, items: Mapping[int, Item]
) -> dict[str, int]:
    """The numbers of the profiles that items name, as far as the store knows them."""
    names = {item.name for item in items.values() if item.kind in (PROFILE_KIND, BILLING)}
    rows = connection.execute(
        select(PROFILE.c.obis, PROFILE.c.id).where(
            PROFILE.c.tenant == tenant, PROFILE.c.obis.in_(names or {""})
        )
    )
    return {row.obis: row.id for row in rows}


def answers_of(
    connection: Connection, tenant: int, items: Mapping[int, Item]
) -> dict[int, frozenset[int]]:
    """Which layouts of register reads answer which item."""
    if not any(item.registers for item in items.values()):
        return {}
    noted = connection.execute(
        select(ITEM_LAYOUT.c.item, ITEM_LAYOUT.c.layout).where(ITEM_LAYOUT.c.tenant == tenant)
    )
    layouts = _layouts(connection, tenant).items()
    return answering(items, layouts, [(row.item, row.layout) for row in noted])


def refresh_members(
    connection: Connection, tenant: int, known: Iterable[KnownPlan], members: Members, *, now: float
) -> int:
    """Let the meters of plans follow their groups; returns how many came or went.

    Members are active meters; sub-meters where the plan names objects of channels, others where it
    names anything else. One that is new owes the plan's back-log, but no days before it
    became active; one that went owes the days until now.
    """
    return sum(_refresh(connection, tenant, each, members, now) for each in known)


def _refresh(
    connection: Connection, tenant: int, known: KnownPlan, members: Members, now: float
) -> int:
    plan = known.plan
    here = and_(METER.c.tenant == tenant, METER.c.state == "active")
    wanted = select(METER.c.id).where(here)
    for of_sub_meters in {True, False} - {item.of_sub_meters for item in known.items.values()}:
        is_sub_meter = METER.c.kind == SUB_METER
        wanted = wanted.where(not_(is_sub_meter) if of_sub_meters else is_sub_meter)
    if plan.group:
        wanted = wanted.where(METER.c.id.in_(members(connection, tenant, plan.group)))
    today = local_day(now, plan.zone)
    mine = PLAN_METER.c.plan == known.number
    away = and_(mine, PLAN_METER.c.until_day.is_not(None), PLAN_METER.c.meter.in_(wanted))
    back = connection.execute(update(PLAN_METER).where(away).values(until_day=None)).rowcount
    gone = and_(mine, PLAN_METER.c.until_day.is_(None), not_(PLAN_METER.c.meter.in_(wanted)))
    left = connection.execute(update(PLAN_METER).where(gone).values(until_day=today)).rowcount
    oldest = today - plan.back_days
    new = wanted.where(METER.c.id.not_in(select(PLAN_METER.c.meter).where(mine)))
    since = dict.fromkeys(connection.execute(new).scalars(), oldest)
    if since:
        first = (
            select(LIFE.c.meter, func.min(LIFE.c.at_s))
            .where(LIFE.c.tenant == tenant, LIFE.c.after == literal("active"))
            .group_by(LIFE.c.meter)
        )
        for meter, at_s in connection.execute(first):
            if meter in since:
                since[meter] = int(at_s) // _DAY_S - plan.before_days
        rows = [
            {"tenant": tenant, "plan": known.number, "meter": meter, "since_day": day,
             "until_day": None}
            for meter, day in since.items()
        ]  # fmt: skip
        add(connection, PLAN_METER, rows)
    return back + left + len(since)


def _item_number(connection: Connection, tenant: int, item: Item) -> int:
    row = {"tenant": tenant, **item._asdict()}
    known = select(ITEM.c.id).where(*(ITEM.c[name] == value for name, value in row.items()))
    number = connection.execute(known).scalar()
    if number is None:
        add(connection, ITEM, [row])
        number = connection.execute(known).scalar_one()
    return int(number)


def _layouts(connection: Connection, tenant: int) -> dict[int, frozenset[str]]:
    """The names of the channels of every layout."""
    names = {
        row.id: row.name
        for row in connection.execute(
            select(CHANNEL.c.id, CHANNEL.c.name).where(CHANNEL.c.tenant == tenant)
        )
    }
    rows = connection.execute(
        select(LAYOUT.c.id, LAYOUT.c.channels).where(LAYOUT.c.tenant == tenant)
    )  # fmt: skip
    return {
        row.id: frozenset(names.get(number, "") for number in json.loads(row.channels))
        for row in rows
    }


def check_group(
    connection: Connection, tenant: int, plan: Plan, members: Members
) -> None:  # fmt: skip
    """Raise `UsageError` or what the inventory raises when the plan's group is none."""
    if plan.group:
        members(connection, tenant, plan.group)


def no_groups(_: Connection, __: int, name: str) -> Select[Any]:
    """Where there is no inventory of groups: plans are for all meters."""
    raise UsageError(f"there is no group {name!r}", where="plan")
