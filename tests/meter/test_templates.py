"""Every template that is built from blocks: each attribute reads as its class declares it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from meter_asking import CLOCK, NOW, get, put, rows, stamped

from ferraris.data import axdr
from ferraris.data.kinds import double_long, octet_string
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.scripts import execution_times
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import ACTIVE_IMPORT, QUARTER
from ferraris.meter.push_plan import PushPlan
from ferraris.meter.templates import template
from ferraris.server.device import AccessRefused, RequestContext

BUILT = ("gateway-meter", "industrial", "prepayment", "residential", "residential-three-phase")
MANAGEMENT = 1


def meter_of(name: str) -> Any:
    return Fleet(template(name), 3, seed=7)[1]


@pytest.mark.parametrize("suite", [0, 1])
@pytest.mark.parametrize("name", BUILT)
def test_each_attribute_reads_as_its_class_declares_it(name: str, suite: int) -> None:
    meter = Fleet(template(name, suite=suite), 3, seed=7)[1]
    rights = meter.associations[MANAGEMENT].rights.objects
    context = RequestContext(MANAGEMENT, 0x30, NOW)
    engine = {12, 15, 17}  # the server engine answers for these
    count = 0
    for key, allowed in rights.items():
        entry = meter.objects[key]
        if entry.class_id in engine:
            continue
        for attribute in allowed.attributes:
            if (entry.class_id, attribute) == (30, 2):  # nothing was protected yet
                with pytest.raises(AccessRefused, match="object unavailable"):
                    meter.get(entry, attribute, None, context)
                continue
            data = axdr.decode(meter.get(entry, attribute, None, context))
            declared = entry.declaration.attributes[attribute]
            declared.type.load(data)
            count += 1
    assert count > 100


@pytest.mark.parametrize("name", ["industrial", "residential-three-phase", "gateway-meter"])
def test_the_phases_share_the_power(name: str) -> None:
    meter = meter_of(name)
    for second in range(0, 5 * QUARTER, 607):
        now = NOW + second
        parts = [get(meter, f"1-0:{1 + 20 * phase}.7.0*255", 3, now=now) for phase in (1, 2, 3)]
        assert sum(parts) == get(meter, "1-0:1.7.0*255", 3, now=now) > 0
        through = parts[0] + get(meter, "1-0:22.7.0*255", 3, now=now)
        volts = get(meter, "1-0:32.7.0*255", 3, now=now)
        assert get(meter, "1-0:31.7.0*255", 3, now=now) == through * 1000 // volts


def test_all_roofs_of_the_three_phase_template_have_panels() -> None:
    meters = Fleet(template("residential-three-phase"), 20, seed=1)
    assert all(meter.total(1, NOW) > 0 for meter in meters)


def test_an_industrial_meter_has_three_hundred_objects_and_twelve_channels() -> None:
    meter = meter_of("industrial")
    assert len(meter.objects) >= 300
    assert get(meter, "1-0:0.4.2*255", 1) == 400
    last = NOW // QUARTER * QUARTER
    found = rows(meter, "1-0:99.2.0*255", stamped(meter, last - 3 * QUARTER, last))
    assert [len(row) for row in found] == [13] * 4
    for row, instant in zip(found, range(last - 3 * QUARTER, last + 1, QUARTER), strict=True):
        assert row[0] == meter.zone.stamp(instant)
        assert row[1] == meter.total(ACTIVE_IMPORT, instant)
        assert all(2000 < volts < 2600 for volts in row[5:8])
    rates = [get(meter, f"1-0:1.8.{rate}*255", 3) for rate in range(1, 5)]
    assert sum(rates) == get(meter, "1-0:1.8.0*255", 3)
    assert all(rates)


def test_an_industrial_meter_tells_harmonics_and_what_is_billed_of_its_demand() -> None:
    meter = meter_of("industrial")
    whole = get(meter, "1-0:31.7.0*255", 3)
    harmonics = [get(meter, f"1-0:31.7.{order}*255", 3) for order in range(1, 32)]
    assert harmonics[0] == whole > max(harmonics[1:])
    assert sum(harmonics[1:]) > 0
    assert get(meter, "1-0:1.6.128*255", 4) >= get(meter, "1-0:1.6.0*255", 4) * 8 // 10


def test_a_gateway_meter_informs_as_often_as_it_was_told() -> None:
    fleet = Fleet(template("gateway-meter"), 1, seed=7)
    times = execution_times(5)
    assert times is not None
    assert put(fleet[0], "0-0:15.0.4*255", 22, 4, times) == DataAccessResult.SUCCESS
    plan = PushPlan(fleet, NOW)
    sent: list[float] = []
    while len(sent) < 4:
        now = plan.deadline
        for course in plan.wake(now):
            sent.append(now)
            course.notification(now)
            course.taken(now)
            plan.settle(course)
    assert [late - early for early, late in pairwise(sent)] == [5.0] * 3
    assert (20, bytes(Obis.parse("0-0:13.0.0*255"))) not in fleet[0].objects


def test_what_payment_needs_is_configured_but_rests() -> None:
    meter = meter_of("prepayment")
    account, credit = "0-0:19.0.0*255", "0-0:19.10.0*255"
    assert put(meter, account, 111, 16, double_long(500)) == DataAccessResult.SUCCESS
    assert get(meter, account, 111, 16) == 500
    assert put(meter, account, 111, 16, octet_string(b"x")) == DataAccessResult.TYPE_UNMATCHED
    assert put(meter, account, 111, 5, double_long(1)) == DataAccessResult.READ_WRITE_DENIED
    assert get(meter, credit, 112, 4) == 1
    assert get(meter, CLOCK, 8) == meter.zone.stamp(NOW)
