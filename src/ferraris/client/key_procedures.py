"""Giving a meter new keys: transfer and agreement, and the proof that it uses them.

Whether a meter took new keys is told by its answers alone: the first one that opens under the new
keys proves that it did, one under the old keys that it did not. Without either the outcome is
unknown, and both sets of keys are to be kept [facts-g §7].
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ferraris.client.refusals import UnprovenRefusalError
from ferraris.core.errors import (
    DecodeError,
    Error,
    LineError,
    RefusedError,
    SecurityError,
    UsageError,
)
from ferraris.crypto.curves import PrivateKey
from ferraris.crypto.wrap import wrap
from ferraris.data.kinds import array, enum, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.data.readings import Operation, Outcome
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.security.agreement import (
    Purpose,
    agree_ephemeral_unified,
    curve_of,
    open_key_data,
    signed_key_data,
)
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT, CounterLease
from ferraris.messaging.dlms.security.forms import KeyPairs
from ferraris.model.access_control import KeyIdentifier, SecuritySetup, SecuritySetupV1

if TYPE_CHECKING:
    from ferraris.client.meter import Meter
    from ferraris.messaging.dlms.association.parameters import ClientParameters

__all__ = ["KeyChange", "agree_keys", "transfer_keys"]

_WHERE = "client"
_UNICAST = KeyIdentifier.GLOBAL_UNICAST_ENCRYPTION
_AUTHENTICATION = KeyIdentifier.AUTHENTICATION
_LEASED_AT_ONCE = 1 << 20
_PROOF = AttributeDescriptor(1, Obis.of(0, 0, 42, 0, 0, 255), 2)  # read to prove which keys hold

Send = Callable[[], Awaitable[Mapping[int, bytes]]]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What became of new keys.

    Attributes:
        operation: what was done; its outcome is done (proved), refused or failed (the meter goes on
            under the old keys, proved too), or unknown (keep both).
        keys: the new keys by identifier, as far as they are known.
    """

    operation: Operation
    keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self.operation.outcome


async def transfer_keys(
    meter: Meter,
    keys: Mapping[int, bytes],
    *,
    master_key: bytes | None = None,
    name: str = "0-0:43.0.0*255",
    lease: CounterLease | None = None,
) -> KeyChange:
    """Send new keys wrapped under the master key, all in one request, and prove them.

    Args:
        meter: an open, ciphered association.
        keys: new keys by `KeyIdentifier`, 16 octets each, 32 in suite 2.
        master_key: the present one; by default that of the security's `pairs`.
        name: the security set-up of this association.
        lease: counters for a new unicast key; by default from 1.
    """
    parameters, _ = _protected(meter)
    master = master_key or parameters.pairs.master_key
    if master is None:
        raise UsageError("keys travel under the master key, which is not known", where=_WHERE)
    assert parameters.keys is not None
    for key_id, key in keys.items():
        if key_id not in tuple(KeyIdentifier) or len(key) != parameters.keys.suite.key_octets:
            raise UsageError("a key has 16 octets, 32 in suite 2, and an identifier of 0 to 3")
    wrapped = [(key_id, wrap(master, key)) for key_id, key in keys.items()]
    data = array(*(structure(enum(key_id), octet_string(each)) for key_id, each in wrapped))

    async def send() -> Mapping[int, bytes]:
        await meter.act_data(64, name, SecuritySetup.key_transfer.index, data)
        return keys

    wish = _Wish(meter.device, "transfer keys", list(keys))
    return await _change(meter, wish, send, dict(keys), lease)


async def agree_keys(
    meter: Meter,
    key_ids: Sequence[int] = (_UNICAST,),
    *,
    name: str = "0-0:43.0.0*255",
    lease: CounterLease | None = None,
) -> KeyChange:
    """Agree on new keys by C(2e,0s), in suites 1 and 2, and prove them.

    Both ends sign a fresh key each, so nothing known beforehand tells the new ones. Raises
    `SecurityError` when the meter's signature does not verify: nothing is changed on our side then.
    """
    parameters, _ = _protected(meter)
    pairs, keys, entropy = parameters.pairs, parameters.keys, parameters.entropy
    if pairs.signing is None or not pairs.peer_signing or entropy is None:
        raise UsageError("agreeing on keys needs a signing key and the meter's certificate")
    assert keys is not None
    suite, signing = int(keys.suite), pairs.signing
    own = {key_id: PrivateKey.generate(curve_of(suite), entropy) for key_id in key_ids}
    data = array(
        *(
            structure(enum(key_id), octet_string(signed_key_data(key_id, each.public_key, signing)))
            for key_id, each in own.items()
        )
    )

    async def send() -> Mapping[int, bytes]:
        answer = await meter.act_data(64, name, SecuritySetupV1.key_agreement.index, data)
        if answer is None:
            raise DecodeError("the meter answered without its keys", where=_WHERE)
        answered = SecuritySetup.key_transfer.type.load(answer)
        if [int(each.key_id) for each in answered] != list(own):
            raise SecurityError("the meter answered for other keys than were asked", where=_WHERE)
        return {
            int(each.key_id): agree_ephemeral_unified(
                suite,
                own[int(each.key_id)],
                open_key_data(
                    int(each.key_id), each.wrapped_key, curve_of(suite), pairs.peer_signing
                ),
                initiator_title=parameters.system_title,
                responder_title=meter.system_title,
                purpose=Purpose.WRAPPING
                if each.key_id == KeyIdentifier.MASTER
                else Purpose.CIPHERING,
            )
            for each in answered
        }

    wish = _Wish(meter.device, "agree on keys", list(key_ids))
    return await _change(meter, wish, send, {}, lease)


