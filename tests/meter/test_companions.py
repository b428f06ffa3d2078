"""Templates of companion specifications: everything is there, and what lives agrees."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from meter_asking import CLOCK, NOW, act, captured, entries, get, put, raw, rows, stamped

from ferraris.core.errors import UsageError
from ferraris.data import axdr
from ferraris.data.kinds import (
    array,
    boolean,
    double_long_unsigned,
    integer,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import power
from ferraris.meter.behaviour.scripts import execution_times
from ferraris.meter.fleet import Fleet
from ferraris.meter.image import pack
from ferraris.meter.push_plan import PushPlan
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.templates.companions import companion_template
from ferraris.model import companion

HOUR = 3600
DEFINABLE = "0-1:94.31.6*255"


def meter_of(name: str, kind: str | None = None) -> SimulatedMeter:
    return Fleet(companion_template(companion.companion(name), kind), 2, seed=7)[1]


@pytest.fixture(scope="module")
def smr() -> SimulatedMeter:
    return meter_of("smr-5.2")


@pytest.mark.parametrize("name", companion.names())
def test_a_template_has_what_its_specification_demands(name: str) -> None:
    specification = companion.companion(name)
    for kind in specification.kinds:
        made = companion_template(specification, kind)
        for row in specification.expected(kind):
            entry = made.objects.get((row.class_id, bytes(row.logical_name)))
            assert row.optional or entry is not None
            assert entry is None or entry.version in row.versions
        assert {client.address for client in specification.clients} <= made.associations.keys()


@pytest.mark.parametrize("name", companion.names())
@pytest.mark.parametrize("suite", [0, 1])
def test_the_management_client_reads_everything_that_it_sees(name: str, suite: int) -> None:
    made = companion_template(companion.companion(name), suite=suite)
    meter = Fleet(made, 1, seed=3)[0]
    client = made.key_client
    refused = []
    for (class_id, logical_name), rights in made.associations[client].rights.objects.items():
        for index, mode in rights.attributes.items():
            if int(mode) & 1:
                found = raw(meter, ".".join(map(str, logical_name)), class_id, index, client=client)
                if isinstance(found, DataAccessResult):
                    refused.append((class_id, found))
    # Not available are associations of clients that the meter does not serve, and the valves of
    # devices that have none.
    assert {result for _, result in refused} <= {DataAccessResult.OBJECT_UNAVAILABLE}
    assert {class_id for class_id, _ in refused} <= {15, 70}


def test_a_kind_is_named_behind_the_specification() -> None:
    assert (3, bytes((1, 0, 52, 7, 0, 255))) not in template("smr-5.2:single-phase").objects
    assert (3, bytes((1, 0, 52, 7, 0, 255))) in template("smr-5.2").objects
    with pytest.raises(UsageError, match="knows no 'gas'"):
        template("smr-5.2:gas")


def test_phases_sum_to_the_total(smr: SimulatedMeter) -> None:
    power = [get(smr, f"1-0:{c}.7.0*255", 3) for c in (1, 21, 41, 61)]
    assert power[0] == sum(power[1:]) > 0
    single = meter_of("smr-5.2", "single-phase")
    assert get(single, "1-0:21.7.0*255", 3) == get(single, "1-0:1.7.0*255", 3) == power[0]


def test_values_come_in_the_scaler_of_the_specification() -> None:
    tenths = get(meter_of("smr-5.2"), "1-0:32.7.0*255", 3)
    whole = get(meter_of("dsmr-2.2"), "1-0:32.7.0*255", 3)
    assert 2200 < tenths < 2400
    assert whole == tenths // 10


def test_rates_sum_to_the_total_and_blocks_to_what_was_counted() -> None:
    meter = meter_of("is-15959-single-phase")
    ask: dict[str, Any] = {"client": 48}
    total = [get(meter, f"1-0:1.8.{rate}*255", 3, **ask) for rate in range(5)]
    assert total[0] == sum(total[1:])
    end = NOW // 900 * 900
    counted = get(meter, "1-0:1.8.0*255", 3, now=end, **ask)
    before = get(meter, "1-0:1.8.0*255", 3, now=end - 900, **ask)
    assert get(meter, "1-0:1.29.0*255", 3, **ask) == counted - before


def test_the_daily_profile_shows_the_registers_of_midnight() -> None:
    meter = meter_of("dsmr-4.2.2")
    found = rows(meter, "1-0:99.2.0*255")
    assert len(found) == 40
    midnight = meter.zone.midnight(meter.zone.local_day(NOW))
    assert bytes(found[-1][0]) == meter.zone.stamp(midnight)
    names = ("1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:2.8.1*255", "1-0:2.8.2*255")
    assert list(found[-1][2:6]) == [get(meter, name, 3, now=midnight) for name in names]
    assert found[-1][6] == get(meter, "0-1:24.2.1*255", 4, now=midnight)


def test_gas_by_the_hour_never_falls_and_is_read_by_range(smr: SimulatedMeter) -> None:
    hourly = rows(smr, "0-1:24.3.0*255")
    assert len(hourly) == 240
    volumes = [row[2] for row in hourly]
    assert all(a <= b for a, b in itertools.pairwise(volumes))
    assert volumes[0] < volumes[-1]
    assert volumes != [row[2] for row in rows(smr, "0-2:24.3.0*255")]
    end = NOW // HOUR * HOUR
    day = rows(smr, "0-1:24.3.0*255", stamped(smr, end - 23 * HOUR, end))
    assert day == hourly[-24:]
    reading = captured(4, "0-1:24.2.2*255")
    picked = rows(smr, "0-1:24.3.0*255", stamped(smr, end - HOUR, end, reading))
    assert picked == [(row[2],) for row in hourly[-2:]]
    assert rows(smr, "0-1:24.3.0*255", entries(240, 240, 3, 3)) == [(volumes[-1],)]


def test_a_client_sets_up_the_definable_profile() -> None:
    meter = meter_of("smr-5.2")
    assert len(rows(meter, DEFINABLE)) == 960
    columns = array(captured(8, CLOCK), captured(1, "0-0:96.7.21*255"))
    assert put(meter, DEFINABLE, 7, 3, columns) is DataAccessResult.SUCCESS
    assert put(meter, DEFINABLE, 7, 4, double_long_unsigned(300)) is DataAccessResult.SUCCESS
    later = NOW + 2 * HOUR
    found = rows(meter, DEFINABLE, now=later)
    assert {len(row) for row in found} == {2}
    assert len(found) == 24  # five minutes each, since the buffer began anew
    assert get(meter, DEFINABLE, 7, 7, now=later) == 24


@pytest.mark.parametrize(
    ("attribute", "data"),
    [
        (3, array(captured(8, CLOCK), captured(3, "1-0:1.8.0*255"))),  # not to be chosen
        (3, array(captured(8, CLOCK), captured(1, "0-0:96.7.22*255"))),  # not there
        (3, array()),
        (4, double_long_unsigned(7)),
        (4, double_long_unsigned(0)),
        (8, double_long_unsigned(0)),
    ],
)
def test_a_set_up_that_the_meter_cannot_follow_is_refused(attribute: int, data: Any) -> None:
    meter = meter_of("smr-5.2")
    before = rows(meter, DEFINABLE)
    assert put(meter, DEFINABLE, 7, attribute, data) is DataAccessResult.OTHER_REASON
    assert rows(meter, DEFINABLE) == before


def test_rights_are_those_that_the_source_states(smr: SimulatedMeter) -> None:
    denied = DataAccessResult.READ_WRITE_DENIED
    assert put(smr, "1-0:99.1.1*255", 7, 4, double_long_unsigned(900)) is denied
    assert put(smr, "0-1:94.31.12*255", 1, 2, (2, [])) is DataAccessResult.SUCCESS
    assert put(smr, "0-1:94.31.12*255", 1, 2, unsigned(3)) is DataAccessResult.TYPE_UNMATCHED
    assert get(smr, "1-0:1.8.0*255", 3, client=16) is DataAccessResult.OBJECT_UNDEFINED
    assert isinstance(get(smr, "0-0:42.0.0*255", 1, client=16), bytes)


def test_events_have_the_columns_of_the_specification(smr: SimulatedMeter) -> None:
    standard = rows(smr, "0-0:99.98.0*255")
    assert standard[0][1] == 2  # power up, when the meter was commissioned
    assert get(smr, "0-0:96.11.0*255", 1) == standard[-1][1]
    meter = meter_of("smr-5.2")
    shift = axdr.encode((16, 60))
    assert act(meter, CLOCK, 8, 6, axdr.decode(shift)) is ActionResult.SUCCESS
    assert [row[1] for row in rows(meter, "0-0:99.98.0*255", now=NOW + 1)][-2:] == [4, 5]
    assert rows(meter, "0-0:99.98.4*255") == []


def test_logs_of_other_countries_have_codes_of_their_own() -> None:
    indian, spanish = meter_of("is-15959-single-phase"), meter_of("t5")
    power.outage(indian, NOW + 10, NOW + 70)
    assert [row[1] for row in rows(indian, "0-0:99.98.2*255", now=NOW + 99, client=48)] == [
        102,
        101,
        102,
    ]
    assert get(indian, "0-0:96.11.2*255", 1, now=NOW + 99, client=48) == 102
    power.outage(spanish, NOW + 10, NOW + 70)
    found = [row[1] for row in rows(spanish, "0-0:99.98.0*255", now=NOW + 99)]
    assert found == [2, 3, 2]


def test_a_log_without_a_code_for_it_is_cleared_without_a_trace() -> None:
    meter = meter_of("t5")
    log = "0-0:99.98.0*255"
    power.outage(meter, NOW + 10, NOW + 70)
    assert act(meter, log, 7, 1, integer(0), now=NOW + 99) is ActionResult.SUCCESS
    assert rows(meter, log, now=NOW + 99) == []
    power.outage(meter, NOW + 200, NOW + 260)
    assert [row[1] for row in rows(meter, log, now=NOW + 299)] == [3, 2]


def test_an_image_makes_another_firmware_of_the_meter() -> None:
    meter = meter_of("smr-5.2")
    image = pack("smr-5.2", "FRR-R9.0", bytes(1000))
    transfer = "0-0:44.0.0*255"
    size = get(meter, transfer, 18, 2)
    initiation = structure(octet_string(b"R9"), double_long_unsigned(len(image)))
    done = ActionResult.SUCCESS
    assert put(meter, transfer, 18, 5, boolean(True)) is DataAccessResult.SUCCESS
    assert act(meter, transfer, 18, 1, initiation) is done
    for number in range(-(-len(image) // size)):
        part = octet_string(image[number * size :][:size])
        block = structure(double_long_unsigned(number), part)
        assert act(meter, transfer, 18, 2, block) is done
    act(meter, transfer, 18, 3)
    assert act(meter, transfer, 18, 4, now=NOW + 60) is done
    assert get(meter, "1-0:0.2.0*255", 1, now=NOW + 120) == b"FRR-R9.0"
    assert [row[1] for row in rows(meter, "0-0:99.98.0*255", now=NOW + 120)].count(18) == 1


def test_a_limiter_opens_the_supply_switch() -> None:
    meter = meter_of("idis-like")
    switch, limiter = "0-0:96.3.10*255", "0-0:17.0.0*255"
    assert get(meter, switch, 70, 3) == 1
    for attribute, data in ((6, double_long_unsigned(10)), (4, double_long_unsigned(1))):
        assert put(meter, limiter, 71, attribute, data) is DataAccessResult.SUCCESS
    assert get(meter, "1-0:1.7.0*255", 3, now=NOW + 1) > 1
    assert get(meter, switch, 70, 2, now=NOW + 60) is False
    assert 65 in [row[1] for row in rows(meter, "0-0:99.98.2*255", now=NOW + 60)]


def test_a_snapshot_is_one_row_of_now() -> None:
    meter = meter_of("is-15959-three-phase")
    found = rows(meter, "1-0:94.91.0*255", client=48)
    assert len(found) == 1
    assert found[0][4] == get(meter, "1-0:32.7.0*255", 3, client=48)
    scalers = rows(meter, "1-0:94.91.3*255", client=48)
    assert scalers[0][3] == [(15, -1), (22, 35)]


def test_a_class_that_nobody_declares_is_there_with_fixed_values() -> None:
    meter = meter_of("italy-gas")
    assert get(meter, "0-0:94.39.21*255", 8192) is None
    assert put(meter, "0-0:94.39.3*255", 1, 2, double_long_unsigned(3)) is DataAccessResult.SUCCESS
    assert get(meter, "0-0:94.39.3*255", 1) == 3
    refused = put(meter, "0-0:94.39.3*255", 1, 2, octet_string(b"3"))
    assert refused is DataAccessResult.TYPE_UNMATCHED
    assert act(meter, "0-0:66.0.1*255", 62, 1, integer(0)) is ActionResult.READ_WRITE_DENIED


def test_schedules_run_scripts_that_no_table_shows() -> None:
    """Pushes of an Indian meter by its schedule; firmware: every template of the scenarios."""
    meter = meter_of("is-15959-three-phase")
    times = execution_times(900)
    assert times is not None
    assert get(meter, "0-0:10.0.108*255", 9, client=48) is DataAccessResult.OBJECT_UNDEFINED
    assert put(meter, "0-0:15.0.4*255", 22, 4, times, client=48) is DataAccessResult.SUCCESS
    plan = PushPlan(meter.fleet, NOW)
    assert plan.deadline == NOW // 900 * 900 + 900
    (course,) = plan.wake(plan.deadline)
    assert course.setup.logical_name == bytes(Obis.parse("0-0:25.9.0*255"))
