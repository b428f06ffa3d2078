from __future__ import annotations

import itertools

import pytest
from meter_asking import NOW, act, get, put, raw, rows

from ferraris.core.errors import UsageError
from ferraris.data import axdr
from ferraris.data.kinds import boolean, double_long_unsigned, enum
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import QUARTER
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates import names, template
from ferraris.meter.templates.residential import residential as build
from ferraris.meter.zone import Zone


def test_every_attribute_a_client_may_read_has_its_declared_type(fleet: Fleet) -> None:
    for client in (1, 2, 16):
        rights = fleet.template.associations[client].rights.objects
        for key, granted in rights.items():
            declared = fleet.template.objects[key].declaration
            assert declared is not None
            for attribute in granted.attributes:
                name = str(Obis(key[1]))
                octets = raw(fleet[3], name, key[0], attribute, client=client)
                assert isinstance(octets, bytes), (client, name, attribute, octets)
                declared.attributes[attribute].type.load(axdr.decode(octets))


def test_the_public_client_sees_little_and_changes_nothing(fleet: Fleet) -> None:
    meter = fleet[0]
    assert get(meter, "0-0:42.0.0*255", 1, client=16) == meter.logical_device_name
    assert get(meter, "0-0:43.1.1*255", 1, client=16) == 0
    assert get(meter, "1-0:1.8.0*255", 3, client=16) == DataAccessResult.OBJECT_UNDEFINED
    assert get(meter, "1-0:99.1.0*255", 7, client=16) == DataAccessResult.OBJECT_UNDEFINED
    rights = fleet.template.associations[16].rights.objects
    assert len(rights) < 12
    assert not any(mode & 2 for granted in rights.values() for mode in granted.attributes.values())
    assert not any(granted.methods for granted in rights.values())


def test_the_reading_client_neither_switches_nor_clears(fleet: Fleet) -> None:
    meter = fleet[0]
    refused = ActionResult.READ_WRITE_DENIED
    assert act(meter, "0-0:96.3.10*255", 70, 1, client=2) == refused
    assert act(meter, "0-0:99.98.0*255", 7, 1, client=2) == refused
    assert act(meter, "1-0:99.1.0*255", 7, 1, client=2) == refused
    written = put(meter, "0-0:97.98.10*255", 1, 2, double_long_unsigned(0), client=2)
    assert written == DataAccessResult.READ_WRITE_DENIED


def test_rates_sum_to_the_total_at_any_second(fleet: Fleet) -> None:
    for meter in fleet:
        for second in range(0, 100_000, 7_919):
            now = NOW + second
            for group in (1, 2):
                values = [get(meter, f"1-0:{group}.8.{e}*255", 3, now=now) for e in range(3)]
                assert values[0] == values[1] + values[2]


def test_demand_is_the_energy_of_the_block(fleet: Fleet) -> None:
    meter = fleet[1]
    block = NOW // QUARTER * QUARTER
    total = [get(meter, "1-0:1.8.0*255", 3, now=t) for t in (block - QUARTER, block, NOW)]
    assert get(meter, "1-0:1.4.0*255", 5, 3) == 4 * (total[1] - total[0])
    assert get(meter, "1-0:1.4.0*255", 5, 2) == 4 * (total[2] - total[1])
    assert get(meter, "1-0:1.4.0*255", 5, 7) == meter.zone.stamp(block)


def test_maximum_demand_of_the_month(fleet: Fleet) -> None:
    meter = fleet[2]
    begin = meter.zone.month_begin(meter.zone.month(NOW))
    totals = [get(meter, "1-0:1.8.0*255", 3, now=t) for t in range(begin, NOW + 1, QUARTER)]
    steps = [b - a for a, b in itertools.pairwise(totals)]
    assert get(meter, "1-0:1.6.0*255", 4) == 4 * max(steps)
    when = begin + (steps.index(max(steps)) + 1) * QUARTER
    assert get(meter, "1-0:1.6.0*255", 4, 5) == meter.zone.stamp(when)
    assert act(meter, "1-0:1.6.0*255", 4, 1) == ActionResult.SUCCESS
    assert get(meter, "1-0:1.6.0*255", 4) == 0
    later = NOW + 3 * QUARTER
    assert 0 < get(meter, "1-0:1.6.0*255", 4, now=later) <= 4 * max(steps) * 3


