"""Security set-up, versions 0 and 1: policies, keys and certificates that clients may replace.

What is changed holds from the next request on; the answer still goes under the old keys. All of a
transfer succeeds, or none of it [facts-g §7]. A policy may only be made stricter, and an encryption
key that was in use never comes back, since its counters begin anew [memory].
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import PrivateKey
from ferraris.crypto.wrap import unwrap
from ferraris.data import axdr
from ferraris.data.kinds import array, enum, octet_string, structure
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.messaging.dlms.security.agreement import (
    Purpose,
    agree_ephemeral_unified,
    curve_of,
    open_key_data,
    signed_key_data,
)
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.control import SIGNED
from ferraris.messaging.dlms.security.policy import Policy
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.certificates import Certificates
from ferraris.model import access_control
from ferraris.model.access_control import KeyIdentifier
from ferraris.server.device import ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["SecuritySetup", "SecuritySetupV1"]

_MOST_KEYS = 4
_INITIAL = 0x30
_ACTIVATE, _TRANSFER, _AGREE, _GENERATE, _REQUEST, _IMPORT, _EXPORT, _REMOVE = range(1, 9)


class SecuritySetup(Behaviour):
    """Version 0: activate and transfer keys."""

    declares = access_control.SecuritySetup

    def __init__(self, name: str, suite: int = 0, client_title: bytes = b"") -> None:
        super().__init__(name, {3: enum(suite), 4: octet_string(client_title)})
        self._client_title = client_title

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2, the policy, and 5, the meter's own system title."""
        if attribute == 2:
            return axdr.encode(enum(self._coded(self._policy(meter))))
        return axdr.encode(octet_string(meter.system_title))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Every method of the class; what the peer does wrong is refused with other-reason."""
        try:
            return self._carry_out(meter, method, None if data is None else axdr.decode(data), now)
        except DecodeError as error:
            raise ActionRefused(ActionResult.TYPE_UNMATCHED, str(error)) from error
        except (SecurityError, UsageError) as error:
            raise ActionRefused(ActionResult.OTHER_REASON, str(error)) from error

    def _carry_out(self, meter: SimulatedMeter, method: int, data: Any, now: int) -> bytes | None:
        if method == _ACTIVATE:
            self._activate(meter, _number(data))
        elif method == _TRANSFER:
            self._transfer(meter, _pairs(data))
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        return None

    def _policy(self, meter: SimulatedMeter) -> Policy:
        changed = meter.state.security
        policy = None if changed is None else changed.policy
        return policy or Policy(_INITIAL, _INITIAL)

    def _coded(self, policy: Policy) -> int:
        return policy.version_0

    def _decoded(self, value: int) -> Policy:
        return Policy.of_version_0(value)

    def _activate(self, meter: SimulatedMeter, value: int) -> None:
        wanted = self._decoded(value)
        if not wanted.covers(self._policy(meter)):
            raise SecurityError("a policy is only ever made stricter")
        if (wanted.request | wanted.response) & SIGNED and not meter.pairs.can_sign:
            raise SecurityError("nothing can be signed without certificates of both ends")
        state = meter.change().secure()
        state.policy = wanted
        state.serial += 1

    def _transfer(self, meter: SimulatedMeter, wrapped: list[tuple[int, bytes]]) -> None:
        master = meter.pairs.master_key
        if master is None:
            raise SecurityError("there is no master key")
        replace_keys(meter, {key_id: unwrap(master, octets) for key_id, octets in wrapped})


class SecuritySetupV1(SecuritySetup):
    """Version 1: policies for each direction, key agreement and certificates as well."""

    declares = access_control.SecuritySetupV1

    def __init__(self, name: str, suite: int, client_title: bytes) -> None:
        super().__init__(name, suite, client_title)
        self._certificates = Certificates(client_title)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """As in version 0, and attribute 6, the certificates."""
        if attribute == 6:
            return axdr.encode(self._certificates.listed(meter))
        return super().value(meter, attribute, now)

    def _coded(self, policy: Policy) -> int:
        return policy.version_1

    def _decoded(self, value: int) -> Policy:
        return Policy.of_version_1(value)

    def _carry_out(self, meter: SimulatedMeter, method: int, data: Any, now: int) -> bytes | None:
        certificates = self._certificates
        if method == _AGREE:
            return axdr.encode(self._agree(meter, _pairs(data)))
        if method == _GENERATE:
            certificates.generate(meter, _number(data))
        elif method == _REQUEST:
            return axdr.encode(octet_string(certificates.request(meter, _number(data))))
        elif method == _IMPORT:
            certificates.take(meter, _octets(data), now)
        elif method == _EXPORT:
            return axdr.encode(octet_string(certificates.find(meter, data).der))
        elif method == _REMOVE:
            certificates.remove(meter, data)
        else:
            return super()._carry_out(meter, method, data, now)
        return None

    def _agree(self, meter: SimulatedMeter, offered: list[tuple[int, bytes]]) -> Any:
        """C(2e,0s): the client is the initiator [facts-g §4]."""
        pairs, suite = meter.pairs, int(meter.keys.suite)
        if pairs.signing is None or not pairs.peer_signing:
            raise SecurityError("keys are agreed on by certificates of both ends")
        agreed: dict[int, bytes] = {}
        answers = []
        for key_id, key_data in offered:
            peer = open_key_data(key_id, key_data, curve_of(suite), pairs.peer_signing)
            own = PrivateKey.generate(curve_of(suite), meter.entropy)
            agreed[key_id] = agree_ephemeral_unified(
                suite,
                own,
                peer,
                initiator_title=self._client_title,
                responder_title=meter.system_title,
                purpose=Purpose.WRAPPING if key_id == KeyIdentifier.MASTER else Purpose.CIPHERING,
            )
            key_data = signed_key_data(key_id, own.public_key, pairs.signing)
            answers.append(structure(enum(key_id), octet_string(key_data)))
        replace_keys(meter, agreed, count=len(offered))
        return array(*answers)


def replace_keys(meter: SimulatedMeter, new: dict[int, bytes], count: int | None = None) -> None:
    """Put new keys in the place of old ones, all or none; `SecurityError` when one is unfit."""
    old, pairs = meter.keys, meter.pairs
    if not new or (count is not None and count != len(new)):
        raise SecurityError("each key is named once")
    if any(len(key) != old.suite.key_octets for key in new.values()):
        raise SecurityError("a key is of another suite")
    unicast = new.get(KeyIdentifier.GLOBAL_UNICAST_ENCRYPTION, old.encryption_key)
    authentication = new.get(KeyIdentifier.AUTHENTICATION, old.authentication_key)
    is_new = unicast != old.encryption_key
    used = set() if meter.state.security is None else meter.state.security.used_keys
    if is_new and _fingerprint(unicast) in used:
        raise SecurityError("this encryption key was in use: its counters would come twice")
    state = meter.change()
    security = state.secure()
    security.keys = CipherKeys(old.suite, unicast, authentication)
    security.broadcast_key = new.get(
        KeyIdentifier.GLOBAL_BROADCAST_ENCRYPTION, security.broadcast_key
    )
    master = new.get(KeyIdentifier.MASTER)
    if master is not None:
        security.pairs = pairs.with_master(master)
    if is_new:
        security.used_keys |= {_fingerprint(old.encryption_key), _fingerprint(unicast)}
        security.transaction_offset += state.next_counter
        state.next_counter = 0
        state.floors = {}
    security.serial += 1


def _fingerprint(key: bytes) -> bytes:
    return blake2b(key, digest_size=16, person=b"used key").digest()


def _pairs(data: Any) -> list[tuple[int, bytes]]:
    """Key identifiers and octets of an array; `DecodeError` for any other form."""
    found = access_control.SecuritySetup.key_transfer.type.load(data)
    named = [(int(each.key_id), bytes(each.wrapped_key)) for each in found]
    if not 0 < len(named) <= _MOST_KEYS or len({key_id for key_id, _ in named}) != len(named):
        raise SecurityError("one to four keys, each named once")
    if any(key_id not in tuple(KeyIdentifier) for key_id, _ in named):
        raise SecurityError("there is no such key")
    return named


def _number(data: Any) -> int:
    _, value = data if data is not None else (0, None)
    if not isinstance(value, int):
        raise DecodeError("a number was expected", where="security set-up")
    return value


def _octets(data: Any) -> bytes:
    _, value = data if data is not None else (0, None)
    if not isinstance(value, bytes):
        raise DecodeError("an octet-string was expected", where="security set-up")
    return value
