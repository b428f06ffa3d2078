"""What synthetic meters have measured: a function of meter and time."""

from __future__ import annotations

from array import array

from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series

DAY = 20_000
DAY_S = 86_400
NOW = (DAY + 1) * DAY_S + 600.0
PROFILE = "1-0:99.1.0*255"
REGISTERS = ("1-0:1.8.0*255", "1-0:2.8.0*255")
CHANNELS = [Channel(Obis.parse(name), 3, 2, -1, 30) for name in REGISTERS]


def series(number, since, until, step=3600):
    ends = array("q", range(int(since) + step, int(until) + 1, step))
    return Series(
        "",
        Obis.parse(PROFILE),
        ends,
        CHANNELS,
        [[end // 7 + number for end in ends], [end % 1000 * number for end in ends]],
        stamps=[DateTime.from_epoch(end).octets for end in ends],
        status=[0] * len(ends),
    )
