"""What meters push, learnt in an open association and kept once for all that are alike.

A registration does so by itself. A meter that became active in another way, as by an operator's
word, is asked at its first session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final

from sqlalchemy import Connection, select, update

from ferraris.client import Meter
from ferraris.core.errors import DecodeError, RefusedError
from ferraris.headend.collect import Target
from ferraris.headend.registration import push_lists
from ferraris.headend.registration.renewing import Offload
from ferraris.headend.registration.states import Step
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import METER, PUSH_LISTS, REGISTRATION
from ferraris.headend.store.upsert import add

__all__ = ["PushLearning"]

_CHUNK: Final = 400
_BY: Final = "collection"


class PushLearning:
    """Asks meters what they push, each once; `offload` runs what waits for the store.

    `prepare` looks many meters up at once, away from the event loop; `meet` is for each session.
    What was forgotten, as another device is on a channel, is asked again.
    """

    def __init__(
        self, engine: Engine, *, clock: Callable[[], float], offload: Offload = asyncio.to_thread
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._offload = offload
        self._lock = Lock()
        self._silent: set[int] = set()  # they do not tell
        self._settled: set[int] = set()
        self._wanted: set[int] = set()

    def prepare(self, targets: Iterable[Target]) -> None:
        """Find out of which of these meters it is not known what they push."""
        with self._lock:
            asked = {each.meter for each in targets} - self._silent - self._wanted
        if not asked:
            return
        known: set[int] = set()
        listed = list(asked)
        with self._engine.reading() as connection:
            for start in range(0, len(listed), _CHUNK):
                some = listed[start : start + _CHUNK]
                query = select(REGISTRATION.c.meter).where(
                    REGISTRATION.c.meter.in_(some), REGISTRATION.c.push_lists.is_not(None)
                )
                known.update(connection.execute(query).scalars())
        with self._lock:
            self._settled = (self._settled - asked) | known
            self._wanted |= asked - known

    async def meet(self, target: Target, meter: Meter) -> None:
        """Learn what this meter pushes, if nobody knows it; errors of the line pass through.

        A meter that does not tell is asked again by another process only.
        """
        number = target.meter
        if number not in self._settled and number not in self._wanted:
            await self._offload(self.prepare, [target])
        with self._lock:
            if number not in self._wanted:
                return
            self._wanted.discard(number)
            self._settled.add(number)
        _, template, model, _ = target.alike or ("", "", "", "")
        try:
            found = await self.learn(meter, number, f"{model}/{template}")
        except (DecodeError, RefusedError):
            found = None
        if found is None:
            with self._lock:
                self._silent.add(number)
        else:
            await self._offload(self._keep, number, found)

    async def learn(self, meter: Meter, number: int, kind: str) -> int | None:
        """The row of what this meter pushes; asked for once for meters that are alike."""
        try:
            found = await push_lists.listed(meter)
        except RefusedError:
            return None
        if not found:
            return None
        digest = push_lists.fingerprint(found, kind, f"{number}/{self._clock():.0f}")
        row: int | None = await self._offload(self._known, number, digest)
        if row is None:
            learnt = await push_lists.learn(meter, [name for name, _ in found])
            row = await self._offload(self._made, number, digest, learnt)
        return row

    # -- the store --------------------------------------------------------------------------

    def _known(self, number: int, digest: bytes) -> int | None:
        with self._engine.reading() as connection:
            return _number_of(connection, _tenant_of(connection, number), digest)

    def _made(self, number: int, digest: bytes, learnt: push_lists.PushLists) -> int | None:
        with self._engine.transaction() as connection:
            tenant = _tenant_of(connection, number)
            row = {"tenant": tenant, "digest": digest, "document": learnt.to_text()}
            add(connection, PUSH_LISTS, [row])
            return _number_of(connection, tenant, digest)

    def _keep(self, number: int, found: int) -> None:
        """Beside the registration of the meter, which may be none: it is active all the same."""
        now = self._clock()
        row = {
            "meter": number,
            "step": Step.ACTIVE.value,
            "occasion": "session",
            "asked_by": _BY,
            "since_s": now,
            "changed_s": now,
            "not_before_s": now,
        }
        with self._engine.transaction() as connection:
            row["tenant"] = _tenant_of(connection, number)
            add(connection, REGISTRATION, [row])
            connection.execute(
                update(REGISTRATION)
                .where(REGISTRATION.c.meter == number, REGISTRATION.c.push_lists.is_(None))
                .values(push_lists=found)
            )


def _tenant_of(connection: Connection, number: int) -> int:
    query = select(METER.c.tenant).where(METER.c.id == number)
    return int(connection.execute(query).scalar_one())


def _number_of(connection: Connection, tenant: int, digest: bytes) -> int | None:
    query = select(PUSH_LISTS.c.id).where(
        PUSH_LISTS.c.tenant == tenant, PUSH_LISTS.c.digest == digest
    )
    return connection.execute(query).scalar()
