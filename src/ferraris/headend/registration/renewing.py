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
from ferraris.client.key_procedures import agree_keys
from ferraris.client.refusals import UnprovenRefusalError
from ferraris.core.errors import Error, LineError, RefusedError, SecurityError, UsageError
from ferraris.data.kinds import array, enum, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.data.readings import Outcome
from ferraris.headend.registration.meter_keys import CURRENT, NEXT, MeterKeys
from ferraris.keys.renewal import KeyTransfer
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.model.access_control import (
    AssociationLnV1,
    KeyIdentifier,
    SecuritySetup,
    SecuritySetupV1,
)

__all__ = ["Offload", "UnfitError", "renew_keys", "send_keys"]


class UnfitError(UsageError):
    """The inventory or the key store lacks what a registration needs; a human has to add it."""


Offload = Callable[..., Awaitable[Any]]
"""Runs a function away from the event loop."""

_OWN_ASSOCIATION = "0-0:40.0.0*255"
_USUAL_SETUP = Obis.of(0, 0, 43, 0, 0, 255)
_PROOF = AttributeDescriptor(1, Obis.of(0, 0, 42, 0, 0, 255), 2)  # read to prove which keys hold
_WHERE = "keys"
_MASTER = "master_key"


async def renew_keys(
    meter: Meter, keys: MeterKeys, *, agree: bool = True, offload: Offload = asyncio.to_thread
) -> list[str]:
    """Give the meter fresh operational keys and prove that it uses them; returns their kinds.

    They travel under its master key. Where the meter offers an agreement (suites 1 and 2) and
    `agree` allows it, a new master key is agreed on first: then nobody who knows the old one, as
    its maker does, can read them.

    The keys of the association must be settled. Raises `RefusedError` when the meter says no, and
    keeps its keys; `LineError` or `SecurityError` when nobody knows what became of them: the old
    and the new ones are kept then. `UnfitError` when no key can travel to it.
    """
    if meter.channel is None:
        raise UnfitError("keys are renewed in a ciphered association", where=_WHERE)
    setup = await _security_setup(meter)
    agreed = agree and await _agreed(meter, keys, setup, offload)
    if not await offload(keys.has_master):
        raise UnfitError(f"no master key of {keys.key_id} to wrap its new keys", where=_WHERE)
    kinds: list[str] = await offload(keys.to_renew)
    await offload(keys.renewals.prepare, keys.key_id, kinds)
    transfers = await offload(keys.renewals.send, keys.key_id, kinds)
    try:
        await send_keys(meter, setup, transfers)
    except RefusedError as error:
        if not error.outcome_unknown and _is_proven(error):
            await offload(keys.renewals.refused, keys.key_id, kinds)
        raise
    await offload(keys.renewals.accepted, keys.key_id, kinds)
    await _prove(meter, keys, offload)
    await offload(keys.renewals.proved, keys.key_id, kinds)
    keys.under(CURRENT)
    return ["master_key", *kinds] if agreed else kinds


async def _agreed(meter: Meter, keys: MeterKeys, setup: Obis, offload: Offload) -> bool:
    """Agree on a master key where the meter offers that; whether there is a new one.

    Nothing is protected by it yet, so an answer that is lost costs nothing but another question.
    A meter that says no keeps the one that it has.
    """
    if not await _offers_agreement(meter, setup) or not await offload(keys.may_agree):
        return False
    if not await offload(keys.ask_master):
        return False
    change = await agree_keys(meter, (KeyIdentifier.MASTER,), name=str(setup))
    if change.outcome is Outcome.REFUSED:
        await offload(keys.renewals.refused, keys.key_id, [_MASTER])
        return False
    if change.outcome is not Outcome.DONE:
        raise LineError(f"agreeing on a master key: {change.operation.reason}", where=_WHERE)
    await offload(keys.renewals.agreed, keys.key_id, _MASTER, change.keys[KeyIdentifier.MASTER])
    return True


async def _offers_agreement(meter: Meter, setup: Obis) -> bool:
    """Whether both ends can sign, and the security set-up has the method and lets us use it."""
    parameters = meter.parameters
    if parameters.keys is None or not int(parameters.keys.suite):
        return False
    # In envelopes of wrapped keys the master key protects this very association.
    if not parameters.pairs.can_sign or parameters.pairs.master_key is not None:
        return False
    method = SecuritySetupV1.key_agreement.index
    for element in await meter.object_list():
        if element.class_id == SecuritySetup.class_id and element.logical_name == setup:
            modes = {each.method_id: each.mode for each in element.access_rights.methods}
            return element.version >= SecuritySetupV1.version and bool(modes.get(method))
    return False


async def _security_setup(meter: Meter) -> Obis:
    """The security set-up of this association, as the meter names it."""
    try:
        found = await meter.get(AssociationLnV1.security_setup_reference, _OWN_ASSOCIATION)
    except RefusedError:
        return _USUAL_SETUP
    return Obis(found)


async def send_keys(meter: Meter, setup: Obis, transfers: Sequence[KeyTransfer]) -> None:
    """Invoke `key_transfer` of a security set-up with wrapped keys."""
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
