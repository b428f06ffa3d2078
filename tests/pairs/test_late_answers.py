"""Answers that come after the client gave up: never taken for the answer of what follows."""

from __future__ import annotations

from typing import Any

import pytest
from pairing import NOON, Pair

from ferraris.client.connecting import associate
from ferraris.client.security import Password
from ferraris.core.errors import LineError
from ferraris.core.layer import Deliver, To
from ferraris.core.stack import Plain, over
from ferraris.line.virtual import VirtualLine
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.server.service import Service
from ferraris.transport.addresses import Addresses
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.profiles import HdlcProfile

Unit = To[Addresses, bytes]


class Delay(Plain[Unit, Unit, Unit]):
    """Holds each answer back for its own time; `waits` are those, in order, then none."""

    def __init__(self, waits: list[float]) -> None:
        super().__init__()
        self.waits = waits
        self._held: list[tuple[float, Unit]] = []

    @property
    def room(self) -> bool:
        return True

    @property
    def deadline(self) -> float | None:
        return self._held[0][0] if self._held else None

    def send(self, unit: Unit, now: float) -> None:
        wait = self.waits.pop(0) if self.waits else 0.0
        self._held.append((now + wait, unit))
        self._held.sort(key=lambda held: held[0])
        self.wake(now)

    def receive(self, unit: Unit, now: float) -> None:
        self._up.append(Deliver(unit))

    def wake(self, now: float) -> None:
        while self._held and self._held[0][0] <= now:
            self._down.append(self._held.pop(0)[1])


@pytest.mark.parametrize("window", [1, 7])
def test_a_late_answer_is_dropped(window: int) -> None:
    pair = Pair("tcp+hdlc")
    profile = HdlcProfile.at(9600, parameters=Parameters(128, 128, window, window))
    security = Password(pair.fleet.line(0, "")["password"].encode())
    parameters = security.parameters(pair.entropy)
    parameters.response_timeout_s = 2.0
    association = ClientAssociation(parameters)
    service = Service(pair.fleet.find, entropy=pair.entropy, utc=lambda: NOON + pair.time.now)
    delay = Delay([0.0, 0.0, 3.0, 1.5])
    active = over(association, profile.client_stack(security.client, 1))
    passive: Any = over(service, over(delay, profile.server_stack()))
    line = VirtualLine(pair.time, active, passive)

    async def procedure() -> list[Any]:
        meter = await associate(line.driver, association)
        values: list[Any] = [(await meter.read("0-0:42.0.0")).value]
        with pytest.raises(LineError):
            await meter.read("1-0:1.8.0")
        values.append((await meter.read("0-0:42.0.0")).value)
        values.append((await meter.read("0-0:42.0.0")).value)
        return values

    name = pair.fleet[0].logical_device_name
    assert pair.time.complete(procedure()) == [name, name, name]
    assert delay.waits == [], "the late answer was late"
