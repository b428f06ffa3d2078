"""From a URL to an open association: stack, driver, and the invocation counter if it is unknown."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import tzinfo
from types import TracebackType
from typing import Any, Protocol, cast

from ferraris.client import services
from ferraris.client.kind import Kind
from ferraris.client.kind_cache import KindCache
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, NoSecurity, Security
from ferraris.client.successive import Following, Successive
from ferraris.core.errors import DecodeError, RefusedError, SecurityError, UsageError
from ferraris.core.layer import Layer
from ferraris.core.stack import Over, over
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.line.dialing import dial
from ferraris.line.driver import Driver
from ferraris.line.url import Endpoint, parse_url
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation, is_push
from ferraris.messaging.dlms.association.gateway import ThroughGateway
from ferraris.messaging.dlms.block_transfer.layer import BlockTransferLayer
from ferraris.messaging.dlms.block_transfer.transfer import LARGEST_WINDOW
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.transport.profiles import Profile
from ferraris.transport.schemes import profile_of

__all__ = ["Connecting", "associate", "connect", "learn_counter", "with_blocks"]

_PUBLIC_CLIENT = 16
_LAST_COUNTER = 0xFFFFFFFF
_DEAR_LINES = ("serial", "modem")  # a call costs, a port takes time

ClientStack = Over[Apdu, Apdu, bytes, bytes]
Dial = Callable[[Endpoint, ClientStack, float], Awaitable[Driver[Apdu, Apdu]]]
Link = Layer[bytes, bytes, bytes]
Tap = Callable[[Endpoint, Link], Link]
"""Puts something between the link of a stack and its line, as `Recording.tap` does."""
Entropy = Callable[[int], bytes]


def connect(
    url: str | Endpoint,
    *,
    client: int | None = None,
    server: int = 1,
    security: Security | None = None,
    timeout_s: float = 10.0,
    device: str = "",
    zone: tzinfo | None = None,
    kind: Kind | None = None,
    kinds: KindCache | None = None,
    counter_object: str | None = None,
    max_pdu: int = 0xFFFF,
    pre_established: bool = False,
    high_priority: bool = True,
    short_names: bool | None = None,
    tap: Tap | None = None,
    block_window: int = 0,
) -> Connecting:
    """Open an association with the meter at `url`.

    Use it as `async with connect(...) as meter:` or `meter = await connect(...)`.

    Args:
        url: `tcp://host:port`, `tls://`, `udp://`, `tcp+hdlc://host:port?physical=17`, `serial:`,
            `sim://residential`; see `line.url`. `?via=1/0a0b` names a device behind a gateway,
            `?names=short` says the same as `short_names`.
        client: client address; by default the usual one of `security` (16, 2 or 1).
        server: address of the logical device.
        security: `NoSecurity()` (default), `Password(...)` or `HighGMAC(...)`; a simulated meter
            gives its own.
        timeout_s: silence after which the connection or an exchange has failed.
        device: name of the meter in readings; by default its URL.
        zone: time zone for clocks that do not tell theirs.
        kind: what is known of this kind of meter; the same one for all meters of the kind.
        kinds: finds the kind by the firmware that the meter shows, one more request.
        counter_object: where the public client reads the invocation counter that `HighGMAC` does
            not know, such as "0-0:43.1.1*255"; by default the usual places are tried.
        max_pdu: longest APDU taken from the meter, in octets; longer answers come in blocks.
        pre_established: the association is open without being requested, as the meter is
            configured; a ciphered one needs the meter's system title in `security`.
        high_priority: the priority bit of every request; a busy meter may serve others first
            without it.
        short_names: objects of this meter go by short names; None as the URL says.
        tap: what records the session, such as the `tap` of a recording.
        block_window: how many blocks of general block transfer the meter may send at once, 1 to 63;
            0 does not propose it, as its procedure rests on memory and every exchange pays for it.
            It is never proposed where a late block could go unseen: in associations without tags
            over datagrams, nor in pre-established ones.
    """
    return Connecting(
        url if isinstance(url, Endpoint) else parse_url(url),
        client=client,
        server=server,
        security=security,
        timeout_s=timeout_s,
        device=device,
        zone=zone,
        kind=kind,
        kinds=kinds,
        counter_object=counter_object,
        max_pdu=max_pdu,
        pre_established=pre_established,
        high_priority=high_priority,
        short_names=short_names,
        tap=tap,
        block_window=block_window,
    )


class Connecting:
    """What `connect` returns: an asynchronous context manager, or something to await."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client: int | None,
        server: int,
        security: Security | None,
        timeout_s: float,
        device: str,
        zone: tzinfo | None,
        kind: Kind | None,
        counter_object: str | None,
        max_pdu: int,
        pre_established: bool = False,
        kinds: KindCache | None = None,
        high_priority: bool = True,
        short_names: bool | None = None,
        tap: Tap | None = None,
        block_window: int = 0,
    ) -> None:
        if not 0 <= block_window <= LARGEST_WINDOW:
            text = f"a window has 1 to {LARGEST_WINDOW} blocks, 0 for none, not {block_window}"
            raise UsageError(text, where="client")
        self._block_window = block_window
        self._high_priority = high_priority
        self._tap = tap
        self._max_pdu = max_pdu
        self._pre_established = pre_established
        self._endpoint = endpoint
        self._simulated: Simulated | None = None
        if endpoint.scheme == "sim":
            self._simulated = _start_simulation(endpoint)
            self._endpoint, server = self._simulated.endpoint, self._simulated.server
            security = security or self._simulated.security
        if short_names is None:
            short_names = self._endpoint.short_names
        self._short_names = short_names
        self._security: Security = security or NoSecurity()
        self._client = self._security.client if client is None else client
        self._server = server
        self._timeout_s = timeout_s
        self._device = device or str(endpoint)
        self._zone = zone
        self._kind = kind
        self._kinds = kinds
        self._counter_object = counter_object
        self._meter: Meter | None = None

    def __await__(self):  # type: ignore[no-untyped-def] # the generator of `open`
        return self.open(_dial_async).__await__()

    async def __aenter__(self) -> Meter:
        self._meter = await self.open(_dial_async)
        return self._meter

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._meter is not None:
            await self._meter.close()

    async def open(self, dial: Dial) -> Meter:
        """Connect and associate through `dial`; learns the invocation counter where needed."""
        try:
            return await self._open(dial)
        except BaseException:
            if self._simulated is not None:
                self._simulated.stop()
            raise

    async def _open(self, dial: Dial) -> Meter:
        security = self._security
        if isinstance(security, HighGMAC) and not security.counter_is_known:
            meter = await self._learn_and_open(dial, security)
        else:
            meter = await self._open_as(dial, self._client, security)
        if self._kinds is not None and self._kind is None:
            try:
                meter.kind = await self._kinds.recognise(meter, self._client)
            except BaseException:
                await meter.close()
                raise
        if self._simulated is not None:
            meter.on_close = self._simulated.stop
        return meter

    async def _learn_and_open(self, dial: Dial, security: HighGMAC) -> Meter:
        """Ask for the counter, then associate: on the same line where dialling it is dear."""
        held = None
        if self._endpoint.line in _DEAR_LINES:
            from ferraris.transport.serial_profiles import held_line  # noqa: PLC0415 - as needed

            held = held_line(profile_of(self._endpoint.scheme, self._endpoint.options))
        if held is None:
            public = await self._open_as(dial, _PUBLIC_CLIENT, NoSecurity())
            try:
                security = await learn_counter(public, security, self._counter_object)
            finally:
                await public.close()
            return await self._open_as(dial, self._client, security)
        profile, modem = held
        first, association = self._session(_PUBLIC_CLIENT, NoSecurity(), profile)
        stack: Any = Successive(first)
        if modem is not None:
            stack = over(stack, modem)
        if self._tap is not None:
            stack = self._tap(self._endpoint, stack)
        driver = await dial(self._endpoint, stack, self._timeout_s)
        public = await associate(driver, association)
        try:
            security = await learn_counter(public, security, self._counter_object)
            second, association = self._session(self._client, security, profile)
            await driver.exchange(cast("Apdu", Following(second)))
        except BaseException:
            await public.close()
            raise
        return self._meter_on(driver, association, self._client)

    def _session(
        self, client: int, security: Security, profile: Profile | None = None
    ) -> tuple[ClientStack, ClientAssociation]:
        # The public client that only learns the counter opens its association as ever.
        pre_established = self._pre_established and client == self._client
        stack, association = client_stack(
            self._endpoint,
            client,
            self._server,
            security,
            timeout_s=self._timeout_s,
            block_window=0 if pre_established else self._block_window,
            profile=profile,
        )
        association.parameters.max_pdu = min(self._max_pdu, association.parameters.max_pdu)
        association.parameters.pre_established = pre_established
        association.parameters.short_names = self._short_names
        return stack, association

    async def _open_as(self, dial: Dial, client: int, security: Security) -> Meter:
        stack, association = self._session(client, security)
        if self._tap is not None:
            stack = over(stack.upper, self._tap(self._endpoint, stack.lower))
        driver = await dial(self._endpoint, stack, self._timeout_s)
        await driver.open()
        return self._meter_on(driver, association, client)

    def _meter_on(
        self, driver: Driver[Apdu, Apdu], association: ClientAssociation, client: int
    ) -> Meter:
        return Meter(
            driver,
            association,
            device=self._device,
            zone=self._zone,
            kind=self._kind if client == self._client else None,
            high_priority=self._high_priority,
        )


