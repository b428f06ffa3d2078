"""Parts begin again after a fault, later each time, and all end when they are asked to."""

from __future__ import annotations

import asyncio

import pytest

from ferraris.headend.observe.health import Health
from ferraris.headend.service.supervising import supervise
from ferraris.headend.store.records import StoreAwayError


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        until = self.now + seconds
        while self.now < until:
            await asyncio.sleep(0)


def run(parts, turns=400):
    async def whole():
        time = Time()
        health = Health(time)
        task = asyncio.create_task(supervise(parts, health, clock=time, sleep=time.sleep))
        for _ in range(turns):
            time.now += 0.1
            await asyncio.sleep(0)
        report = health.ready()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return report, health.ready()

    return asyncio.run(whole())


def test_a_part_that_fails_begins_again_and_the_others_go_on():
    begun, ended = [], []

    async def failing():
        begun.append("failing")
        raise StoreAwayError("the database does not answer")

    async def lasting():
        begun.append("lasting")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("lasting")

    report, after = run({"failing": failing, "lasting": lasting})
    assert begun.count("failing") > 2
    assert begun.count("lasting") == 1
    assert ended == ["lasting"]
    assert report.parts == {"failing": "the database does not answer", "lasting": "ok"}
    assert not report.ok
    assert after.parts == {}


def test_a_fault_of_the_program_shows_no_details():
    async def broken():
        raise ValueError("key=00112233")

    report, _ = run({"broken": broken})
    assert report.parts == {"broken": "internal error: ValueError"}


def test_a_part_that_ends_by_itself_is_a_fault():
    async def short():
        return None

    report, _ = run({"short": short})
    assert report.parts == {"short": "the part ended by itself"}


def test_parts_wind_up_undisturbed():
    wound_up = []

    async def slow():
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            wound_up.append("slow")

    run({"slow": slow})
    assert wound_up == ["slow"]
