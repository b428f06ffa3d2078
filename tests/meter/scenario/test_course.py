from __future__ import annotations

from dataclasses import replace

from meter_asking import SWITCH, act, get, rows

from ferraris.data.kinds import integer
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.scenario.course import Course
from ferraris.meter.scenario.plan import scenario_of
from ferraris.meter.scenario.yaml_text import parse

HEAD = """\
scenario: street
seed: 7
start: 2026-03-02T00:00:00+01:00
lasts: 3 d
meters:
  - {group: houses, template: residential, count: 6}
  - {group: old, template: residential-sn, count: 2}
events:
"""
START = 1772406000
FRAUD, STANDARD = "0-0:99.98.1*255", "0-0:99.98.0*255"


def course(*events: str) -> Course:
    document = parse(HEAD + "".join(f"  - {event}\n" for event in events), "street.yaml")
    return Course(scenario_of(document))


def test_meters_of_all_groups_have_names_of_their_own() -> None:
    meters = [meter.logical_device_name for meter in course().meters()]
    assert len(meters) == len(set(meters)) == 8


def test_acts_happen_to_their_meters_at_their_time() -> None:
    street = course("{at: +2 h, who: 'houses[1]', what: try wrong password, times: 2}")
    street.advance(START + 7199)
    assert street.done == []
    street.advance(START + 7200)
    first, second = (street.fleets[0][index] for index in (0, 1))
    stamp = second.zone.stamp(START + 7200)
    later = START + 7300
    assert [row[:1] for row in rows(second, FRAUD, now=later)] == [(stamp,), (stamp,)]
    assert rows(first, FRAUD, now=later) == []
    assert [(each.at, each.act, each.phase, each.refused) for each in street.done] == [
        (START + 7200, "try wrong password", "begins", None)
    ]


def test_what_lasts_ends() -> None:
    street = course("{at: +2 h, who: houses, what: outage, for: 1 h}")
    street.advance(START + 7200)
    assert all(meter.state.off_since == START + 7200 for meter in street.fleets[0])
    street.advance(START + 3 * 3600)
    assert all(meter.state.off_since is None for meter in street.fleets[0])
    assert [each.phase for each in street.done] == ["begins"] * 6 + ["ends"] * 6


def test_the_time_passes_by_asking_for_it() -> None:
    street = course("{at: +1 h, who: houses, what: move clock, by: 60}")
    real = 100.0
    utc = street.clock(lambda: real, speed=3600)
    assert utc() == START
    real = 100.5
    assert utc() == START + 1800
    assert street.done == []
    real = 101.0
    assert utc() == START + 3600
    assert [meter.offset(START + 3601) for meter in street.fleets[0]] == [60] * 6


def test_at_once_and_step_by_step_are_the_same() -> None:
    events = (
        "{at: +1 h, every: 5 h, who: houses 50 %, what: move clock, by: 7}",
        "{at: +2 h, every: 9 h, who: houses 50 %, what: outage, for: 3 h}",
        "{at: +3 h, every: 4 h, who: everybody, what: replay}",
        "{at: +4 h, every: 7 h, who: houses, what: voltage, percent: 60, phase: 2, for: 2 min}",
        "{at: +5 h, every: 11 h, who: houses, what: open terminal cover, for: 5 min}",
    )
    at_once, by_steps = course(*events), course(*events)
    at_once.finish()
    for now in range(START, at_once.scenario.end, 1111):
        by_steps.advance(now)
        for meter in by_steps.meters():
            if meter.fleet.template.name == "residential" and meter.state.off_since is None:
                get(meter, STANDARD, 7, 7, now=now)
    by_steps.finish()
    assert at_once.done == by_steps.done
    end = at_once.scenario.end
    for one, other in zip(at_once.fleets[0], by_steps.fleets[0], strict=True):
        for log in (STANDARD, FRAUD):
            assert rows(one, log, now=end) == rows(other, log, now=end)
        seen = [
            replace(meter.state, due=0, lived=0, next_counter=0, is_living=False, courses=None)
            for meter in (one, other)
        ]
        assert seen[0] == seen[1]


def test_the_network_and_the_switch_fail() -> None:
    street = course(
        "{at: +1 h, who: 'houses[0]', what: voltage, percent: 115, for: 10 min}",
        "{at: +2 h, who: 'houses[0]', what: voltage, percent: 0, phase: 3, for: 10 min}",
        "{at: +3 h, who: 'houses[0]', what: reverse phases, for: 10 min}",
        "{at: +4 h, who: 'houses[0]', what: jam switch, for: 10 min}",
        "{at: +5 h, who: 'houses[0]', what: voltage, percent: 0}",
    )
    meter, hour = street.fleets[0][0], 3600
    street.advance(START + 4 * hour + 60)
    assert act(meter, SWITCH, 70, 1, now=START + 4 * hour + 60) == ActionResult.HARDWARE_FAULT
    street.advance(START + 5 * hour)
    assert act(meter, SWITCH, 70, 1, now=START + 5 * hour) == ActionResult.SUCCESS
    found = [row[1] for row in rows(meter, "0-0:99.98.4*255", now=START + 5 * hour)]
    assert [code for code in found if code != 90] == [79, 80, 81, 85, 86, 87, 84, 87, 88]
    assert street.done[-1].refused == "three phases without voltage are an outage"


