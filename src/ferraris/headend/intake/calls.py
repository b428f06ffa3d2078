"""Meters that call in: recognised, and on the same connection read, registered or turned away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from sqlalchemy import update

from ferraris.client import Access, Identity, Meter, Refusal, Security, accept
from ferraris.core.errors import Error, SecurityError
from ferraris.crypto.certificates import CertificateError
from ferraris.headend.collect.securing import plain, uses_keys
from ferraris.headend.inventory import key_id
from ferraris.headend.registration.meter_keys import CURRENT, MeterKeys, stages_to_try
from ferraris.headend.registration.recognition import (
    KeyName,
    Known,
    Reason,
    Verdict,
    known_by_number,
    recognise,
)
from ferraris.headend.registration.registrar import Registrar
from ferraris.headend.registration.renewing import Offload
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


@dataclass(frozen=True, slots=True)
class _Caller:
    known: Known
    keys: MeterKeys | None


class CallIntake:
    """The door of one tenant for meters that call in; `run` until cancelled.

    Which of its keys a meter has while they are renewed is found out over its calls: each tries
    one of them.
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
        caller = await self._offload(self._caller, known)
        self._coming[identity.peer] = caller
        access: Access = await self._offload(self._how, caller)
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
            return _Caller(known, None)
        stages = stages_to_try(self._keys, known.key_id) or [CURRENT]
        stage = stages[self._tried.get(known.number, 0) % len(stages)]
        return _Caller(known, MeterKeys(self._keys, known.key_id, stage))

    def _how(self, caller: _Caller) -> Access:
        known = caller.known
        security: Security
        if caller.keys is not None:
            security = caller.keys.security(known, self._registrar.pairs, self._system_title)
        else:
            title = self._system_title
            security = plain(known, self._keys, known.key_id, system_title=title)
        return Access(
            security,
            client=known.client,
            server=known.server,
            device=known.external_id,
            zone=ZoneInfo(known.zone),
        )

    # -- who did not become a meter ---------------------------------------------------------

    def _refused(self, refusal: Refusal) -> None:
        caller = self._coming.pop(refusal.identity.peer, None)
        if caller is None:
            self.counts.failed += 1
            return
        error, known = refusal.error, caller.known
        reason = getattr(error, "reason", None)
        # Without a reason it was not the meter that said no: it is here already.
        is_no = isinstance(error, SecurityError) or reason is not None
        if isinstance(error, CertificateError):
            self._turn_away(refusal.identity, known, Reason.CERTIFICATE, error.message)
        elif not is_no or caller.keys is None:
            self.counts.failed += 1
        elif reason == ExceptionServiceError.INVOCATION_COUNTER_ERROR:
            self._after(self._skip(refusal.identity, caller, error))
        else:
            self._after(self._other_key(refusal.identity, known, error))

    def _after(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _skip(self, identity: Identity, caller: _Caller, error: Error) -> None:
        if not await self._offload(self._registrar.skip_counters, caller.known, caller.keys):
            self._turn_away(identity, caller.known, Reason.WRONG_KEY, error.message)

    async def _other_key(self, identity: Identity, known: Known, error: Error) -> None:
        """Another key at its next call; when all were tried, it is not who it says."""
        stages = await self._offload(stages_to_try, self._keys, known.key_id)
        tried = self._tried.get(known.number, 0) + 1
        if tried < len(stages):
            self._tried[known.number] = tried
            self.counts.failed += 1
            return
        self._tried.pop(known.number, None)
        self._turn_away(identity, known, Reason.WRONG_KEY, error.message)

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
