"""The passive stack of meters that may fail: that of sound ones, with two layers in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

from ferraris.core.layer import Layer
from ferraris.core.stack import over
from ferraris.meter.faults import lots
from ferraris.meter.faults.association import FaultyService
from ferraris.meter.faults.messages import FaultyMessages
from ferraris.meter.faults.octets import FaultyOctets
from ferraris.meter.faults.struck import Struck
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server.service import Hearing
from ferraris.transport.profiles import Profile

__all__ = ["faulty_stack"]


def faulty_stack(
    profile: Profile,
    directory: Callable[[int], SimulatedMeter | None],
    *,
    entropy: Callable[[int], bytes],
    utc: Callable[[], float],
    physical: int | None = None,
) -> Layer[Never, None, bytes]:
    """A passive stack for one line, as `server_stack` makes it, whose meters may have faults."""
    struck, octets = Struck(), FaultyOctets()

    def alive(server_sap: int) -> SimulatedMeter | None:
        utc()
        meter = directory(server_sap)
        return None if meter is None or lots.is_dead(meter) else meter

    service = FaultyService(
        directory, entropy=entropy, utc=utc, ordered=profile.stream, struck=struck
    )
    messages = FaultyMessages(directory, utc, struck, octets)
    transport = profile.server_stack(physical=physical, devices=Hearing(alive, utc))
    return over(service, over(messages, over(transport, octets)))
