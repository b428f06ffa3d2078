"""Meters of a fleet that push: each sends its list to one place, spread over the period."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from ferraris.core.errors import DecodeError, LineError, UsageError
from ferraris.data.axdr import decode
from ferraris.data.obis import Obis
from ferraris.line.outlet import Outlet
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.security.control import BOTH
from ferraris.messaging.dlms.security.protection import Sealer
from ferraris.messaging.dlms.tags import ApduTag
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server import pushing
from ferraris.server.device import RequestContext
from ferraris.transport import wrapper
from ferraris.transport.hdlc.address import pack_address
from ferraris.transport.hdlc.parameters import DEFAULT
from ferraris.transport.hdlc.sequence import LLC_RESPONSE
from ferraris.transport.hdlc.unconfirmed import unconfirmed_frames

__all__ = ["SCHEMES", "Pusher", "packed"]

SCHEMES = ("udp", "tcp", "udp+hdlc", "tcp+hdlc")
"""Lines that a meter can push on."""

_SETUP = bytes(Obis.parse("0-0:25.9.0*255"))
_CLOCK = (8, bytes(Obis.parse("0-0:1.0.0*255")), 2)
_CLIENT = 1
_HDLC_CLIENT_LENGTH = 1
_CONFIRMATION = bytes((ApduTag.DATA_NOTIFICATION_CONFIRM,))
_GENERAL_GLO = bytes((ApduTag.GENERAL_GLO_CIPHERING,))


class Pusher:
    """Pushes of all meters of `fleet`, every `every_s` seconds each, until cancelled.

    Arguments:
        endpoint: who listens; each meter has a stream of its own, datagrams share a socket.
        ciphered: authenticated and encrypted in general-glo-ciphering, else plain.
        confirmed: ask for confirmations.
        on_failure: hears when nobody takes a push; the next period tries again.
    """

    def __init__(
        self,
        fleet: Fleet,
        endpoint: Endpoint,
        *,
        every_s: float = 15.0,
        ciphered: bool = True,
        confirmed: bool = False,
        utc: Callable[[], float] = time.time,
        on_failure: Callable[[LineError], None] | None = None,
    ) -> None:
        if endpoint.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise UsageError(f"meters push to {known}, not {endpoint.scheme}://", where="push")
        if not every_s > 0:
            raise UsageError("pushes are some seconds apart", where="push")
        self._fleet = fleet
        self._endpoint = endpoint
        self._every_s = every_s
        self._ciphered = ciphered
        self._confirmed = confirmed
        self._utc = utc
        self._on_failure = on_failure
        self.confirmed_by: Counter[int] = Counter()
        """Confirmations heard so far, by place in the fleet (0 for datagrams)."""
        self._sealers: dict[int, Sealer] = {}
        self._outlets: dict[int, Outlet] = {}
        self._invoke_id = 0

    async def run(self) -> None:
        """Push until cancelled."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            while True:
                for index in range(len(self._fleet)):
                    due = begin + index * self._every_s / len(self._fleet)
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    await self._try(index)
                begin = max(begin + self._every_s, loop.time())
                await asyncio.sleep(max(0.0, begin - loop.time()))
        finally:
            self.close()

    async def push(self, index: int) -> None:
        """One push of one meter, now; `LineError` when nobody takes it."""
        meter = self._fleet[index]
        await self._send(index, self.protected(meter, self.notification(meter)))

    async def push_event(self, index: int, attribute: AttributeDescriptor) -> None:
        """One event-notification of one meter, now."""
        meter = self._fleet[index]
        context = self._context()
        stamp = self._stamp(meter, context)
        event = pushing.event_notification(meter, attribute, context, time=stamp)
        await self._send(index, self.protected(meter, event))

    def notification(self, meter: SimulatedMeter) -> bytes:
        """The data-notification of a meter's push set-up, plain."""
        context = self._context()
        objects = pushing.push_object_list(meter, _SETUP, context)
        self._invoke_id += 1
        return pushing.data_notification(
            meter,
            objects,
            context,
            invoke_id=self._invoke_id,
            confirmed=self._confirmed,
            date_time=self._stamp(meter, context),
        )

    def protected(self, meter: SimulatedMeter, plain: bytes) -> bytes:
        """A notification as it leaves the meter; each takes a fresh invocation counter."""
        if not self._ciphered:
            return plain
        sealer = self._sealers.get(meter.index)
        if sealer is None or not sealer.lease.left:
            lease = meter.counter_lease(_CLIENT)
            sealer = Sealer(meter.keys, meter.system_title, lease)
            self._sealers[meter.index] = sealer
        return pushing.protected(plain, sealer, BOTH)

    def close(self) -> None:
        """Hang up everywhere."""
        for outlet in self._outlets.values():
            outlet.close()
        self._outlets.clear()

    async def _try(self, index: int) -> None:
        try:
            await self.push(index)
        except LineError as error:
            if self._on_failure is not None:
                self._on_failure(error)

    async def _send(self, index: int, apdu: bytes) -> None:
        datagrams = self._endpoint.line == "udp"
        place = 0 if datagrams else index
        outlet = self._outlets.get(place)
        if outlet is None:
            heard = partial(self._heard, place)
            outlet = self._outlets[place] = Outlet(self._endpoint, on_octets=heard)
        units = packed(self._endpoint.scheme, self._fleet.server_sap(index), _CLIENT, apdu)
        for unit in units if datagrams else (b"".join(units),):
            await outlet.send(unit)

    def _heard(self, place: int, octets: bytes) -> None:
        """Count what comes back; confirmations are small and come in one piece."""
        with contextlib.suppress(DecodeError):
            apdu = wrapper.unpack(octets)[2]
            if apdu[:1] == _CONFIRMATION or apdu[:1] == _GENERAL_GLO:
                self.confirmed_by[place] += 1

    def _context(self) -> RequestContext:
        return RequestContext(_CLIENT, now=self._utc())

    def _stamp(self, meter: SimulatedMeter, context: RequestContext) -> bytes:
        """The meter's own clock."""
        class_id, name, index = _CLOCK
        stamp = decode(meter.get(meter.objects[class_id, name], index, None, context))[1]
        assert isinstance(stamp, bytes)
        return stamp


def packed(scheme: str, server_sap: int, client_sap: int, apdu: bytes) -> list[bytes]:
    """An APDU as units of the line: one with the wrapper, UI frames with HDLC."""
    if not scheme.endswith("+hdlc"):
        return [wrapper.pack(server_sap, client_sap, apdu)]
    client = pack_address(client_sap, length=_HDLC_CLIENT_LENGTH)
    server = pack_address(server_sap)
    return list(unconfirmed_frames(client, server, LLC_RESPONSE, apdu, DEFAULT.max_transmit))
