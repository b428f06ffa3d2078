"""One round: claim what is due, run it, keep what came of it. Blocking; for a thread of its own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.sealing import NoSealer, Sealer
from ferraris.headend.vee.claims import Due, claim, give_back, next_tenant
from ferraris.headend.vee.gathering import Catalogue
from ferraris.headend.vee.keeping import Kept, keep
from ferraris.headend.vee.rule_book import Members
from ferraris.headend.vee.rule_sets import book_of, install
from ferraris.headend.vee.running import Run

__all__ = ["Rounds"]

MOST_DUE = 2000
LEASE_S = 120.0


@dataclass(slots=True)
class Rounds:
    """Works off due days, up to `most` a round; one object may serve for long.

    `members` tells who is in a group; without it rules for groups are for nobody.
    """

    engine: Engine
    sealer: Sealer = field(default_factory=NoSealer)
    members: Members | None = None
    most: int = MOST_DUE
    lease_s: float = LEASE_S
    _catalogues: dict[int, Catalogue] = field(default_factory=dict)

    def once(self, now: float) -> Kept | None:
        """One round; None when nothing is due. Raises `StoreError`, and then nothing was lost."""
        with self.engine.reading() as connection:
            tenant = next_tenant(connection, now)
        if tenant is None:
            return None
        due = self.engine.repeated(lambda connection: self._claim(connection, tenant, now))
        if not due:
            return Kept()
        try:
            return self._work(due, now)
        except StoreError:
            self._free(due)
            raise

    def all(self, now: float) -> Kept:
        """Rounds until nothing is due that nobody else is at."""
        whole = Kept()
        while (kept := self.once(now)) is not None and kept.due:
            whole = whole.and_then(kept)
        return whole

    def _claim(self, connection: Connection, tenant: int, now: float) -> list[Due]:
        if tenant not in self._catalogues:
            install(connection, tenant, at_s=now)
        return claim(connection, tenant, self.most, now=now, lease_s=self.lease_s)

    def _work(self, due: list[Due], now: float) -> Kept:
        tenant = due[0].tenant
        catalogue = self._catalogues.setdefault(tenant, Catalogue())
        with self.engine.reading() as connection:
            book = book_of(connection, tenant, self.members)
            run = Run(connection, self.sealer, catalogue, book, tenant=tenant, now=now)
            ran = run.work(due)
        return self.engine.repeated(
            lambda connection: keep(connection, self.sealer, book, due, ran)
        )

    def _free(self, due: list[Due]) -> None:
        with contextlib.suppress(StoreError), self.engine.transaction() as connection:
            give_back(connection, [one.key for one in due])  # else the claims end by themselves
