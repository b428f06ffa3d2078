"""A scenario that was stopped, or killed, goes on as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import course_killed
import pytest
from course_killed import scenario
from meter_asking import get, rows

from ferraris.core.errors import UsageError
from ferraris.meter.faults import lots
from ferraris.meter.scenario.course import Course, Done, Step
from ferraris.meter.scenario.keeping import ScenarioState
from ferraris.meter.scenario.plan import Scenario
from ferraris.meter.simulated import SimulatedMeter

LOGS = ("0-0:99.98.0*255", "0-0:99.98.1*255", "0-0:99.98.4*255")
HOUR = 3600


@pytest.fixture(scope="module")
def uninterrupted() -> Course:
    course = Course(scenario())
    course.finish()
    return course


def seen(meter: SimulatedMeter, now: int) -> list[object]:
    if meter.fleet.template.short_names:
        return [meter.state.steps, meter.state.interruptions, meter.state.logs]
    found: list[object] = [rows(meter, log, now=now) for log in LOGS]
    found += [get(meter, "1-0:1.8.0*255", 3, now=now), get(meter, "1-0:0.2.0*255", 1, now=now)]
    return [*found, rows(meter, "1-0:99.1.0*255", now=now)[-20:]]


def same(one: Course, other: Course) -> None:
    assert one.done == other.done
    end = one.scenario.end
    for first, second in zip(one.meters(), other.meters(), strict=True):
        assert seen(first, end) == seen(second, end)


def stopped_and_gone_on(scenario: Scenario, path: Path, *moments: int) -> Course:
    for moment in moments:
        state = ScenarioState.open(path, scenario)
        course = Course(scenario, state=state)
        assert moment >= course.begin
        course.advance(moment)
        state.close(moment)
    course = Course(scenario, state=ScenarioState.open(path, scenario))
    course.finish()
    return course


def test_stops_leave_no_trace(tmp_path: Path, uninterrupted: Course) -> None:
    start = scenario().start
    moments = [start + hours * HOUR for hours in (0, 2, 7, 13)]
    gone_on = stopped_and_gone_on(scenario(), tmp_path, *moments)
    same(gone_on, uninterrupted)
    assert gone_on.state is not None
    gone_on.state.close(gone_on.scenario.end)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_killed_at_any_moment_it_goes_on_where_it_stopped(
    tmp_path: Path, uninterrupted: Course
) -> None:
    random, reached = Random(5), scenario().start
    command = [sys.executable, str(Path(course_killed.__file__)), str(tmp_path)]
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            heard = [process.stdout.readline() for _ in range(random.randrange(1, 7))]
            process.send_signal(signal.SIGKILL)
            heard += process.stdout.readlines()
        told = [int(line) for line in heard if line.endswith("\n")]
        assert told == sorted(told)
        assert told[0] > reached  # time never goes back behind what was seen
        reached = told[-1]
    state = ScenarioState.open(tmp_path, scenario())
    course = Course(scenario(), state=state)
    assert course.begin >= reached
    course.finish()
    same(course, uninterrupted)
    state.close(course.scenario.end)


def test_what_was_done_is_told_again_but_not_done_again(tmp_path: Path) -> None:
    steps: list[Step] = []
    done: list[Done] = []
    state = ScenarioState.open(tmp_path, scenario())
    first = Course(scenario(), state=state)
    first.advance(scenario().start + 8 * HOUR)
    assert any(each.refused for each in first.done)  # meters with short names take no firmware
    state.close(scenario().start + 8 * HOUR)
    again = Course(scenario(), state=ScenarioState.open(tmp_path, scenario()))
    again.on_step, again.on_done = steps.append, done.append
    again.advance(again.begin)
    assert done == first.done
    assert steps == []
    assert again.state is not None
    again.state.close(again.begin)


def test_draws_of_faults_go_on(tmp_path: Path) -> None:
    begin = scenario().start + 9 * HOUR

    def drawn(course: Course, times: int) -> list[bool]:
        return [bool(lots.struck(course.fleets[0][1])) for _ in range(times)]

    whole = Course(scenario())
    whole.advance(begin)
    expected = drawn(whole, 60)
    assert set(expected) == {True, False}
    found: list[bool] = []
    for _ in range(3):
        state = ScenarioState.open(tmp_path, scenario())
        course = Course(scenario(), state=state)
        course.advance(begin)
        found += drawn(course, 20)
        state.close(begin)
    assert found == expected


def test_time_goes_on_by_the_clock_and_never_back(tmp_path: Path) -> None:
    start, seen = scenario().start, 0.0
    for _ in range(3):
        state = ScenarioState.open(tmp_path, scenario())
        course = Course(scenario(), state=state)
        real = [100.0]
        utc = course.clock(lambda real=real: real[0], speed=60)
        assert utc() >= seen
        real[0] += 7.3
        seen = utc()
        assert state.until is not None
        assert seen <= state.until <= seen + 60
        state.close(state.until)  # as a kill leaves it
    assert start + 3 * 7 * 60 < seen < start + 3 * 9 * 60


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda path: (path / "scenario.json").write_text("{"), "is damaged"),
        (lambda path: (path / "scenario.json").write_text('{"version": 1}'), "is damaged"),
        (
            lambda path: (path / "scenario.json").write_text(
                '{"version": 9, "scenario": "", "until": 1}'
            ),
            "another version",
        ),
        (lambda path: (path / "scenario.json").unlink(), "not that of a scenario"),
    ],
)
def test_a_directory_that_is_none(tmp_path: Path, spoil: object, error: str) -> None:
    state = ScenarioState.open(tmp_path, scenario())
    Course(scenario(), state=state)
    state.close(0)
    assert callable(spoil)
    spoil(tmp_path)
    with pytest.raises(UsageError, match=error):
        ScenarioState.open(tmp_path, scenario())


def test_the_state_of_another_scenario_is_refused(tmp_path: Path) -> None:
    ScenarioState.open(tmp_path, scenario())
    for other in (replace(scenario(), seed=8), replace(scenario(), events=())):
        with pytest.raises(UsageError, match="another scenario"):
            ScenarioState.open(tmp_path, other)
    ScenarioState.open(tmp_path, replace(scenario(), name="renamed"))
