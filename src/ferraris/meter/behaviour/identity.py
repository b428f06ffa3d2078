"""Objects that tell who the meter is, how it is protected and how it fares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ferraris.data.kinds import (
    Data,
    Tag,
    octet_string,
)
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, encoded, octets
from ferraris.model.data_storage import DataObject
from ferraris.model.interface_class import InterfaceClass
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "ConsumerMessage",
    "DeviceNumber",
    "EngineObject",
    "FixedData",
    "InvocationCounter",
    "LogicalDeviceName",
]


class FixedData(Behaviour):
    """A value that is the same in all meters of the template."""

    declares = DataObject

    def __init__(self, name: str, data: Data) -> None:
        super().__init__(name, {2: data})


class LogicalDeviceName(Behaviour):
    """The logical device name."""

    declares = DataObject

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return octets(meter.logical_device_name)


class DeviceNumber(Behaviour):
    """The meter's number as printed on its plate, with an optional prefix."""

    declares = DataObject

    def __init__(self, name: str, prefix: str = "") -> None:
        super().__init__(name)
        self._prefix = prefix

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return octets((self._prefix + meter.number).encode("ascii"))


class InvocationCounter(Behaviour):
    """The highest invocation counter accepted from a client, 0 before the first."""

    declares = DataObject

    def __init__(self, name: str, client_sap: int) -> None:
        super().__init__(name)
        self._client_sap = client_sap

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        counter = max(0, meter.receive_floor(self._client_sap))
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, counter)


class ConsumerMessage(Behaviour):
    """A text for the customer, up to 16 KiB; empty until somebody writes one."""

    declares = DataObject
    LONGEST_OCTETS = 1 << 14

    def __init__(self, name: str) -> None:
        super().__init__(name, {2: octet_string(b"")})

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 2: any octet-string that the meter has room for."""
        if len(data) > self.LONGEST_OCTETS:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)


class EngineObject(Behaviour):
    """An object that the server engine answers for: an association or the SAP assignment."""

    def __init__(
        self,
        name: str,
        declares: type[InterfaceClass],
        secret: tuple[int, ...] = (),
        selectors: Mapping[int, tuple[int, ...]] | None = None,
    ) -> None:
        self.declares = declares  # type: ignore[misc] # one behaviour serves several classes
        self._secret = secret
        self._selectors = selectors or {}
        super().__init__(name)

    @property
    def attributes(self) -> tuple[int, ...]:
        """All but those that are never told."""
        return tuple(index for index in super().attributes if index not in self._secret)

    @property
    def selectors(self) -> Mapping[int, tuple[int, ...]]:
        """As the template says."""
        return self._selectors
