"""Agreeing on keys in suites 1 and 2: three schemes, one derivation [facts-g §4].

* C(2e,0s): both sides send a signed ephemeral key; the security set-up's `key_agreement`.
* C(1e,1s): the originator of one message sends a signed ephemeral key in it.
* C(0e,2s): two static keys; what changes from message to message is the transaction-id.

U is the originator or initiator, V the recipient. Every layout stands in a function of its own, so
that a finding against one of them is mended in one place.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import AgreementKey, Curve, SigningKey, verify
from ferraris.crypto.derivation import derive
from ferraris.messaging.dlms.reading import octet_string
from ferraris.messaging.dlms.security.cipher_keys import check_system_title
from ferraris.messaging.dlms.security.suites import SecuritySuite

__all__ = [
    "Purpose",
    "agree_ephemeral_unified",
    "agree_one_pass",
    "agree_static_unified",
    "curve_of",
    "open_ephemeral",
    "open_key_data",
    "signed_ephemeral",
    "signed_key_data",
]

_WHERE = "key agreement"
_ARC = bytes.fromhex("608574050803")  # joint-iso-ccitt country ... cryptographic-algorithms


class Purpose(IntEnum):
    """What an agreed key is for; the last arc of its algorithm, for keys of 16 octets."""

    CIPHERING = 0
    WRAPPING = 2


def curve_of(suite: int) -> Curve:
    """The curve of a suite; `UsageError` for suite 0, which has none."""
    if suite == SecuritySuite.ECDH_ECDSA_AES_GCM_128_SHA_256:
        return Curve.P256
    if suite == SecuritySuite.ECDH_ECDSA_AES_GCM_256_SHA_384:
        return Curve.P384
    raise UsageError(f"suite {int(suite)} neither signs nor agrees on keys")


def agree_ephemeral_unified(
    suite: int,
    ephemeral: AgreementKey,
    peer_ephemeral: bytes,
    *,
    initiator_title: bytes,
    responder_title: bytes,
    purpose: Purpose = Purpose.CIPHERING,
) -> bytes:
    """C(2e,0s): the key of both ephemeral keys, 16 or 32 octets; the client is the initiator."""
    secret = ephemeral.agree(peer_ephemeral)
    return _derive(suite, secret, _algorithm(suite, purpose), initiator_title, responder_title)


def agree_one_pass(
    suite: int,
    own: AgreementKey,
    peer: bytes,
    *,
    originator_title: bytes,
    recipient_title: bytes,
) -> bytes:
    """C(1e,1s): the key of one message.

    The originator gives its ephemeral key and the recipient's static one, the recipient the other
    two halves.
    """
    algorithm = _algorithm(suite, Purpose.CIPHERING)
    return _derive(suite, own.agree(peer), algorithm, originator_title, recipient_title)


def agree_static_unified(
    suite: int,
    own: AgreementKey,
    peer: bytes,
    *,
    originator_title: bytes,
    recipient_title: bytes,
    transaction_id: bytes,
    arc: bytes = _ARC,
) -> bytes:
    """C(0e,2s): the key of one transaction, whose identifier enters with its length octet.

    The same identifier gives the same key: whoever originates never uses one twice. `arc` is that
    of the algorithm, which one deployment spells otherwise.
    """
    party_u = check_system_title(originator_title) + octet_string(transaction_id)
    secret = own.agree(peer)
    algorithm = _algorithm(suite, Purpose.CIPHERING, arc)
    return _derive(suite, secret, algorithm, party_u, recipient_title)


def signed_key_data(key_id: int, ephemeral_public: bytes, signing: SigningKey) -> bytes:
    """C(2e,0s): public key and signature, which also covers the key's identifier."""
    return ephemeral_public + signing.sign(bytes((key_id,)) + ephemeral_public)


def open_key_data(key_id: int, key_data: bytes, curve: Curve, signer: bytes) -> bytes:
    """The ephemeral public key in `key_data` of C(2e,0s), its signature by `signer` checked."""
    public_key, signature = _halves(key_data, curve)
    _verify(signer, signature, bytes((key_id,)) + public_key)
    return public_key


def signed_ephemeral(ephemeral_public: bytes, signing: SigningKey) -> bytes:
    """C(1e,1s): public key and its signature, without any identifier."""
    return ephemeral_public + signing.sign(ephemeral_public)


def open_ephemeral(key_ciphered_data: bytes, curve: Curve, signer: bytes) -> bytes:
    """The ephemeral public key of C(1e,1s), its signature by `signer` checked."""
    public_key, signature = _halves(key_ciphered_data, curve)
    _verify(signer, signature, public_key)
    return public_key


def _halves(octets: bytes, curve: Curve) -> tuple[bytes, bytes]:
    size = 2 * curve.octets
    if len(octets) != 2 * size:
        message = f"an ephemeral key and its signature have {2 * size} octets, not {len(octets)}"
        raise DecodeError(message, where=_WHERE, octets=octets[:8])
    return octets[:size], octets[size:]


def _verify(signer: bytes, signature: bytes, octets: bytes) -> None:
    try:
        verify(signer, signature, octets)
    except SecurityError:
        message = (
            "the signature of the ephemeral key does not verify: other certificate, or altered"
        )
        raise SecurityError(message, where=_WHERE) from None


@cache
def _algorithm(suite: int, purpose: Purpose, arc: bytes = _ARC) -> bytes:
    """AES-GCM-128, AES-GCM-256, AES-128 wrap or AES-256 wrap, by number from 0 [facts-g §4]."""
    long = suite == SecuritySuite.ECDH_ECDSA_AES_GCM_256_SHA_384
    return arc + bytes((purpose + long,))


def _derive(suite: int, secret: bytes, algorithm: bytes, party_u: bytes, party_v: bytes) -> bytes:
    curve, octets = _lengths(suite)
    return derive(curve, secret, algorithm + party_u + check_system_title(party_v), octets)


@cache
def _lengths(suite: int) -> tuple[Curve, int]:
    """The curve of a suite and the length of its cipher keys."""
    return curve_of(suite), SecuritySuite(suite).key_octets
