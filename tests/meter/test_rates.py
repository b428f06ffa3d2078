from __future__ import annotations

import json

from meter_asking import CLOCK, LOAD, MONTHLY, NOW, act, get, put, rows

from ferraris.data.kinds import boolean, long_unsigned
from ferraris.meter import billing, rates
from ferraris.meter.behaviour.bills import BILLING_SCRIPTS
from ferraris.meter.behaviour.tariffication import TARIFF_SCRIPTS
from ferraris.meter.fleet import Fleet
from ferraris.meter.freezing import form_of
from ferraris.meter.outages import Outages, held_back
from ferraris.meter.power import outage
from ferraris.meter.rates import BY_RATE, Rates
from ferraris.meter.state import Interruption, State, Step
from ferraris.meter.zone import DAY


def test_switches_that_are_old_are_thinned_and_month_ends_stay(fleet: Fleet) -> None:
    meter, zone = fleet[0], fleet.template.zone
    number = 1
    for at in range(NOW, NOW + 300 * DAY, DAY // 2):
        number = 3 - number
        rates.switch(meter, at, ((number,), (number,)), b"%d" % number)
    part = meter.state.found(Rates)
    assert part is not None
    last = part.switches[-1].at
    young = [each.at for each in part.switches if each.at > last - 64 * DAY]
    assert young == [at for at in range(NOW, NOW + 300 * DAY, DAY // 2) if at > last - 64 * DAY]
    assert len(part.switches) < 450
    assert [each.at for each in part.switches] == sorted(each.at for each in part.switches)
    for back in range(10):
        month = zone.month_begin(zone.month(last) - back)
        before = [at for at in range(NOW, NOW + 300 * DAY, DAY // 2) if at <= month]
        if before:
            assert before[-1] in {each.at for each in part.switches}
            for channel in BY_RATE:
                total, by_rate = rates.counted(meter, channel, month)
                assert total == sum(by_rate)


def test_the_same_mask_again_is_no_switch(fleet: Fleet) -> None:
    meter = fleet[0]
    for second in range(5):
        act(meter, TARIFF_SCRIPTS, 9, 1, long_unsigned(2), now=NOW + second)
    part = meter.state.found(Rates)
    assert part is not None
    assert [each.rates for each in part.switches] == [((1,), (1,)), ((2,), (2,))]


def test_overlaps_are_held_back_once() -> None:
    state = State(interruptions=(Interruption(10, 20), Interruption(40, None)))
    assert held_back(state) == state.interruptions
    state.part(Outages).spans = (Interruption(5, 12), Interruption(20, 25), Interruption(50, 60))
    assert held_back(state) == (Interruption(5, 25), Interruption(40, None))
    state.part(Outages).spans = (Interruption(12, 15), Interruption(30, 35))
    assert held_back(state) == (
        Interruption(10, 20),
        Interruption(30, 35),
        Interruption(40, None),
    )


def test_what_a_meter_remembers_of_its_time_can_be_kept(fleet: Fleet) -> None:
    meter, again = fleet[0], fleet[1]
    put(meter, CLOCK, 8, 8, boolean(False))
    outage(meter, NOW + 1000, NOW + 5000)
    act(meter, TARIFF_SCRIPTS, 9, 1, long_unsigned(2), now=NOW + 6000)
    act(meter, BILLING_SCRIPTS, 9, 1, long_unsigned(1), now=NOW + 7000)
    act(meter, "1-0:1.4.0*255", 5, 2, now=NOW + 7100)
    assert meter.state.parts is not None
    for (kind, _), part in meter.state.parts.items():
        form = form_of(kind)
        assert form.thaw(json.loads(json.dumps(form.freeze(part)))) == part
    steps = form_of(tuple[Step, ...])
    kept = json.loads(json.dumps(steps.freeze(meter.state.steps)))
    assert steps.thaw(kept) == meter.state.steps
    assert {Outages, Rates, billing.Billing} <= {kind for kind, _ in meter.state.parts}
    assert again.state.parts is None
    assert len(rows(meter, MONTHLY, now=NOW + 8000)) == 13


def test_many_outages_add_up(fleet: Fleet) -> None:
    meter = fleet[0]
    get(meter, CLOCK, 8, now=NOW)
    for place in range(200):
        outage(meter, NOW + place * 60 + 1, NOW + place * 60 + 31)
    end = NOW + 200 * 60
    flowed = sum(
        meter.household.total(0, start + 30) - meter.household.total(0, start)
        for start in (NOW + place * 60 + 31 for place in range(199))
    )
    off = NOW + 1
    rest = meter.household.total(0, end) - meter.household.total(0, end - 29)
    assert meter.total(0, end) - meter.total(0, off) == flowed + rest
    assert rows(meter, LOAD, now=end)[-1][2] == meter.total(0, end // 900 * 900)
