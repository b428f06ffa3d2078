"""The messages of Great Britain's smart metering (GBCS), which deviate from the standard's layouts.

A message is an APDU in a general-signing envelope, signed or with an empty signature, and most have
a message authentication code around that: general-ciphering with an empty header, control octet 11,
counter 0, the envelope and a tag. Its key is agreed by C(0e,2s) with an algorithm of another arc;
the vector is the envelope's originator and counter 0; the tag covers control octet, outer header
and envelope, as general-ciphering has it, but without an authentication key [gbcs-recomputed].
Anything else is refused, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import AgreementKey, SigningKey, verify
from ferraris.crypto.gcm import TAG_OCTETS, Gcm
from ferraris.messaging.dlms.general import (
    GeneralCiphering,
    GeneralSigning,
    decode_general_ciphering,
    decode_general_signing,
)
from ferraris.messaging.dlms.security.agreement import agree_static_unified
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT

__all__ = ["GbcsKind", "GbcsMessage", "open_message", "seal_message"]

_WHERE = "gbcs"
_SUITE = 1
_CONTROL_AND_COUNTER = b"\x11\x00\x00\x00\x00"
_COUNTER = _CONTROL_AND_COUNTER[1:]
_EMPTY_HEADER = bytes(5)  # five fields of length 0
_COVERED_BEFORE = _CONTROL_AND_COUNTER[:1] + _EMPTY_HEADER  # ... the envelope
_ARC = bytes.fromhex("608574060803")  # sic, not the standard's 60 85 74 05 08 03
_SIGNING_TAG, _CIPHERING_TAG = b"\xdf", b"\xdd"
_COUNTER_OCTETS = 8


class GbcsKind(IntEnum):
    """What a message is: the first octet of its transaction-id."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


PublicKey = Callable[[bytes, GbcsKind], bytes]
"""Finds the public key for an originator's title; raises `SecurityError` for a stranger.

The code of a command is made by the access control broker on its way, so the key-agreement key of
commands is the broker's, under the title of whoever sent them [gbcs-recomputed].
"""


class GbcsMessage(NamedTuple):
    """A message whose protection verified.

    `counter` is the originator's for commands and alerts, and repeats that of the command in a
    response: commands and alerts must rise, a response must match. `code` is the other-information,
    two octets of use case and perhaps more.
    """

    kind: GbcsKind
    counter: int
    originator_title: bytes
    recipient_title: bytes
    date_time: bytes
    code: bytes
    apdu: bytes
    signed: bool
    maced: bool


def open_message(
    octets: bytes,
    *,
    agreement: AgreementKey | None = None,
    peer_agreement: PublicKey | None = None,
    peer_signing: PublicKey | None = None,
) -> GbcsMessage:
    """Check signature and code of a message and take it apart.

    `agreement` is the recipient's key-agreement key, the other two find the public keys of the
    other side. Raises `SecurityError` for a message that neither is signed nor has a code,
    whose key is unknown, or which does not verify; `DecodeError` for another layout.
    """
    envelope_octets, tag = octets, b""
    if octets[:1] == _CIPHERING_TAG:
        envelope_octets, tag = _split(decode_general_ciphering(octets))
    if envelope_octets[:1] != _SIGNING_TAG:
        raise DecodeError("no general-signing envelope", where=_WHERE, octets=envelope_octets[:4])
    envelope = decode_general_signing(envelope_octets)
    kind, counter = _transaction(envelope.transaction_id)
    if tag:
        if agreement is None or peer_agreement is None:
            raise SecurityError("no key-agreement keys to check the code with", where=_WHERE)
        peer = peer_agreement(envelope.originator_system_title, kind)
        _check_code(envelope, envelope_octets, tag, agreement, peer)
    if envelope.signature:
        if peer_signing is None:
            raise SecurityError("no certificate of the signer", where=_WHERE)
        signer = peer_signing(envelope.originator_system_title, kind)
        verify(signer, envelope.signature, envelope.signed_octets)
    elif not tag:
        raise SecurityError("neither signed nor with a code", where=_WHERE)
    return GbcsMessage(
        kind,
        counter,
        envelope.originator_system_title,
        envelope.recipient_system_title,
        envelope.date_time,
        envelope.other_information,
        envelope.content,
        bool(envelope.signature),
        bool(tag),
    )


