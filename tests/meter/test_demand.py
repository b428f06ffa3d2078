from __future__ import annotations

import itertools

import pytest
from meter_asking import NOW, act, get, put

from ferraris.data.kinds import Data, double_long_unsigned, long_unsigned
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.demand import MaximumDemand
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.timekeeping import set_time
from ferraris.meter.zone import DAY

DEMAND, MAXIMUM = "1-0:1.4.0*255", "1-0:1.6.0*255"


def shape(meter: SimulatedMeter, period_s: int, periods: int, now: int = NOW) -> None:
    assert put(meter, DEMAND, 5, 8, double_long_unsigned(period_s), now=now) == 0
    assert put(meter, DEMAND, 5, 9, long_unsigned(periods), now=now) == 0


def used(meter: SimulatedMeter, first: int, last: int) -> int:
    return meter.total(0, last) - meter.total(0, first)


@pytest.mark.parametrize(("period_s", "periods"), [(900, 1), (300, 3), (1800, 2), (3600, 4)])
def test_averages_slide(fleet: Fleet, period_s: int, periods: int) -> None:
    meter = fleet[3]
    shape(meter, period_s, periods, NOW - DAY)
    start = NOW // period_s * period_s
    window = period_s * periods
    first = start - window + period_s
    assert get(meter, DEMAND, 5, 2) == used(meter, first, NOW) * 3600 // window
    assert get(meter, DEMAND, 5, 3) == used(meter, start - window, start) * 3600 // window
    assert get(meter, DEMAND, 5, 6) == meter.zone.stamp(start)
    assert get(meter, DEMAND, 5, 7) == meter.zone.stamp(first)
    assert get(meter, DEMAND, 5, 2, now=start + period_s - 1) <= get(
        meter, DEMAND, 5, 3, now=start + period_s
    )


def test_a_client_ends_a_period_and_resets(fleet: Fleet) -> None:
    meter, ended = fleet[3], NOW + 400
    running = get(meter, DEMAND, 5, 2, now=ended)
    assert running > 0
    assert act(meter, DEMAND, 5, 2, now=ended) == ActionResult.SUCCESS
    assert get(meter, DEMAND, 5, 2, now=ended) == 0
    assert get(meter, DEMAND, 5, 3, now=ended) == running
    assert get(meter, DEMAND, 5, 7, now=ended) == meter.zone.stamp(ended)
    later = ended + 300
    assert get(meter, DEMAND, 5, 2, now=later) == used(meter, ended, later) * 4
    boundary = (NOW // 900 + 1) * 900
    assert get(meter, DEMAND, 5, 3, now=boundary) == used(meter, ended, boundary) * 4
    assert act(meter, DEMAND, 5, 1, now=boundary) == ActionResult.SUCCESS
    assert [get(meter, DEMAND, 5, index, now=boundary) for index in (2, 3)] == [0, 0]


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (8, double_long_unsigned(59), DataAccessResult.OTHER_REASON),
        (8, double_long_unsigned(7000), DataAccessResult.OTHER_REASON),
        (8, long_unsigned(900), DataAccessResult.TYPE_UNMATCHED),
        (9, long_unsigned(0), DataAccessResult.OTHER_REASON),
        (9, long_unsigned(97), DataAccessResult.OTHER_REASON),
        (2, double_long_unsigned(0), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_what_is_no_period_is_refused(
    fleet: Fleet, attribute: int, data: Data, result: DataAccessResult
) -> None:
    before = get(fleet[0], DEMAND, 5, attribute)
    assert put(fleet[0], DEMAND, 5, attribute, data) == result
    assert get(fleet[0], DEMAND, 5, attribute) == before


@pytest.mark.parametrize(("period_s", "periods"), [(300, 3), (1800, 1), (900, 4)])
def test_the_maximum_is_that_of_all_averages(fleet: Fleet, period_s: int, periods: int) -> None:
    meter = fleet[4]
    begin = meter.zone.month_begin(meter.zone.month(NOW))
    shape(meter, period_s, periods, begin)
    now = begin + 3 * DAY
    ends = range(begin + period_s, now + 1, period_s)
    window = period_s * periods
    averages = [used(meter, max(begin, end - window), end) * 3600 // window for end in ends]
    assert get(meter, MAXIMUM, 4, now=now) == max(averages)
    when = ends[averages.index(max(averages))]
    assert get(meter, MAXIMUM, 4, 5, now=now) == meter.zone.stamp(when)


def test_the_maximum_follows_the_own_clock_and_outages(fleet: Fleet) -> None:
    meter = fleet[5]
    begin = meter.zone.month_begin(meter.zone.month(NOW))
    set_time(meter, begin + 1000, begin + 1500)
    outage(meter, begin + DAY // 2, begin + DAY // 2 + 4000)
    end = begin + 2 * DAY
    # Ends of periods: by the old clock, the setting, by the new one, the outage in between.
    after = [at - 500 for at in range(begin + 1800, end + 501, 900)]
    off = (begin + DAY // 2, begin + DAY // 2 + 4000)
    ends = [begin, begin + 900, begin + 1000, *(at for at in after if not off[0] < at <= off[1])]
    spans = [(max(first, last - 900), last) for first, last in itertools.pairwise(ends)]
    averages = [used(meter, *span) * 4 for span in spans if span[1] != begin + 1000]
    assert get(meter, MAXIMUM, 4, now=end) == max(averages)


@pytest.mark.parametrize(("period_s", "periods"), [(900, 1), (300, 3)])
def test_the_maximum_is_the_highest_average_that_was_seen(
    fleet: Fleet, period_s: int, periods: int
) -> None:
    """Also where clients end periods before their time, or let the averages begin anew."""
    meter = fleet[3]
    begin = meter.zone.month_begin(meter.zone.month(NOW) + 1)
    shape(meter, period_s, periods, begin)
    seen = [0]
    for place in range(40):
        start = begin + place * period_s
        if place % 5 in (1, 2):
            early = start + period_s // 2
            assert act(meter, DEMAND, 5, 2, now=early) == ActionResult.SUCCESS
            seen.append(get(meter, DEMAND, 5, 3, now=early))
        seen.append(get(meter, DEMAND, 5, 3, now=start + period_s))
        assert get(meter, MAXIMUM, 4, now=start + period_s) == max(seen)
    assert act(meter, DEMAND, 5, 1, now=start + period_s + 60) == ActionResult.SUCCESS
    later = [start + (2 + place) * period_s for place in range(6)]
    seen += [get(meter, DEMAND, 5, 3, now=at) for at in later]
    assert get(meter, MAXIMUM, 4, now=later[-1]) == max(seen)


def test_maxima_by_rate_count_while_the_rate_does(fleet: Fleet) -> None:
    meter = fleet[6]
    begin = meter.zone.month_begin(meter.zone.month(NOW))
    blocks: dict[int, list[int]] = {1: [], 2: []}
    for end in range(begin + 900, NOW + 1, 900):
        blocks[meter.rate(end - 1)].append(used(meter, end - 900, end) * 4)
    for rate, powers in blocks.items():
        maximum = MaximumDemand(f"1-0:1.6.{rate}*255", rate=rate)
        assert maximum.highest(meter, begin, NOW)[0] == max(powers)
