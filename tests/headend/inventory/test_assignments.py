from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory import Assignment, NewMeter

TENANTS = itertools.count()
POINTS, METERS, CUSTOMERS = ("P1", "P2"), ("E1", "E2", "E3"), ("Anna", "Bert")


def street(connection):
    tenant = inventory.tenant_number(connection, f"t{next(TENANTS)}", make=True)
    rows = inventory.enrol(
        connection, tenant, [NewMeter(external_id=name) for name in METERS], at_s=0
    )
    for name in POINTS:
        inventory.create_service_point(connection, tenant, name, zone="Europe/Berlin")
    for name in CUSTOMERS:
        inventory.create_customer(connection, tenant, name)
    return tenant, rows


def test_meter_exchange_and_new_customer(engine):
    with engine.transaction() as connection:
        tenant, rows = street(connection)

        def assign(*arguments, **more):
            return inventory.assign(connection, tenant, *arguments, **more, at_s=0)

        assign("P1", "E1", customer="Anna", since_s=100)
        assign("P1", "E1", customer="Bert", since_s=200)  # moved in
        assign("P1", "E2", customer="Bert", since_s=300)  # another meter
        assert inventory.assignments(connection, tenant, service_point="P1") == [
            Assignment("P1", "E1", "Anna", 100, 200),
            Assignment("P1", "E1", "Bert", 200, 300),
            Assignment("P1", "E2", "Bert", 300, None),
        ]
        at = [inventory.holder_at(connection, rows["E1"], t) for t in (99, 100, 199, 200, 300)]
        assert [each and each.customer for each in at] == [None, "Anna", "Anna", "Bert", None]
        there = [inventory.meter_at(connection, tenant, "P1", t) for t in (99, 299.9, 300, 1e9)]
        assert [each and each.meter for each in there] == [None, "E1", "E2", "E2"]
        mine = inventory.assignments(connection, tenant, customer="Bert")
        assert [each.meter for each in mine] == ["E1", "E2"]
        with pytest.raises(ConflictError, match="E2 measures for P1 from 300 on"):
            assign("P2", "E2", since_s=400)
        with pytest.raises(ConflictError, match="E1 measures for P1 from 100 to 200"):
            assign("P1", "E3", since_s=150, until_s=160)
        assert inventory.end(connection, tenant, "P1", 400, at_s=0).until_s == 400
        assign("P2", "E2", since_s=400)
        with pytest.raises(NotFoundError, match="nothing measures"):
            inventory.end(connection, tenant, "P1", 500, at_s=0)
        inventory.withdraw(connection, tenant, "P1", 300, at_s=0)
        assert inventory.meter_at(connection, tenant, "P1", 350) is None
        for wrong, message in (
            ({"since_s": 5, "until_s": 5}, "ends after"),
            ({"since_s": 5, "customer": "Carl"}, "no customer 'Carl'"),
        ):
            with pytest.raises(UsageError, match=message):
                assign("P1", "E3", **wrong)


def test_a_retired_meter_measures_no_more(engine):
    with engine.transaction() as connection:
        tenant, rows = street(connection)
        inventory.assign(connection, tenant, "P1", "E1", since_s=100, until_s=150, at_s=0)
        inventory.assign(connection, tenant, "P1", "E1", since_s=200, at_s=0)
        inventory.move(connection, rows["E1"], "retired", reason="", by="", at_s=300)
        spans = [(each.since_s, each.until_s) for each in inventory.assignments(connection, tenant)]
        assert spans == [(100, 150), (200, 300)]


def test_of_those_who_assign_at_once_one_is_first(engine):
    """A meter for two service points, and two meters for one, each in a transaction of its own."""
    with engine.transaction() as connection:
        tenant, _ = street(connection)
    outcomes, barrier = [], threading.Barrier(4)

    def assign(point, meter):
        barrier.wait()
        try:
            with engine.transaction() as connection:
                inventory.assign(connection, tenant, point, meter, since_s=9, at_s=0)
        except ConflictError:
            outcomes.append("conflict")
        else:
            outcomes.append("done")

    pairs = (("P1", "E1"), ("P1", "E2"), ("P2", "E1"), ("P1", "E3"))
    threads = [threading.Thread(target=assign, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.reading() as connection:
        found = inventory.assignments(connection, tenant)
    assert len(outcomes) == 4
    assert outcomes.count("done") == len(found) in (1, 2)
    assert len({each.service_point for each in found}) == len(found)
    assert len({each.meter for each in found}) == len(found)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(POINTS),
        st.sampled_from(METERS),
        st.sampled_from([None, *CUSTOMERS]),
        st.integers(0, 30),
        st.none() | st.integers(1, 10),
    ),
    max_size=12,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=ACTS)
def test_assignments_never_overlap(engine, acts):
    """Against a list of spans with the same rules, written down plainly."""
    with engine.transaction() as connection:
        tenant, rows = street(connection)
    model: list[Assignment] = []
    for point, meter, customer, since, length in acts:
        until = None if length is None else since + length
        after = [
            Assignment(each.service_point, each.meter, each.customer, each.since_s, since)
            if each.service_point == point and each.until_s is None and each.since_s < since
            else each
            for each in model
        ]
        clashes = any(
            (each.service_point == point or each.meter == meter)
            and (each.until_s is None or each.until_s > since)
            and (until is None or each.since_s < until)
            for each in after
        )
        try:
            with engine.transaction() as connection:
                inventory.assign(
                    connection,
                    tenant,
                    point,
                    meter,
                    customer=customer,
                    since_s=since,
                    until_s=until,
                    at_s=0,
                )
        except ConflictError:
            assert clashes
        else:
            assert not clashes
            model = [*after, Assignment(point, meter, customer, since, until)]
    with engine.reading() as connection:
        found = inventory.assignments(connection, tenant)
        assert sorted(found, key=str) == sorted(model, key=str)
        for second in range(45):
            for point in POINTS:
                there = inventory.meter_at(connection, tenant, point, second)
                assert [there] * (there is not None) == [
                    each
                    for each in model
                    if each.service_point == point
                    and each.since_s <= second
                    and (each.until_s is None or second < each.until_s)
                ]
            if second % 9 == 0:
                for meter in METERS:
                    inventory.holder_at(connection, rows[meter], second)