def seal_message(
    message: GbcsMessage,
    *,
    signing: SigningKey | None = None,
    agreement: AgreementKey | None = None,
    peer_agreement: bytes = b"",
) -> bytes:
    """The octets of a message, signed and with a code as its two marks say.

    The same counter gives the same key: an originator uses each once. Raises `UsageError` when a
    key is missing.
    """
    if not 0 <= message.counter < COUNTER_LIMIT**2:
        raise UsageError("a counter has 8 octets", where=_WHERE)
    envelope = GeneralSigning(
        bytes((message.kind,)) + message.counter.to_bytes(_COUNTER_OCTETS, "big"),
        message.originator_title,
        message.recipient_title,
        message.date_time,
        message.code,
        message.apdu,
        b"",
    )
    if message.signed:
        if signing is None:
            raise UsageError("signing needs a private key", where=_WHERE)
        envelope.signature = signing.sign(envelope.signed_octets)
    elif not message.maced:
        raise UsageError("a message is signed, has a code, or both", where=_WHERE)
    octets = envelope.to_octets()
    if not message.maced:
        return octets
    if agreement is None or not peer_agreement:
        raise UsageError("a code needs key-agreement keys", where=_WHERE)
    cipher, vector = _code_key(envelope, agreement, peer_agreement)
    content = _CONTROL_AND_COUNTER + octets + cipher.tag(vector, _COVERED_BEFORE + octets)
    return GeneralCiphering(b"", b"", b"", b"", b"", None, content).to_octets()


def _split(outer: GeneralCiphering) -> tuple[bytes, bytes]:
    """Envelope and tag of the outer APDU, whose own fields are all empty."""
    content = outer.content
    if outer.header != _EMPTY_HEADER or outer.key_info is not None:
        raise DecodeError("the outer header is not empty", where=_WHERE)
    if content[:5] != _CONTROL_AND_COUNTER or len(content) <= 5 + TAG_OCTETS:
        raise DecodeError(
            "not control octet 11, counter 0, an envelope and a tag",
            where=_WHERE,
            octets=content[:5],
        )
    return content[5:-TAG_OCTETS], content[-TAG_OCTETS:]


def _transaction(identifier: bytes) -> tuple[GbcsKind, int]:
    if len(identifier) != 1 + _COUNTER_OCTETS or not 1 <= identifier[0] <= len(GbcsKind):
        raise DecodeError(
            "a transaction-id is a kind from 1 to 3 and a counter of 8 octets",
            where=_WHERE,
            octets=identifier,
        )
    return GbcsKind(identifier[0]), int.from_bytes(identifier[1:], "big")


def _check_code(
    envelope: GeneralSigning, octets: bytes, tag: bytes, own: AgreementKey, peer: bytes
) -> None:
    cipher, vector = _code_key(envelope, own, peer)
    try:
        cipher.check(vector, _COVERED_BEFORE + octets, tag)
    except SecurityError:
        message = "the code does not verify: another key, or an altered message"
        raise SecurityError(message, where=_WHERE) from None


def _code_key(envelope: GeneralSigning, own: AgreementKey, peer: bytes) -> tuple[Gcm, bytes]:
    originator, recipient = envelope.originator_system_title, envelope.recipient_system_title
    for title in (originator, recipient):
        if len(title) != 8:
            raise DecodeError("an envelope names both titles", where=_WHERE, octets=title[:8])
    key = agree_static_unified(
        _SUITE,
        own,
        peer,
        originator_title=originator,
        recipient_title=recipient,
        transaction_id=envelope.transaction_id,
        arc=_ARC,
    )
    return Gcm(key), originator + _COUNTER
