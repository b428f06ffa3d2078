from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ferraris.meter import life
from ferraris.meter.behaviour.behaviour import Living
from ferraris.meter.consumption import Consumption
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import IDIS_LIKE, Coded, Happening
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.zone import Zone
from ferraris.model.data_storage import DataObject
from ferraris.server.device import RequestContext

NOON = 1_790_000_000


@dataclass
class Ticks:
    seen: list[int] = field(default_factory=list)


class Ticker(Living):
    """Notes every multiple of a period; the period is written by clients."""

    declares = DataObject

    def __init__(self, name: str, period_s: int) -> None:
        super().__init__(name, {2: (17, period_s)})

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        period_s = self.get(meter, 2, None, after)[1]
        return None if not period_s else (after // period_s + 1) * period_s

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        meter.change().part(Ticks).seen.append(at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        meter.change().part(Ticks).seen.append(-at)


def ticking(*periods_s: int, codes: dict[Happening, Coded] | None = None) -> Fleet:
    tickers = [Ticker(f"1-0:0.0.{place}*255", each) for place, each in enumerate(periods_s)]
    placed = [Placed(ticker, frozenset((16,)), {2: frozenset((16,))}) for ticker in tickers]
    consumption = Consumption(Zone(), Tariff())
    return Fleet(Template("ticking", consumption, placed, [], codes=codes or IDIS_LIKE), 2)


def seen(meter: SimulatedMeter) -> list[int]:
    ticks = meter.state.found(Ticks)
    return [] if ticks is None else ticks.seen


def touch(meter: SimulatedMeter, now: int) -> None:
    entry = next(iter(meter.objects.values()))
    meter.get(entry, 2, None, RequestContext(16, now=now))


def test_a_meter_asked_often_and_one_asked_once_have_seen_the_same() -> None:
    fleet, random = ticking(7, 60), Random(5)
    fleet.born = NOON
    moments = sorted(random.randrange(NOON, NOON + 3600) for _ in range(40))
    for moment in moments:
        touch(fleet[0], moment)
    touch(fleet[0], NOON + 3600)
    touch(fleet[1], NOON + 3600)
    expected = [at for at in range(NOON + 1, NOON + 3601) for each in (7, 60) if not at % each]
    assert seen(fleet[0]) == seen(fleet[1]) == expected


def test_life_begins_when_a_meter_is_first_touched() -> None:
    fleet = ticking(60)
    touch(fleet[0], NOON)
    assert seen(fleet[0]) == []
    touch(fleet[0], NOON + 60)
    assert len(seen(fleet[0])) == 1


def test_time_that_goes_back_lets_nothing_happen_twice() -> None:
    fleet = ticking(60)
    for moment in (NOON, NOON + 300, NOON + 100, NOON + 300):
        touch(fleet[0], moment)
    assert len(seen(fleet[0])) == len(set(seen(fleet[0]))) == 5


def test_what_is_due_follows_what_was_written() -> None:
    fleet = ticking(0)
    meter = fleet[0]
    heard: list[int | None] = []
    fleet.happened = lambda meter, key, now: heard.append(life.due(meter, int(now)))
    assert life.due(meter, NOON) is None
    entry = next(iter(meter.objects.values()))
    meter.set(entry, 2, bytes((17, 60)), None, RequestContext(16, now=NOON))
    assert heard == [(NOON // 60 + 1) * 60]
    touch(meter, NOON + 120)
    assert len(seen(meter)) == 2


def test_nothing_happens_without_power() -> None:
    fleet = ticking(60)
    meter = fleet[0]
    touch(meter, NOON)
    life.switch_off(meter, NOON + 61)
    life.switch_off(meter, NOON + 70)
    assert life.due(meter, NOON + 600) is None
    life.switch_on(meter, NOON + 1000)
    life.switch_on(meter, NOON + 1010)
    touch(meter, NOON + 1061)
    first = NOON // 60 * 60
    assert seen(meter) == [first + 60, -(NOON + 1000), first + 1080]


def test_a_template_has_its_own_codes() -> None:
    fleet = ticking(60, codes={Happening.POWER_UP: Coded(3, 77)})
    fleet[0].note(Happening.POWER_UP, NOON)
    fleet[0].note(Happening.POWER_DOWN, NOON)
    assert [(entry.log, entry.code) for entry in fleet[0].state.noted(3)] == [(3, 77)]
    assert list(fleet[0].state.logs or ()) == [3]
