from __future__ import annotations

from collections.abc import Callable

import pytest
from meter_asking import NOW, get, rows

from ferraris.messaging.dlms.association.server import Incident
from ferraris.meter.behaviour import tamper
from ferraris.meter.behaviour.tamper import Kind
from ferraris.meter.fleet import Fleet
from ferraris.meter.life import switch_off, switch_on
from ferraris.meter.simulated import SimulatedMeter

FRAUD = "0-0:99.98.1*255"
Deed = Callable[[SimulatedMeter, int], None]
DEEDS: list[tuple[Kind, Deed, Deed, list[int]]] = [
    (Kind.METER_COVER, tamper.open_cover, tamper.close_cover, [44, 45]),
    (Kind.TERMINAL_COVER, tamper.open_terminal_cover, tamper.close_terminal_cover, [40, 41]),
    (Kind.MAGNET, tamper.apply_magnet, tamper.remove_magnet, [42, 43]),
]


def _tally(meter: SimulatedMeter, kind: Kind, now: int) -> tuple[int, bytes, int, int]:
    count, stamp, last, whole = (
        get(meter, f"0-0:96.20.{kind + place}*255", 1 if place < 2 else 3, now=now)
        for place in range(4)
    )
    return count, stamp, last, whole


@pytest.mark.parametrize(("kind", "begin", "end", "codes"), DEEDS)
def test_what_is_done_to_a_meter(
    fleet: Fleet, kind: Kind, begin: Deed, end: Deed, codes: list[int]
) -> None:
    meter, stamp = fleet[0], fleet.template.zone.stamp
    assert _tally(meter, kind, NOW) == (0, b"\xff" * 12, 0, 0)
    end(meter, NOW)
    begin(meter, NOW)
    begin(meter, NOW + 5)
    assert _tally(meter, kind, NOW + 9) == (1, stamp(NOW), 9, 9)
    assert get(meter, "0-0:97.98.0*255", 1, now=NOW + 9) == 1 << 13
    end(meter, NOW + 10)
    end(meter, NOW + 11)
    assert _tally(meter, kind, NOW + 20) == (1, stamp(NOW), 10, 10)
    begin(meter, NOW + 100)
    end(meter, NOW + 103)
    assert _tally(meter, kind, NOW + 200) == (2, stamp(NOW + 100), 3, 13)
    assert get(meter, "0-0:97.98.0*255", 1, now=NOW + 200) == 0
    assert [row[1] for row in rows(meter, FRAUD, now=NOW + 200)] == codes * 2
    assert _tally(fleet[1], kind, NOW + 200)[0] == 0


def test_a_cover_is_noticed_without_power(fleet: Fleet) -> None:
    meter = fleet[0]
    switch_off(meter, NOW)
    tamper.open_cover(meter, NOW + 60)
    switch_on(meter, NOW + 600)
    found = rows(meter, FRAUD, now=NOW + 601)
    assert found == [(meter.zone.stamp(NOW + 60), 44)]


def test_attacks_are_told_apart_and_counted(fleet: Fleet) -> None:
    meter = fleet[0]
    for second, incident in enumerate(Incident):
        meter.incident(incident, 1, NOW + second)
    codes = {
        Incident.WRONG_PASSWORD: 46,
        Incident.AUTHENTICATION_FAILED: 46,
        Incident.DECIPHERING_FAILED: 49,
        Incident.REPLAY: 50,
    }
    assert [row[1] for row in rows(meter, FRAUD, now=NOW + 5)] == [codes[i] for i in Incident]
    count, stamp, _, _ = _tally(meter, Kind.COMMUNICATION, NOW + 5)
    assert (count, stamp) == (len(Incident), meter.zone.stamp(NOW + len(Incident) - 1))
