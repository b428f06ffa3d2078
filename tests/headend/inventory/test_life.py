from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.audit import Journal, check
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory import NewMeter, State
from ferraris.headend.store.changes import changes_after
from ferraris.headend.store.tables.access import AUDIT

NOW = 1_780_000_000.0
TENANTS = itertools.count()

# Written again by hand, on purpose: the table of the house is checked against this one.
FOLLOWS = {
    "known": {"installed", "retired"},
    "installed": {"active", "known", "retired"},
    "active": {"suspended", "retired"},
    "suspended": {"active", "retired"},
    "retired": set(),
}


def fresh(engine):
    with engine.transaction() as connection:
        tenant = inventory.tenant_number(connection, f"t{next(TENANTS)}", make=True)
        rows = inventory.enrol(connection, tenant, [NewMeter(external_id="E1")], at_s=NOW)
    return tenant, rows["E1"]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.sampled_from(list(FOLLOWS)), max_size=12))
def test_only_listed_steps_are_taken_and_each_leaves_its_trace(engine, steps):
    tenant, meter = fresh(engine)
    state, taken = "known", [(None, "known", "enrolled", "")]
    lines = []

    def audit(connection, **line):
        lines.append(line)

    for place, step in enumerate(steps):
        how = {"reason": f"because {place}", "by": "anna", "at_s": NOW + place, "audit": audit}
        try:
            with engine.transaction() as connection:
                inventory.move(connection, meter, step, **how)
        except ConflictError:
            assert step not in FOLLOWS[state]
        else:
            assert step in FOLLOWS[state]
            taken.append((state, step, f"because {place}", "anna"))
            state = step
    with engine.reading() as connection:
        life = inventory.life_of(connection, meter)
        told = [each.detail["state"] for each in changes_after(connection, tenant, 0)]
        assert inventory.meter(connection, tenant, "E1").state == state
        assert inventory.meter(connection, tenant, "E1").version == len(taken)
    assert [(each.before, each.after, each.reason, each.by) for each in life] == taken
    assert told == [after for _, after, *_ in taken]
    assert [(each["action"], each["subject"], each["detail"]["to"]) for each in lines] == [
        ("move meter", "E1", after) for _, after, *_ in taken[1:]
    ]


def test_many_move_together_or_none(engine):
    with engine.transaction() as connection:
        tenant = inventory.tenant_number(connection, "north", make=True)
        other = inventory.tenant_number(connection, "south", make=True)
        news = [NewMeter(external_id=f"E{n}") for n in range(3)]
        rows = inventory.enrol(connection, tenant, news, at_s=NOW)
        theirs = inventory.enrol(connection, other, news[:1], at_s=NOW)
        inventory.move(connection, rows["E1"], "retired", reason="", by="", at_s=NOW)
    how = {"reason": "", "by": "", "at_s": NOW}
    no_way = r"E1 is retired .* no way on"
    with pytest.raises(ConflictError, match=no_way), engine.transaction() as connection:
        inventory.move_many(connection, tenant, rows.values(), State.INSTALLED, **how)
    with pytest.raises(NotFoundError), engine.transaction() as connection:
        inventory.move_many(connection, tenant, theirs.values(), State.INSTALLED, **how)
    with pytest.raises(NotFoundError), engine.transaction() as connection:
        inventory.move(connection, 10**9, State.INSTALLED, **how)
    with pytest.raises(UsageError, match="no state 'dead'"), engine.transaction() as connection:
        inventory.move(connection, rows["E0"], "dead", **how)
    with engine.transaction() as connection:
        assert inventory.meter(connection, tenant, "E0").state is State.KNOWN
        inventory.move_many(connection, tenant, [rows["E0"], rows["E2"]], "installed", **how)
        inventory.move_many(connection, tenant, [], "installed", **how)
        assert inventory.meter(connection, tenant, "E2").state is State.INSTALLED


def test_the_line_in_the_audit_log_is_there_with_the_step_or_not_at_all(engine):
    tenant, meter = fresh(engine)
    journal = Journal("one")
    how = {"reason": "order 4711", "by": "anna", "at_s": NOW, "audit": journal.write}
    with engine.transaction() as connection:
        inventory.move(connection, meter, "installed", **how)
    with pytest.raises(ZeroDivisionError), engine.transaction() as connection:
        inventory.move(connection, meter, "active", **how)
        raise ZeroDivisionError
    with engine.reading() as connection:
        rows = connection.execute(select(AUDIT)).all()
        assert [(row.action, row.subject, row.principal) for row in rows] == [
            ("move meter", "E1", "anna")
        ]
        assert check(connection) == []
        assert inventory.meter(connection, tenant, "E1").state == "installed"


def test_of_two_who_move_at_once_one_comes_too_late(engine):
    _, meter = fresh(engine)
    outcomes = []

    def install():
        try:
            with engine.transaction() as connection:
                inventory.move(connection, meter, "installed", reason="", by="", at_s=NOW)
        except ConflictError:
            outcomes.append("too late")
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done"] + ["too late"] * 3
    with engine.reading() as connection:
        assert len(inventory.life_of(connection, meter)) == 2
