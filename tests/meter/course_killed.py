"""A scenario with a kept state that tells how far it is on standard output, until it is killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ferraris.data import axdr
from ferraris.meter.faults import lots
from ferraris.meter.scenario.course import Course
from ferraris.meter.scenario.keeping import ScenarioState
from ferraris.meter.scenario.plan import Scenario, scenario_of
from ferraris.meter.scenario.yaml_text import parse
from ferraris.meter.simulated import SimulatedMeter

STEP_S = 3600
TEXT = """\
scenario: street
seed: 7
start: 2026-03-02T00:00:00+01:00
lasts: 20 h
meters:
  - {group: houses, template: residential, count: 2}
  - {group: old, template: residential-sn, count: 1}
events:
  - {at: +1 h, every: 8 h, who: houses 50 %, what: move clock, by: 7}
  - {at: +2 h, every: 9 h, who: houses 50 %, what: outage, for: 3 h}
  - {at: +3 h, every: 4 h, who: everybody, what: replay}
  - {at: +4 h, every: 7 h, who: houses, what: voltage, percent: 60, phase: 2, for: 2 min}
  - {at: +6 h, who: old, what: update firmware, version: FRR-R2.0, size: 900}
  - {at: +7 h, who: houses, what: update firmware, version: FRR-R2.0, size: 900}
  - {at: +9 h, who: "houses[1]", what: fault, name: lose answers, share: 50, for: 8 h}
"""


def scenario() -> Scenario:
    return scenario_of(parse(TEXT, "street.yaml"))


def lived(meter: SimulatedMeter, now: int) -> None:
    """What goes on between the acts: exchanges that may be struck, and looks at the meter."""
    if not lots.struck(meter):
        for key in ((1, (0, 0, 96, 11, 1, 255)), (1, (0, 0, 96, 7, 21, 255))):
            behaviour = meter.fleet.template.behaviours.get((key[0], bytes(key[1])))
            if behaviour is not None:
                axdr.decode(behaviour.get(meter, 2, None, now))


def work(course: Course, begin: int, end: int) -> None:
    """Let time pass; the draws of faults are those of the half hours."""
    first = -(-begin // STEP_S) * STEP_S
    for now in range(first, end + 1, STEP_S):
        course.advance(now)
        for meter in course.meters():
            lived(meter, now)
        if course.state is not None:
            course.state.pass_until(now)
            if now // STEP_S % 2 == 0:
                course.state.flush()
            os.write(1, b"%d\n" % now)


if __name__ == "__main__":
    state = ScenarioState.open(Path(sys.argv[1]), scenario())
    course = Course(scenario(), state=state)
    course.advance(course.begin)
    work(course, course.begin + 1, course.scenario.end)
    course.finish()
    state.close(course.scenario.end)
