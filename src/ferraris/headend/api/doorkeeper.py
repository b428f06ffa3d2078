"""The door of the API: who asks, and whether they ask too often."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

from ferraris.core.errors import LineError, SecurityError
from ferraris.headend.access.identity import Identity, UnknownCallerError
from ferraris.headend.access.opening import Access
from ferraris.headend.api.asking import Asked
from ferraris.headend.api.limits import Buckets
from ferraris.headend.api.problems import HttpError
from ferraris.headend.api.settings import ApiSettings
from ferraris.headend.operations.callers import caller_of
from ferraris.headend.operations.desk import Caller, House

__all__ = ["Doorkeeper"]

_LOG: Final = logging.getLogger("ferraris.headend.api")
_GUESS_COST: Final = 10.0
_KEPT_S: Final = 2.0
_MOST_CALLERS: Final = 10_000
_MOST_OUTSIDE: Final = 64
_SHARED: Final = 4
"""How many times what one principal may ask one address may: several can share it."""


class Doorkeeper:
    """Finds out who asks, and whether they ask too often."""

    def __init__(
        self,
        house: House,
        access: Access,
        settings: ApiSettings,
        executor: Executor,
        monotonic: Callable[[], float],
    ) -> None:
        self._house = house
        self._access = access
        self._executor = executor
        self._providers = ThreadPoolExecutor(2, thread_name_prefix="openid")
        self._outside = 0
        self._monotonic = monotonic
        rate, size = settings.requests_a_second, settings.burst
        self._principals = Buckets(rate, size, monotonic)
        self._addresses = Buckets(rate * _SHARED, size * _SHARED, monotonic)
        self._callers: dict[Identity, tuple[Caller, float]] = {}

    async def caller(self, request: Asked) -> Caller:
        """The caller; raises 401 and 429."""
        _wait(self._addresses.take(request.address))
        secret = request.secret()
        if not secret:
            raise UnknownCallerError("show a token: Authorization: Bearer …")
        identity = self._access.known(secret)
        found = self._callers.get(identity) if identity is not None else None
        if found is not None and found[1] > self._monotonic():
            caller = found[0]
        else:
            try:
                caller = await self._asked(secret)
            except SecurityError:
                self._addresses.charge(request.address, _GUESS_COST)
                raise UnknownCallerError("the token is not known") from None
        _wait(self._principals.take((caller.tenant, caller.principal)))
        return caller

    def _let_in(self, secret: str) -> Caller:
        identity = self._access.identify(secret)
        with self._house.engine.reading() as connection:
            caller = caller_of(connection, identity)
        if len(self._callers) >= _MOST_CALLERS:
            self._callers.clear()
        self._callers[identity] = caller, self._monotonic() + _KEPT_S
        return caller

    def close(self) -> None:
        """Wait for nobody's provider any more."""
        self._providers.shutdown(wait=False, cancel_futures=True)

    async def still(self, secret: str) -> Caller | None:
        """The caller as of now, for streams that go on; None when nobody is known by it now."""
        try:
            return await self._asked(secret)
        except SecurityError:
            return None

    async def _asked(self, secret: str) -> Caller:
        """Let in whom the store knows, or a provider: that one may be slow, so it has its own."""
        loop = asyncio.get_running_loop()
        if self._access.ours(secret):
            return await loop.run_in_executor(self._executor, self._let_in, secret)
        if self._outside >= _MOST_OUTSIDE:
            raise _away()
        self._outside += 1
        try:
            return await loop.run_in_executor(self._providers, self._let_in, secret)
        except LineError as error:
            _LOG.warning("the OpenID provider: %s", error.message)
            raise _away() from None
        finally:
            self._outside -= 1


def _wait(seconds: float) -> None:
    if seconds > 0:
        whole = str(max(1, round(seconds + 0.5)))
        raise HttpError(429, "Too often", "too many requests, please wait", retry_after=whole)


def _away() -> HttpError:
    return HttpError(503, "Provider away", "the OpenID provider does not answer", retry_after="5")
