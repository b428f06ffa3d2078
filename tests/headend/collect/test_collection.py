# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
from itertools import product

import pytest
from sqlalchemy import update

from ferraris.core.errors import (
    DecodeError,
    IncompatibleError,
    LineError,
    RefusedError,
    SecurityError,
    SequenceError,
    UsageError,
)
from ferraris.headend.collect import BackOff, Policy, Progress
from ferraris.headend.store.checking import check
from ferraris.headend.store.tables.collecting import CONTACT, LACK, SESSION
from ferraris.headend.store.tables.inventory import NODE

from .neighbourhood import (
    BILLING,
    DAY,
    DAY_S,
    HOUR,
    LOG,
    NOW,
    PROFILE,
    REGISTERS,
    Street,
    series,
    virtually,
)

FAST = Policy(
    {
        "transient": BackOff(2.0, 3.0, 60.0),
        "permanent": BackOff(3600.0, 4.0, 86_400.0, 3),
        "security": BackOff(900.0, 4.0, 86_400.0, 3),
        "human": BackOff(tries=1),
        "short": BackOff(6 * 3600.0, 1.0, 6 * 3600.0, 3),
    }
)


def test_a_day_of_every_meter(engine):
    street = Street(engine, 11)
    street.plan()
    seen = []
    summary = street.once(progress=seen.append)
    assert list(summary.counts()) == [
        "meters", "read", "failed", "registers", "intervals", "duration_s",
    ]  # fmt: skip
    assert list(summary.counts().values())[:5] == [11, 11, 0, 22, 264]
    assert summary.failures == {}
    assert seen[-1] == Progress(11, 11, 0, 22, 264)
    assert street.counts() == (11, 11, 0, 11, 0, 0)
    assert {meter.opened for meter in street.meters.values()} == {1}
    expected = list(series(3, DAY * DAY_S, (DAY + 1) * DAY_S).rows())
    assert street.dump()["meter-3"][0] == expected
    again = street.once()
    assert list(again.counts().values())[:5] == [11, 11, 0, 0, 0]
    assert {meter.opened for meter in street.meters.values()} == {1}
    assert list(check(engine)) == []


def test_one_association_does_all_that_is_due_over_all_plans(engine):
    street = Street(engine, 2)
    street.plan()
    street.plan(name="logs", profiles=[], registers=[REGISTERS[0]], logs=[LOG], priority=2)
    street.plan(
        name="billing", profiles=[], registers=[], priority=7, back_days=100,
        billing=[{"profile": BILLING, "each": "month"}],
    )  # fmt: skip
    at = DAY * DAY_S + 7200
    street.meters["meter-0"].events = [(at, 1), (at, 1), (at + 60, 2)]
    for meter in street.meters.values():  # 2024-10-01, 2024-09-01, and one missing in August
        meter.billed = [1727740800, 1725148800]
    summary = street.once()
    assert (summary.read, summary.intervals) == (2, 2 * 24 + 4)
    assert {meter.opened for meter in street.meters.values()} == {1}
    with engine.reading() as view:
        events = street.archive.events(view, street.numbers["meter-0"], 0, 1 << 33)
    assert [(event.time.timestamp(), event.code) for event in events] == [
        (at, 1), (at, 1), (at + 60, 2),
    ]  # fmt: skip
    # Registers that two plans want were read once, and answer both.
    assert street.counts()[1] == 2
    # What a meter has not is asked for again later, not held against the rest.
    assert {row[0] for row in street.rows(LACK, "reason")} == {"short"}


def test_a_back_log_is_read_in_few_requests_and_newest_first(sqlite_engine):
    street = Street(sqlite_engine, 1)
    street.plan(back_days=35)
    assert street.once().intervals == 35 * 24
    asked = [each for each in street.meters["meter-0"].asked if each[0] == PROFILE]
    assert [(until - since).days for _, since, until in asked] == [10, 10, 10, 5]
    assert asked[0][2].timestamp() == (DAY + 1) * DAY_S


def test_a_new_meter_owes_nothing_from_before_it_was_active(sqlite_engine):
    street = Street(sqlite_engine, 1, life=True)
    street.plan(back_days=5, before_days=2)
    street.once()
    assert min(end for end, *_ in street.dump()["meter-0"][0]) == (DAY - 1) * DAY_S + HOUR


MAY_PASS = LineError("silence"), SequenceError("twice"), TimeoutError(), ConnectionResetError()


