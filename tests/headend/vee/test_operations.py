"""What callers can ask of validation, with their rights and lines in the audit log."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.operations import Caller, ForbiddenError, House, NotFoundError
from ferraris.headend.operations.performing import perform
from ferraris.headend.operations.registry import found
from ferraris.headend.operations.shape import shape_of
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    METER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
    TENANT,
)
from ferraris.headend.vee.local_days import DAY_S, date_of
from ferraris.headend.vee.rules_file import built_in
from ferraris.keys import MemoryKeys

from .world import DAY, EXPORT, IMPORT, LOAD, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
HOLE = START + 40 * 900, START + 44 * 900
TODAY = date_of(DAY).isoformat()


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


SPAN = {"profile": LOAD, "since": moment(START), "until": moment(END)}


class Office:
    """Somebody of the utility in front of the head-end."""

    def __init__(self, world):
        self.world = world
        self.house = House(world.engine, MemoryKeys(), lambda: world.now)
        self.rights = dict.fromkeys(Right)
        self.tenant = world.tenant

    def ask(self, name, body=None, path=None, **query):
        operation = found(name)
        arguments = shape_of(operation).bind(
            path or {}, {key: [str(value)] for key, value in query.items()}, body
        )
        return perform(self.house, Caller("anna", self.tenant, self.rights), operation, arguments)

    def audit(self):
        with self.world.engine.reading() as connection:
            query = select(AUDIT.c.action, AUDIT.c.subject, AUDIT.c.outcome)
            return [tuple(row) for row in connection.execute(query.order_by(AUDIT.c.sequence))]


@pytest.fixture
def office(make_world):
    world = make_world(meters=2)
    for meter in (0, 1):
        rows = rows_of(START - 900, END, seed=meter)
        kept = [(*row, 5) for row in rows if meter or not HOLE[0] < row[0] < HOLE[1]]
        world.put(kept, meter=meter, names=(IMPORT, EXPORT))
    world.run()
    return Office(world)


ONE = {"meter": "meter-0"}


def test_final_values(office):
    first, other = office.ask("show_final", path=ONE, **SPAN)
    assert (first.channel, first.unit, first.scaler, other.channel) == (IMPORT, "Wh", 0, EXPORT)
    assert (len(first.ends), first.quality[40], first.rule[40]) == (
        96, "estimated", "interpolation",
    )  # fmt: skip
    assert (first.raw[40], first.findings[40], other.final[40]) == (None, ["gap"], 0)
    (only,) = office.ask("show_final", path=ONE, channel=EXPORT, **SPAN)
    assert only == other
    (sums, _) = office.ask("sum_final", path=ONE, by="month", **SPAN)
    assert sums.sums[0].total == counted(END) - counted(START)
    assert sums.sums[0].estimated == 4


def test_exceptions_and_counts(office):
    page = office.ask("list_exceptions", since=TODAY, until=TODAY, limit=1)
    assert [(each.meter, each.channel, each.date) for each in page.items] == [
        ("meter-0", IMPORT, TODAY)
    ]
    rest = office.ask("list_exceptions", since=TODAY, until=TODAY, after=page.next)
    assert [each.channel for each in rest.items] == [EXPORT]
    assert rest.next == ""
    (day,) = office.ask("count_validated", since=TODAY, until=TODAY)
    assert (day.meters, day.intervals, day.estimated) == (2, 384, 8)


def test_a_decision_and_what_became_of_it(office):
    body = {
        "profile": LOAD, "channel": IMPORT, "kind": "set", "ends": [moment(HOLE[0] + 900)],
        "values": [7], "reason": "the customer wrote it down",
    }  # fmt: skip
    assert office.ask("decide_values", body, ONE).count == 1
    assert office.ask("waiting_validation").due == 1
    office.world.run()
    (line,) = office.ask("list_decisions", path=ONE).items
    assert (line.value, line.by, line.kind, line.raw) == (7, "anna", "set", None)
    versions = office.ask("list_final_versions", path=ONE, profile=LOAD, day=TODAY)
    assert [(each.channel, each.version, each.edited) for each in versions] == [
        (IMPORT, 2, 1), (IMPORT, 1, 0), (EXPORT, 1, 0),
    ]  # fmt: skip
    assert office.audit() == [("decide_values", "meter-0", "done")]


def test_again(office):
    body = {"meters": ["meter-0", "meter-1"], "since": TODAY, "until": TODAY}
    assert office.ask("again_validated", body).count == 2
    assert office.world.run().finals == 0
    later = date_of(DAY + 1).isoformat()
    silent = {"meters": ["meter-0"], "since": later, "until": later, "silent": True}
    assert office.ask("again_validated", silent).count == 1
    office.world.run()
    finals = office.world.finals()
    assert finals[IMPORT, DAY + 1][0].missing + finals[IMPORT, DAY + 1][0].estimated == 96


def test_rules(office):
    names = [each.name for each in office.ask("list_rules")]
    assert names == ["household-electricity", "electricity", "gas-and-water", "heat"]
    text = built_in()["electricity"].replace("limit = 15000", "limit = 3")
    checked = office.ask("check_rules", {"document": text})
    assert "high: reject" in checked.rules
    made = office.ask("put_rules_document", {"document": text}, {"name": "electricity"})
    assert (made.version, made.by, made.digest) == (2, "anna", checked.digest)
    shown = office.ask("show_rules", path={"name": "electricity"})
    assert [each.version for each in shown] == [2, 1]
    office.ask("withdraw_rules", path={"name": "electricity"})
    assert "electricity" not in [each.name for each in office.ask("list_rules")]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("show_final", {"path": ONE, **SPAN, "until": SPAN["since"]}, "until"),
        ("sum_final", {"path": ONE, **SPAN, "by": "week"}, "by:"),
        ("show_final", {"path": ONE, **SPAN, "profile": "1-0:99.9.0*255"}, "no profile"),
        ("show_final", {"path": ONE, **SPAN, "channel": "1-0:9.8.0*255"}, "no final values"),
        ("list_exceptions", {"since": "2026-03-02", "until": "2026-03-01"}, "until"),
        ("list_exceptions", {"since": TODAY, "until": TODAY, "after": "1/2/x/4"}, "after"),
        ("list_exceptions", {"since": TODAY, "until": TODAY, "limit": 5000}, "limit"),
        ("check_rules", {"body": {"document": "name = 3"}}, "name"),
        ("check_rules", {"body": {"document": "#" * 70_000}}, "at most"),
        ("show_rules", {"path": {"name": "nobody"}}, "no rules"),
        ("withdraw_rules", {"path": {"name": "nobody"}}, "no rules"),
        (
            "put_rules_document",
            {"path": {"name": "x"}, "body": {"document": built_in()["electricity"]}},
            "named",
        ),
        (
            "put_rules_document",
            {
                "path": {"name": "electricity"},
                "body": {"document": built_in()["electricity"], "back_log_days": -1},
            },
            "back_log",
        ),
        (
            "decide_values",
            {
                "path": ONE,
                "body": {"profile": LOAD, "channel": IMPORT, "kind": "set", "reason": "x",
                         "ends": [TODAY + "T00:00:00Z"], "values": [1, 2]},
            },
            "one for each",
        ),
    ],
)  # fmt: skip
def test_requests_that_make_no_sense(office, name, arguments, message):
    with pytest.raises(UsageError, match=message):
        office.ask(name, **arguments)


def test_who_may_not_learns_nothing(office):
    with office.world.engine.transaction() as connection:
        other = connection.execute(
            insert(TENANT).values(name="other").returning(TENANT.c.id)
        ).scalar_one()
    mine = select(METER.c.id).where(METER.c.external_id == "meter-1")
    office.rights = dict.fromkeys(Right, mine)
    with pytest.raises(NotFoundError, match="no meter 'meter-0'"):
        office.ask("show_final", path=ONE, **SPAN)
    with pytest.raises(NotFoundError):
        office.ask("again_validated", {"meters": ["meter-0"], "since": TODAY, "until": TODAY})
    with pytest.raises(ForbiddenError):
        office.ask("withdraw_rules", path={"name": "electricity"})
    assert office.ask("list_exceptions", since=TODAY, until=TODAY).items == []
    office.tenant, office.rights = other, dict.fromkeys(Right)
    for name, more in (
        ("show_final", SPAN),
        ("list_final_versions", {"profile": LOAD, "day": TODAY}),
    ):
        with pytest.raises(NotFoundError, match="no meter"):
            office.ask(name, path=ONE, **more)
    assert office.ask("list_rules") == []
    assert office.ask("waiting_validation").due == 0


def test_a_look_at_a_customers_readings_is_written_down(office):
    world = office.world
    with world.engine.transaction() as connection:
        point = connection.execute(
            insert(SERVICE_POINT).values(tenant=world.tenant, name="house", zone="UTC")
            .returning(SERVICE_POINT.c.id)
        ).scalar_one()  # fmt: skip
        customer = connection.execute(
            insert(CUSTOMER).values(tenant=world.tenant, name="somebody").returning(CUSTOMER.c.id)
        ).scalar_one()
        connection.execute(
            insert(SERVICE_POINT_METER).values(
                tenant=world.tenant, service_point=point, since_s=END - 1, meter=world.meters[0],
                customer=customer,
            )
        )  # fmt: skip
    office.ask("show_final", path=ONE, **SPAN)
    office.ask("show_final", path={"meter": "meter-1"}, **SPAN)
    office.ask("show_final", path=ONE, **SPAN | {"until": moment(END - 1)})  # before their time
    assert office.audit() == [("show_final", "meter-0", "done")]
