"""Meters that call in: who is it, may it, then an association on the same connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from inspect import isawaitable
from typing import Any, NamedTuple, Self

from ferraris.client.connecting import ClientStack, Connecting
from ferraris.client.greeting import Greeting
from ferraris.client.identity import Identity
from ferraris.client.kind import Kind
from ferraris.client.kind_cache import KindCache
from ferraris.client.meter import Meter
from ferraris.client.security import NoSecurity, Security
from ferraris.client.wishes import Outcome, Read
from ferraris.core.errors import Error, LineError, RefusedError, SecurityError, UsageError
from ferraris.core.stack import over
from ferraris.line.driver import Driver
from ferraris.line.incoming import Incoming
from ferraris.line.incoming import accept as accept_connections
from ferraris.line.url import Endpoint, parse_url
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import is_push
from ferraris.messaging.dlms.block_transfer.transfer import LARGEST_WINDOW
from ferraris.model.data_storage import DataObject

__all__ = ["Access", "Calls", "Identity", "Refusal", "accept"]

_PUBLIC_CLIENT = 16
_LOGICAL_DEVICE_NAME = "0-0:42.0.0*255"
_SCHEMES = ("tcp", "tls", "tcp+hdlc", "tls+hdlc")


@dataclass(frozen=True, slots=True)
class Access:
    """How to speak to a meter that called: what `connect` takes as arguments of the same names.

    Attributes:
        then: what is done in this association before another one, which it tells, is opened on the
            same connection; this one is not handed out.
        otherwise: asked when the meter refuses this way; tells another one to try on the same
            connection, None for no more.
    """

    security: Security = field(default_factory=NoSecurity)
    client: int | None = None
    server: int = 1
    device: str = ""
    zone: tzinfo | None = None
    kind: Kind | None = None
    kinds: KindCache | None = None
    counter_object: str | None = None
    then: Callable[[Meter], Awaitable[Access]] | None = None
    otherwise: Callable[[Error], Awaitable[Access | None]] | None = None


class Refusal(NamedTuple):
    """A caller that did not become a meter: who, as far as is known, and why."""

    identity: Identity
    error: Error


Keys = (
    Mapping[str, Access]
    | Callable[[Identity], Access | None]
    | Callable[[Identity], Awaitable[Access | None]]
)
"""From a claimed identity to the access; a mapping has logical device names, or titles in hex."""


def accept(
    url: str | Endpoint,
    keys: Keys,
    *,
    server: int = 1,
    timeout_s: float = 10.0,
    patience_s: float = 30.0,
    most_at_once: int = 100,
    max_pdu: int = 0xFFFF,
    on_refused: Callable[[Refusal], None] | None = None,
    block_window: int = 0,
) -> Calls:
    """Associate with meters that call in: `async for meter in accept("tcp://[::]:4059", keys)`.

    Each caller is identified as public client (logical device name and system title), `keys` says
    how to speak to it, and the association is opened on the same connection. Closing the meter
    closes the connection; whether it calls again is the meter's affair. To leave the loop before
    its end use `async with accept(...) as calls: async for meter in calls`.

    What a caller claims is proven only by the association: with `HighGMAC` both ends prove their
    keys; with a password the meter proves nothing.

    Args:
        url: where to listen: `tcp://[::]:4059`, `tls://`, `tcp+hdlc://`; port 0 takes a free one.
        keys: the access for an `Identity`, None or a missing name for nobody we know. May be
            a coroutine function, so that it can ask a key store.
        server: address of the logical device that is asked for the identity.
        timeout_s: silence after which an exchange has failed.
        patience_s: the most that a caller may take to become a meter.
        most_at_once: callers on their way to become meters, further ones wait.
        max_pdu: longest APDU taken from a meter.
        on_refused: told who did not become a meter, and why.
        block_window: how many general blocks a meter may send at once, as in `connect`; 0 for none.
    """
    endpoint = url if isinstance(url, Endpoint) else parse_url(url, schemes=_SCHEMES)
    if endpoint.scheme not in _SCHEMES:
        raise UsageError(f"nobody calls in on {endpoint.scheme}:", where="url")
    if not 0 <= block_window <= LARGEST_WINDOW:
        text = f"a window has 1 to {LARGEST_WINDOW} blocks, 0 for none, not {block_window}"
        raise UsageError(text, where="client")
    if most_at_once < 1:
        raise UsageError("at least one caller at once must be allowed", where="client")
    return Calls(
        endpoint,
        keys,
        server=server,
        patience_s=patience_s,
        most_at_once=most_at_once,
        connecting=_Connecting(timeout_s, max_pdu, block_window),
        on_refused=on_refused,
    )


class _Connecting(NamedTuple):
    """What goes for all callers alike."""

    timeout_s: float
    max_pdu: int
    block_window: int


class Calls:
    """The meters that call, one after another; made by `accept`.

    A caller that is unknown, silent, talks garbage or is here already costs its own connection
    and nothing else.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        keys: Keys,
        *,
        server: int,
        patience_s: float,
        most_at_once: int,
        connecting: _Connecting,
        on_refused: Callable[[Refusal], None] | None,
    ) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._server = server
        self._patience_s = patience_s
        self._connecting = connecting
        self._on_refused = on_refused
        self._free = asyncio.Semaphore(most_at_once)
        self._door = accept_connections(endpoint)
        self._ready: asyncio.Queue[Meter | None] = asyncio.Queue()
        self._callers: set[asyncio.Task[None]] = set()
        self._here: dict[str, Incoming] = {}
        self._doorman: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it is open."""
        return self._door.port

    async def open(self) -> None:
        """Begin to listen; iterating does it by itself. Raises `LineError`."""
        if self._doorman is None:
            await self._door.open()
            self._doorman = asyncio.create_task(self._take_callers())

    async def close(self) -> None:
        """Take nobody more; meters that were handed out live on."""
        self._door.close()
        tasks = [*self._callers] if self._doorman is None else [self._doorman, *self._callers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._ready.empty():
            meter = self._ready.get_nowait()
            if meter is not None:
                await meter.close()
        self._ready.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[Meter]:
        return self

    async def __anext__(self) -> Meter:
        await self.open()
        meter = await self._ready.get()
        if meter is None:
            self._ready.put_nowait(None)
            raise StopAsyncIteration
        self._free.release()
        return meter

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- callers --------------------------------------------------------------------------

    async def _take_callers(self) -> None:
        async for incoming in self._door:
            try:
                await self._free.acquire()  # given back when it is refused, or handed out
            except asyncio.CancelledError:
                incoming.abort()
                raise
            task = asyncio.create_task(self._welcome(incoming))
            self._callers.add(task)
            task.add_done_callback(self._callers.discard)

    async def _welcome(self, incoming: Incoming) -> None:
        caller = _Caller(incoming, self._endpoint, self._server, self._connecting)
        try:
            async with asyncio.timeout(self._patience_s):
                access = await self._look_up(await caller.identify())
                self._check_absent(caller.identity)
                meter = await caller.associate(access)
        except TimeoutError:
            self._refuse(
                caller, LineError(f"not done within {self._patience_s:g} s", where="client")
            )
        except Error as error:
            self._refuse(caller, error)
        except Exception as fault:  # noqa: BLE001 - a fault of `keys` must not stay unheard
            text = f"keys failed for {caller.identity.name}: {type(fault).__name__}"
            self._refuse(caller, UsageError(text, where="client"))
        except BaseException:
            incoming.abort()
            self._free.release()
            raise
        else:
            self._hand_out(caller, meter)

    async def _look_up(self, identity: Identity) -> Access:
        keys = self._keys
        if callable(keys):
            found = keys(identity)
            access = await found if isawaitable(found) else found
        else:
            names = (identity.name, identity.system_title.hex())
            access = next((keys[name] for name in names if name in keys), None)
        if access is None:
            raise SecurityError(f"nobody knows {identity.name}", where="client")
        return access

    def _check_absent(self, identity: Identity) -> None:
        here = self._here.get(identity.name)
        if here is not None and not here.closed:
            raise RefusedError(f"{identity.name} is here already", where="client")

    def _hand_out(self, caller: _Caller, meter: Meter) -> None:
        name = caller.identity.name
        try:
            self._check_absent(caller.identity)
        except RefusedError as error:
            self._refuse(caller, error)
            return
        self._here[name] = caller.incoming

        async def gone() -> None:
            if self._here.get(name) is caller.incoming:
                del self._here[name]
            await caller.incoming.close()

        meter.on_close = gone
        self._ready.put_nowait(meter)

    def _refuse(self, caller: _Caller, error: Error) -> None:
        caller.incoming.abort()
        self._free.release()
        if self._on_refused is not None:
            self._on_refused(Refusal(caller.identity, error))


class _Caller:
    """One connection on its way to become a meter."""

    def __init__(
        self, incoming: Incoming, endpoint: Endpoint, server: int, connecting: _Connecting
    ) -> None:
        self.incoming = incoming
        self.identity = Identity(incoming.peer)
        self._endpoint = endpoint
        self._server = server
        self._connecting = connecting
        self._greetings: list[Greeting] = []

    async def identify(self) -> Identity:
        """Ask as public client; a meter that refuses is known by what it sent of itself."""
        access = Access(client=_PUBLIC_CLIENT, server=self._server)
        try:
            meter = await self._open(access)
        except RefusedError:
            return self.identity
        finally:
            self._note_greeting()
        try:
            (outcome,) = await meter.get_many([Read(DataObject.value, _LOGICAL_DEVICE_NAME)])
        finally:
            await meter.close()
        if isinstance(outcome.error, LineError):
            raise outcome.error
        self.identity = self.identity._replace(
            logical_device_name=_octets(outcome), system_title=meter.system_title
        )
        return self.identity

    async def associate(self, access: Access) -> Meter:
        """Open the association that `access` leads to on the same connection."""
        refusal: Error | None = None
        while True:
            try:
                meter = await self._open(access, self.identity.name)
            except (RefusedError, SecurityError) as error:
                following = None if access.otherwise is None else await access.otherwise(error)
                if following is None:
                    raise
                refusal, access = error, following
                continue
            except LineError:
                if refusal is not None:  # it hung up when it had said no
                    raise refusal from None
                raise
            if access.then is None:
                meter.identity = self.identity
                return meter
            try:
                access, refusal = await access.then(meter), None
            finally:
                await meter.close()

    def _note_greeting(self) -> None:
        greeting = next((each.octets for each in self._greetings if each.octets), b"")
        self.identity = self.identity._replace(greeting=greeting)

    async def _open(self, access: Access, device: str = "") -> Meter:
        connecting = Connecting(
            self._endpoint,
            client=access.client,
            server=access.server,
            security=access.security,
            timeout_s=self._connecting.timeout_s,
            device=access.device or device,
            zone=access.zone,
            kind=access.kind,
            kinds=access.kinds,
            counter_object=access.counter_object,
            max_pdu=self._connecting.max_pdu,
            block_window=self._connecting.block_window,
        )
        return await connecting.open(self._dial)

    async def _dial(
        self, endpoint: Endpoint, stack: ClientStack, timeout_s: float
    ) -> Driver[Apdu, Apdu]:
        """Drive the stack on this connection, with an ear for what comes unasked before."""
        greeting = Greeting(endpoint.scheme)
        self._greetings.append(greeting)
        below = over(stack.lower, greeting)
        return self.incoming.drive(over(stack.upper, below), is_push=is_push)


def _octets(outcome: Outcome[Any]) -> bytes:
    """A logical device name, which is an octet-string or, with some meters, a text."""
    if not outcome.done or not isinstance(outcome.value, tuple):
        return b""
    name = outcome.value[1]
    if isinstance(name, str):
        return name.encode()
    return name if isinstance(name, bytes) else b""
