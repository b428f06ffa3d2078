"""Meters of a fleet that push: what their set-up objects say is sent, over real lines."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable

from ferraris.core.errors import Error, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import enum, long_unsigned, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.line.outlet import Outlet
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.security.control import BOTH
from ferraris.messaging.dlms.security.forms import KeySource
from ferraris.meter.behaviour.push_course import PushCourse
from ferraris.meter.behaviour.push_setup import PushList, PushSettings, protection_parameters
from ferraris.meter.behaviour.push_states import PushState
from ferraris.meter.behaviour.scripts import Schedule, execution_times
from ferraris.meter.fleet import Fleet
from ferraris.meter.push_plan import PushPlan
from ferraris.meter.push_receipts import Receipts
from ferraris.meter.push_routes import SCHEMES, Routes
from ferraris.meter.push_sealing import Sealing
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server import pushing
from ferraris.server.device import RequestContext
from ferraris.transport import wrapper
from ferraris.transport.hdlc.address import pack_address
from ferraris.transport.hdlc.parameters import DEFAULT
from ferraris.transport.hdlc.sequence import LLC_RESPONSE
from ferraris.transport.hdlc.unconfirmed import unconfirmed_frames

__all__ = ["SCHEMES", "Pusher", "packed"]

_SETUP = bytes(Obis.parse("0-0:25.9.0*255"))
_SCHEDULE = (Schedule.declares.class_id, bytes(Obis.parse("0-0:15.0.4*255")))
_CLIENT = 1
_HDLC_CLIENT_LENGTH = 1


class Pusher:
    """Pushes of all meters of `fleet`, until cancelled: by schedule, event and client.

    Each meter goes its own way, at most `most_at_once` at a time for one destination: a listener
    that takes nothing keeps nobody else waiting.

    Arguments:
        endpoint: becomes the destination in all set-up objects; each meter has a stream of its
            own, datagrams share sockets. Without it the objects say whereto.
        every_s: becomes the schedule of the periodic push where it can be said in wildcards, with
            a random delay so that the meters spread; else it is a plain period beside it.
        ciphered: authenticated and encrypted in general-glo-ciphering, else plain, until a client
            writes other protection parameters.
        confirmed: ask for confirmations of what `push` sends.
        on_failure: hears when a push could not be sent; its set-up object says what follows.
    """

    def __init__(
        self,
        fleet: Fleet,
        endpoint: Endpoint | None = None,
        *,
        every_s: float | None = 15.0,
        ciphered: bool = True,
        confirmed: bool = False,
        utc: Callable[[], float] = time.time,
        on_failure: Callable[[Error], None] | None = None,
        most_at_once: int = 64,
    ) -> None:
        if every_s is not None and not every_s > 0:
            raise UsageError("pushes are some seconds apart", where="push")
        self._fleet = fleet
        self._routes = Routes(endpoint)
        self._endpoint = endpoint
        self._ciphered = ciphered
        self._confirmed = confirmed
        self._utc = utc
        self._on_failure = on_failure
        self._most_at_once = most_at_once
        self.confirmed_by: Counter[int] = Counter()
        """Confirmations heard so far, by place in the fleet."""
        self._receipts = Receipts(fleet, self._confirm)
        self._sealing = Sealing()
        self._outlets: dict[tuple[str, str, int, int], Outlet] = {}
        self._room: dict[tuple[str, str, int], asyncio.Semaphore] = {}
        self._changed = asyncio.Event()
        self._invoke_id = 0
        self._plain_period_s = self._configured(every_s)
        self.plan = PushPlan(fleet, utc())
        self.plan.on_change = self._changed.set

    async def run(self) -> None:
        """Push until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                if self._plain_period_s is not None:
                    group.create_task(self._invoke_every(self._plain_period_s))
                while True:
                    self._changed.clear()
                    for course in self.plan.wake(self._utc()):
                        group.create_task(self._deliver(course))
                    deadline = self.plan.deadline
                    wait_s = None if deadline is None else max(0.0, deadline - self._utc())
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self._changed.wait()
        finally:
            self.close()

    async def push(self, index: int) -> None:
        """One push of one meter, now and once; `LineError` when nobody takes it."""
        meter = self._fleet[index]
        await self._send(meter, self._own(), self.protected(meter, self.notification(meter)))

    async def push_event(self, index: int, attribute: AttributeDescriptor) -> None:
        """One event-notification of one meter, now."""
        meter = self._fleet[index]
        context = self._context()
        event = pushing.event_notification(meter, attribute, context, time=self._stamp(meter))
        await self._send(meter, self._own(), self.protected(meter, event))

    def notification(self, meter: SimulatedMeter) -> bytes:
        """The data-notification of a meter's periodic push set-up, plain."""
        context = self._context()
        objects = pushing.push_object_list(meter, _SETUP, context)
        self._invoke_id += 1
        return pushing.data_notification(
            meter,
            objects,
            context,
            invoke_id=self._invoke_id,
            confirmed=self._confirmed,
            date_time=self._stamp(meter),
        )

    def protected(
        self,
        meter: SimulatedMeter,
        plain: bytes,
        control: int | None = None,
        to: bytes = b"",
        source: KeySource = KeySource.IDENTIFIED,
    ) -> bytes:
        """A notification as it leaves the meter; each takes a fresh invocation counter.

        `control` holds bits of the security control and `SIGNED`, 0 for none, None for what the
        fleet uses; `source` is where the key comes from. `to` is the system title that an envelope
        is for: what is signed, or under a key of its own. Raises `UsageError` without one.
        """
        if control is None:
            control = BOTH if self._ciphered else 0
        return self._sealing.sealed(meter, plain, control, to, source) if control else plain

    def close(self) -> None:
        """Hang up everywhere."""
        for outlet in self._outlets.values():
            outlet.close()
        self._outlets.clear()

    # -- what set-up objects say ------------------------------------------------------------

    def _configured(self, every_s: float | None) -> float | None:
        """Write endpoint, protection and period to the objects; the period that they cannot say."""
        configured = self._fleet.configured
        behaviours = self._fleet.template.behaviours
        for setup in (each for each in behaviours.values() if isinstance(each, PushList)):
            if self._endpoint is not None:
                service, destination = self._routes.own
                said = structure(enum(service), octet_string(destination), enum(0))
                configured[setup.key, 3] = axdr.encode(said)
            if 10 in setup.fixed and not self._ciphered:
                configured[setup.key, 10] = axdr.encode(protection_parameters(0))
        times = execution_times(int(every_s)) if every_s and every_s == int(every_s) else None
        if times is None or _SCHEDULE not in behaviours:
            return every_s
        configured[_SCHEDULE, 4] = axdr.encode(times)
        spread_s = min(int(every_s or 1) - 1, 0xFFFF)
        setup_key = (PushList.declares.class_id, _SETUP)
        configured[setup_key, 5] = axdr.encode(long_unsigned(spread_s))
        return None

    async def _invoke_every(self, every_s: float) -> None:
        """The periodic push of each meter in turn, spread over a period."""
        loop = asyncio.get_running_loop()
        setup = self.plan.setup(_SETUP)
        begin = loop.time()
        while True:
            for index, meter in enumerate(self._fleet):
                due = begin + index * every_s / len(self._fleet)
                await asyncio.sleep(max(0.0, due - loop.time()))
                setup.act(meter, 1, None, int(self._utc()))
            begin = max(begin + every_s, loop.time())
            await asyncio.sleep(max(0.0, begin - loop.time()))

    # -- one push ---------------------------------------------------------------------------

    async def _deliver(self, course: PushCourse) -> None:
        meter, name = course.meter, course.setup.logical_name
        try:
            settings = course.settings(self._utc())
            endpoint = self._routes.find(meter, Obis(name), settings)
            room = self._room.setdefault(_key(endpoint), asyncio.Semaphore(self._most_at_once))
            async with room:
                if course.state is PushState.SENDING:
                    await self._try(course, endpoint, settings)
        except Error as error:
            course.tries += not course.tries  # it was tried, though no octet left
            course.failed(self._utc())
            if self._on_failure is not None:
                self._on_failure(error)
        self.plan.settle(course)
        self._changed.set()

    async def _try(self, course: PushCourse, endpoint: Endpoint, settings: PushSettings) -> None:
        meter = course.meter
        plain = course.notification(self._utc())
        control, recipient = settings.protection, settings.recipient
        apdu = self.protected(meter, plain, control, recipient, settings.source)
        await self._send(meter, endpoint, apdu, settings.client_sap)
        course.taken(self._utc())

    async def _send(
        self, meter: SimulatedMeter, endpoint: Endpoint, apdu: bytes, client_sap: int = _CLIENT
    ) -> None:
        datagrams = endpoint.line == "udp"
        place = self._fleet.listener(meter.index) if datagrams else meter.index
        key = (*_key(endpoint), place)
        outlet = self._outlets.get(key)
        if outlet is None:
            heard = self._receipts.reader(datagrams, place)
            outlet = self._outlets[key] = Outlet(endpoint, on_octets=heard)
        units = packed(endpoint.scheme, meter.server_sap, client_sap, apdu)
        for unit in units if datagrams else (b"".join(units),):
            await outlet.send(unit)

    def _confirm(self, meter: SimulatedMeter, invoke_id: int) -> None:
        self.confirmed_by[meter.index] += 1
        self.plan.confirmed(meter, invoke_id, self._utc())

    def _own(self) -> Endpoint:
        if self._endpoint is None:
            raise UsageError("nobody said whereto", where="push")
        return self._endpoint

    def _context(self) -> RequestContext:
        return RequestContext(_CLIENT, now=self._utc())

    def _stamp(self, meter: SimulatedMeter) -> bytes:
        """The meter's own clock."""
        return meter.zone.stamp(meter.local(int(self._utc())))


def _key(endpoint: Endpoint) -> tuple[str, str, int]:
    return endpoint.scheme, endpoint.host, endpoint.port


def packed(scheme: str, server_sap: int, client_sap: int, apdu: bytes) -> list[bytes]:
    """An APDU as units of the line: one with the wrapper, UI frames with HDLC."""
    if not scheme.endswith("+hdlc"):
        return [wrapper.pack(server_sap, client_sap, apdu)]
    client = pack_address(client_sap, length=_HDLC_CLIENT_LENGTH)
    server = pack_address(server_sap)
    return list(unconfirmed_frames(client, server, LLC_RESPONSE, apdu, DEFAULT.max_transmit))
