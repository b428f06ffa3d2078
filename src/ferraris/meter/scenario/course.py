"""A scenario on its way: its meters, its time, and what was done to whom."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ferraris.meter import life
from ferraris.meter.fleet import Fleet
from ferraris.meter.scenario.act import Do, RefusedActError
from ferraris.meter.scenario.fault_acts import FAULT_ACTS
from ferraris.meter.scenario.keeping import Acted, ScenarioState
from ferraris.meter.scenario.plan import Event, Scenario
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template

__all__ = ["Course", "Done", "Step"]

_BEGIN, _END = 0, 1


@dataclass(frozen=True, slots=True)
class Done:
    """One act upon one meter: when, whether it began or ended, and why not if it was refused."""

    at: int
    meter: str
    act: str
    phase: str
    given: dict[str, Any]
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One act upon all the meters that it is for, and how many of them refused it."""

    at: int
    act: str
    phase: str
    meters: int
    refused: int


class Course:
    """Lets a scenario happen up to any moment; whoever asks for the time makes it pass.

    The same scenario gives the same result, whether time passes at once or second by second.
    `secret` is what keys follow from; without it they follow from the seed, which is for tests.
    With a `state` the meters go on where they stopped, and keys follow from what is kept there;
    acts that meters are through are told again, but not done.

    Attributes:
        fleets: the meters of each group, in the order of the scenario.
        done: what was done so far, in order of time.
        on_done: hears of every act upon a meter.
        on_step: hears of every act when all its meters are through.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        secret: bytes | None = None,
        state: ScenarioState | None = None,
    ) -> None:
        self.scenario = scenario
        self.state = state
        self.fleets = tuple(_fleets(scenario, secret, state))
        failing = {each.name for each in FAULT_ACTS}
        if any(event.act.name in failing for event in scenario.events):
            for fleet in self.fleets:
                fleet.may_fail = True
        self.done: list[Done] = []
        self.on_done: Callable[[Done], None] = _nobody
        self.on_step: Callable[[Step], None] = _nobody
        self._due: list[tuple[int, int, int, Event]] = []
        for order, event in enumerate(scenario.events):
            heapq.heappush(self._due, (event.at, order, _BEGIN, event))
        self._ends = len(scenario.events)
        self._steps = 0
        self._begin = scenario.start

    @property
    def due(self) -> int | None:
        """UTC second of the next act, None when all is done."""
        return self._due[0][0] if self._due else None

    def advance(self, now: int) -> None:
        """Let everything happen that is due until `now`, UTC seconds."""
        while self._due and self._due[0][0] <= now:
            at, _, phase, event = heapq.heappop(self._due)
            self._carry_out(event, at, phase)
            if phase == _BEGIN and event.until is not None and event.act.end is not None:
                self._ends += 1
                heapq.heappush(self._due, (event.until, self._ends, _END, event))

    def finish(self) -> None:
        """Let the whole scenario happen, and every meter live until its end."""
        self.advance(self.scenario.end)
        self._begin = self.scenario.end
        self._pass_until(self.scenario.end)
        for meter in self.meters():
            life.due(meter, self.scenario.end)

    def meters(self) -> Iterator[SimulatedMeter]:
        """All meters, group by group."""
        return (meter for fleet in self.fleets for meter in fleet)

    def clock(self, real: Callable[[], float], speed: float) -> Callable[[], float]:
        """UTC in the scenario, which begins at its start now and passes `speed` times as fast.

        One that was stopped goes on where time may have been seen to be. Whoever asks lets what is
        due happen first, so that nobody sees a moment before it is.
        """
        began, start = real(), self.begin
        ahead_s = max(1, round(speed))

        def utc() -> float:
            now = start + (real() - began) * speed
            if self.state is not None and (self.state.until is None or now >= self.state.until):
                self._pass_until(int(now) + ahead_s)
            if self._due and self._due[0][0] <= now:
                self.advance(int(now))
            return now

        return utc

    @property
    def begin(self) -> int:
        """UTC second at which time goes on: the start, the end of one that is finished, or later.

        It is later where the scenario was stopped.
        """
        until = None if self.state is None else self.state.until
        return self._begin if until is None else max(self._begin, until)

    def _pass_until(self, until: int) -> None:
        if self.state is not None:
            self.state.pass_until(until)

    def _carry_out(self, event: Event, at: int, phase: int) -> None:
        do = event.act.begin if phase == _BEGIN else event.act.end
        assert do is not None
        name = "begins" if phase == _BEGIN else "ends"
        self._steps += 1
        self._pass_until(at)
        refusals = again = 0
        for group, index in event.members:
            meter = self.fleets[group][index]
            acted = meter.state.found(Acted)
            if acted is not None and acted.steps >= self._steps:
                refused, again = acted.refused.get(self._steps), again + 1
            else:
                refused = self._act(do, meter, at, event)
            refusals += refused is not None
            who = meter.logical_device_name.decode("ascii")
            done = Done(at, who, event.act.name, name, dict(event.given), refused)
            self.done.append(done)
            self.on_done(done)
        if again < len(event.members):
            self.on_step(Step(at, event.act.name, name, len(event.members), refusals))

    def _act(self, do: Do, meter: SimulatedMeter, at: int, event: Event) -> str | None:
        """Do it; tells why the meter refused, None when it did not."""
        life.due(meter, at)
        refused = None
        try:
            do(meter, at, event.given)
        except RefusedActError as error:
            refused = str(error)
        if self.state is not None:
            acted = meter.change().part(Acted)
            acted.steps = self._steps
            if refused is not None:
                acted.refused[self._steps] = refused
        return refused


def _nobody(what: object) -> None:
    """Hears nothing."""


def _fleets(
    scenario: Scenario, secret: bytes | None, state: ScenarioState | None
) -> Iterator[Fleet]:
    """A fleet for each group, with numbers that no other group has."""
    taken: set[str] = set()
    for place, group in enumerate(scenario.groups):
        kind = template(group.template, suite=group.suite)
        own = None if secret is None else secret + bytes((place,))
        attempt = 0
        while True:
            lot = b"%d %d %d" % (scenario.seed, place, attempt)
            seed = int.from_bytes(blake2b(lot, digest_size=7).digest(), "big")
            fleet = Fleet(kind, group.count, seed, secret=own)
            if fleet.number(0) not in taken:
                break
            attempt += 1
        if state is not None:
            memory = state.memory(group, seed)
            fleet = Fleet(kind, group.count, seed, secret=memory.secret, memory=memory)
        taken.add(fleet.number(0))
        fleet.born = scenario.start
        yield fleet
