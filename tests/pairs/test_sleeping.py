"""Meters that sleep: they hear nothing but in their windows."""

from __future__ import annotations

import pytest
from pairing import NOON, Pair

from ferraris.client.meter import Meter
from ferraris.core.errors import LineError
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.windows import Windows
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template


async def volume(meter: Meter) -> int:
    return int((await meter.get_data(3, "7-0:3.0.0*255", 2))[1])


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_nobody_answers_outside_the_window(scheme: str) -> None:
    pair = Pair(scheme, fleet=Fleet(template("gas"), 2, seed=7))
    meter = pair.fleet[0]
    listening = meter.fleet.template.behaviours[28, bytes(Obis.parse("0-0:2.2.0*255"))]
    assert isinstance(listening, Windows)
    _, begin = listening.change(meter, int(NOON))
    assert begin is not None
    with pytest.raises(LineError):
        pair.run(pair.security("gmac"), volume)
    pair.time.now = begin - NOON
    assert pair.run(pair.security("gmac"), volume) > 0

    async def too_long(meter: Meter) -> int:
        await volume(meter)
        await pair.time.pause(700)
        return await volume(meter)

    with pytest.raises(LineError):
        pair.run(pair.security("gmac"), too_long)
