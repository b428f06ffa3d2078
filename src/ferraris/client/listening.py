"""`listen`: pushes of many meters as they come, as an iterator for both kinds of programs.

    async for push in ferraris.listen("udp://[::]:4059", keys):
        print(push.device, push.readings)

The same object serves a plain `for`, which blocks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from types import TracebackType
from typing import Any, Literal, Never

from ferraris.client.push import Push, PushFailed
from ferraris.client.push_keys import Senders
from ferraris.client.push_links import HdlcPushLink, MBusPushLink
from ferraris.client.push_receiving import OnFloor, OnTransaction, PushReceiver
from ferraris.client.pushed import PushedList
from ferraris.core.errors import DecodeError, Error, LineError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Layer, Notice, Progress, To
from ferraris.core.stack import Plain, over
from ferraris.line.intake import Answer, DatagramIntake, Intake, PortIntake, StreamIntake
from ferraris.line.url import Endpoint, parse_url
from ferraris.transport import wrapper
from ferraris.transport.addresses import Addresses
from ferraris.transport.wrapper import WrapperServer

__all__ = ["Listening", "PushStation", "listen"]

_LOG = logging.getLogger("ferraris.listen")
_SCHEMES = ("udp", "tcp", "tls", "tcp+hdlc", "tls+hdlc", "udp+hdlc", "serial")
_FRAMED = ("tcp+hdlc", "tls+hdlc", "udp+hdlc", "serial")
_MOST_WAITING = 4096
_MOST_LINKS = 1024

Item = Push | PushFailed
Unit = To[Addresses, bytes]
Tap = Callable[[Endpoint, Layer[Any, Any, bytes]], Layer[Any, Any, bytes]]
Confirm = bool | Literal["later"]
Lists = PushedList | Mapping[bytes | None, PushedList]


def listen(
    url: str | Endpoint,
    keys: Senders | None = None,
    *,
    lists: Lists | None = None,
    plain: bool | None = None,
    confirm: Confirm = True,
    link: str = "",
    zone: tzinfo | None = None,
    on_error: Callable[[PushFailed], None] | None = None,
    on_floor: OnFloor | None = None,
    on_transaction: OnTransaction | None = None,
    most_waiting: int = _MOST_WAITING,
    tap: Tap | None = None,
) -> Listening:
    """Take what meters send by themselves to `url`.

    Iterate over it, `async for` or `for`, to get one `Push` after the other; `async with` or
    `with` opens it before and closes it after. What cannot be taken never ends it.

    Args:
        url: `udp://[::]:4059`, `tcp://0.0.0.0:4059`, `tls://…?cert=FILE&key=FILE`, or with HDLC
            instead of the wrapper `tcp+hdlc://…`; `serial:///dev/ttyUSB0?baud=2400&parity=E` for
            the customer port of a meter.
        keys: of the senders: one `PushKeys` for all, a mapping from system titles (octets or hex)
            to `PushKeys` or a tuple of encryption and authentication key, or a function from a
            system title to `PushKeys` or None.
        lists: push object lists that are known, for lists without names or scalers: one for all,
            or by system title, None standing for all others. `learn_push_list` asks a meter.
        plain: whether unprotected pushes are taken; by default only without `keys`.
        confirm: answer pushes that ask for a confirmation, where the line has a way back; "later"
            leaves it to `Push.confirm`, to be called when the push is kept for good.
        link: "mbus" for M-Bus long frames on a line of octets instead of what the URL says.
        zone: time zone for clocks that do not tell theirs.
        on_error: hears of everything that could not be taken; by default it is logged, one line
            each, under `ferraris.listen`.
        on_floor: called with system title, counter and whether it is the broadcast key's, before
            the push is handed on: keep it, and give it back as `PushKeys.floor`.
        on_transaction: the same for transaction-ids of general-signing and general-ciphering,
            called with system title and number: `PushKeys.transaction_floor`.
        most_waiting: pushes that wait for the caller; beyond it nothing is read from the line.
        tap: what records all that comes, such as the `tap` of a recording.

    Raises `UsageError` for keys and URLs that cannot be any; `LineError`, when it begins, for an
    address that cannot be had.
    """
    endpoint = url if isinstance(url, Endpoint) else parse_url(url, schemes=_SCHEMES)
    receiver = PushReceiver(
        keys,
        plain=plain,
        lists=_finder(lists),
        zone=zone,
        on_floor=on_floor,
        on_transaction=on_transaction,
    )
    if link not in ("", "mbus"):
        raise UsageError(f"link is mbus or nothing, not {link[:20]!r}", where="listen")
    return Listening(
        endpoint,
        receiver,
        confirm=confirm,
        link=link,
        on_error=on_error or _log,
        most_waiting=most_waiting,
        tap=tap,
    )


class Listening:
    """An open ear: what `listen` returns."""

    def __init__(
        self,
        endpoint: Endpoint,
        receiver: PushReceiver,
        *,
        confirm: Confirm,
        link: str,
        on_error: Callable[[PushFailed], None],
        most_waiting: int,
        tap: Tap | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._receiver = receiver
        self._confirm = confirm
        self._link = link
        self._on_error = on_error
        self._most_waiting = most_waiting
        self._tap = tap
        self._waiting: deque[Push] = deque()
        self._intake: Intake | None = None
        self._dropped: int | None = None
        self._paused = False
        self._held = False
        self._someone: asyncio.Future[None] | None = None
        self._links: OrderedDict[str, Layer[Never, Item, bytes]] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None  # of the blocking twin
        self.failures = 0
        """How much could not be taken so far."""

    @property
    def port(self) -> int:
        """The port it listens on, once it is open."""
        return self._open_intake.port

    @property
    def drops(self) -> int | None:
        """Datagrams that the kernel dropped for want of room; None where nobody counts them.

        After the end it is what it was at the end.
        """
        return self._dropped if self._intake is None else self._intake.drops

    def hold(self) -> None:
        """Read nothing more for now; what has come can still be had."""
        self._held = True
        self._open_intake.pause()

    def go_on(self) -> None:
        """Read again after `hold`, as soon as no more wait than may."""
        self._held = False
        if not self._paused:
            self._open_intake.resume()

    @property
    def url(self) -> str:
        """Where it listens, with the port that it got."""
        return str(replace(self._endpoint, port=self.port))

    # -- asynchronous -----------------------------------------------------------------------

    async def open(self) -> None:
        """Begin to listen; `LineError` when the address cannot be had."""
        if self._intake is None:
            self._intake = await self._started()

    async def next(self) -> Push:
        """The next push, as soon as there is one; `LineError` when closed.

        A serial port that is lost is waited for.
        """
        while not self._waiting:
            if self._intake is None:
                raise LineError("the listening is closed", where="listen")
            if self._someone is None:
                self._someone = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._someone)  # others may wait for the same
        push = self._waiting.popleft()
        if self._paused and len(self._waiting) * 2 <= self._most_waiting:
            self._paused = False
            if not self._held and self._intake is not None:
                self._intake.resume()
        return push

    async def aclose(self) -> None:
        """Listen no more; pushes that wait can still be had."""
        intake, self._intake = self._intake, None
        if intake is None:
            return
        self._dropped = intake.drops
        intake.close()
        self._wake()
        await asyncio.sleep(0)  # the transports end in the next turn of the loop

    async def __aenter__(self) -> Listening:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[Push]:
        ours = self._intake is None
        await self.open()
        try:
            while True:
                yield await self.next()
        finally:
            if ours:
                await self.aclose()

    # -- blocking ---------------------------------------------------------------------------

    def __enter__(self) -> Listening:
        self._loop = asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(self.open())
        except BaseException:
            self._loop.close()
            self._loop = None
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Push]:
        ours = self._loop is None
        if ours:
            self.__enter__()
        assert self._loop is not None
        try:
            while True:
                yield self._loop.run_until_complete(self.next())
        finally:
            if ours:
                self.close()

    def close(self) -> None:
        """End the blocking twin."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        loop.run_until_complete(self.aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    # -- inside -----------------------------------------------------------------------------

    @property
    def _open_intake(self) -> Intake:
        if self._intake is None:
            raise UsageError("the listening is not open", where="listen")
        return self._intake

    async def _started(self) -> Intake:
        endpoint = self._endpoint
        if endpoint.line == "udp":
            datagrams = DatagramIntake(endpoint.scheme, self._datagram)
            await datagrams.start(endpoint)
            return datagrams
        if endpoint.line == "serial":
            port = PortIntake(self._station, self._hand, self._no_port)
            await port.start(endpoint)
            return port
        streams = StreamIntake(endpoint.scheme, self._station, self._hand)
        await streams.start(endpoint)
        return streams

    def _station(
        self, peer: str, speak: Callable[[], None] | None = None
    ) -> Layer[Never, Item, bytes]:
        made = self._untapped(peer, speak)
        if self._tap is None or not peer:
            return made
        there = self._endpoint if self._endpoint.line == "serial" else parse_url(peer)
        return self._tap(there, made)

    def _untapped(self, peer: str, speak: Callable[[], None] | None) -> Layer[Never, Item, bytes]:
        station = PushStation(
            self._receiver,
            peer,
            confirm=self._confirm is not False,
            later=speak if self._confirm == "later" else None,
            tell_loss=self._endpoint.line == "serial",
        )
        if self._link == "mbus":
            return over(station, MBusPushLink())
        if self._endpoint.scheme in _FRAMED:
            return over(station, HdlcPushLink())
        return over(station, WrapperServer(stream=self._endpoint.line != "udp"))

    def _datagram(self, octets: bytes, peer: str, answer: Answer) -> None:
        if self._link or self._endpoint.scheme in _FRAMED or self._tap is not None:
            self._octets_of(peer, octets, answer)
            return
        try:
            server_sap, client_sap, apdu = wrapper.unpack(octets)
        except DecodeError as error:
            self._hand(PushFailed(peer, error, raw=octets))
            return
        for item in self._receiver.take(apdu, peer, Addresses(client_sap, server_sap)):
            if self._confirm:
                item.on_confirm = partial(self._answer, answer, client_sap, server_sap)
                if self._confirm is True and isinstance(item, Push):
                    item.confirm()
            self._hand(item)

    def _answer(self, answer: Answer, client_sap: int, server_sap: int, push: Push) -> None:
        confirmation = self._receiver.confirmation(push)
        if confirmation is not None:
            answer(wrapper.pack(client_sap, server_sap, confirmation))

    def _speak(self, peer: str, answer: Answer) -> None:
        """Let out what the link of a peer has to say."""
        link = self._links.get(peer)
        unit = None if link is None else link.transmit(asyncio.get_running_loop().time())
        if isinstance(unit, bytes):
            answer(unit)

    def _octets_of(self, peer: str, octets: bytes, answer: Answer) -> None:
        """Frames in datagrams, which may come in several; and wrapper units that are tapped."""
        now = asyncio.get_running_loop().time()
        link = self._links.get(peer)
        if link is None:
            link = self._links[peer] = self._station(peer, partial(self._speak, peer, answer))
            link.open(now)
            if len(self._links) > _MOST_LINKS:
                self._links.popitem(last=False)
        self._links.move_to_end(peer)
        link.receive(octets, now)
        while (what := link.event()) is not None:
            if type(what) is Deliver:
                self._hand(what.unit)
        self._speak(peer, answer)

    def _hand(self, item: Item) -> None:
        if isinstance(item, PushFailed):
            self.failures += 1
            self._on_error(item)
            if isinstance(item.error, LineError) and isinstance(self._intake, PortIntake):
                self._intake.reopen(self._endpoint)
            return
        self._waiting.append(item)
        if not self._paused and len(self._waiting) >= self._most_waiting:
            self._paused = True
            if self._intake is not None:
                self._intake.pause()
        self._wake()

    def _no_port(self, error: Error) -> None:
        self._hand(PushFailed(str(self._endpoint), error))

    def _wake(self) -> None:
        someone, self._someone = self._someone, None
        if someone is not None and not someone.done():
            someone.set_result(None)