# One profile that cannot be decoded is its own affair.
@pytest.mark.parametrize(
    ("error", "place"),
    [*product(MAY_PASS, ("open", "registers", "profile")),
     (DecodeError("noise"), "open"), (DecodeError("noise"), "registers")],
)  # fmt: skip
def test_what_may_pass_is_tried_again_after_a_pause(sqlite_engine, error, place):
    street = Street(sqlite_engine, 4, faults={1: [(place, error)] * 2})
    street.plan()
    summary = street.once(settings={"policy": FAST})
    assert (summary.read, summary.failed) == (4, 0)
    assert street.counts()[:3] == (4, 4, 0)
    assert 2 * 0.75 + 6 * 0.75 < summary.duration_s < 12
    assert street.rows(CONTACT) == []
    outcomes = [row[0] for row in street.rows(SESSION, "outcome")]
    assert len(outcomes) - outcomes.count("done") == 2
    if place == "profile":
        asked = [each[0] for each in street.meters["meter-1"].asked]
        assert asked.count("registers") == 3  # clock; the registers themselves were kept
        assert street.counts()[1] == 4


def test_tries_are_limited_and_a_later_run_begins_again(sqlite_engine):
    street = Street(sqlite_engine, 2, faults={1: [("open", LineError("silence"))] * 4})
    street.plan()
    summary = street.once(settings={"policy": FAST, "tries": 3})
    assert (summary.read, summary.failed, summary.failures) == (1, 1, {"line": 1})
    assert len(street.meters["meter-1"].faults) == 1
    assert street.once(settings={"policy": FAST}).failed == 1  # it rests
    assert len(street.meters["meter-1"].faults) == 1
    street.start += 60
    assert street.once(settings={"policy": FAST}).failures == {"line": 1}
    street.start += 120
    assert street.once(settings={"policy": FAST}).failures == {}


@pytest.mark.parametrize(
    ("error", "reason", "held"),
    [
        (SecurityError("tag"), "security", False),
        (RefusedError("no"), "refused", False),
        (IncompatibleError("old"), "incompatible", False),
        (UsageError("no key"), "usage", True),
        (ZeroDivisionError("bug"), "internal", True),
    ],
)
def test_classes_of_failures(sqlite_engine, error, reason, held):
    street = Street(sqlite_engine, 3, faults={1: [("open", error)] * 3})
    street.plan()
    summary = street.once(settings={"tries": 1})
    assert (summary.read, summary.failed, summary.failures) == (2, 1, {reason: 1})
    ((state, why, tries),) = street.rows(CONTACT, "state", "reason", "tries")
    assert (state, why, tries) == ("held" if held else "waiting", reason, 1)
    street.start += 10**5
    street.once(settings={"tries": 1})
    if held:
        assert len(street.meters["meter-1"].faults) == 2
    else:
        for _ in range(2):
            street.start += 10**5
            street.once(settings={"tries": 1})
        ((state, tries),) = street.rows(CONTACT, "state", "tries")
        assert (state, tries) == ("held", 3)


def test_a_refused_profile_never_blocks_the_rest_of_the_meter(engine):
    street = Street(engine, 2)
    street.meters["meter-0"].refuses = {PROFILE}
    street.plan(logs=[LOG])
    summary = street.once()
    assert (summary.read, summary.failures) == (1, {"refused": 1})
    assert street.counts()[1] == 2
    assert street.meters["meter-0"].opened == 1
    ((reason, tries, held),) = street.rows(LACK, "reason", "tries", "held")
    assert (reason, tries, held) == ("refused", 1, 0)
    street.meters["meter-0"].refuses = set()
    street.start += 5000
    assert street.once().intervals == 24
    assert street.rows(LACK) == []


def test_a_failed_release_after_all_was_read_is_no_failure(sqlite_engine):
    street = Street(sqlite_engine, 1, faults={0: [("close", LineError("gone"))]})
    street.plan()
    summary = street.once()
    assert (summary.read, summary.intervals) == (1, 24)
    assert street.rows(SESSION, "outcome", "message") == [("done", "all was read, then: gone")]


def test_a_meter_without_all_rows_is_asked_again_later_and_then_held(engine):
    street = Street(engine, 1)
    meter = street.meters["meter-0"]
    meter.lacks = {DAY * DAY_S + n * HOUR for n in (3, 4, 5, 6)}
    street.plan(registers=[])
    # The rest of the day is asked for first; when that does not help, the whole day.
    summary = street.once()
    assert (summary.read, summary.failed, summary.intervals) == (1, 0, 20)
    opened = meter.opened
    for _ in range(4):
        street.start += 7 * HOUR
        if street.start < NOW + 20 * HOUR:
            street.once()
    assert opened < meter.opened <= 4
    ((held, reason),) = street.rows(LACK, "held", "reason")
    assert (held, reason) == (1, "short")


def test_a_meter_that_lacks_a_register_for_good_is_read_once_a_day(engine):
    street = Street(engine, 2)
    street.meters["meter-0"].refuses = {REGISTERS[1]}
    street.plan(profiles=[])
    assert street.once().registers == 3
    assert street.once().registers == 0
    street.start += DAY_S
    assert street.once().registers == 3
    street.meters["meter-1"].refuses = set(REGISTERS)
    street.start += DAY_S
    assert street.once().failures == {"refused": 1}