def test_what_cannot_be_done_is_told_as_refused() -> None:
    street = course(
        "{at: +2 h, who: 'houses[0]', what: push button}",
        "{at: +3 h, who: 'houses[0]', what: write, attribute: '1/0-0:96.1.0*255/2', data: '1101'}",
        "{at: +4 h, who: 'houses[0]', what: write, attribute: '1/9-9:9.9.9*9/2', data: '1101'}",
        "{at: +5 h, who: 'houses[0]', what: invoke, method: '70/0-0:96.3.10*255/1', data: '0F00'}",
    )
    street.finish()
    refused = [each.refused for each in street.done]
    assert refused[0] == "the meter has no switch, or its mode does not allow it now"
    assert refused[1] is not None
    assert refused[2] == "the meter has no 1/9-9:9.9.9*9"
    assert refused[3] is None
    assert street.fleets[0][0].is_disconnected


def test_a_client_and_the_scenario_act_on_the_same_meter() -> None:
    street = course("{at: +2 h, who: 'houses[0]', what: push button}")
    meter = street.fleets[0][0]
    act(meter, SWITCH, 70, 1, integer(0), now=START + 3600)
    act(meter, SWITCH, 70, 2, integer(0), now=START + 3700)
    street.finish()
    assert street.done[0].refused is not None  # mode 4 reconnects remotely at once
    assert not meter.is_disconnected


def test_tampering_and_clocks() -> None:
    street = course(
        "{at: +1 h, who: 'houses[0]', what: open meter cover, for: 10 min}",
        "{at: +2 h, who: 'houses[0]', what: open terminal cover, for: 10 min}",
        "{at: +3 h, who: 'houses[0]', what: magnet, for: 10 min}",
        "{at: +4 h, who: 'houses[0]', what: try wrong key}",
        "{at: +5 h, who: 'houses[1]', what: clock failure, by: 3600}",
        "{at: +6 h, who: 'houses[2]', what: drift, ppm: 500}",
    )
    street.finish()
    assert [each.refused for each in street.done if each.refused] == []
    first, second, third = (street.fleets[0][index] for index in range(3))
    end = street.scenario.end
    assert [row[1] for row in rows(first, FRAUD, now=end)] == [44, 45, 40, 41, 42, 43, 49]
    assert rows(second, STANDARD, now=end)[-1][1] == 6
    assert second.offset(end) == -3600
    assert third.offset(end) == 66 * 3600 * 500 // 10**6


def test_a_tariff_is_programmed_and_activated_by_the_meter() -> None:
    street = course(
        "{at: +1 h, who: 'houses[0..1]', what: program tariff, name: WINTER, activate after: 1 d,"
        " day: {'00:00': 1, '12:00': 2}}",
        "{at: +1 h, who: 'houses[2]', what: program tariff, name: NOW, day: {'00:00': 1}}",
        "{at: +1 h, who: old, what: program tariff, name: NO, day: {'00:00': 1}}",
    )
    street.finish()
    assert [each.refused for each in street.done] == [
        None,
        None,
        None,
        *["the meter has no 20/0-0:13.0.0*255"] * 2,
    ]
    first, third, other = (street.fleets[0][index] for index in (0, 2, 3))
    end = street.scenario.end
    assert get(first, "0-0:13.0.0*255", 20, 2, now=end) == b"WINTER"
    assert get(third, "0-0:13.0.0*255", 20, 2, now=end) == b"NOW"
    assert get(other, "0-0:13.0.0*255", 20, 2, now=end) == b"TARIFF"
    codes = [(row[1], row[0]) for row in rows(first, STANDARD, now=end)[-2:]]
    activated = first.zone.stamp(START + 3600 + 86400)
    assert codes[-1] == (9, activated)
    rates = [get(first, f"1-0:1.8.{rate}*255", 3, now=end) for rate in (1, 2)]
    assert sum(rates) == get(first, "1-0:1.8.0*255", 3, now=end)


def test_firmware_is_updated_or_refused_at_a_step() -> None:
    street = course(
        "{at: +1 h, who: 'houses[1]', what: refuse firmware, at step: transfer, for: 1 d}",
        "{at: +1 h, who: 'houses[2]', what: refuse firmware, at step: verification, for: 1 d}",
        "{at: +1 h, who: 'houses[3]', what: refuse firmware, at step: activation, for: 1 d}",
        "{at: +1 h, who: 'houses[4]', what: outage, for: 1 d}",
        "{at: +2 h, who: houses, what: update firmware, version: FRR-R9.1, size: 3000}",
        "{at: +2 d, who: 'houses[1]', what: update firmware, version: FRR-R9.2, size: 3000}",
    )
    street.finish()
    refused = {
        (each.at, each.meter): each.refused
        for each in street.done
        if each.act == "update firmware" and each.refused
    }
    names = [meter.logical_device_name.decode() for meter in street.fleets[0]]
    assert refused == {
        (START + 7200, names[1]): "18/0-0:44.0.0*255 says hardware-fault",
        (START + 7200, names[4]): "the meter has no power",
    }
    end = street.scenario.end
    versions = [get(meter, "1-0:0.2.0*255", 1, now=end) for meter in street.fleets[0]]
    old, new = b"FRR-R1.0", b"FRR-R9.1"
    assert versions == [new, b"FRR-R9.2", old, old, old, new]
    assert 18 in [row[1] for row in rows(street.fleets[0][0], STANDARD, now=end)]
