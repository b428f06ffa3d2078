from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, select, update

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.commands import Ending, commands, finish_commands
from ferraris.headend.inventory import tenant_number
from ferraris.headend.operations import Caller, Desk, House, collecting
from ferraris.headend.operations.collecting import (
    NewCommand,
    PlanDocument,
    ProfileLine,
    ReadAgain,
)
from ferraris.headend.operations.errors import ConflictError, ForbiddenError, NotFoundError
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.tables.collecting import CONTACT, PLAN_METER, SESSION
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import MemoryKeys

NOW = 20_000 * 86_400 + 3600.0
PLAN = PlanDocument(
    profiles=[ProfileLine("1-0:99.1.0*255")], zone="Europe/Berlin", windows=[{"from": "00:15"}]
)


@pytest.fixture
def opened(tmp_path):
    engine = Engine(tmp_path / "s.sqlite")
    migrate(engine)
    with engine.transaction() as connection:
        tenants = [tenant_number(connection, name, make=True) for name in ("one", "two")]
        connection.execute(
            insert(METER),
            [{"tenant": tenant, "external_id": f"m{n}", "state": "active", "system_title": b"",
              "address": "tcp://127.0.0.1:1", "created_s": 0, "changed_s": 0}
             for tenant in tenants for n in range(3)],
        )  # fmt: skip
        yield _Office(engine, connection, tenants)
    engine.close()


class _Office:
    def __init__(self, engine, connection, tenants):
        self.connection = connection
        self.one, self.two = tenants
        self.house = House(engine, MemoryKeys(), lambda: NOW)

    def desk(self, tenant=None, rights=tuple(Right), among=None):
        caller = Caller("anna", tenant or self.one, dict.fromkeys(rights, among))
        return Desk(self.house, caller, self.connection)


def test_plans_are_put_shown_and_deleted(opened):
    desk = opened.desk()
    made = collecting.put_plan_document(desk, "daily", PLAN)
    assert (made.name, made.open, made.plan.profiles) == ("daily", True, PLAN.profiles)
    assert made.opens_next == datetime(2024, 10, 4, 22, 15, tzinfo=UTC)
    again = collecting.put_plan_document(desk, "daily", made.plan)
    assert again.plan == made.plan
    assert [each.name for each in collecting.list_plans(desk)] == ["daily"]
    assert collecting.list_plans(opened.desk(opened.two)) == []
    with pytest.raises(NotFoundError):
        collecting.show_plan(opened.desk(opened.two), "daily")
    collecting.delete_plan_document(desk, "daily")
    with pytest.raises(NotFoundError):
        collecting.delete_plan_document(desk, "daily")


def test_bad_plans(opened):
    with pytest.raises(UsageError, match="reads nothing"):
        collecting.put_plan_document(opened.desk(), "daily", PlanDocument())
    with pytest.raises(NotFoundError, match="no group"):
        collecting.put_plan_document(
            opened.desk(), "daily", PlanDocument(group="x", logs=["0-0:99.98.0*255"])
        )
    some = opened.desk(among=METER.select().with_only_columns(METER.c.id))
    with pytest.raises(ForbiddenError):
        collecting.put_plan_document(some, "daily", PLAN)


def test_what_is_missing_release_and_read_again(opened):
    desk = opened.desk()
    collecting.put_plan_document(desk, "daily", PLAN)
    opened.connection.execute(
        insert(PLAN_METER),
        [{"tenant": opened.one, "plan": 1, "meter": n, "since_day": 19_990} for n in (1, 2, 3)],
    )
    opened.connection.execute(
        insert(CONTACT).values(
            tenant=opened.one, meter=2, state="held", tries=3, not_before_s=0, since_s=0,
            reason="security", message="tag",
        )
    )  # fmt: skip
    found = collecting.list_missing(desk, limit=2)
    assert [(each.meter, each.state, each.reason) for each in found.items] == [
        ("m0", "due", ""), ("m1", "held", "security"),
    ]  # fmt: skip
    assert found.items[0].oldest_day == date(2024, 9, 24)
    rest = collecting.list_missing(desk, plan="daily", after=found.next)
    assert [each.meter for each in rest.items] == ["m2"]
    among = METER.select().with_only_columns(METER.c.id).where(METER.c.external_id == "m2")
    assert [e.meter for e in collecting.list_missing(opened.desk(among=among)).items] == ["m2"]
    assert collecting.release_meter(desk, "m1").number == 1
    collecting.read_again(desk, "m1", ReadAgain("daily", date(2024, 9, 1), date(2024, 9, 3)))
    with pytest.raises(UsageError, match="days"):
        collecting.read_again(desk, "m1", ReadAgain("daily", date(2024, 9, 4), date(2024, 9, 3)))
    with pytest.raises(NotFoundError):
        collecting.release_meter(opened.desk(among=among), "m1")
    assert collecting.list_success(desk, "daily") == []
    assert collecting.list_success_parts(desk, "daily", date(2024, 10, 3)) == []


