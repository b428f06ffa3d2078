"""Meters that call in: recognised, and on the same connection read, registered or turned away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import update

from ferraris.client import Access, Identity, Meter, Refusal, Security, accept
from ferraris.core.errors import Error, SecurityError, UsageError
from ferraris.crypto.certificates import CertificateError
from ferraris.headend.collect.securing import plain, uses_keys
from ferraris.headend.inventory import key_id
from ferraris.headend.registration.giving import first_way
from ferraris.headend.registration.meter_keys import MeterKeys, stages_to_try
from ferraris.headend.registration.recognition import (
    KeyName,
    Known,
    Reason,
    Verdict,
    known_by_number,
    recognise,
)
from ferraris.headend.registration.registrar import Registrar
from ferraris.headend.registration.renewing import Offload, UnfitError
from ferraris.headend.registration.strangers import Strangers
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import KeyStore
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.enumerations import ExceptionServiceError

__all__ = ["CallCounts", "CallIntake", "CallSettings", "Serve"]

Serve = Callable[[Known, Meter], Awaitable[object]]
"""Does with an active meter all that is due, in the association that is open; closes nothing."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How many callers are taken, and how long they may take to become a meter."""

    timeout_s: float = 10.0
    patience_s: float = 30.0
    most_at_once: int = 100
    """On their way to become meters."""
    most_open: int = 2000
    """Read or registered at a time; further ones wait at the door."""


@dataclass(slots=True)
class CallCounts:
    """What became of callers, in this process."""

    called: int = 0
    served: int = 0
    turned_away: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


_FIRST = None
"""Among the ways of a caller: the one that it came with, before it has keys."""


@dataclass(slots=True)
class _Caller:
    """A meter, as it says, and the ways to speak with it: stages of its keys, the likeliest first.

    `place` is the one that is tried, `refused` how many it said no to; `keys` those in use.
    """

    known: Known
    ways: list[str | None]
    place: int = 0
    refused: int = 0
    keys: MeterKeys | None = None
    has_skipped: bool = False


