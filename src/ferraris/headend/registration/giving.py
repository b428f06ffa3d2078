"""The first keys of a meter that came with a password or a secret: sent by that way, under its
master key, so that nobody else on the line can read them or put others in their place.

Whether it took them is told by the association that opens under them. Until then the same keys are
sent again: there are no older ones that could be lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ferraris.client import Meter
from ferraris.core.errors import RefusedError
from ferraris.data.obis import Obis
from ferraris.headend.registration.meter_keys import ON_ITS_WAY, MeterKeys
from ferraris.headend.registration.recognition import Known
from ferraris.headend.registration.renewing import Offload, UnfitError, send_keys
from ferraris.keys.renewal import KeyTransfer
from ferraris.keys.states import State
from ferraris.messaging.dlms.security.suites import SecuritySuite
from ferraris.model.access_control import SecuritySetup

__all__ = ["first_way", "give_keys"]

_KINDS = ("encryption_key", "authentication_key")
_USUAL_SETUP = Obis.of(0, 0, 43, 0, 0, 255)


def first_way(known: Known) -> Known:
    """A meter as it is spoken with before it has keys."""
    way, client = known.first_authentication, known.first_client or 0
    return replace(known, authentication=way, client=client, ciphering="none", suite=0)


async def give_keys(
    meter: Meter, keys: MeterKeys, suite: int, *, offload: Offload = asyncio.to_thread
) -> None:
    """Send first keys in an association without any; they are the next ones, not yet proved.

    Raises `RefusedError` when the meter says no, `UnfitError` without a master key to wrap them,
    `LineError` when nobody knows what became of them.
    """
    if not await offload(keys.has_master):
        raise UnfitError(f"no master key of {keys.key_id} to wrap its first keys", where="keys")
    setup = await _setup(meter)
    transfers = await offload(_prepared, keys, suite)
    try:
        await send_keys(meter, setup, transfers)
    except RefusedError as error:
        if not error.outcome_unknown:
            await offload(keys.renewals.refused, keys.key_id, _KINDS)
        raise
    await offload(keys.renewals.accepted, keys.key_id, _KINDS)


def _prepared(keys: MeterKeys, suite: int) -> list[KeyTransfer]:
    """Keys on their way: those that the meter may have already, if there are such."""
    renewals, key_id = keys.renewals, keys.key_id
    states = {renewals.state(key_id, kind) for kind in _KINDS}
    if states & set(ON_ITS_WAY):
        renewals.not_followed(key_id, _KINDS)
    elif states == {State.SETTLED}:
        renewals.prepare(key_id, _KINDS, SecuritySuite(suite).key_octets)
    return renewals.send(key_id, _KINDS)


async def _setup(meter: Meter) -> Obis:
    """The security set-up of the meter: the first one that this client sees."""
    for element in await meter.object_list():
        if element.class_id == SecuritySetup.class_id:
            return Obis(element.logical_name)
    return _USUAL_SETUP
