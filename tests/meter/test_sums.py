"""Rates sum to the total and rows to their number in every template, whatever happens to it."""

from __future__ import annotations

from random import Random

import pytest
from meter_asking import NOW

from ferraris.data import axdr
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.timekeeping import drift, set_time
from ferraris.server.device import RequestContext

ELECTRICITY, TIME_INTEGRAL, MOST_RATES = 1, 8, 63
BUFFER, IN_USE = 2, 7


def read(meter: SimulatedMeter, key: tuple[int, bytes], now: int, attribute: int = 2) -> object:
    context = RequestContext(meter.fleet.template.key_client, 0x30, now)
    return axdr.decode(meter.get(meter.objects[key], attribute, None, context))[1]


def something(meter: SimulatedMeter, now: int, random: Random) -> int:
    """Let something happen to it; the UTC second after it."""
    kind = random.choice(("set", "outage", "drift"))
    if kind == "set":
        set_time(meter, now, meter.local(now) + random.randint(-9000, 9000))
    elif kind == "drift":
        drift(meter, now, random.randint(-900, 900))
    else:
        outage(meter, now, now + random.randint(1, 9000))
    return max(now, meter.state.lived or now)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("dsmr-4.2.2", 2),
        ("idis-like", 4),
        ("industrial", 4),
        ("is-15959-three-phase", 8),
        ("prepayment", 2),
        ("residential-sn", 2),
        ("residential-three-phase", 2),
        ("smr-5.2", 2),
    ],
)
def test_rates_sum_to_the_total_and_rows_to_their_number(name: str, rates: int) -> None:
    meter = Fleet(template(name), 2, seed=4)[1]
    by_rate = {
        key[1][4]: key
        for key in meter.objects
        if key[0] == 3
        and key[1][:4] == bytes((ELECTRICITY, 0, 1, TIME_INTEGRAL))
        and key[1][4] <= MOST_RATES
        and key[1][5] == 255
    }
    assert by_rate.keys() == set(range(rates + 1))
    profiles = [
        key for key in meter.objects if key[0] == 7 and key[1][2] == 99 and key[1][3] in (1, 2)
    ]
    assert profiles
    random, now = Random(3), NOW
    for _ in range(6):
        now = something(meter, now + random.randint(1, 60_000), random)
        total, *parts = (read(meter, by_rate[rate], now) for rate in range(rates + 1))
        assert total == sum(parts)  # type: ignore[arg-type] # registers hold numbers
    for key in profiles:
        rows = read(meter, key, now, BUFFER)
        assert isinstance(rows, list)
        assert len(rows) == read(meter, key, now, IN_USE)
