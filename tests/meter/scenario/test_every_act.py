"""Every act upon every template: it happens, or is told as refused and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from meter_asking import get

from ferraris.meter.behaviour.firmware import Firmware
from ferraris.meter.freezing import form_of
from ferraris.meter.scenario.acts import ACTS
from ferraris.meter.scenario.course import Course
from ferraris.meter.scenario.plan import scenario_of
from ferraris.meter.scenario.yaml_text import parse
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.state import State
from ferraris.meter.templates import names

TAKES = {
    "voltage": "percent: 60",
    "drift": "ppm: 100",
    "move clock": "by: 100",
    "clock failure": "by: 50",
    "program tariff": "name: N, activate after: 1 h, day: {'00:00': 1, '12:00': 2}",
    "update firmware": "version: FRR-R9.1, size: 2000",
    "refuse firmware": "at step: transfer",
    "fault": "name: busy",
    "battery low": "to: 3",
    "device silent": "device: 1",
    "device battery low": "device: 1",
    "open device": "device: 1",
    "write": "attribute: '1/0-0:96.13.0*255/2', data: '090161'",
    "invoke": "method: '70/0-0:96.3.10*255/1', data: '0F00'",
}
EVERYWHERE = {"outage", "open meter cover", "magnet", "try wrong key", "try wrong password"}
EVERYWHERE |= {"replay", "fault", "clock failure", "drift", "move clock", "voltage"}
WITHOUT_FIRMWARE = ("dsmr-2.2", "residential-sn", "saudi")
AT = 7200


def course(kind: str, act: str) -> Course:
    takes = f", {TAKES[act]}" if act in TAKES else ""
    lasts = ", for: 1 h" if ACTS[act].end is not None else ""
    text = (
        "scenario: one\nseed: 1\nstart: 2026-03-02T00:00:00+01:00\nlasts: 2 d\nmeters:\n"
        f"  - {{group: one, template: {kind}, count: 1}}\nevents:\n"
        f"  - {{at: +2 h, who: one, what: {act}{takes}{lasts}}}\n"
    )
    return Course(scenario_of(parse(text, "one.yaml")))


def kept(meter: SimulatedMeter) -> tuple[Any, Any]:
    """All that a state directory would keep, but for how far the meter has lived."""
    state = form_of(State).freeze(replace(meter.state, due=0, lived=0))
    parts = meter.state.parts or {}
    return state, {which: form_of(which[0]).freeze(part) for which, part in parts.items()}


@pytest.mark.parametrize("kind", names())
@pytest.mark.parametrize("act", ACTS)
def test_it_happens_or_changes_nothing(act: str, kind: str) -> None:
    street = course(kind, act)
    (meter,) = street.meters()
    start = street.scenario.start
    street.advance(start + AT - 1)
    life_goes_on = course(kind, act)
    (twin,) = life_goes_on.meters()
    life_goes_on.advance(start + AT - 1)
    for each in (meter, twin):
        each.is_reachable(start + AT)
    street.advance(start + AT)
    (done,) = street.done
    if done.refused is None:
        assert kept(meter) != kept(twin)
    else:
        assert act not in EVERYWHERE
        assert kept(meter) == kept(twin)
    street.finish()
    assert [each.phase for each in street.done] == ["begins", "ends"][: len(street.done)]
    assert all(
        (each.refused is None) == (done.refused is None) or each.phase == "ends"
        for each in street.done
    )


@pytest.mark.parametrize("kind", [each for each in names() if each not in WITHOUT_FIRMWARE])
def test_firmware_is_new_with_and_without_a_schedule(kind: str) -> None:
    street = course(kind, "update firmware")
    (meter,) = street.meters()
    client, transfer = meter.fleet.template.key_client, "0-0:44.0.0*255"
    at, begun = street.scenario.start + AT, "verification is over"

    def status(now: int) -> object:
        street.advance(now)
        return get(meter, transfer, 18, 6, client=client, now=now)

    found = {
        begun: status(at + 60),
        "it waits": status(at + 599),
        "it is active": status(at + 660),
        "and stays so": status(at + 86_400),
    }
    assert list(found.values()) == [3, 3, 6, 6], found
    version = meter.state.found(Firmware)
    assert version is not None
    assert version.version == "FRR-R9.1"
    assert meter.restarts == 1
