"""Every profile of every template: rows without a gap, each what the registers told at its time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from meter_asking import NOW, get, rows, stamped

from ferraris.data.obis import Obis
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import names, template

SPRING, AUTUMN = 1_774_746_000, 1_792_890_000  # 2026-03-29 and 2026-10-25, 01:00 UTC
MOMENTS = (NOW, SPRING + 3 * 3600 + 5, AUTUMN + 3 * 3600 + 5)
DAY, LAST = 86_400, 16
CLOCK_CLASS, REGISTERS = 8, (3, 4)


class Profile(NamedTuple):
    """A profile that captures by time: its name, its period, and what stands in its columns."""

    name: str
    period_s: int
    columns: list[tuple[int, str, int]]


def profiles(meter: SimulatedMeter, client: int, now: int) -> list[Profile]:
    found = []
    for (class_id, octets), granted in meter.associations[client].rights.objects.items():
        if class_id != 7 or not {2, 3, 4} <= granted.attributes.keys():
            continue
        name = str(Obis(octets))
        period_s = get(meter, name, 7, 4, client=client, now=now)
        captured = [each for _, each in get(meter, name, 7, 3, client=client, now=now)]
        columns = [(cls[1], str(Obis(ln[1])), index[1]) for cls, ln, index, _ in captured]
        if period_s and columns[0][0] == CLOCK_CLASS:
            found.append(Profile(name, period_s, columns))
    return found


def instants(meter: SimulatedMeter, found: list[Any]) -> list[int]:
    """UTC seconds of the clock in the first column."""
    told = [meter.zone.instant(bytes(row[0])) for row in found]
    assert None not in told
    return told  # type: ignore[return-value] # as was just asserted


def is_gap(distance_s: int, period_s: int) -> bool:
    """Days have 23, 24 or 25 hours; shorter periods are always whole."""
    slack_s = 3600 if period_s == DAY else 0
    return abs(distance_s - period_s) > slack_s


@pytest.mark.parametrize("name", [each for each in names() if each != "residential-sn"])
@pytest.mark.parametrize("now", MOMENTS, ids=["a Monday", "spring", "autumn"])
def test_rows_are_the_registers_of_their_time(name: str, now: int) -> None:
    kind = template(name)
    client, meter = kind.key_client, Fleet(kind, 2, 7)[1]
    for profile in profiles(meter, client, now):
        found = rows(meter, profile.name, client=client, now=now)[-LAST:]
        times = instants(meter, found)
        assert times, profile.name
        gaps = [b - a for a, b in pairwise(times) if is_gap(b - a, profile.period_s)]
        assert not gaps, profile.name
        assert now - times[-1] <= profile.period_s + 3600
        for row, at in zip(found, times, strict=True):
            for (class_id, register, index), value in zip(profile.columns, row, strict=True):
                if class_id in REGISTERS:
                    told = get(meter, register, class_id, index, client=client, now=at)
                    assert value == told, (profile.name, register, at)


@pytest.mark.parametrize("name", [each for each in names() if each != "residential-sn"])
def test_days_asked_one_by_one_are_the_days_asked_at_once(name: str) -> None:
    """In any order, of another meter of the same seed, and over the change in spring."""
    kind = template(name)
    client, meter, other = kind.key_client, Fleet(kind, 2, 7)[1], Fleet(kind, 2, 7)[1]
    begin, now = SPRING - 2 * DAY, SPRING + 3 * DAY
    for profile in profiles(meter, client, now):
        if not meter.fleet.template.behaviours[7, bytes(Obis.parse(profile.name))].selectors:
            continue
        ends = [begin + day * DAY for day in range(4)]
        whole = rows(
            meter, profile.name, stamped(meter, begin, ends[-1] - 1), client=client, now=now
        )
        by_day = {
            first: rows(
                other, profile.name, stamped(other, first, last - 1), client=client, now=now
            )
            for first, last in reversed(list(pairwise(ends)))
        }
        assert [row for first in ends[:-1] for row in by_day[first]] == whole
        if profile.period_s < DAY:
            assert len(whole) == 3 * DAY // profile.period_s
