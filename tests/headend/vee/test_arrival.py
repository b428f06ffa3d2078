"""In whatever order readings arrive, what counts in the end is the same."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.headend.vee import Quality
from ferraris.headend.vee.local_days import DAY_S

from .world import DAY, EXPORT, IMPORT, World, counted

HOUR_S = 3600
DAYS = 10
FIRST = DAY * DAY_S
HOURS = DAYS * 24


def row(end):
    return end, counted(end), counted(end, 1) // 3


@st.composite
def histories(draw):
    """What of ten days ever comes, and how it comes: lots of hours in some order.

    Among them hours, alone and negative, at which the registers are read by themselves.
    """
    lost = draw(
        st.lists(st.tuples(st.integers(0, HOURS), st.integers(1, 70)), max_size=4)
    )  # fmt: skip
    gone = {hour for begin, length in lost for hour in range(begin, begin + length)}
    hours = [hour for hour in range(HOURS + 1) if hour not in gone]
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(hours) - 1)), max_size=6)))
    lots = [hours[a:b] for a, b in zip([0, *cuts], [*cuts, len(hours)], strict=True)]
    reads = draw(
        st.sets(st.integers(1, DAYS).map((24).__mul__) | st.integers(1, HOURS), max_size=4)
    )
    lots = [lot for lot in lots if lot] + [[-hour] for hour in sorted(reads)]
    return draw(st.permutations(lots)), draw(st.sampled_from(["UTC", "Europe/Berlin"]))


class Store:
    """An embedded store for one example, without waiting for the disk."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name) / "store.sqlite"
        file.write_bytes(_empty_store())
        self._engine = Engine(file)
        return self._engine

    def __exit__(self, *_):
        self._engine.close()
        self._folder.cleanup()


@cache
def _empty_store():
    """A store without rows: copied, it is there sooner than made."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder) / "store.sqlite")
        migrate(engine)
        engine.close()
        return (Path(folder) / "store.sqlite").read_bytes()


def told(world, lots, *, one_by_one):
    for lot in lots:
        if lot[0] < 0:
            end, *values = row(FIRST - lot[0] * HOUR_S)
            world.read(dict(zip((IMPORT, EXPORT), values, strict=True)), end)
        else:
            world.put([row(FIRST + hour * HOUR_S) for hour in lot], names=(IMPORT, EXPORT))
        if one_by_one:
            world.run()
    world.run()
    assert world.due() == []
    return world.outcome()


@pytest.mark.parametrize("most", [1, 2000])
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_the_order_of_arrival_leaves_no_trace(most, history):
    lots, zone = history
    with Store() as one, Store() as other:
        piecemeal = World(one, zone=zone)
        piecemeal.rounds.most = most
        found = told(piecemeal, lots, one_by_one=True)
        assert found == told(World(other, zone=zone), sorted(lots), one_by_one=False)
        for name, seed, divisor in ((IMPORT, 0, 1), (EXPORT, 1, 3)):
            agrees_with_the_register(piecemeal, name, seed, divisor, lots)


def agrees_with_the_register(world, name, seed, divisor, lots):
    """Between any two readings the final values sum to what the register counted."""
    values = {}
    for (channel, _), (day, columns) in world.finals().items():
        if channel == name:
            assert day.period_s == HOUR_S
            for place, value in enumerate(columns.final[0].tolist()):
                assert columns.quality[0, place] != Quality.MISSING or value == 0
                values[day.start_s + (place + 1) * HOUR_S] = value
    instants = sorted(FIRST + hour * HOUR_S for lot in lots for hour in lot if hour >= 0)
    for begin, end in pairwise(instants):
        ends = range(begin + HOUR_S, end + 1, HOUR_S)
        found = [values.get(each) for each in ends]
        if None in found:
            assert end - begin > HOUR_S or len(instants) < 3
            continue
        now, then = (counted(each, seed) // divisor for each in (end, begin))
        assert sum(found) == now - then
