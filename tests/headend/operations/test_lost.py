"""Lost days as operations tell them: in pages, narrowed down, and to each only of their meters."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plan import plan_of
from ferraris.headend.collect.plans import plans, put_plan
from ferraris.headend.collect.success import count_success, write_success
from ferraris.headend.inventory import tenant_number
from ferraris.headend.operations import Caller, Desk, House, NotFoundError
from ferraris.headend.operations.collecting import list_success
from ferraris.headend.operations.lost import LostDay, LostMeter, list_lost, show_lost
from ferraris.headend.store.tables.collecting import PLAN_METER
from ferraris.headend.store.tables.inventory import METER, NODE
from ferraris.keys import MemoryKeys

NOW = 20_003 * 86_400 + 3600.0
DAY = date(1970, 1, 1) + timedelta(days=20_000)
REGISTER = "1-0:1.8.0*255"


@pytest.fixture
def connection(engine):
    """Seven meters of a tenant whose registers nobody read, and one of another tenant."""
    with engine.transaction() as connection:
        tenant, other = (tenant_number(connection, name, make=True) for name in ("one", "two"))
        connection.execute(
            insert(NODE),
            [{"id": 1, "tenant": tenant, "kind": "network", "name": "North", "parent": None},
             {"id": 2, "tenant": tenant, "kind": "cell", "name": "Cell-7", "parent": 1}],
        )  # fmt: skip
        connection.execute(
            insert(METER),
            [{"tenant": each, "external_id": f"m{n}", "state": "active", "system_title": b"",
              "node": 2 if each == tenant and n < 3 else None, "model": "AB"[n % 2],
              "created_s": 0, "changed_s": 0}
             for each, some in ((tenant, 7), (other, 1)) for n in range(some)],
        )  # fmt: skip
        plan = plan_of({"name": "daily", "registers": [REGISTER]})
        put_plan(connection, tenant, plan, now=NOW - 9 * 86_400)
        [known] = plans(connection, tenant)
        numbers = connection.execute(select(METER.c.id).where(METER.c.tenant == tenant)).scalars()
        connection.execute(
            insert(PLAN_METER),
            [{"tenant": tenant, "plan": known.number, "meter": each, "since_day": 20_000}
             for each in numbers],
        )  # fmt: skip
        tallies = count_success(connection, tenant, known, range(19_999, 20_003), NOW)
        write_success(connection, tenant, tallies, NOW)
        yield connection


@pytest.fixture
def desk(engine, connection):
    def at(tenant="one", among=None):
        house = House(engine, MemoryKeys(), lambda: NOW)
        number = tenant_number(connection, tenant)
        return Desk(house, Caller("anna", number, {Right.SEE_METERS: among}), connection)

    return at


def names(found):
    return [each.meter for each in found.items]


def test_the_list_is_as_long_as_the_count(desk):
    [counted, *_] = [each for each in list_success(desk(), "daily") if each.day == DAY]
    assert (counted.lost, counted.missing) == (7, 0)
    found, after = [], ""
    while True:
        page = list_lost(desk(), "daily", DAY, after=after, limit=3)
        found += page.items
        after = page.next
        if not after:
            break
    assert [each.meter for each in found] == [f"m{n}" for n in range(7)]
    assert found[0] == LostMeter("m0", "Cell-7", "A", "", [REGISTER])
    assert found[3].segment == ""
    assert list_lost(desk(), "daily", DAY - timedelta(days=1)).items == []  # before they were here


def test_it_is_narrowed_down(desk):
    assert names(list_lost(desk(), "daily", DAY, segment="North")) == ["m0", "m1", "m2"]
    assert names(list_lost(desk(), "daily", DAY, segment="North", model="B")) == ["m1"]
    assert names(list_lost(desk(), "daily", DAY, firmware="9")) == []
    for wrong in ({"segment": "South"}, {"plan": "none"}):
        with pytest.raises(NotFoundError):
            list_lost(desk(), **{"plan": "daily", "day": DAY} | wrong)
    for wrong in ({"after": "x"}, {"limit": 0}, {"day": datetime.min.date()}):
        with pytest.raises(UsageError):
            list_lost(desk(), **{"plan": "daily", "day": DAY} | wrong)


def test_each_sees_their_own_meters(desk):
    some = select(METER.c.id).where(METER.c.external_id.in_(["m1", "m5"]))
    assert names(list_lost(desk(among=some), "daily", DAY)) == ["m1", "m5"]
    assert show_lost(desk(among=some), "m1") != []
    with pytest.raises(NotFoundError):
        show_lost(desk(among=some), "m2")
    with pytest.raises(NotFoundError):
        list_lost(desk("two"), "daily", DAY)
    assert show_lost(desk("two"), "m0") == []


def test_the_days_of_a_meter(desk):
    days = [DAY + timedelta(days=back) for back in (1, 0)]  # of the third an opening is to come
    assert show_lost(desk(), "m4") == [LostDay("daily", each, [REGISTER]) for each in days]
    assert show_lost(desk(), "m4", days=2) == [LostDay("daily", days[0], [REGISTER])]
    with pytest.raises(UsageError):
        show_lost(desk(), "m4", days=0)
