# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
from enum import Enum

import pytest

from ferraris.core.errors import (
    DecodeError,
    IncompatibleError,
    LineError,
    RefusedError,
    SecurityError,
    SequenceError,
    UsageError,
)
from ferraris.headend.collect import (
    Collector,
    Limits,
    Progress,
    RetryPolicy,
    failure_of,
    last_complete_day,
)
from ferraris.headend.store import Plan, Store

from .neighbourhood import (
    DAY,
    DAY_S,
    NOW,
    PLAN,
    PROFILE,
    Clock,
    Meter,
    counts,
    dump,
    enrol,
    inline,
    open_meter,
    series,
)


class Reason(Enum):
    READ_WRITE_DENIED = 3


def collector(store, targets, clock=None, **options):
    clock = clock or Clock()
    options.setdefault("plan", PLAN)
    options.setdefault("limits", Limits(concurrency=3, batch=4, lease_s=1e9))
    options.setdefault("offload", inline)
    plan = options.pop("plan")
    return Collector(
        store, open_meter, targets, plan, clock=clock, sleep=clock.sleep, **options
    )  # fmt: skip


def fleet(store, count, faults=None):
    return {
        name: Meter(number, (faults or {}).get(number, ()))
        for number, name in enumerate(enrol(store, count))
    }


def run(*arguments, **options):
    return asyncio.run(collector(*arguments, **options).run())


def test_a_day_of_every_meter(store):
    seen: list[Progress] = []
    targets = fleet(store, 11)
    summary = run(store, targets, progress=seen.append)
    assert list(summary.counts()) == [
        "meters", "read", "failed", "registers", "intervals", "duration_s",
    ]  # fmt: skip
    assert list(summary.counts().values())[:5] == [11, 11, 0, 22, 264]
    assert summary.failures == {}
    assert seen[-1] == Progress(11, 11, 0, 22, 264)
    assert counts(store) == (11, 11, 264, 11, 22)
    assert {meter.opened for meter in targets.values()} == {1}
    rows = store.series("meter-3", PROFILE, DAY * DAY_S, (DAY + 1) * DAY_S)
    assert list(rows.rows()) == list(series(3, DAY * DAY_S, (DAY + 1) * DAY_S).rows())


def test_what_is_there_is_not_read_again(store):
    targets = fleet(store, 3)
    run(store, targets)
    summary = run(store, targets)
    assert list(summary.counts().values())[:5] == [3, 3, 0, 0, 0]
    assert {meter.opened for meter in targets.values()} == {1}


def test_neighbouring_days_are_read_at_once(store):
    targets = fleet(store, 1)
    run(store, targets, days=[DAY - 3])
    summary = run(store, targets, days=range(DAY - 4, DAY + 1))
    assert (summary.intervals, summary.registers) == (4 * 24, 2)
    assert targets["meter-0"].opened == 2
    assert targets["meter-0"].reads == 3
    assert len(store.series("meter-0", PROFILE, (DAY - 4) * DAY_S, (DAY + 1) * DAY_S)) == 5 * 24


@pytest.mark.parametrize(
    "error",
    [LineError("silence"), SequenceError("twice"), TimeoutError(), ConnectionResetError(),
     DecodeError("noise")],
)  # fmt: skip
@pytest.mark.parametrize("place", ["open", "profile", "registers"])
def test_what_may_pass_is_tried_again_after_a_pause(store, error, place):
    clock = Clock()
    targets = fleet(store, 4, {1: [(place, error)] * 2})
    summary = run(store, targets, clock)
    assert (summary.read, summary.failed) == (4, 0)
    assert counts(store) == (4, 4, 96, 4, 8)
    pauses = [pause for pause in clock.slept if 1 < pause < 60]
    assert len(pauses) == 2
    assert pauses == sorted(pauses)
    if place == "registers":
        assert targets["meter-1"].reads == 1  # the profile was kept from the first try


def test_tries_are_limited_and_a_later_run_begins_again(store):
    clock = Clock()
    targets = fleet(store, 2, {1: [("open", LineError("silence"))] * 4})
    summary = run(store, targets, clock, policy=RetryPolicy(tries=3))
    assert (summary.read, summary.failed, summary.failures) == (1, 1, {"line": 1})
    assert len(targets["meter-1"].faults) == 1
    assert run(store, targets, clock).failed == 1  # it rests
    assert len(targets["meter-1"].faults) == 1
    clock.now += 900
    assert run(store, targets, clock).failures == {}
    assert len(targets["meter-1"].faults) == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SecurityError("tag"), "security"),
        (RefusedError("no", reason=Reason.READ_WRITE_DENIED), "refused"),
        (UsageError("no key"), "usage"),
        (IncompatibleError("old"), "incompatible"),
        (ZeroDivisionError("bug"), "internal"),
    ],
)
def test_what_does_not_pass_waits_for_a_human(store, error, reason):
    clock = Clock()
    targets = fleet(store, 3, {1: [("profile", error)]})
    summary = run(store, targets, clock)
    assert (summary.read, summary.failed, summary.failures) == (2, 1, {reason: 1})
    gaps = store.plan(PLAN, [])
    assert [(held.external_id, held.reason) for held in gaps.held()] == [("meter-1", reason)]
    clock.now += 1e6
    assert run(store, targets, clock, days=[DAY]).failed == 1
    assert gaps.release() == 1
    assert run(store, targets, clock, days=[DAY]).failed == 0


