"""The client's way through a gateway: every APDU carries the address of the device behind it.

A layer between an association and its transport, outermost around the APDU [memory]:
`over(association, over(ThroughGateway(network, address), transport))`.
"""

from __future__ import annotations

from ferraris.core.errors import DecodeError, SequenceError, UsageError
from ferraris.core.layer import Deliver, Failed
from ferraris.core.stack import Plain
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.gateway import GatewayRequest, GatewayResponse

__all__ = ["ThroughGateway"]

_WHERE = "gateway"
_MOST_OCTETS = 127


class ThroughGateway(Plain[bytes, bytes, bytes]):
    """Reaches the device with `physical_device_address` (1 to 127 octets) in `network_id` 0..255.

    What comes from another device, or without the prefix, is `Failed` and not delivered; pushes
    come with either prefix. Raises `UsageError` for addresses out of range.
    """

    def __init__(self, network_id: int, physical_device_address: bytes) -> None:
        super().__init__()
        if not 0 <= network_id <= 0xFF:
            raise UsageError(f"a network behind a gateway is 0 to 255, not {network_id}")
        if not 0 < len(physical_device_address) <= _MOST_OCTETS:
            raise UsageError("a device behind a gateway has an address of 1 to 127 octets")
        self.network_id = network_id
        self.physical_device_address = bytes(physical_device_address)

    def send(self, unit: bytes, now: float) -> None:
        request = GatewayRequest(self.network_id, self.physical_device_address, unit)
        self._down.append(request.to_octets())

    def receive(self, unit: bytes, now: float) -> None:
        try:
            found = codec.decode(unit)
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        if not isinstance(found, (GatewayResponse, GatewayRequest)):
            text = "an APDU came from the gateway itself, not from the device behind it"
        elif (found.network_id, found.physical_device_address) != (
            self.network_id,
            self.physical_device_address,
        ):
            text = (
                f"an APDU of device {found.physical_device_address.hex()} in network "
                f"{found.network_id} came through the gateway"
            )
        else:
            self._up.append(Deliver(found.apdu))
            return
        self._up.append(Failed(SequenceError(text, where=_WHERE)))
