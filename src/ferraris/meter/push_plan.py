"""Whose push is next: the courses and lives of a whole fleet in order of time, without a line.

Each meter goes its own way: whatever becomes of one push, the others are due when they are due.
"""

from __future__ import annotations

import heapq
from itertools import count

from ferraris.meter import life
from ferraris.meter.behaviour.push_course import PushCourse
from ferraris.meter.behaviour.push_setup import PushList, course_of
from ferraris.meter.behaviour.push_states import PushState
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server.device import ObjectKey

__all__ = ["PushPlan"]

_Due = tuple[float, int, "SimulatedMeter", "PushList | None"]


class PushPlan:
    """Everything that `fleet` will push by itself; every `now` is UTC seconds.

    `wake` at or after `deadline` gives the courses that want to send. Whoever sends tells the
    course how it went, and calls `settle`. `on_change` is called when a client, an event or a
    script has made something due in between.
    """

    def __init__(self, fleet: Fleet, now: float) -> None:
        self._fleet = fleet
        self._due: list[_Due] = []
        self._order = count()
        self._ready: list[PushCourse] = []
        self._out: set[PushCourse] = set()  # ready, or handed out and not settled
        self._expected: dict[int, float] = {}
        behaviours = fleet.template.behaviours.values()
        self._setups = {each.key: each for each in behaviours if isinstance(each, PushList)}
        self.on_change = _nobody
        fleet.happened = self._happened
        for meter in fleet:
            self._expect(meter, int(now))

    @property
    def deadline(self) -> float | None:
        """When `wake` is needed, None when nothing is due."""
        if self._ready:
            return 0.0
        return self._due[0][0] if self._due else None

    def setup(self, name: bytes) -> PushList:
        """The set-up object with a logical name."""
        return self._setups[PushList.declares.class_id, name]

    def wake(self, now: float) -> list[PushCourse]:
        """The courses that want to send now, each once for every try."""
        while self._due and self._due[0][0] <= now:
            due, _, meter, what = heapq.heappop(self._due)
            if what is None:
                if self._expected.get(meter.index) == due:
                    del self._expected[meter.index]
                    self._expect(meter, int(now))
                continue
            course = course_of(meter, what)
            if course.deadline == due and course not in self._out:
                course.wake(now)
                self.settle(course)
        ready, self._ready = self._ready, []
        return ready

    def settle(self, course: PushCourse) -> None:
        """A course has gone on: it wants to send, waits for its deadline, or rests."""
        self._out.discard(course)
        if course.state is PushState.SENDING:
            self._out.add(course)
            self._ready.append(course)
        elif course.deadline is not None:
            self._put(course.deadline, course.meter, course.setup)

    def confirmed(self, meter: SimulatedMeter, invoke_id: int, now: float) -> bool:
        """A confirmation came for one of the pushes of a meter; tells whether any waits for it."""
        for course in (meter.state.courses or {}).values():
            if course.confirmed(invoke_id, now):
                if course not in self._out:
                    self.settle(course)
                self.on_change()
                return True
        return False

    def _happened(self, meter: SimulatedMeter, key: ObjectKey | None, now: float) -> None:
        if key is None:
            if meter.state.off_since is not None:
                self._switch_off(meter)
            self._expect(meter, int(now))
        elif key in self._setups:
            course = course_of(meter, self._setups[key])
            if meter.state.off_since is not None:
                course.power_down()
            elif course not in self._out:
                self.settle(course)
        self.on_change()

    def _switch_off(self, meter: SimulatedMeter) -> None:
        """Pushes under way are forgotten, but for a last gasp."""
        courses = [each for each in (meter.state.courses or {}).values() if not _gasps(each)]
        for course in courses:
            course.power_down()
        self._out.difference_update(each for each in self._ready if each in courses)
        self._ready = [course for course in self._ready if course not in courses]

    def _expect(self, meter: SimulatedMeter, now: int) -> None:
        """Let the meter live until `now`, and come back when something is due in it."""
        coming = life.due(meter, now)
        if coming is None:
            self._expected.pop(meter.index, None)
        elif self._expected.get(meter.index) != coming:
            self._expected[meter.index] = coming
            self._put(float(coming), meter, None)

    def _put(self, due: float, meter: SimulatedMeter, what: PushList | None) -> None:
        heapq.heappush(self._due, (due, next(self._order), meter, what))


def _gasps(course: PushCourse) -> bool:
    return course.setup.dying and course.state is PushState.SENDING


def _nobody() -> None:
    pass