def test_a_failed_release_after_all_was_read_is_no_failure(store):
    summary = run(store, fleet(store, 1, {0: [("close", LineError("gone"))]}))
    assert (summary.read, summary.intervals) == (1, 24)


def test_a_meter_without_all_rows_is_asked_again_later_and_then_held(store):
    clock = Clock()
    targets = {"meter-0": Meter(0, rows=20)}
    enrol(store, 1)
    summary = run(store, targets, clock, days=[DAY])
    assert (summary.read, summary.failed, summary.intervals) == (1, 0, 20)
    for opened in (2, 3, 3):
        clock.now += 7 * 3600
        run(store, targets, clock, days=[DAY])
        assert targets["meter-0"].opened == opened
    assert [held.reason for held in store.plan(PLAN, []).held()] == ["short"]
    assert store.check() == []


def test_registers_alone_are_a_plan(store):
    plan = Plan("registers", registers=PLAN.registers)
    summary = run(store, fleet(store, 2), plan=plan)
    assert list(summary.counts().values())[:5] == [2, 2, 0, 4, 0]
    assert run(store, fleet(store, 2), plan=plan).registers == 0


def test_only_targets_are_read(store):
    targets = fleet(store, 5)
    run(store, targets, days=[DAY])
    few = {"meter-2": targets["meter-2"]}
    summary = run(store, few, days=[DAY - 1])
    assert (summary.meters, summary.read, summary.intervals) == (1, 1, 24)


def test_targets_must_be_enrolled(store):
    with pytest.raises(UsageError, match="not enrolled"):
        run(store, {"nobody": Meter(0)})
    with pytest.raises(UsageError, match="at least 1"):
        run(store, {}, limits=Limits(concurrency=0))
    assert run(store, {}).meters == 0


def test_concurrency_is_bounded(store):
    open_now, most = 0, 0

    class Counting(Meter):
        async def read_profile(self, profile, since, until):
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            found = await super().read_profile(profile, since, until)
            open_now -= 1
            return found

    targets = {name: Counting(n) for n, name in enumerate(enrol(store, 20))}
    run(store, targets)
    assert most == 3


def test_the_last_complete_day():
    assert last_complete_day(NOW) == DAY
    assert last_complete_day((DAY + 1) * DAY_S) == DAY
    assert last_complete_day((DAY + 1) * DAY_S - 1) == DAY - 1


def test_pauses_grow_and_are_spread():
    policy = RetryPolicy()
    assert 1.5 <= policy.pause_s(1, 5) <= 2
    assert 4.5 <= policy.pause_s(2, 5) <= 6
    assert policy.pause_s(9, 5) <= 60
    assert len({policy.pause_s(1, meter) for meter in range(50)}) > 30


def test_failures_show_no_more_than_the_error():
    assert failure_of(SecurityError("tag", where="association")).message == "association: tag"
    assert failure_of(KeyError("x")).message == "KeyError('x')"


FAULTS = {1: [("open", LineError("a"))], 2: [("registers", LineError("b"))]}


def fresh_faults():
    return {number: list(faults) for number, faults in FAULTS.items()}


def test_cancelled_anywhere_it_loses_nothing_and_doubles_nothing():
    with Store.open(":memory:") as whole:
        run(whole, fleet(whole, 4, fresh_faults()), days=[DAY])
        expected = dump(whole)

    async def cancelled_after(store, targets, steps):
        task = asyncio.ensure_future(
            collector(store, targets, days=[DAY], exclusive=True).run()
        )  # fmt: skip
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True

    for steps in range(400):
        with Store.open(":memory:") as store:
            targets = fleet(store, 4, fresh_faults())
            ended = asyncio.run(cancelled_after(store, targets, steps))
            assert store.check() == []
            if not ended:
                clock = Clock(NOW + 100)
                summary = run(store, targets, clock, days=[DAY])
                assert (summary.read, summary.failed) == (4, 0)
            found, sums = dump(store)
            assert sums == expected[1], steps
            assert found == expected[0], steps
            assert store.summary().sessions <= 6 + 4
        if ended:
            return
    pytest.fail("the run never ended")


def test_two_collectors_share_the_work(tmp_path):
    path = tmp_path / "s.sqlite"
    clock = Clock()
    with Store.open(path) as one, Store.open(path) as two:
        targets = fleet(one, 60)
        options = {"days": [DAY], "limits": Limits(concurrency=3, batch=8, lease_s=1e9)}

        async def both():
            return await asyncio.gather(
                collector(one, targets, clock, **options).run(),
                collector(two, targets, clock, **options).run(),
            )

        first, second = asyncio.run(both())
        assert first.intervals + second.intervals == 60 * 24
        assert {meter.opened for meter in targets.values()} == {1}
        assert counts(one) == (60, 60, 1440, 60, 120)


def test_in_threads_too(tmp_path):
    with Store.open(tmp_path / "s.sqlite") as store:
        summary = run(store, fleet(store, 50), offload=asyncio.to_thread)
        assert (summary.read, summary.intervals) == (50, 1200)
        assert store.check() == []
