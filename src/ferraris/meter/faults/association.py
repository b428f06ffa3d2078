"""Associations of meters that may fail: what they answer is struck before it is protected."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.parameters import ServerOffer
from ferraris.messaging.dlms.association.server import (
    Indication,
    Receipt,
    Reply,
    ServerAssociation,
)
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.meter.faults.answers import distorted
from ferraris.meter.faults.lots import Fault
from ferraris.meter.faults.struck import Struck
from ferraris.server.device import LogicalDevice
from ferraris.server.service import Directory, Service
from ferraris.transport.addresses import Addresses

__all__ = ["FaultyAssociation", "FaultyService"]

_LOW = "counter too low"


class FaultyService(Service):
    """A service whose associations ask `struck` what befalls their answers."""

    def __init__(
        self,
        directory: Directory,
        *,
        entropy: Callable[[int], bytes],
        utc: Callable[[], float],
        ordered: bool,
        struck: Struck,
    ) -> None:
        super().__init__(directory, entropy=entropy, utc=utc, ordered=ordered)
        self._struck = struck

    def _association(
        self, offer: ServerOffer, device: LogicalDevice, address: Addresses
    ) -> ServerAssociation:
        return FaultyAssociation(offer, self._entropy, lambda: self._struck.at(address))


class FaultyAssociation(ServerAssociation):
    """An association that answers wrongly where `faults` of the exchange in hand say so."""

    def __init__(
        self,
        offer: ServerOffer,
        entropy: Callable[[int], bytes],
        faults: Callable[[], Mapping[str, Fault]],
    ) -> None:
        self._lease: _HeldLease | None = None
        if offer.lease is not None:
            offer.lease = self._lease = _HeldLease(offer.lease)
        self._faults = faults
        super().__init__(offer, entropy)

    @property
    def is_at_rest(self) -> bool:
        """Never: every answer may be struck."""
        return False

    def receive(self, octets: bytes) -> Reply | Indication | Receipt:
        outcome = super().receive(octets)
        if type(outcome) is Reply and outcome.octets is not None:
            outcome.octets = distorted(outcome.octets, self._faults())
        return outcome

    def respond(self, response: Apdu, demanded: int = 0) -> bytes | None:
        octets = super().respond(response, demanded)
        return None if octets is None else distorted(octets, self._faults())

    def _protect(self, plain: bytes) -> bytes:
        accepted = self._accepted
        if accepted is None or accepted.channel is None:
            return plain  # struck where it leaves
        faults = self._faults()
        if _LOW in faults and self._lease is not None:
            self._lease.is_low = True
        try:
            return super()._protect(distorted(plain, faults))
        finally:
            if self._lease is not None:
                self._lease.is_low = False


class _HeldLease(CounterLease):
    """A lease that holds one value back, so that a lower one than the last can be sent.

    A value is never used twice, as a key must not see the same one again.
    """

    __slots__ = ("_held", "_inner", "is_low")

    def __init__(self, inner: CounterLease) -> None:
        super().__init__(0, 0)
        self._inner = inner
        self._held: int | None = None
        self.is_low = False

    def take(self) -> int:
        if self.is_low and self._held is not None:
            value, self._held = self._held, None
            return value
        if self._held is None:
            self._held = self._inner.take()
        return self._inner.take()

    def extend(self, values: range) -> None:
        self._inner.extend(values)

    @property
    def left(self) -> int:
        return self._inner.left

    @property
    def last(self) -> int | None:
        return self._inner.last
