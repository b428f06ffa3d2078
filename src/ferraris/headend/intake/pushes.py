"""Pushes of the meters of one tenant: taken from the line, verified, written in batches.

What came waits in bounded queues. When the store is slow or away nothing more is read: streams make
their senders wait, datagrams wait in the socket, and what that cannot hold the kernel drops and
counts. What was taken from the socket is written, or turned away with a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from ferraris.client import Listening, Push, PushFailed
from ferraris.client.push_receiving import PushReceiver
from ferraris.core.errors import LineError, SecurityError
from ferraris.headend.intake.counts import Counts, PushSettings
from ferraris.headend.intake.envelopes import came_last
from ferraris.headend.intake.senders import Sender, Senders
from ferraris.headend.intake.writing import Arrived, Outcome, PushWriter
from ferraris.headend.observe.observer import Observer, Observers
from ferraris.headend.registration.recognition import Reason
from ferraris.headend.registration.renewing import Offload
from ferraris.headend.registration.strangers import Strangers
from ferraris.headend.store.records import StoreError
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.security.counters import ReplayError, SpentTransactionError
from ferraris.messaging.dlms.security.message_keys import UncertifiedError

__all__ = ["PushIntake"]

_LOG = logging.getLogger("ferraris.intake")
_LAST_TRIES = 3
_REMEDY = (
    "import the meter's with the shipment, or by `ferraris pki import`; "
    "ours are made by `ferraris pki issue client`"
)


class PushIntake:
    """Listens at some endpoints for the meters of one tenant; `run` until cancelled.

    What known meters push before they are active is not stored: it announces them. `touched` hears
    of the UTC days of which readings came, as `Collection.touched`.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        tenant: int,
        senders: Senders,
        writer: PushWriter,
        strangers: Strangers,
        *,
        touched: Callable[[Iterable[int]], None] | None = None,
        observer: Observer | None = None,
        settings: PushSettings | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        self.counts = Counts()
        self._tenant = tenant
        self._senders = senders
        self._writer = writer
        self._strangers = strangers
        self._touched = touched
        self._observer: Observer = observer or Observers(())
        self._dropped = 0
        self._settings = settings or PushSettings()
        self._clock = clock
        self._sleep = sleep
        self._offload = offload
        self._receiver = PushReceiver(
            senders.push_keys,
            plain=True,
            lists=senders.push_list,
            on_floor=self._floor,
            on_transaction=self._transaction,
        )
        self._listenings = [self._listening(endpoint) for endpoint in endpoints]
        self._second: list[tuple[bytes, PushFailed]] = []
        self._pending: set[bytes] = set()
        self._second_ready = asyncio.Event()
        self._looked_again: dict[bytes, float] = {}
        self._held = False
        self._closing = asyncio.Event()
        self._left: list[Arrived] = []
        self._ready: asyncio.Queue[Arrived | None] = asyncio.Queue(self._settings.batch)

    @property
    def ports(self) -> list[int]:
        """The ports it listens on, in the order of the endpoints."""
        return [each.port for each in self._listenings]

    @property
    def drops(self) -> int:
        """Datagrams that the kernel dropped for want of room, as far as it tells."""
        return sum(each.drops or 0 for each in self._listenings)

    async def open(self) -> None:
        """Begin to listen; `run` does it by itself. Raises `LineError`."""
        for listening in self._listenings:
            await listening.open()

    async def run(self) -> None:
        """Take and write pushes until cancelled; what was taken by then is written first."""
        await self.open()
        taking = [
            *(asyncio.create_task(self._take(each)) for each in self._listenings),
            asyncio.create_task(self._look_again()),
        ]
        writing = asyncio.create_task(self._write())
        try:
            done, _ = await asyncio.wait([*taking, writing], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._wind_up(taking, writing)

    # -- from the line ----------------------------------------------------------------------

    def _listening(self, endpoint: Endpoint) -> Listening:
        return Listening(
            endpoint,
            self._receiver,
            confirm="later" if self._settings.confirm else False,
            link="",
            on_error=self._failed,
            most_waiting=self._settings.waiting,
        )

    async def _take(self, listening: Listening) -> None:
        while True:
            await self._arrived(await listening.next())

    async def _arrived(self, push: Push) -> None:
        self.counts.taken += 1
        title = push.system_title if push.protection.authenticated else b""
        arrived = Arrived(push, self._senders.get(title) if title else None)
        try:
            await self._ready.put(arrived)
        except asyncio.CancelledError:
            self._left.append(arrived)
            raise

    def _floor(self, title: bytes, counter: int, broadcast: bool) -> None:
        sender = self._senders.get(title)
        if sender is not None and not broadcast:
            sender.accepted(counter)

    def _transaction(self, title: bytes, number: int) -> None:
        sender = self._senders.get(title)
        if sender is not None:
            sender.transaction = max(sender.transaction, number)

    def _keep(self, fresh: Iterable[Sender]) -> None:
        for title in self._senders.keep(fresh):
            self._receiver.forget(title)

    # -- what could not be taken ------------------------------------------------------------

    def _failed(self, failed: PushFailed) -> None:
        error, title = failed.error, failed.system_title
        if isinstance(error, ReplayError | SpentTransactionError):
            self._replayed(failed, error)
        elif not isinstance(error, SecurityError):
            self._turn_away(failed, Reason.GARBAGE)
        elif title and self._may_look_again(title):
            self._second.append((title, failed))
            self._pending.add(title)
            self._second_ready.set()
            if len(self._second) >= self._settings.waiting and not self._held:
                self._held = True
                for listening in self._listenings:
                    listening.hold()
        else:
            self._turn_away(failed, self._reason(failed))

    def _reason(self, failed: PushFailed) -> Reason:
        """Why something that nothing proves is not taken."""
        sender = self._senders.get(failed.system_title)
        reason = None if sender is None else sender.verdict.reason
        if reason is not None:
            return reason
        is_uncertified = isinstance(failed.error, UncertifiedError)
        return Reason.CERTIFICATE if is_uncertified else Reason.WRONG_KEY

    def _replayed(self, failed: PushFailed, error: ReplayError | SpentTransactionError) -> None:
        if came_last(failed.raw, error):
            self.counts.duplicates += 1
        else:
            self._turn_away(failed, Reason.REPLAY)

    def _may_look_again(self, title: bytes) -> bool:
        """Whether it is worth it: strangers, and keys that do not fit, not at every push."""
        if title in self._pending:
            return True  # what one sends is taken in its order
        sender, now = self._senders.get(title), self._clock()
        if sender is None:
            return True
        if sender.verdict.reason is Reason.UNKNOWN and not self._senders.is_stale(sender):
            return False
        if now - self._looked_again.get(title, -1e9) < self._settings.second_look_s:
            return False
        if len(self._looked_again) > self._settings.waiting:
            self._looked_again.clear()
        self._looked_again[title] = now
        return True

    async def _look_again(self) -> None:
        while True:
            await self._second_ready.wait()
            try:
                pushes = await self._second_look()
            except StoreError:
                await self._sleep(self._settings.pause_s)
                continue
            for push in pushes:
                await self._arrived(push)

    async def _second_look(self) -> list[Push]:
        """Look up who failed, and take what they sent again, in the order in which it came.

        Nothing can come in between what is known and what is taken by it, so counters only rise.
        """
        titles = set(self._pending)
        found = await self._offload(self._senders.look_up, titles)
        now = [each for each in self._second if each[0] in titles]
        self._second = [each for each in self._second if each[0] not in titles]
        self._pending -= titles
        if not self._second:
            self._second_ready.clear()
        self._keep(found)
        pushes = [push for title, failed in now for push in self._taken_again(title, failed)]
        if self._held and not self._closing.is_set():
            self._held = False
            for listening in self._listenings:
                listening.go_on()
        return pushes

    def _taken_again(self, title: bytes, failed: PushFailed) -> list[Push]:
        """Under every key that the sender may have."""
        sender = self._senders.get(title)
        if sender is None or not sender.stages:
            self._turn_away(failed, self._reason(failed))
            return []
        last = failed
        for stage in [sender.stage, *(each for each in sender.stages if each != sender.stage)]:
            before, sender.stage = sender.stage, stage
            self._receiver.forget(title)
            found = self._receiver.take(failed.raw, failed.peer, failed.addresses)
            taken = [each for each in found if isinstance(each, Push)]
            if taken:
                taken[-1].on_confirm = failed.on_confirm
                return taken
            last = next(each for each in found if isinstance(each, PushFailed))
            if isinstance(last.error, ReplayError | SpentTransactionError):
                self._replayed(last, last.error)
                return []
            sender.stage = before
        self._receiver.forget(title)
        is_security = isinstance(last.error, SecurityError)
        self._turn_away(last, self._reason(last) if is_security else Reason.GARBAGE)
        return []

    def _turn_away(self, failed: PushFailed, reason: Reason) -> None:
        self.counts.turned_away[reason.value] += 1
        self._observer.pushed("push", reason.value, 1)
        title = failed.system_title
        sender = self._senders.get(title) if title else None
        identity, message = title.hex() or "(garbage)", failed.error.message
        if sender is not None and sender.verdict.known is not None:
            identity = sender.verdict.known.external_id
        if reason is Reason.CERTIFICATE and sender is not None:
            message = sender.trouble or f"{message}: {_REMEDY}"
        self._strangers.take_note(self._tenant, identity, reason, peer=failed.peer, message=message)

    # -- into the store ---------------------------------------------------------------------

    async def _write(self) -> None:
        """Group commit: what comes within a moment shares one transaction."""
        while True:
            first = await self._ready.get()
            if first is None:
                return
            batch, ended = [first], False
            if not self._ready.full():
                await self._linger()
            while len(batch) < self._settings.batch and not self._ready.empty():
                following = self._ready.get_nowait()
                if following is None:
                    ended = True
                    break
                batch.append(following)
            await self._written(batch)
            if ended:
                return

    async def _linger(self) -> None:
        """A moment for others to come, cut short by the end."""
        waits = [
            asyncio.ensure_future(self._sleep(self._settings.linger_s)),
            asyncio.ensure_future(self._closing.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _written(self, batch: Sequence[Arrived]) -> None:
        tries = 0
        while True:
            try:
                outcome = await self._offload(self._writer.write, batch)
                break
            except StoreError:
                tries += 1
                if self._closing.is_set() and tries > _LAST_TRIES:
                    self.counts.lost += len(batch)
                    return
                await self._sleep(self._settings.pause_s)
        for push in outcome.kept:
            push.confirm()
        self._keep(outcome.fresh)
        if self._touched is not None and outcome.days:
            self._touched(outcome.days)
        self._tell(outcome)
        self.counts.stored += outcome.stored
        self.counts.announced += outcome.announced
        self.counts.undecodable += outcome.undecodable
        self.counts.turned_away.update(outcome.turned_away)
        self.counts.channels.update(outcome.channels)

    def _tell(self, outcome: Outcome) -> None:
        """What became of a batch, and of datagrams that the kernel had no room for meanwhile."""
        tell = self._observer.pushed
        for what in ("stored", "announced", "undecodable"):
            if count := getattr(outcome, what):
                tell("push", what, count)
        for what, count in outcome.channels.items():
            tell("channel", what, count)
        for reason, count in outcome.turned_away.items():
            tell("push", reason, count)
        dropped, self._dropped = self.drops - self._dropped, self.drops
        if dropped:
            tell("datagram", "dropped", dropped)
            _LOG.warning("%d datagrams came quicker than they could be taken", dropped)

    async def _wind_up(
        self, taking: Sequence[asyncio.Task[None]], writing: asyncio.Task[None]
    ) -> None:
        """What was taken from the line is written before this ends."""
        self._closing.set()
        for listening in self._listenings:
            await listening.aclose()
        for task in taking:
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)
        if writing.done():
            return
        for arrived in self._left:
            await self._ready.put(arrived)
        for listening in self._listenings:
            with contextlib.suppress(LineError):  # it has no more
                while True:
                    await self._arrived(await listening.next())
        with contextlib.suppress(StoreError):
            while self._second:
                for push in await self._second_look():
                    await self._arrived(push)
        await self._ready.put(None)
        await writing