def test_moments_are_plausible(fleet: Fleet) -> None:
    for meter in fleet:
        assert 2250 <= get(meter, "1-0:32.7.0*255", 3) <= 2400
        assert 4990 <= get(meter, "1-0:14.7.0*255", 3) <= 5010
        assert 0 <= get(meter, "1-0:13.7.0*255", 3) <= 1000
        begin = NOW // QUARTER * QUARTER
        used = meter.total(0, begin + QUARTER) - meter.total(0, begin)
        assert abs(get(meter, "1-0:1.7.0*255", 3) - 4 * used) <= 4 * used * 0.06 + 1


def test_alarms_can_only_be_cleared(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, "0-0:97.98.20*255", 1, 2, double_long_unsigned(255)) == 0
    assert get(meter, "0-0:97.98.20*255", 1) == 0
    assert put(meter, "0-0:97.98.10*255", 1, 2, double_long_unsigned(6)) == 0
    assert get(meter, "0-0:97.98.10*255", 1) == 6
    assert put(meter, "0-0:97.98.10*255", 1, 2, boolean(True)) == DataAccessResult.TYPE_UNMATCHED
    assert get(fleet[1], "0-0:97.98.10*255", 1) == 0xFFFFFFFF


def test_the_rate_in_force_follows_the_calendar(fleet: Fleet) -> None:
    midnight = fleet.template.zone.midnight(NOW // 86400)
    rates = [get(fleet[0], "0-0:96.14.0*255", 1, now=midnight + hour * 3600) for hour in range(24)]
    assert rates == [2] * 7 + [1] * 16 + [2]
    (day,) = get(fleet[0], "0-0:13.0.0*255", 20, 5)
    switches = [(s[0][1][0], s[2][1]) for _, s in day[1][1][1]]
    assert switches == [(0, 2), (7, 1), (23, 2)]
    assert act(fleet[0], "0-0:13.0.0*255", 20, 1) == ActionResult.SUCCESS


def test_security_setup(fleet: Fleet) -> None:
    assert get(fleet[4], "0-0:43.0.1*255", 64, 5) == fleet[4].system_title
    assert act(fleet[4], "0-0:43.0.1*255", 64, 1, enum(3)) == ActionResult.SUCCESS
    assert act(fleet[4], "0-0:43.0.1*255", 64, 1, enum(0)) == ActionResult.OTHER_REASON


def test_the_object_list_holds_what_is_visible(fleet: Fleet) -> None:
    for client, association in fleet.template.associations.items():
        listed = get(fleet[0], "0-0:40.0.0*255", 15, 2, client=client)
        keys = {(element[0][1], element[2][1]) for _, element in listed}
        assert keys == set(association.rights.objects)


def test_other_zones_and_tariffs() -> None:
    made = build(Zone(-300, 60), Tariff(((0, 1), (360, 2), (1200, 3))))
    meter = Fleet(made, 1)[0]
    assert (
        len([key for key in made.objects if key[0] == 3 and key[1][3:6:2] == b"\x08\xff"]) == 4 + 6
    )
    values = [get(meter, f"1-0:1.8.{rate}*255", 3) for rate in range(4)]
    assert values[0] == sum(values[1:])
    assert len(rows(meter, "1-0:99.2.0*255")) == 62


def test_templates_by_name() -> None:
    assert {"mbus-host", "residential", "residential-sn", "smr-5.2"} <= set(names())
    with pytest.raises(UsageError, match="residential"):
        template("palace")


def test_an_object_is_placed_once(residential: Template) -> None:
    behaviour = next(iter(residential.behaviours.values()))
    twice = [Placed(behaviour, frozenset((1,)))] * 2
    with pytest.raises(UsageError):
        Template("twice", residential.consumption, twice, ())