class PushStation(Plain[Never, Item, Unit]):
    """The top of the stack of one line: APDUs with addresses below, pushes above.

    `later`: pushes are confirmed when somebody calls their `confirm`; it is called when there is a
    confirmation to be sent. `tell_loss`: the end of the line is a failure, as of a serial port.
    """

    def __init__(
        self,
        receiver: PushReceiver,
        peer: str,
        *,
        confirm: bool = True,
        later: Callable[[], None] | None = None,
        tell_loss: bool = False,
    ) -> None:
        super().__init__()
        self._receiver = receiver
        self._peer = peer
        self._confirm = confirm
        self._later = later
        self._tell_loss = tell_loss
        self._partial = False

    def receive(self, unit: Unit, now: float) -> None:
        self._partial = False
        server_sap, client_sap = unit.address  # the first is who speaks: here the server
        addresses = Addresses(client_sap, server_sap)
        for item in self._receiver.take(unit.unit, self._peer, addresses):
            if self._confirm and unit.confirmed:
                item.on_confirm = partial(self._answer, unit.address)
                if self._later is None and isinstance(item, Push):
                    item.confirm()
            self._up.append(Deliver(item))

    def _answer(self, address: Addresses, push: Push) -> None:
        confirmation = self._receiver.confirmation(push)
        if confirmation is not None:
            self._down.append(To(address, confirmation))
            if self._later is not None:
                self._later()

    def notice(self, what: Notice, now: float) -> None:
        kind = type(what)
        if kind is Progress:
            self._partial = True
            return
        if isinstance(what, Failed):
            self._fail(what.error)
            return
        if isinstance(what, Closed):
            self._close(what.error)
        super().notice(what, now)

    def _close(self, error: Error | None) -> None:
        if error is not None and (self._tell_loss or not isinstance(error, LineError)):
            self._fail(error)
        elif self._partial:
            self._fail(DecodeError("the line closed in the middle of a push", where="listen"))

    def _fail(self, error: Error) -> None:
        self._up.append(Deliver(PushFailed(self._peer, error)))


def _finder(lists: Lists | None) -> Callable[[bytes], PushedList | None] | None:
    if lists is None:
        return None
    if isinstance(lists, PushedList):
        return lambda title: lists
    others = lists.get(None)
    return lambda title: lists.get(title, others)


def _log(failed: PushFailed) -> None:
    _LOG.warning("%s", failed)
