"""A gateway: its own logical devices, and the devices behind it that APDUs are passed on to.

An APDU with the gateway prefix goes to the `Service` of the device that the prefix names, and the
answer goes back with the same address [memory]. An address that nobody has is met with silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

from ferraris.core.errors import DecodeError
from ferraris.core.layer import Closed, Failed, Notice, To
from ferraris.core.stack import Plain
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.gateway import GatewayRequest, GatewayResponse
from ferraris.server.service import Directory, Service
from ferraris.transport.addresses import Addresses

__all__ = ["Behind", "Gateway"]

Behind = Callable[[int, bytes], Directory | None]
"""Finds the logical devices of a physical device, by network and physical device address."""

_PREFIX = b"\xe6"
_MOST_DEVICES = 64  # on one line, so that a stranger cannot fill the memory with addresses
_Device = tuple[int, bytes]


class Gateway(Plain[Never, None, To[Addresses, bytes]]):
    """Takes the place of a `Service`: `own` serves the gateway, `behind` finds everybody else.

    `entropy` and `utc` are those of the services made for devices behind it. Pushes of a device
    behind it are sent by `device(network, address).notify` and carry its address as well.
    """

    def __init__(
        self,
        own: Service,
        behind: Behind,
        *,
        entropy: Callable[[int], bytes],
        utc: Callable[[], float],
    ) -> None:
        super().__init__()
        self.own = own
        self._behind = behind
        self._entropy = entropy
        self._utc = utc
        self._services: dict[_Device, Service] = {}

    @property
    def deadline(self) -> float | None:
        services = (self.own, *self._services.values())
        times = [service.deadline for service in services]
        return min((time for time in times if time is not None), default=None)

    def device(self, network_id: int, physical_device_address: bytes) -> Service | None:
        """The service of a device behind the gateway, None when nobody has the address."""
        key = (network_id, bytes(physical_device_address))
        service = self._services.get(key)
        if service is None and len(self._services) < _MOST_DEVICES:
            directory = self._behind(*key)
            if directory is not None:
                service = Service(
                    directory, entropy=self._entropy, utc=self._utc, ordered=self.own.ordered
                )
                self._services[key] = service
        return service

    def receive(self, unit: To[Addresses, bytes], now: float) -> None:
        if unit.unit[:1] != _PREFIX:
            self.own.receive(unit, now)
            return
        try:
            request = codec.decode(unit.unit)
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        assert isinstance(request, GatewayRequest)
        service = self.device(request.network_id, request.physical_device_address)
        if service is not None:
            service.receive(To(unit.address, request.apdu, unit.confirmed), now)

    def notice(self, what: Notice, now: float) -> None:
        for service in (self.own, *self._services.values()):
            service.notice(what, now)
        if type(what) is Closed:
            self._services.clear()
        super().notice(what, now)

    def wake(self, now: float) -> None:
        for service in (self.own, *self._services.values()):
            service.wake(now)

    def transmit(self, now: float, expecting: bool = False) -> To[Addresses, bytes] | None:
        unit = self.own.transmit(now)
        if unit is not None:
            return unit
        for (network_id, address), service in self._services.items():
            unit = service.transmit(now)
            if unit is not None:
                octets = GatewayResponse(network_id, address, unit.unit).to_octets()
                return To(unit.address, octets, unit.confirmed)
        return None
