"""One at a time: while a meter is registered or gets new keys, nobody collects from it.

The claims are those of the collector. A meter that it reads at the moment waits its turn; one that
it holds back, after an error of security, is free again when its registration is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ferraris.headend.collect.claims import Claims
from ferraris.headend.registration.recognition import Known
from ferraris.headend.store.engine import Engine

__all__ = ["Holding"]


class Holding:
    """The meters that one registrar has for itself; all methods wait for the store."""

    def __init__(
        self,
        engine: Engine,
        worker: str,
        *,
        lease_s: float,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._lease_s = lease_s
        self._clock = clock
        self._steady = steady
        self._claims: dict[int, Claims] = {}
        self._held: set[int] = set()
        self._lock = threading.Lock()

    @property
    def beat_s(self) -> float:
        """How often `beat` is needed while something is held."""
        return self._lease_s / 4

    def hold(self, known: Known) -> bool:
        """Have a meter for oneself; False while another worker is at it."""
        with self._lock, self._engine.transaction() as connection:
            claims = self._of(known.tenant)
            if not claims.fresh:
                claims.beat(connection, now=self._clock())
            number = known.number
            if number in self._held:
                return False
            taken = claims.claim(connection, {number}, now=self._clock(), always=True)
            self._held |= taken
            return number in taken

    def let_go(self, known: Known) -> None:
        """The meter is everybody's again."""
        with self._lock:
            self._held.discard(known.number)
            claims = self._of(known.tenant)
            with self._engine.transaction() as connection:
                claims.settle(connection, [known.number], [], now=self._clock())

    def beat(self) -> None:
        """Show that this worker lives, where it holds something."""
        with self._lock:
            if not self._held:
                return
            for claims in self._claims.values():
                with self._engine.transaction() as connection:
                    claims.beat(connection, now=self._clock())

    def leave(self) -> None:
        """Give back everything, and be no worker any more."""
        with self._lock:
            for claims in self._claims.values():
                with self._engine.transaction() as connection:
                    claims.leave(connection, now=self._clock())
            self._held.clear()

    def _of(self, tenant: int) -> Claims:
        if tenant not in self._claims:
            name = f"registration {self._worker} {tenant}"
            claims = Claims(tenant, name, lease_s=self._lease_s, steady=self._steady)
            self._claims[tenant] = claims
        return self._claims[tenant]
