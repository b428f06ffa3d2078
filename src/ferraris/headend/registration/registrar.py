"""Who registers meters: calls those that are due, takes along those that call in, sorts failures.

Any number of registrars may share a store and a key store; a registration is claimed by one of
them, and lapses when that one dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection, update

from ferraris.client import Meter
from ferraris.core.errors import Error, IncompatibleError, RefusedError, UsageError
from ferraris.crypto.certificates import CertificateError
from ferraris.headend.audit import Audit
from ferraris.headend.collect.policy import failure_of
from ferraris.headend.collect.securing import Pairs
from ferraris.headend.inventory import key_id
from ferraris.headend.registration.giving import give_keys
from ferraris.headend.registration.holding import Holding
from ferraris.headend.registration.meter_keys import NEXT, MeterKeys
from ferraris.headend.registration.opening import believe_counter, exposed, opened
from ferraris.headend.registration.procedure import (
    Procedure,
    RegistrationPolicy,
    no_journal,
)
from ferraris.headend.registration.progress import (
    LostClaimError,
    Progress,
    ask,
    claim,
    claim_due,
    move,
    progress_of,
    put_off,
    release,
)
from ferraris.headend.registration.recognition import (
    KeyName,
    Known,
    known_by_number,
)
from ferraris.headend.registration.renewing import Offload, UnfitError
from ferraris.headend.registration.states import ENDS, Happening, Step
from ferraris.headend.registration.strangers import Strangers
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables.inventory import REGISTRATION
from ferraris.keys import KeyStore

__all__ = ["Registrar"]

_FACTOR = 3.0
_SKIPPED = 1 << 16


class Registrar:
    """Registers meters of all tenants of a store.

    `system_title` is that of the head-end, which meters may insist on. `clock` is UTC in epoch
    seconds; `sleep` and `offload` can be replaced for virtual time.
    """

    def __init__(
        self,
        engine: Engine,
        keys: KeyStore,
        strangers: Strangers,
        *,
        system_title: bytes,
        policy: RegistrationPolicy | None = None,
        journal: Audit = no_journal,
        key_name: KeyName = key_id,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        offload: Offload = asyncio.to_thread,
        steady: Callable[[], float] = time.monotonic,
        worker: str = "",
    ) -> None:
        self.policy = policy or RegistrationPolicy()
        self.worker = worker or f"{os.getpid()}-{os.urandom(6).hex()}"
        self.pairs = Pairs(keys, system_title, clock)
        self._engine = engine
        self._keys = keys
        self._strangers = strangers
        self._system_title = system_title
        self._journal = journal
        self._key_name = key_name
        self._clock = clock
        self._sleep = sleep
        self._offload = offload
        self._holding = Holding(
            engine, self.worker, lease_s=self.policy.lease_s, clock=clock, steady=steady
        )
        self._procedure = Procedure(
            engine,
            self.worker,
            policy=self.policy,
            clock=clock,
            offload=offload,
            journal=journal,
        )

    # -- asking for one ---------------------------------------------------------------------

    def commission(self, connection: Connection, known: Known, by: str) -> Step:
        """An operator wants a meter registered, or registered anew; `UsageError` if it may not."""
        return ask(connection, known, "operator", by, self._clock())

    def announced(self, connection: Connection, known: Known, peer: str) -> None:
        """A meter announced itself by a push: register it, unless it is active or was refused.

        It is called at the address that the inventory has; without one it has to call in.
        """
        found = progress_of(connection, known.number)
        if known.state in ("active", "suspended", "retired") or (found and found.step in ENDS):
            return
        ask(connection, known, "push", "registration", self._clock(), peer=peer)

    # -- the loop ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Call whoever is due, until cancelled; a store that is away is waited for."""
        beating = asyncio.create_task(self._beats())
        try:
            while True:
                try:
                    busy = await self.round()
                    await self._offload(self._strangers.flush)
                except StoreError:  # away, or full: what was committed is safe
                    busy = 0
                if not busy:
                    await self._sleep(self.policy.look_again_s)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            with contextlib.suppress(StoreError):
                self._holding.leave()

    async def _beats(self) -> None:
        while True:
            await self._sleep(self._holding.beat_s)
            with contextlib.suppress(StoreError):  # the claims lapse, and others go on
                await self._offload(self._holding.beat)

    async def round(self) -> int:
        """Call everybody who is due now, some at once; returns how many that were."""
        due = await self._offload(self._due)
        if not due:
            return 0
        room = asyncio.Semaphore(self.policy.at_once)

        async def one(number: int) -> None:
            async with room:
                await self.call(number)

        try:
            await asyncio.gather(*(one(number) for number in due))
        finally:
            await self._offload(self._give_back, due)
        return len(due)

    async def call(self, number: int) -> Step | None:
        """Call one meter, whose registration this worker has claimed; never raises for its sake."""
        known = await self._offload(self._known, number)
        if known is None:
            return None
        return await self._guarded(known, partial(self._call, known))

    def accepts(self, known: Known) -> bool:
        """Whether what a meter proves by its way is enough to take it in."""
        return self._procedure.accepts(known)

    def wants(self, known: Known) -> bool:
        """Whether a meter that called in has to go on with a registration; waits for the store."""
        if known.state != "active":
            return True
        with self._engine.reading() as connection:
            found = progress_of(connection, known.number)
        return found is not None and found.step not in ENDS

    def skip_counters(self, known: Known, keys: MeterKeys) -> bool:
        """A meter that called in has seen our counters: leave some out, once a registration.

        It cannot be asked which one it expects, as its line is gone by then.
        """
        if not self._may_ask_counter(known):
            return False
        believe_counter(keys, keys.next_counter() + _SKIPPED)
        return True

    def may_give(self, known: Known) -> bool:
        """Whether a meter that called in may be given first keys; waits for the store."""
        if not known.first_authentication or known.state == "active":
            return False
        with self._engine.reading() as connection:
            found = progress_of(connection, known.number)
        return found is None or found.step not in (Step.HELD, Step.QUARANTINED)

    async def give(self, known: Known, meter: Meter) -> MeterKeys:
        """First keys for a meter that called in, by its first way; those that it should have now.

        Nothing is proved yet: who says no here may be anybody, so it is written down and holds
        nobody. Raises what `give_keys` does, and `RefusedError` while another worker is at it.
        """
        if not await self._offload(self._claimed, known):
            raise RefusedError(f"another worker registers {known.external_id}", where="calls")
        if not await self._offload(self._holding.hold, known):
            await self._told(self._wait, known)
            raise RefusedError(f"{known.external_id} is being read", where="calls")
        try:
            keys = await self._offload(MeterKeys, self._keys, known.key_id)
            await give_keys(meter, keys, known.suite, offload=self._offload)
        except Error as error:
            await self._told(self._rest, known, f"it was given no keys: {error.message}")
            raise
        finally:
            with contextlib.suppress(StoreError):  # it lapses
                await self._offload(self._holding.let_go, known)
        made: MeterKeys = await self._offload(MeterKeys, self._keys, known.key_id, NEXT)
        return made

    async def unfit(self, known: Known, error: UsageError) -> None:
        """A meter called in, and what is needed to speak with it is missing here: it is held."""
        if await self._offload(self.wants, known) and await self._offload(self._claimed, known):
            await self._told(self._stop, known, Happening.HOLD, error.message)

    async def welcome(self, known: Known, meter: Meter, keys: MeterKeys | None) -> Step | None:
        """A meter that is not active called in: go on in the association that is open.

        None when another worker is at it. Never raises for the meter's sake.
        """
        if not await self._offload(self._claimed, known):
            return None
        return await self._guarded(known, partial(self._procedure.go_on, known, meter, keys))

    async def _call(self, known: Known) -> Step:
        async with opened(
            known,
            self._keys,
            self.pairs,
            system_title=self._system_title,
            timeout_s=self.policy.timeout_s,
            offload=self._offload,
            may_ask_counter=partial(self._offload, self._may_ask_counter, known),
        ) as (meter, keys):
            return await self._procedure.go_on(known, meter, keys)

    # -- failures ---------------------------------------------------------------------------

    async def _guarded(self, known: Known, work: Callable[[], Awaitable[Step]]) -> Step | None:
        """Do it while nobody else is at this meter; its own errors end nothing but itself."""
        if not await self._offload(self._holding.hold, known):
            return await self._told(self._wait, known)
        try:
            return await work()
        except LostClaimError:
            return None
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one meter must not end the loop for others
            return await self._told(self._failed, known, error)
        finally:
            with contextlib.suppress(StoreError):  # it lapses
                await self._offload(self._holding.let_go, known)

    async def _told(self, function: Callable[..., Step | None], *arguments: object) -> Step | None:
        reached: Step | None = await self._offload(function, *arguments)
        return reached

    def _wait(self, known: Known) -> Step | None:
        """The collector reads it just now."""
        now = self._clock()
        with self._engine.transaction() as connection:
            found = progress_of(connection, known.number)
            if found is not None:
                later = now + self.policy.look_again_s
                put_off(connection, known, self.worker, not_before_s=later, tries=found.tries)
        return None if found is None else found.step

    def _failed(self, known: Known, error: Exception) -> Step | None:
        """What becomes of it: a lie or wrong keys quarantine, a no holds, the rest is tried on."""
        message = failure_of(error).message
        reason = exposed(error)
        if reason is not None:
            peer = known.address
            self._strangers.take_note(
                known.tenant, known.external_id, reason, peer=peer, message=message
            )
            return self._stop(known, Happening.EXPOSE, message)
        if isinstance(error, RefusedError | IncompatibleError | UnfitError | CertificateError):
            return self._stop(known, Happening.HOLD, message)
        return self._rest(known, message)

    def _stop(self, known: Known, happening: Happening, message: str) -> Step | None:
        now = self._clock()
        with self._engine.transaction() as connection:
            try:
                reached = move(
                    connection,
                    known,
                    happening,
                    self.worker,
                    at_s=now,
                    until_s=now,
                    message=message,
                )
            except LostClaimError:
                return None
            self._journal(
                connection,
                tenant=known.tenant,
                principal="registration",
                action=f"registration: {happening.value}",
                subject=known.external_id,
                outcome="failed",
                detail={"reason": message},
                at_s=now,
            )
        return reached

    def _rest(self, known: Known, message: str) -> Step | None:
        now = self._clock()
        with self._engine.transaction() as connection:
            found = progress_of(connection, known.number)
            if found is None:
                return None
            pause = min(
                self.policy.first_pause_s * _FACTOR ** min(found.tries, 20),
                self.policy.longest_pause_s,
            )
            put_off(
                connection,
                known,
                self.worker,
                not_before_s=now + pause,
                tries=found.tries + 1,
                message=message,
            )
        return found.step

    # -- the store --------------------------------------------------------------------------

    def _due(self) -> list[int]:
        now = self._clock()
        with self._engine.transaction() as connection:
            until = now + self.policy.lease_s
            return claim_due(connection, self.worker, now, until, 4 * self.policy.at_once)

    def _give_back(self, meters: list[int]) -> None:
        with self._engine.transaction() as connection:
            release(connection, meters, self.worker)

    def _known(self, number: int) -> Known | None:
        with self._engine.reading() as connection:
            return known_by_number(connection, number, self._key_name)

    def _claimed(self, known: Known) -> bool:
        now = self._clock()
        with self._engine.transaction() as connection:
            found = progress_of(connection, known.number)
            if found is None or (found.step is Step.ACTIVE and known.state != "active"):
                ask(connection, known, "call", "registration", now)
            elif found.step in ENDS:
                return False  # it is done, or a human decides
            return claim(connection, known.number, self.worker, now, now + self.policy.lease_s)

    def _may_ask_counter(self, known: Known) -> bool:
        """Once for each registration: what a meter says of counters is not proved."""
        with self._engine.transaction() as connection:
            found: Progress | None = progress_of(connection, known.number)
            if found is None and known.state in ("known", "installed"):
                ask(connection, known, "call", "registration", self._clock())
            elif found is None or found.counter_asked or found.step in ENDS:
                return False
            connection.execute(
                update(REGISTRATION)
                .where(REGISTRATION.c.meter == known.number)
                .values(counter_asked=1)
            )
        return True
