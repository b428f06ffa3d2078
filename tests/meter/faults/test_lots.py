"""Which faults a meter has, and how a scenario gives them to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ferraris.core.errors import UsageError
from ferraris.meter.faults import lots
from ferraris.meter.faults.table import FAULTS, Place
from ferraris.meter.fleet import Fleet
from ferraris.meter.freezing import form_of
from ferraris.meter.scenario.course import Course
from ferraris.meter.scenario.plan import scenario_of
from ferraris.meter.scenario.yaml_text import parse
from ferraris.meter.templates import template

START = 1772406000
HEAD = """\
scenario: street
start: 2026-03-02T00:00:00+01:00
lasts: 1 d
meters: [{group: houses, template: residential, count: 4}]
events:
"""


def course(event: str) -> Course:
    return Course(scenario_of(parse(f"{HEAD}  - {event}\n", "street.yaml")))


def test_a_sound_meter_is_not_written_to() -> None:
    meter = Fleet(template("residential"), 1)[0]
    assert lots.struck(meter) == {}
    lots.end(meter, "busy", START)
    assert not lots.is_dead(meter)
    assert not meter.fleet.may_fail
    assert meter.state.found(lots.Faults) is None


def test_a_fault_begins_strikes_and_ends() -> None:
    meter = Fleet(template("residential"), 1)[0]
    lots.begin(meter, "busy", START)
    lots.begin(meter, "delay answers", START, delay_s=3)
    assert meter.fleet.may_fail
    assert [set(lots.struck(meter)) for _ in range(3)] == [{"busy", "delay answers"}] * 3
    assert lots.struck(meter)["delay answers"].delay_s == 3
    lots.end(meter, "busy", START + 1)
    assert set(lots.struck(meter)) == {"delay answers"}
    lots.end(meter, "delay answers", START + 1)
    assert lots.struck(meter) == {}


def test_lots_follow_from_seed_meter_and_exchange() -> None:
    def drawn(seed: int, index: int) -> list[bool]:
        meter = Fleet(template("residential"), 2, seed)[index]
        lots.begin(meter, "busy", START, share=0.25)
        return [bool(lots.struck(meter)) for _ in range(400)]

    assert drawn(1, 0) == drawn(1, 0)
    assert len({tuple(drawn(seed, index)) for seed in (1, 2) for index in (0, 1)}) == 4
    assert 70 < sum(drawn(1, 0)) < 130
    meter = Fleet(template("residential"), 1)[0]
    lots.begin(meter, "busy", START, share=0)
    assert not any(lots.struck(meter) for _ in range(50))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("hiccup", {}),
        ("busy", {"share": 1.5}),
        ("busy", {"share": -0.5}),
        ("delay answers", {"delay_s": -1}),
        ("slow link", {"rate": 0}),
    ],
)
def test_a_fault_that_there_is_not_is_refused(name: str, how: dict[str, float]) -> None:
    meter = Fleet(template("residential"), 1)[0]
    with pytest.raises(UsageError):
        lots.begin(meter, name, START, **how)
    assert lots.struck(meter) == {}


def test_faults_are_kept_with_the_state() -> None:
    meter = Fleet(template("residential"), 1)[0]
    lots.begin(meter, "slow link", START, share=0.5, rate=60)
    form = form_of(lots.Faults)
    part = meter.state.found(lots.Faults)
    assert form.thaw(json.loads(json.dumps(form.freeze(part)))) == part


def test_a_scenario_gives_faults_and_takes_them_back() -> None:
    street = course(
        "{at: +1 h, who: 'houses[1]', what: fault, name: lose answers, share: 30, for: 2 h}"
    )
    assert all(fleet.may_fail for fleet in street.fleets)
    sound, failing = street.fleets[0][0], street.fleets[0][1]
    street.advance(START + 3600)
    part = failing.state.found(lots.Faults)
    assert part is not None
    assert part.active == {"lose answers": lots.Fault(START + 3600, 0.3)}
    assert sound.state.found(lots.Faults) is None
    street.advance(START + 3 * 3600)
    assert part.active == {}
    assert [each.phase for each in street.done] == ["begins", "ends"]
    assert not any(each.refused for each in street.done)


def test_a_scenario_without_faults_leaves_its_meters_sound() -> None:
    street = course("{at: +1 h, who: houses, what: replay}")
    assert not any(fleet.may_fail for fleet in street.fleets)


def test_an_unknown_fault_is_named_by_its_line() -> None:
    with pytest.raises(UsageError, match=r"street.yaml:6: .*did you mean 'lose answers'"):
        course("{at: +1 h, who: houses, what: fault, name: loose answers}")


def test_the_page_tells_of_every_fault() -> None:
    page = (Path(__file__).parents[3] / "docs" / "faults.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    told = {row.split("`")[1]: row for row in rows}
    assert list(told) == list(FAULTS)
    for name, kind in FAULTS.items():
        assert kind.words in told[name]
        assert all(f"`{each}`" in told[name] for each in kind.takes)
        assert f"| {kind.place.value} |" in told[name]
    assert {kind.place for kind in FAULTS.values()} == set(Place)
