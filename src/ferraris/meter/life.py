"""How a meter lives: what is due happens in order of time, whoever looks and whenever.

Nothing runs while nobody asks. Whoever touches a meter at `now` first lets it live until then, so
that a meter asked every second and one asked once a month have seen the same. What follows from
the seed and the calendar alone needs no life; it is computed when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ferraris.meter import outages
from ferraris.meter.behaviour import clock
from ferraris.meter.behaviour.function_control import is_off, present
from ferraris.meter.happenings import Happening
from ferraris.meter.state import NEVER

if TYPE_CHECKING:
    from ferraris.meter.behaviour.behaviour import Living
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["due", "intervening", "live", "switch_off", "switch_on"]


def live(meter: SimulatedMeter, now: int) -> None:
    """Let everything happen that is due until `now`, UTC seconds, both included.

    A meter lives from the moment it is first touched, or from its fleet's `born`. Nothing is due in
    that very second, so that what comes next is only looked for when another one is asked for.
    """
    state = meter.change()
    born = meter.fleet.born
    if state.lived is None and (born is None or born >= now):
        state.lived, state.due = now, now + 1
    else:
        _live(meter, now)


def _live(meter: SimulatedMeter, now: int) -> None:
    state = meter.change()
    if state.is_living:
        return
    state.is_living = True
    try:
        if state.lived is None:
            state.lived = now if meter.fleet.born is None else min(meter.fleet.born, now)
        while state.off_since is None:
            coming = _coming(meter, state.lived)
            if coming is None or coming[0] > now:
                state.due = NEVER if coming is None else coming[0]
                break
            at, behaviours = coming
            state.lived = at
            for behaviour in behaviours:
                behaviour.happen(meter, at)
        else:
            state.due = NEVER
        state.lived = max(state.lived, now)
    finally:
        state.is_living = False


def due(meter: SimulatedMeter, now: int) -> int | None:
    """Live until `now` and tell when something happens next, None when nothing is waited for."""
    if not meter.fleet.template.living:
        return None
    _live(meter, now)
    return None if meter.state.due == NEVER else meter.state.due


@contextmanager
def intervening(meter: SimulatedMeter, at: int) -> Iterator[None]:
    """Somebody does something to the meter itself at UTC second `at`, not over the line.

    Everything due happens before; what comes next is considered anew after.
    """
    live(meter, at)
    yield
    meter.reconsider(at)


def switch_off(meter: SimulatedMeter, at: int) -> None:
    """The power of the meter goes at UTC second `at`; nothing happens in it until it is back.

    Raises `UsageError` when it has gone too often.
    """
    live(meter, at)
    state = meter.change()
    if state.off_since is not None:
        return
    outages.check(state)
    meter.note(Happening.POWER_DOWN, at)
    for behaviour in meter.fleet.template.living:
        behaviour.power_down(meter, at)
    outages.begin(meter, at)
    state.off_since = at
    state.due = NEVER
    meter.fleet.happened(meter, None, at)


def switch_on(meter: SimulatedMeter, at: int) -> None:
    """The power is back at UTC second `at`: each behaviour makes up for what it missed."""
    state = meter.change()
    since = state.off_since
    if since is None:
        return
    state.off_since = None
    state.lived = at
    state.restarts += 1
    outages.end(meter, at)
    clock.power_up(meter, since, at)
    meter.note(Happening.POWER_UP, at)
    for behaviour in present(meter):
        behaviour.power_up(meter, since, at)
    state.due = at
    meter.fleet.happened(meter, None, at)


def _coming(meter: SimulatedMeter, after: int) -> tuple[int, list[Living]] | None:
    """The next moment after `after` at which something happens, and what, in template order."""
    first = NEVER
    behaviours: list[Living] = []
    for behaviour in meter.fleet.template.living:
        at = None if is_off(meter, behaviour.key) else behaviour.due(meter, after)
        if at is None or at > first:
            continue
        if at < first:
            first = at
            behaviours = []
        behaviours.append(behaviour)
    return (first, behaviours) if behaviours else None