class Simulated(Protocol):
    """A meter in this process, as the room of meters starts it for a `sim://` URL."""

    endpoint: Endpoint
    server: int
    security: Security

    def stop(self) -> None: ...


def _start_simulation(endpoint: Endpoint) -> Simulated:
    """Start what is registered for the template; simulators live upstairs, so by entry point."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and rarely needed

    simulators = entry_points(group="ferraris.simulators")
    # One simulator makes many meters: it knows, or refuses, what no entry is named for.
    found = simulators.select(name=endpoint.host) or simulators
    if not found:
        raise UsageError("no simulated meters are installed", where="url")
    simulated: Simulated = next(iter(found)).load()(endpoint)
    return simulated


def client_stack(
    endpoint: Endpoint,
    client: int,
    server: int,
    security: Security,
    *,
    timeout_s: float = 10.0,
    entropy: Entropy = secrets.token_bytes,
    block_window: int = 0,
    profile: Profile | None = None,
) -> tuple[ClientStack, ClientAssociation]:
    """The layers for one association over the line that `endpoint` names, or over `profile`.

    With a `block_window` general block transfer is proposed, where it is safe.
    """
    profile = profile or profile_of(endpoint.scheme, endpoint.options)
    parameters = security.parameters(entropy)
    parameters.response_timeout_s = timeout_s
    parameters.max_pdu = min(parameters.max_pdu, profile.limit)
    association = ClientAssociation(parameters)
    below = profile.client_stack(client, server, physical=endpoint.number("physical"))
    if endpoint.via is not None:
        below = over(ThroughGateway(*endpoint.via), below)
    if block_window and (profile.stream or parameters.tagged):
        parameters.general_blocks, parameters.block_window = True, block_window
    return over(association, with_blocks(association, below)), association


def with_blocks(
    association: ClientAssociation, below: Layer[bytes, bytes, bytes]
) -> Layer[bytes, bytes, bytes]:
    """What lies below an association: block transfer on `below` where it is proposed."""
    parameters = association.parameters
    if not parameters.general_blocks:
        return below
    blocks = BlockTransferLayer(
        lambda: association.negotiated,
        lambda: association.exchange,
        window=parameters.block_window,
        timeout_s=parameters.response_timeout_s / 2,
    )
    return over(blocks, below)


async def associate(
    driver: Driver[Apdu, Apdu],
    association: ClientAssociation,
    *,
    device: str = "",
    zone: tzinfo | None = None,
    kind: Kind | None = None,
    high_priority: bool = True,
) -> Meter:
    """Open the association on a driver, whichever it is."""
    await driver.open()
    return Meter(
        driver, association, device=device, zone=zone, kind=kind, high_priority=high_priority
    )


async def learn_counter(public: Meter, security: HighGMAC, counter_object: str | None) -> HighGMAC:
    """Read, as `public` client, the last invocation counter that the meter took from us.

    The value came unprotected and is only a hint: a false one is refused by the meter or burns
    counters, it never makes one serve twice, since the caller that needs that guarantee leases
    from a key store. Raises `SecurityError` when the meter tells none.
    """
    names = [counter_object] if counter_object else ["0-0:43.1.0*255", "0-0:43.1.1*255"]
    for name in names:
        attribute = AttributeDescriptor(1, Obis.parse(name), 2)
        try:
            _, value = axdr.decode(await services.get(public._driver, attribute))
        except RefusedError:
            continue
        if isinstance(value, int) and 0 <= value < _LAST_COUNTER:
            title = security.server_system_title or public.system_title
            return replace(security, invocation_counter=value + 1, server_system_title=title)
        raise DecodeError(f"{name} holds no invocation counter", where="client")
    raise SecurityError(
        "the meter does not tell its invocation counter to the public client: give the counter, "
        "or name its object",
        where="client",
    )


async def _dial_async(
    endpoint: Endpoint, stack: ClientStack, timeout_s: float
) -> Driver[Apdu, Apdu]:
    return await dial(endpoint, stack, timeout_s=timeout_s, is_push=is_push)
