"""`ferraris meter run --scenario`: the meters of a scenario on sockets, and what befalls them."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path
from typing import TextIO

import typer

from ferraris.cli.failures import one_line
from ferraris.cli.meter_station import Keeping, until_told, write_keys
from ferraris.core.errors import Error, UsageError
from ferraris.line.url import Endpoint, parse_url
from ferraris.meter.scenario.course import Course, Done, Step
from ferraris.meter.scenario.keeping import ScenarioState
from ferraris.meter.scenario.plan import Scenario, scenario_of
from ferraris.meter.scenario.yaml_text import read
from ferraris.meter.serving import Listening, listen
from ferraris.meter.tariff import Tariff

__all__ = ["Report", "play", "speed_of"]

_FRESH_OCTETS = 32
_AT_ONCE = "max"
_FASTEST = 1e6
_LONGEST_NAP_S = 1.0
_KEEP_EVERY_S = 1.0


def speed_of(text: str) -> float | None:
    """How many times as fast as real time; None for all of it before the meters answer."""
    if text == _AT_ONCE:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= _FASTEST:
        raise UsageError(f"--speed is a number up to {_FASTEST:g}, or max, not {text!r}")
    return speed


async def play(
    path: str,
    url: str,
    keys_out: str | None,
    *,
    speed: float | None,
    report: str | None,
    keeping: Keeping | None = None,
) -> None:
    """Serve the meters of the scenario in `path` until interrupted, while it happens to them.

    The first group listens at `url` and each further one at the port after, unless it says where
    itself. `report` gets one JSON line for every act upon a meter, also for those before the
    scenario was stopped, when it goes on from a kept state.
    """
    common = parse_url(url)
    scenario = scenario_of(read(path))
    with Report(report) as told, _course(scenario, keeping) as course:
        course.on_done = told.write
        course.on_step = _Telling(course, err=keys_out == "-")
        utc = _clock(course, speed)
        if course.state is not None:
            course.advance(course.begin)
        async with AsyncExitStack() as stack:
            opened: list[Listening] = []
            for place, fleet in enumerate(course.fleets):
                endpoint = _endpoint(scenario.groups[place].listen, common, place)
                listening = await listen(fleet, endpoint, utc=utc)
                opened.append(await stack.enter_async_context(listening))
            if keys_out is not None:
                lines = [each.line(index) for each in opened for index in range(len(each.fleet))]
                write_keys(course.fleets, lines, keys_out)
            ready = partial(_tell_ready, scenario.name, opened, err=keys_out == "-")
            await until_told(ready, _live(course, utc, speed or 1.0, opened))
        if course.state is not None:
            course.state.close(ceil(utc()))


@contextmanager
def _course(scenario: Scenario, keeping: Keeping | None) -> Iterator[Course]:
    """A scenario from its start, or from where it was stopped."""
    if keeping is None:
        yield Course(scenario, secret=secrets.token_bytes(_FRESH_OCTETS))
        return
    state = ScenarioState.open(keeping.directory, scenario, keeping.passphrase)
    try:
        yield Course(scenario, state=state)
    finally:
        for memory in state.memories:
            memory.close()


async def _live(
    course: Course, utc: Callable[[], float], speed: float, opened: list[Listening]
) -> None:
    """Let time pass, whether or not somebody asks the meters."""
    keeping = [asyncio.create_task(each.keep(_tell)) for each in opened]
    if course.state is not None:
        keeping += [asyncio.create_task(memory.keep()) for memory in course.state.memories]
    try:
        while course.due is not None:
            wait_s = (course.due - utc()) / speed
            await asyncio.sleep(min(max(wait_s, 0.0), _LONGEST_NAP_S))
            course.advance(int(utc()))
        await asyncio.gather(*keeping)
    finally:
        for each in keeping:
            each.cancel()


def _clock(course: Course, speed: float | None) -> Callable[[], float]:
    if speed is not None:
        return course.clock(time.monotonic, speed)
    course.finish()
    return course.clock(time.monotonic, 1.0)


def _endpoint(own: str | None, common: Endpoint, place: int) -> Endpoint:
    if own is not None:
        return parse_url(own)
    return replace(common, port=common.port + place) if common.port else common


class Report:
    """The file that says what was done to whom; nothing without a name."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Report:
        if self._path is not None:
            try:
                self._file = Path(self._path).open("w", encoding="utf-8")
            except OSError as error:
                raise UsageError(f"{self._path}: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, done: Done) -> None:
        """One line, at once: a killed process leaves what happened before."""
        if self._file is not None:
            given = {name: _plain(value) for name, value in done.given.items()}
            line = {**asdict(done), "given": given, "at": _moment(done.at)}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Tariff):
        return {f"{minute // 60:02d}:{minute % 60:02d}": rate for minute, rate in value.switches}
    return value


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _tell(error: Error) -> None:
    typer.echo(f"ferraris: {one_line(error)}", err=True)


class _Telling:
    """Tells each step, and keeps what the meters remember when a second has passed since.

    While a scenario happens all at once nobody else keeps it.
    """

    def __init__(self, course: Course, *, err: bool) -> None:
        self._state = course.state
        self._err = err
        self._kept_at = time.monotonic()

    def __call__(self, step: Step) -> None:
        refused = f", {step.refused} of them refuse" if step.refused else ""
        meters = "1 meter" if step.meters == 1 else f"{step.meters} meters"
        typer.echo(f"{_moment(step.at)}  {step.act} {step.phase}: {meters}{refused}", err=self._err)
        if self._state is not None and time.monotonic() - self._kept_at >= _KEEP_EVERY_S:
            self._state.flush()
            self._kept_at = time.monotonic()


def _tell_ready(name: str, opened: list[Listening], *, err: bool) -> None:
    for each in opened:
        what = f"{len(each.fleet)} x {each.fleet.template.name}"
        typer.echo(f"{name}: {what} at {each.endpoint(0)}", err=err)