async def _change(
    meter: Meter, wish: _Wish, send: Send, known: Mapping[int, bytes], lease: CounterLease | None
) -> KeyChange:
    """Ask, then find out under which keys the meter goes on."""
    new, reason, is_answered = known, "", False
    try:
        new, is_answered = await send(), True
    except RefusedError as error:
        if not isinstance(error, UnprovenRefusalError) and not error.outcome_unknown:
            return wish.ended(Outcome.REFUSED, str(error), {})
        reason = str(error)
    except LineError as error:
        reason = str(error)
    parameters, _ = _protected(meter)
    old = parameters.keys
    assert old is not None
    changed = CipherKeys(
        old.suite,
        new.get(_UNICAST, old.encryption_key),
        new.get(_AUTHENTICATION, old.authentication_key),
    )
    master = new.get(KeyIdentifier.MASTER)
    pairs = parameters.pairs if master is None else parameters.pairs.with_master(master)
    is_new = changed.encryption_key != old.encryption_key
    if not is_new and changed.authentication_key == old.authentication_key and new:
        # A master or broadcast key protects no answer: only the meter's own word tells.
        outcome = Outcome.DONE if is_answered else Outcome.UNKNOWN
        if is_answered:
            parameters.pairs = pairs
            meter.renew_keys(changed)
        change = wish.ended(outcome, reason or "the meter took them", new)
    else:
        if is_new:
            lease = lease or CounterLease(1, min(1 + _LEASED_AT_ONCE, COUNTER_LIMIT))
        under = (changed, pairs, lease if is_new else None)
        outcome = await _proved(meter, under if new else None)
        words = _WORDS[outcome]
        kept = {} if outcome is Outcome.FAILED else new
        change = wish.ended(outcome, f"{words}: {reason}" if reason else words, kept)
    return change


async def _proved(
    meter: Meter, under: tuple[CipherKeys, KeyPairs, CounterLease | None] | None
) -> Outcome:
    """Done when the meter answers under the new keys, failed when it does under the old ones."""
    parameters, channel = _protected(meter)
    if under is not None:
        old, pairs, before = parameters.keys, parameters.pairs, parameters.lease
        assert old is not None
        floor = channel.floor
        keys, parameters.pairs, lease = under
        meter.renew_keys(keys, lease)
        if await _answers(meter):
            return Outcome.DONE
        parameters.pairs = pairs
        meter.renew_keys(old, before if lease is not None else None)
        channel.floor = floor
    return Outcome.FAILED if await _answers(meter) else Outcome.UNKNOWN


class _Wish(NamedTuple):
    """What was asked for, for the account of it."""

    device: str
    what: str
    key_ids: Sequence[int]

    def ended(self, outcome: Outcome, reason: str, keys: Mapping[int, bytes]) -> KeyChange:
        arguments = (("keys", tuple(int(key_id) for key_id in self.key_ids)),)
        return KeyChange(Operation(self.device, self.what, arguments, outcome, reason), keys)


_WORDS = {
    Outcome.DONE: "the meter answers under the new keys",
    Outcome.FAILED: "the meter goes on under the old keys",
    Outcome.UNKNOWN: "no answer proves which keys hold; keep the old ones and the new ones",
}


async def _answers(meter: Meter) -> bool:
    """Whether the meter says anything under the keys in use; a proven refusal is an answer too."""
    try:
        await meter.get_raw(_PROOF)
    except UnprovenRefusalError:
        return False
    except RefusedError:
        return True
    except Error:
        return False
    return True


def _protected(meter: Meter) -> tuple[ClientParameters, Channel]:
    channel = meter.channel
    if channel is None:
        raise UsageError("keys are changed in a ciphered association", where=_WHERE)
    return meter.parameters, channel