class CallIntake:
    """The door of one tenant for meters that call in; `run` until cancelled.

    Which of its keys a meter has while they are renewed is found out in its call, and over several
    where it hangs up when it is asked under others. One that has none yet is given some.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        tenant: int,
        registrar: Registrar,
        strangers: Strangers,
        *,
        engine: Engine,
        keys: KeyStore,
        serve: Serve,
        system_title: bytes,
        settings: CallSettings | None = None,
        key_name: KeyName = key_id,
        clock: Callable[[], float] = time.time,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        self.counts = CallCounts()
        self._engine = engine
        self._keys = keys
        self._tenant = tenant
        self._registrar = registrar
        self._strangers = strangers
        self._serve = serve
        self._system_title = system_title
        self._settings = settings or CallSettings()
        self._key_name = key_name
        self._clock = clock
        self._offload = offload
        self._coming: dict[str, _Caller] = {}
        self._tried: dict[int, int] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._calls = accept(
            endpoint,
            self._access,
            timeout_s=self._settings.timeout_s,
            patience_s=self._settings.patience_s,
            most_at_once=self._settings.most_at_once,
            on_refused=self._refused,
        )

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it is open."""
        return self._calls.port

    async def open(self) -> None:
        """Begin to listen; `run` does it by itself. Raises `LineError`."""
        await self._calls.open()

    async def run(self) -> None:
        """Take callers until cancelled; those that are being served are cut off then."""
        room = asyncio.Semaphore(self._settings.most_open)
        try:
            async with self._calls as calls:
                async for meter in calls:
                    await room.acquire()
                    task = asyncio.create_task(self._welcome(meter))
                    self._work.add(task)
                    task.add_done_callback(self._work.discard)
                    task.add_done_callback(lambda _: room.release())
        finally:
            work = list(self._work)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await asyncio.sleep(0)  # transports end in the next turn of the loop

    # -- who is it --------------------------------------------------------------------------

    async def _access(self, identity: Identity) -> Access | None:
        found = await self._offload(self._recognised, identity)
        known, reason = found.known, found.reason
        if reason is None and known is not None and self._is_unproven(known):
            reason = Reason.UNPROTECTED
        if known is None or reason is not None:
            self._turn_away(identity, known, reason or Reason.UNKNOWN)
            return None
        try:
            caller = await self._offload(self._caller, known)
            self._coming[identity.peer] = caller
            access: Access = await self._offload(self._how, caller)
        except UsageError as error:
            await self._registrar.unfit(known, error)
            raise
        return access

    def _recognised(self, identity: Identity) -> Verdict:
        name = identity.logical_device_name
        text = name.decode("ascii") if name and name.isascii() else name.hex()
        with self._engine.reading() as connection:
            return recognise(
                connection,
                self._tenant,
                system_title=identity.system_title,
                name=text,
                key_name=self._key_name,
            )

    def _is_unproven(self, known: Known) -> bool:
        return not self._registrar.accepts(known)

    def _caller(self, known: Known) -> _Caller:
        if not uses_keys(known):
            return _Caller(known, [])
        ways: list[str | None] = [*stages_to_try(self._keys, known.key_id)]
        lacks = f"no keys of {known.external_id} are kept"
        if self._registrar.may_give(known):
            lacks = f"no master key of {known.external_id} to wrap its first keys"
            if MeterKeys(self._keys, known.key_id).has_master():
                ways.append(_FIRST)
        if not ways:
            raise UnfitError(lacks, where="registration")
        return _Caller(known, ways, self._tried.get(known.number, 0) % len(ways))

    def _how(self, caller: _Caller) -> Access:
        """By the way whose turn it is, and by others if the caller says no to that."""
        known, otherwise = caller.known, partial(self._otherwise, caller)
        if not caller.ways:
            return self._by_secret(known)
        stage = caller.ways[caller.place]
        if stage is not _FIRST:
            caller.keys = MeterKeys(self._keys, known.key_id, stage)
            return replace(self._under(caller.keys, known), otherwise=otherwise)
        caller.keys = None
        by_secret = self._by_secret(first_way(known))
        return replace(by_secret, then=partial(self._give, caller), otherwise=otherwise)

    def _under(self, keys: MeterKeys, known: Known) -> Access:
        return _access(known, keys.security(known, self._registrar.pairs, self._system_title))

    def _by_secret(self, known: Known) -> Access:
        title = self._system_title
        return _access(known, plain(known, self._keys, known.key_id, system_title=title))

    async def _give(self, caller: _Caller, meter: Meter) -> Access:
        """First keys for a caller without any; the association under them proves who it is."""
        caller.refused = len(caller.ways)  # what it says no to from here on, is its last word
        caller.keys = await self._registrar.give(caller.known, meter)
        under: Access = await self._offload(self._under, caller.keys, caller.known)
        return under

    async def _otherwise(self, caller: _Caller, error: Error) -> Access | None:
        """What to try in the same call when a way was refused."""
        if isinstance(error, CertificateError) or not _is_no(error):
            return None
        if _is_counter(error) and caller.keys is not None and not caller.has_skipped:
            caller.has_skipped = True
            if await self._offload(self._registrar.skip_counters, caller.known, caller.keys):
                again: Access = await self._offload(self._how, caller)
                return again
        caller.refused = caller.place + 1
        if caller.refused >= len(caller.ways):
            return None
        caller.place += 1
        other: Access = await self._offload(self._how, caller)
        return other

    # -- who did not become a meter ---------------------------------------------------------

    def _refused(self, refusal: Refusal) -> None:
        caller = self._coming.pop(refusal.identity.peer, None)
        if caller is None:
            self.counts.failed += 1
            return
        error, known = refusal.error, caller.known
        if isinstance(error, CertificateError):
            self._turn_away(refusal.identity, known, Reason.CERTIFICATE, error.message)
        elif _is_no(error) and 0 < len(caller.ways) <= caller.refused:
            self._tried.pop(known.number, None)
            self._turn_away(refusal.identity, known, Reason.WRONG_KEY, error.message)
        else:
            self.counts.failed += 1
            if caller.ways:  # it may have hung up since it did not understand: another way then
                following = caller.refused if _is_no(error) else caller.place + 1
                self._tried[known.number] = following % len(caller.ways)

    def _turn_away(
        self, identity: Identity, known: Known | None, reason: Reason, message: str = ""
    ) -> None:
        self.counts.turned_away += 1
        self.counts.reasons[reason.value] = self.counts.reasons.get(reason.value, 0) + 1
        name = identity.system_title.hex() or identity.name
        if not (identity.system_title or identity.logical_device_name):
            name = "(says nothing)"
        if known is not None:
            name = known.external_id
        self._strangers.take_note(self._tenant, name, reason, peer=identity.peer, message=message)

    # -- who did ----------------------------------------------------------------------------

    async def _welcome(self, meter: Meter) -> None:
        assert meter.identity is not None
        caller = self._coming.pop(meter.identity.peer)
        self.counts.called += 1
        try:
            known = await self._go_on(caller, meter)
            if known is not None and known.state == "active":
                await self._serve(known, meter)
                self.counts.served += 1
        except (Error, OSError):
            self.counts.failed += 1  # whoever served has told why; it calls again
        finally:
            await meter.close()

    async def _go_on(self, caller: _Caller, meter: Meter) -> Known | None:
        """The meter as it is after what a registration had to do with it."""
        known, keys = caller.known, caller.keys
        self._tried.pop(known.number, None)
        if await self._offload(self._registrar.wants, known):
            await self._registrar.welcome(known, meter, keys)
        elif keys is not None:
            await self._offload(keys.settle)
        try:
            found: Known | None = await self._offload(self._heard, known)
        except StoreError:
            return known
        return found

    def _heard(self, known: Known) -> Known | None:
        with self._engine.transaction() as connection:
            connection.execute(
                update(METER).where(METER.c.id == known.number).values(heard_s=self._clock())
            )
            return known_by_number(connection, known.number, self._key_name)


def _access(known: Known, security: Security) -> Access:
    return Access(
        security,
        client=known.client,
        server=known.server,
        device=known.external_id,
        zone=ZoneInfo(known.zone),
    )


def _is_no(error: Error) -> bool:
    """Whether the caller said no; without a reason it was not the meter: it is here already."""
    return isinstance(error, SecurityError) or getattr(error, "reason", None) is not None


def _is_counter(error: Error) -> bool:
    reason = getattr(error, "reason", None)
    return bool(reason == ExceptionServiceError.INVOCATION_COUNTER_ERROR)