def test_every_few_hours_only_what_is_new_is_read(engine):
    street = Street(engine, 1)
    street.plan(reach="now", windows=[{"every": "4 h", "for": "1 h"}])
    street.start = (DAY + 1) * DAY_S + 4 * HOUR + 60.0
    assert street.once().intervals == 24 + 4
    street.start = (DAY + 1) * DAY_S + 6 * HOUR
    assert street.once().intervals == 0  # the window is closed
    street.start = (DAY + 1) * DAY_S + 8 * HOUR + 60.0
    street.meters["meter-0"].asked.clear()
    assert street.once().intervals == 4
    (asked,) = [each for each in street.meters["meter-0"].asked if each[0] == PROFILE]
    assert asked[1].timestamp() == (DAY + 1) * DAY_S + 4 * HOUR
    assert street.counts()[1] == 2


def test_concurrency_is_bounded_for_all_and_below_each_node(sqlite_engine):
    nodes = [{"kind": "cell", "name": f"cell-{n}", "most_sessions": 2} for n in range(4)]
    street = Street(sqlite_engine, 24, nodes=nodes)
    street.plan()
    street.once(settings={"concurrency": 6})
    assert street.most_open == 4  # one of two places below each node is kept for operators
    with sqlite_engine.transaction() as connection:
        connection.execute(update(NODE).values(most_sessions=1))
    street.start += DAY_S
    street.most_open = 0
    street.once(settings={"concurrency": 60})
    assert street.most_open == 4


def test_a_dead_concentrator_does_not_block_the_others(sqlite_engine):
    nodes = [{"kind": "concentrator", "name": f"c-{n}", "most_sessions": 4} for n in range(3)]
    street = Street(sqlite_engine, 120, nodes=nodes)
    dead = [meter for name, meter in street.meters.items() if int(name[6:]) % 3 == 0]
    for meter in dead:
        meter.dead, meter.latency_s = LineError("silence"), 10.0
    street.plan()
    done_s = []

    def progress(now):
        if now.read == 80 and not done_s:
            done_s.append(asyncio.get_running_loop().time())

    async def some_time():
        task = asyncio.ensure_future(
            street.collection(settings={"concurrency": 50}, progress=progress).run()
        )
        await asyncio.sleep(120)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtually(some_time())
    assert done_s[0] < 5
    # And it is probed, not hammered: 40 meters, 10 s each, 4 at a time, would have failed by now.
    assert sum(meter.failed for meter in dead) < 20


def test_reading_once_ends_although_a_part_of_the_network_is_away(sqlite_engine):
    nodes = [{"kind": "concentrator", "name": f"c-{n}", "most_sessions": 4} for n in range(3)]
    street = Street(sqlite_engine, 120, nodes=nodes)
    dead = [meter for name, meter in street.meters.items() if int(name[6:]) % 3 == 0]
    for meter in dead:
        meter.dead, meter.latency_s = LineError("silence"), 10.0
    street.plan()
    summary = street.once(settings={"concurrency": 50, "tries": 1})
    assert (summary.read, summary.failed) == (80, 40)
    assert summary.duration_s < 120
    assert all(meter.failed <= 1 for meter in dead)
    for meter in dead:
        meter.dead, meter.latency_s = None, 0.0
    street.start += 2 * HOUR
    assert street.once().failed == 0


def test_limits_must_be_sane(sqlite_engine):
    street = Street(sqlite_engine, 1)
    with pytest.raises(UsageError, match="at least 1"):
        street.collection(settings={"concurrency": 0})


def test_plans_without_meters_and_no_plans_at_all(sqlite_engine):
    street = Street(sqlite_engine, 0)
    assert street.once().meters == 0
    street.plan()
    assert street.once().meters == 0


def test_a_plan_that_rests_reads_nothing(sqlite_engine):
    street = Street(sqlite_engine, 1)
    street.plan(windows=[{"from": "03:00", "until": "05:00"}])
    assert street.once().intervals == 0
    street.plan(active=False)
    assert street.once().intervals == 0


def test_a_clock_that_deviates_is_an_event(engine):
    street = Street(engine, 2)
    street.meters["meter-1"].deviation_s = -90.0
    street.plan(registers=[])
    street.once()
    with engine.reading() as view:
        (event,) = street.archive.events(view, street.numbers["meter-1"], 0, 1 << 33)
        assert street.archive.events(view, street.numbers["meter-0"], 0, 1 << 33) == []
    assert (event.log, event.code, event.values) == ("head-end", 1, (-91,)) or event.values == (
        -90,
    )
    deviations = sorted(row[0] for row in street.rows(SESSION, "deviation_s"))
    assert deviations[0] == pytest.approx(-90, abs=1.5)
    assert deviations[1] == pytest.approx(0, abs=1.5)