def test_sessions(opened):
    opened.connection.execute(
        insert(SESSION),
        [{"tenant": opened.one, "meter": 1 + n % 2, "started_s": n, "ended_s": n + 1,
          "occasion": "plan", "outcome": "done" if n else "line", "message": "", "intervals": 96,
          "registers": 0, "events": 0} for n in range(5)],
    )  # fmt: skip
    desk = opened.desk()
    first = collecting.list_sessions(desk, limit=3)
    rest = collecting.list_sessions(desk, after=first.next)
    assert [each.number for each in first.items + rest.items] == [5, 4, 3, 2, 1]
    assert [e.number for e in collecting.list_sessions(desk, meter="m1").items] == [4, 2]
    assert [e.number for e in collecting.list_sessions(desk, outcome="line").items] == [1]
    assert collecting.list_sessions(opened.desk(opened.two)).items == []


def test_commands(opened):
    desk = opened.desk()
    wish = NewCommand("read registers", {"names": ["1-0:1.8.0*255"]})
    made = collecting.put_new_command(desk, "m0", wish)
    assert (made.state, made.requested_by, made.meter) == ("queued", "anna", "m0")
    with pytest.raises(UsageError, match="no command 'dance'"):
        collecting.put_new_command(desk, "m0", NewCommand("dance"))
    with pytest.raises(NotFoundError):
        collecting.put_new_command(opened.desk(opened.two), "m9", wish)
    with pytest.raises(NotFoundError):
        collecting.show_command(opened.desk(opened.two), made.number)
    assert [each.number for each in collecting.list_commands(desk, state="queued").items] == [1]
    assert collecting.cancel_queued_command(desk, made.number).state == "cancelled"
    with pytest.raises(ConflictError, match="cancelled: too late"):
        collecting.cancel_queued_command(desk, made.number)
    with pytest.raises(ForbiddenError):
        collecting.put_new_command(opened.desk(rights=[Right.SEE_METERS]), "m0", wish)


def test_commands_to_sub_meters_are_checked_at_the_door(opened):
    desk, where = opened.desk(), (opened.connection, opened.one)
    sub_meter = inventory.NewMeter(
        external_id="gas", kind=inventory.Kind.SUB_METER, behind="m0", channel=1, medium="gas"
    )
    inventory.enrol(*where, [sub_meter], at_s=NOW)
    wish = NewCommand("read registers", {"names": ["0-1:24.2.1*255"]})
    made = collecting.put_new_command(desk, "gas", wish)
    assert (made.meter, made.parameters) == ("gas", {"names": ["0-0:24.2.1*255"]})
    with pytest.raises(UsageError, match="gas has the clock of m0"):
        collecting.put_new_command(desk, "gas", NewCommand("set clock"))
    opened.connection.execute(
        update(METER).where(METER.c.external_id == "m0").values(state="suspended")
    )
    with pytest.raises(ConflictError, match="m0, through which it is reached, is suspended"):
        collecting.put_new_command(desk, "gas", wish)


def test_commands_are_listed_with_what_they_brought(opened):
    desk = opened.desk()
    wish = NewCommand("read registers", {"names": ["1-0:1.8.0*255"]})
    numbers = [collecting.put_new_command(desk, f"m{n}", wish).number for n in (0, 0, 1, 2)]
    found = {each.number: each for each in commands(opened.connection, opened.one)}
    endings = [Ending(found[n], "done", {"readings": [n]}) for n in numbers[:3]]
    endings.append(Ending(found[numbers[3]], "unknown", message="silence"))
    finish_commands(opened.connection, opened.one, endings, now=NOW + 60)
    where = opened.connection, opened.one
    inventory.create_service_point(*where, "P-1")
    inventory.create_customer(*where, "C-1")
    inventory.assign(*where, "P-1", "m0", customer="C-1", since_s=0, at_s=NOW)

    plain = collecting.list_commands(desk)
    assert [each.result for each in plain.items] == [None] * 4
    assert desk.looks == {}
    first = collecting.list_commands(desk, results=True, limit=3)
    assert [each.result for each in first.items] == [None, {"readings": [3]}, {"readings": [2]}]
    assert "unknown until it is read back" in first.items[0].message
    assert list(desk.looks) == ["m0"]  # m1 is nobody's
    rest = collecting.list_commands(opened.desk(), results=True, limit=3, after=first.next)
    assert [each.result for each in rest.items] == [{"readings": [1]}]
    narrow = opened.desk(rights=[Right.SEE_METERS])
    assert {each.result for each in collecting.list_commands(narrow, results=True).items} == {None}
    only = opened.desk(among=select(METER.c.id).where(METER.c.external_id == "m1"))
    assert [each.meter for each in collecting.list_commands(only, results=True).items] == ["m1"]
    with pytest.raises(UsageError, match="state: one of queued"):
        collecting.list_commands(desk, state="over")
