"""One session with one meter: everything that is due, in one association."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.policy import Failure, RetryPolicy, failure_of
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.exchange import pack_readings, pack_series, pack_undated
from ferraris.headend.store.records import Deferred, Plan, Result, Work

__all__ = ["read_meter"]


async def read_meter(
    opened: Callable[[], AbstractAsyncContextManager[MeterFace]],
    work: Work,
    plan: Plan,
    policy: RetryPolicy,
    clock: Callable[[], float],
) -> Result:
    """Read what is due; never raises for the meter's sake, only when it is cancelled.

    Whatever arrived before a failure is in the result, so the next try asks only for the rest.
    """
    result = Result(work, started_s=clock(), ended_s=0.0)
    failure: Failure | None = None
    try:
        async with opened() as meter:
            await _read(meter, result, plan, clock)
    except Exception as error:  # noqa: BLE001 - one meter must not end the run for all others
        failure = failure_of(error)
    result.ended_s = clock()
    missing = _missing(result, plan)
    if failure is not None and missing:
        result.outcome, result.message = failure.reason, failure.message
    elif failure is not None:
        result.message = f"all was read, then: {failure.message}"
        failure = None
    _defer(result, missing, failure, policy)
    return result


async def _read(meter: MeterFace, result: Result, plan: Plan, clock: Callable[[], float]) -> None:
    work = result.work
    if plan.profile:
        for first, last in _ranges(work.profile_days):
            series = await meter.read_profile(plan.profile, _midnight(first), _midnight(last + 1))
            wanted = (first * DAY_S, (last + 1) * DAY_S)
            result.blocks += pack_series(plan.profile, series, *wanted)
            result.undated += pack_undated(plan.profile, series)
    if work.registers:
        readings = await meter.read_registers(plan.registers)
        if readings:
            result.reads.append(pack_readings(work.days[-1], int(clock()), readings))


def _missing(result: Result, plan: Plan) -> list[int]:
    """The days of the work that are not complete with this result."""
    rows = {block.day: 0 for block in result.blocks}
    for block in result.blocks:
        rows[block.day] += block.rows
    lacking = {day for day in result.work.profile_days if rows.get(day, 0) < plan.rows_a_day}
    if result.work.registers and not result.reads:
        lacking.add(result.work.days[-1])
    return sorted(lacking)


def _defer(
    result: Result, missing: list[int], failure: Failure | None, policy: RetryPolicy
) -> None:
    tries = result.work.tries + 1
    held = False
    if failure is None:
        reason, pause = "short", policy.short_pause_s
        held = tries >= policy.short_tries
    elif not failure.transient:
        reason, pause, held = failure.reason, 0.0, True
    elif tries < policy.tries:
        reason, pause = failure.reason, policy.pause_s(tries, result.work.meter)
    else:
        reason, pause, tries = failure.reason, policy.give_up_s, 0
    result.deferred = [
        Deferred(day, held, result.ended_s + pause, reason, tries) for day in missing
    ]


def _ranges(days: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Runs of neighbouring days, as (first, last)."""
    start = previous = None
    for day in days:
        if start is None or previous is None or day != previous + 1:
            if start is not None and previous is not None:
                yield start, previous
            start = day
        previous = day
    if start is not None and previous is not None:
        yield start, previous


def _midnight(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY_S, UTC)
