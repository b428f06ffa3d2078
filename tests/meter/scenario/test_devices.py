"""Acts on batteries and devices."""

from __future__ import annotations

from meter_asking import get, rows

from ferraris.meter.scenario.course import Course
from ferraris.meter.scenario.plan import scenario_of
from ferraris.meter.scenario.yaml_text import parse

HEAD = """\
scenario: street
seed: 7
start: 2026-03-02T00:00:00+01:00
lasts: 3 d
meters:
  - {group: houses, template: mbus-host, count: 2}
  - {group: pipes, template: gas, count: 2}
events:
"""
START = 1772406000
HOUR = 3600


def course(*events: str) -> Course:
    document = parse(HEAD + "".join(f"  - {event}\n" for event in events), "street.yaml")
    return Course(scenario_of(document))


def test_a_device_is_silent_for_a_while() -> None:
    street = course("{at: +30 min, who: 'houses[0]', what: device silent, device: 1, for: 2 h}")
    street.finish()
    meter = street.fleets[0][0]
    codes = [row[1] for row in rows(meter, "0-0:99.98.3*255", now=START + 4 * HOUR)]
    assert codes == [100, 101]
    assert get(meter, "0-1:24.2.1*255", 4, 4, now=START + 4 * HOUR) == 0


def test_devices_are_opened_and_run_down() -> None:
    street = course(
        "{at: +30 min, who: 'houses[0]', what: open device, device: 2}",
        "{at: +30 min, who: 'houses[1]', what: device battery low, device: 3}",
    )
    street.finish()
    codes = [
        [row[1] for row in rows(meter, "0-0:99.98.3*255", now=START + 2 * HOUR)]
        for meter in street.fleets[0]
    ]
    assert codes == [[113], [122]]


def test_batteries_of_meters() -> None:
    street = course(
        "{at: +1 h, who: pipes, what: battery low, to: 8}",
        "{at: +2 h, who: 'pipes[1]', what: replace battery}",
    )
    street.finish()
    left = [get(meter, "0-0:96.6.1*255", 3, now=START + 3 * HOUR) for meter in street.fleets[1]]
    assert left[0] in (7, 8)
    assert left[1] == 99


def test_what_cannot_happen_to_a_meter_is_told() -> None:
    street = course(
        "{at: +1 h, who: 'houses[0]', what: battery low}",
        "{at: +1 h, who: 'pipes[0]', what: device silent, device: 1}",
        "{at: +1 h, who: 'houses[0]', what: device silent, device: 5}",
    )
    street.finish()
    assert sorted(str(each.refused) for each in street.done) == [
        "the meter lives on no battery",
        "there is no device 1 at the meter",
        "there is no device 5 at the meter",
    ]
