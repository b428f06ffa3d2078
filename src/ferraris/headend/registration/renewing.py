"""New keys for a meter in an open association: sent wrapped, taken, proved - or found out later.

What is on its way is on the disk before it leaves, and the old keys are kept until an answer
verified under the new ones: whatever dies in between, the next association finds out which keys
the meter has (`MeterKeys.settle`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ferraris.client import Meter
from ferraris.client.refusals import UnprovenRefusalError
from ferraris.core.errors import Error, RefusedError, SecurityError, UsageError
from ferraris.data.kinds import array, enum, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.headend.registration.meter_keys import CURRENT, NEXT, MeterKeys
from ferraris.keys.renewal import KeyTransfer
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.model.access_control import AssociationLnV1, SecuritySetup

__all__ = ["Offload", "UnfitError", "renew_keys"]


class UnfitError(UsageError):
    """The inventory or the key store lacks what a registration needs; a human has to add it."""


Offload = Callable[..., Awaitable[Any]]
"""Runs a function away from the event loop."""

_OWN_ASSOCIATION = "0-0:40.0.0*255"
_USUAL_SETUP = Obis.of(0, 0, 43, 0, 0, 255)
_PROOF = AttributeDescriptor(1, Obis.of(0, 0, 42, 0, 0, 255), 2)  # read to prove which keys hold
_WHERE = "keys"


async def renew_keys(
    meter: Meter, keys: MeterKeys, *, offload: Offload = asyncio.to_thread
) -> list[str]:
    """Give the meter fresh operational keys and prove that it uses them; returns their kinds.

    The keys of the association must be settled. Raises `RefusedError` when the meter says no, and
    keeps its keys; `LineError` or `SecurityError` when nobody knows what became of them: the old
    and the new ones are kept then. `UnfitError` when no key can travel to it.
    """
    if meter.channel is None:
        raise UnfitError("keys are renewed in a ciphered association", where=_WHERE)
    if not await offload(keys.has_master):
        raise UnfitError(f"no master key of {keys.key_id} to wrap its new keys", where=_WHERE)
    kinds: list[str] = await offload(keys.to_renew)
    setup = await _security_setup(meter)
    await offload(keys.renewals.prepare, keys.key_id, kinds)
    transfers = await offload(keys.renewals.send, keys.key_id, kinds)
    try:
        await _send(meter, setup, transfers)
    except RefusedError as error:
        if not error.outcome_unknown and _is_proven(error):
            await offload(keys.renewals.refused, keys.key_id, kinds)
        raise
    await offload(keys.renewals.accepted, keys.key_id, kinds)
    await _prove(meter, keys, offload)
    await offload(keys.renewals.proved, keys.key_id, kinds)
    keys.under(CURRENT)
    return kinds


async def _security_setup(meter: Meter) -> Obis:
    """The security set-up of this association, as the meter names it."""
    try:
        found = await meter.get(AssociationLnV1.security_setup_reference, _OWN_ASSOCIATION)
    except RefusedError:
        return _USUAL_SETUP
    return Obis(found)


async def _send(meter: Meter, setup: Obis, transfers: Sequence[KeyTransfer]) -> None:
    data = array(
        *(structure(enum(each.key_id), octet_string(each.wrapped)) for each in transfers)
    )  # fmt: skip
    await meter.act_data(SecuritySetup.class_id, setup, SecuritySetup.key_transfer.index, data)


async def _prove(meter: Meter, keys: MeterKeys, offload: Offload) -> None:
    """Go on under the new keys, and ask something."""
    assert meter.parameters.keys is not None
    suite = int(meter.parameters.keys.suite)
    fresh = await offload(keys.cipher_keys, NEXT, suite)
    lease = await offload(keys.lease_for, NEXT)
    keys.under(NEXT)
    meter.renew_keys(fresh, lease)
    try:
        await meter.get_raw(_PROOF)
    except RefusedError as error:
        if not _is_proven(error):
            raise SecurityError(
                "the meter took new keys and does not answer under them; both are kept",
                where=_WHERE,
            ) from error


def _is_proven(error: Error) -> bool:
    """Whether a no came under the keys of the association, so that the meter itself said it."""
    return not isinstance(error, UnprovenRefusalError)
