"""A meter that changes what it captures leaves the same final values, in whatever order it is read.

Channels come and go, capture periods change within a day, firmware counts in another scaler, clocks
that are set leave rows beside the grid and registers are heard from other profiles.
"""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferraris.headend.vee import Quality
from ferraris.headend.vee.local_days import DAY_S

from .test_arrival import FIRST, HOUR_S, Store
from .world import EXPORT, IMPORT, LOAD, World, counted

DAYS = 5
HOURS = DAYS * 24
SPENT = "1-0:1.29.0*255"  # what each interval brought
DAILY = "1-0:98.2.0*255"
READ = ("read",)  # a register that is read by itself
SETS = ((IMPORT,), (IMPORT, EXPORT), (EXPORT,), (IMPORT, SPENT), (SPENT,))


def register(name, end, scaler):
    seed, divisor = (1, 3) if name == EXPORT else (0, 1)
    return counted(end - end % 900, seed) // divisor * 10**-scaler


@st.composite
def lives(draw):
    """What a meter captures from when on, what of it is lost, and in which lots it comes."""
    cuts = sorted(draw(st.sets(st.integers(1, HOURS - 1), max_size=3)))
    rows = []
    for begin, end in pairwise([0, *cuts, HOURS + 1]):
        names = draw(st.sampled_from(SETS))
        step = draw(st.sampled_from((900, 900, 1800, 3600)))
        scaler = draw(st.sampled_from((0, 0, -1)))
        for instant in range(FIRST + begin * HOUR_S, FIRST + end * HOUR_S, step):
            if instant <= FIRST + HOURS * HOUR_S:
                rows.append((instant, names, scaler, step))
    lost = draw(st.lists(st.tuples(st.integers(0, HOURS), st.integers(1, 50)), max_size=3))
    gone = {hour for begin, length in lost for hour in range(begin, begin + length)}
    rows = [row for row in rows if (row[0] - FIRST) // HOUR_S not in gone]
    odd = draw(st.lists(st.tuples(st.integers(0, HOURS - 1), st.integers(1, 899)), max_size=2))
    rows += [(FIRST + hour * HOUR_S + more, (IMPORT,), 0, 900) for hour, more in odd]
    rows.sort()
    at = sorted(draw(st.sets(st.integers(1, max(1, len(rows) - 1)), max_size=5)))
    lots = [rows[a:b] for a, b in pairwise([0, *at, len(rows)])]
    midnights = draw(
        st.lists(st.tuples(st.integers(0, DAYS), st.sampled_from(((), READ))), max_size=4,
                 unique=True)
    )  # fmt: skip
    lots += [[(FIRST + day * DAY_S, names, 0, DAY_S)] for day, names in sorted(midnights)]
    return draw(st.permutations([lot for lot in lots if lot])), draw(
        st.sampled_from(["UTC", "Europe/Berlin"])
    )


def put(world, lot):
    """One lot: rows that have the same channels go together."""
    for kind in sorted({row[1:3] for row in lot}, key=repr):
        names, scaler = kind
        some = [row for row in lot if row[1:3] == kind]
        if names == READ:
            for end, *_ in some:
                world.read({IMPORT: counted(end)}, end)
            continue
        profile = {} if names else {"profile": DAILY}
        names = names or (IMPORT,)
        values = [
            (end, *(
                (register(IMPORT, end, scaler) - register(IMPORT, end - step, scaler))
                if name == SPENT else register(name, end, scaler)
                for name in names
            ))
            for end, _, _, step in some
        ]  # fmt: skip
        world.put(values, names=names, scaler=scaler, **profile)


def told(world, lots, *, one_by_one):
    for lot in lots:
        put(world, lot)
        if one_by_one:
            world.run()
    world.run()
    assert world.due() == []
    return world.outcome(profile=LOAD), world.outcome(profile=DAILY)


@pytest.mark.parametrize("most", [1, 2000])
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(lives())
def test_changes_of_a_meter_leave_no_trace_of_their_order(most, life):
    lots, zone = life
    with Store() as one, Store() as other:
        piecemeal = World(one, zone=zone)
        piecemeal.rounds.most = most
        found = told(piecemeal, lots, one_by_one=True)
        # The other store numbers channels and layouts in another order.
        assert found == told(World(other, zone=zone), lots[::-1], one_by_one=False)
        agrees(piecemeal, lots)


def agrees(world, lots):
    """Final values of whole days sum to what the register counted."""
    for (name, _), (day, columns) in world.finals(profile=LOAD).items():
        if SPENT in name or not day.intervals:
            continue
        plain, _, power = name.partition(" e")
        assert (columns.final >= 0).all()
        ends = {row[0] for lot in lots for row in lot if row[1] and plain in row[1]
                and row[2] == int(power or 0)}  # fmt: skip
        begin, end = day.start_s, day.start_s + day.period_s * day.intervals
        if {begin, end} <= ends and (columns.quality != Quality.MISSING).all():
            whole = register(plain, end, int(power or 0)) - register(plain, begin, int(power or 0))
            assert int(columns.final.sum()) == whole, (name, day.day)
