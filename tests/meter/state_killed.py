"""A simulator that tells on standard output what it has secured, until somebody kills it."""

from __future__ import annotations

import os
import sys

from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.meter.fleet import Fleet
from ferraris.meter.persistence import Identity, StateDirectory
from ferraris.meter.templates import template

METERS = 3
DISPLAY = (1, bytes(Obis.parse("0-0:96.13.0*255")))
IDENTITY = Identity("residential", 0, 5)
NOW = 1_790_000_123


def opened(directory: str) -> tuple[StateDirectory, Fleet]:
    memory = StateDirectory.open(directory, IDENTITY)
    fleet = Fleet(template("residential"), METERS, 5, secret=memory.secret, memory=memory)
    return memory, fleet


def work(directory: str) -> None:
    """Requests as the server engine carries them out: effect, floor, answer."""
    memory, fleet = opened(directory)
    turn = 0
    while True:
        meter = fleet[turn % METERS]
        if turn % 7 == 0:
            lease = meter.counter_lease(1)
            told = f"lease {meter.index} {lease.take()} {lease.left}"
        else:
            number = meter.receive_floor(1) + 1
            text = axdr.encode(octet_string(b"%d" % number))
            fleet.template.behaviours[DISPLAY].set(meter, 2, text, NOW)
            meter.log(0, number % 200, NOW + number)
            meter.raise_receive_floor(1, number)
            told = f"floor {meter.index} {number} 0"
        if turn % 11 == 0:
            memory.flush()
        os.write(1, f"{told}\n".encode())
        turn += 1


if __name__ == "__main__":
    work(sys.argv[1])
