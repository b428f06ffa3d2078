"""Calling a meter whose keys may be on their way: which of them it has, the association tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ferraris.client import HighGMAC, Meter, NoSecurity, Password, connect
from ferraris.client.connecting import learn_counter
from ferraris.core.errors import RefusedError, SecurityError
from ferraris.headend.registration.meter_keys import MeterKeys, stages_to_try
from ferraris.headend.registration.recognition import Known
from ferraris.headend.registration.renewing import Offload
from ferraris.keys import SEND, KeyStore
from ferraris.line.url import parse_url
from ferraris.messaging.dlms.enumerations import ExceptionServiceError

__all__ = ["MOST_SKIPPED", "WrongKeyError", "believe_counter", "opened"]

_PUBLIC_CLIENT = 16
MOST_SKIPPED = 1 << 20
"""Invocation counters that are left out on the unproven word of a meter."""


class WrongKeyError(SecurityError):
    """None of the keys that are known for a meter opens an association with what answers."""


@asynccontextmanager
async def opened(
    known: Known,
    store: KeyStore,
    *,
    system_title: bytes,
    timeout_s: float,
    offload: Offload,
    may_ask_counter: Callable[[], Awaitable[bool]],
) -> AsyncIterator[tuple[Meter, MeterKeys | None]]:
    """Connect and associate under whichever keys the meter has; release on leaving.

    A counter that the meter says it has seen is asked for once, if `may_ask_counter` allows it.
    Raises `WrongKeyError` when no key fits, `LineError` when nobody answers.
    """
    calling = _Calling(known, store, system_title, timeout_s, offload)
    if known.authentication != "gmac":
        meter, keys = await calling.unproven(), None
    else:
        meter, keys = await calling.proven(may_ask_counter)
    try:
        yield meter, keys
    finally:
        await meter.close()


class _Calling:
    """One call of one meter."""

    def __init__(
        self,
        known: Known,
        store: KeyStore,
        system_title: bytes,
        timeout_s: float,
        offload: Offload,
    ) -> None:
        self._known = known
        self._store = store
        self._system_title = system_title
        self._timeout_s = timeout_s
        self._offload = offload

    async def unproven(self) -> Meter:
        """An association in which the meter proves nothing."""
        security: NoSecurity | Password = NoSecurity()
        if self._known.authentication == "password":
            secret = await self._offload(self._store.get, self._known.key_id, "password")
            security = Password(secret)
        return await self._open(self._known.client, security)

    async def proven(self, may_ask: Callable[[], Awaitable[bool]]) -> tuple[Meter, MeterKeys]:
        """An association under the first keys that fit."""
        stages = await self._offload(stages_to_try, self._store, self._known.key_id)
        refusal: Exception | None = None
        for stage in stages:
            keys = await self._offload(MeterKeys, self._store, self._known.key_id, stage)
            try:
                return await self._under(keys), keys
            except (RefusedError, SecurityError) as error:
                refusal = error
            if _is_counter(refusal) and await may_ask():
                await self._ask_counter(keys)
                return await self._under(keys), keys
        text = f"no key known for {self._known.external_id} fits: {refusal}"
        raise WrongKeyError(text, where="registration") from refusal

    async def _under(self, keys: MeterKeys) -> Meter:
        known = self._known
        security = await self._offload(
            keys.security, self._system_title, known.client, known.system_title
        )
        return await self._open(known.client, security)

    async def _open(self, client: int, security: HighGMAC | NoSecurity | Password) -> Meter:
        meter: Meter = await connect(
            parse_url(self._known.address),
            client=client,
            server=self._known.server,
            security=security,
            timeout_s=self._timeout_s,
            device=self._known.external_id,
        )
        return meter

    async def _ask_counter(self, keys: MeterKeys) -> None:
        security = HighGMAC(*await self._offload(keys.keys, keys.stage))
        public = await self._open(_PUBLIC_CLIENT, NoSecurity())
        try:
            learnt = await learn_counter(public, security, None)
        finally:
            await public.close()
        await self._offload(believe_counter, keys, learnt.invocation_counter or 0)


def believe_counter(keys: MeterKeys, counter: int) -> None:
    """Leave out the counters below one that a meter named; `SecurityError` when they are many."""
    kind = f"{keys.stage}encryption_key"
    keys.store.raise_next(keys.key_id, SEND, counter, kind=kind, most=MOST_SKIPPED)


def _is_counter(error: Exception | None) -> bool:
    reason = getattr(error, "reason", None)
    return bool(reason == ExceptionServiceError.INVOCATION_COUNTER_ERROR)
