from __future__ import annotations

from meter_asking import NOW, SWITCH, act, get

from ferraris.meter.behaviour import tamper
from ferraris.meter.behaviour.status_mapping import STATUS_WORD
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import Happening
from ferraris.model.time_control import ControlState

WORD = "0-0:96.10.2*255"


def test_each_bit_follows_what_it_stands_for(fleet: Fleet) -> None:
    meter = fleet[0]
    (_, table), (_, mapping) = get(meter, WORD, 63, 3)
    assert table == 128
    assert [value for _, value in mapping] == list(range(len(STATUS_WORD)))
    assert get(meter, WORD, 63) == 0
    tamper.apply_magnet(meter, NOW)
    act(meter, SWITCH, 70, 1)
    magnet = 1 << STATUS_WORD.index(Happening.MAGNETIC_FIELD)
    switch = 1 << STATUS_WORD.index(ControlState.DISCONNECTED)
    assert get(meter, WORD, 63) == magnet | switch
    tamper.remove_magnet(meter, NOW + 1)
    assert get(meter, WORD, 63, now=NOW + 1) == switch
    assert get(fleet[1], WORD, 63) == 0
