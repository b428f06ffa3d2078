"""Calling a meter whose keys may be on their way: which of them it has, the association tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ferraris.client import HighGMAC, Meter, NoSecurity, Security, connect
from ferraris.client.connecting import learn_counter
from ferraris.core.errors import Error, RefusedError, SecurityError, UsageError
from ferraris.crypto.certificates import CertificateError
from ferraris.crypto.certificates import Reason as Fault
from ferraris.headend.collect.securing import Pairs, plain, uses_keys
from ferraris.headend.registration.giving import first_way, give_keys
from ferraris.headend.registration.identity import IdentityError
from ferraris.headend.registration.meter_keys import NEXT, MeterKeys, stages_to_try
from ferraris.headend.registration.recognition import Known, Reason
from ferraris.headend.registration.renewing import Offload, UnfitError
from ferraris.keys import SEND, KeyStore
from ferraris.line.url import parse_url
from ferraris.messaging.dlms.enumerations import ExceptionServiceError

__all__ = ["MOST_SKIPPED", "WrongKeyError", "believe_counter", "exposed", "opened"]

_PUBLIC_CLIENT = 16
_TIMELY = (Fault.EXPIRED, Fault.NOT_YET_VALID)  # nobody's lie: somebody has to renew it
MOST_SKIPPED = 1 << 20
"""Invocation counters that are left out on the unproven word of a meter."""


class WrongKeyError(SecurityError):
    """None of the keys that are known for a meter opens an association with what answers."""


@asynccontextmanager
async def opened(
    known: Known,
    store: KeyStore,
    pairs: Pairs,
    *,
    system_title: bytes,
    timeout_s: float,
    offload: Offload,
    may_ask_counter: Callable[[], Awaitable[bool]],
) -> AsyncIterator[tuple[Meter, MeterKeys | None]]:
    """Connect and associate under whichever keys the meter has; release on leaving.

    A meter that came without keys is given some by its first way. A counter that the meter says it
    has seen is asked for once, if `may_ask_counter` allows it. Raises `WrongKeyError` when no key
    fits, `CertificateError` for a certificate of it that does not hold, `UnfitError` for what is
    missing here, `LineError` when nobody answers.
    """
    calling = _Calling(known, store, pairs, offload, system_title=system_title, timeout_s=timeout_s)
    if not uses_keys(known):
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
        pairs: Pairs,
        offload: Offload,
        *,
        system_title: bytes,
        timeout_s: float,
    ) -> None:
        self._known = known
        self._store = store
        self._pairs = pairs
        self._offload = offload
        self._system_title = system_title
        self._timeout_s = timeout_s

    async def unproven(self) -> Meter:
        """An association without keys: the meter proves a secret, or nothing."""
        return await self._without_keys(self._known)

    async def proven(self, may_ask: Callable[[], Awaitable[bool]]) -> tuple[Meter, MeterKeys]:
        """An association under the first keys that fit."""
        known, refusal = self._known, None
        stages = await self._offload(stages_to_try, self._store, known.key_id)
        if not stages and not known.first_authentication:
            raise UnfitError(f"no keys of {known.external_id} are kept", where="registration")
        try:
            return await self._under_any(stages, may_ask)
        except (RefusedError, SecurityError) as error:
            if isinstance(error, CertificateError):
                raise
            refusal = error
        if known.first_authentication:
            await self._give_keys()
            try:
                keys = await self._offload(MeterKeys, self._store, known.key_id, NEXT)
                return await self._under(keys), keys
            except (RefusedError, SecurityError) as error:
                refusal = error
        text = f"no key known for {known.external_id} fits: {refusal}"
        raise WrongKeyError(text, where="registration") from refusal

    async def _under_any(
        self, stages: list[str], may_ask: Callable[[], Awaitable[bool]]
    ) -> tuple[Meter, MeterKeys]:
        refusal: Error = SecurityError("none is kept", where="registration")
        for stage in stages:
            keys = await self._offload(MeterKeys, self._store, self._known.key_id, stage)
            try:
                return await self._under(keys), keys
            except CertificateError:
                raise
            except (RefusedError, SecurityError) as error:
                refusal = error
            if _is_counter(refusal) and await may_ask():
                await self._ask_counter(keys)
                return await self._under(keys), keys
        raise refusal

    async def _under(self, keys: MeterKeys) -> Meter:
        known = self._known
        try:
            security = await self._offload(keys.security, known, self._pairs, self._system_title)
        except UsageError as error:
            raise UnfitError(error.message, where=error.where) from None
        return await self._open(known.client, security)

    async def _give_keys(self) -> None:
        """Keys by the way that the meter came with; only its master key opens them."""
        known = self._known
        keys = await self._offload(MeterKeys, self._store, known.key_id)
        meter = await self._without_keys(first_way(known))
        try:
            await give_keys(meter, keys, known.suite, offload=self._offload)
        finally:
            await meter.close()

    async def _without_keys(self, known: Known) -> Meter:
        def secured() -> Security:
            return plain(known, self._store, known.key_id, system_title=self._system_title)

        try:
            security = await self._offload(secured)
        except UsageError as error:
            raise UnfitError(error.message, where=error.where) from None
        return await self._open(known.client, security)

    async def _open(self, client: int, security: Security) -> Meter:
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


def exposed(error: Exception) -> Reason | None:
    """Whether an error tells that a meter is not what it says."""
    if isinstance(error, IdentityError):
        return Reason.OTHER_IDENTITY
    if isinstance(error, WrongKeyError):
        return Reason.WRONG_KEY
    if isinstance(error, CertificateError) and error.reason not in _TIMELY:
        return Reason.CERTIFICATE
    return None
