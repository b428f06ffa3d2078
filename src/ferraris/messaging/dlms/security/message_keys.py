"""Keys of single messages in general-ciphering: how one side makes them, and the other finds them.

A message names its key (unicast or broadcast), brings one wrapped under the master key, or lets
both sides agree on one [facts-g §2a, §4]. Fresh keys draw on the entropy argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ferraris.core.errors import SecurityError
from ferraris.crypto.curves import AgreementKey, PrivateKey, SigningKey
from ferraris.crypto.wrap import unwrap, wrap
from ferraris.messaging.dlms.general import AgreedKey, GeneralCiphering, KeyInfo, WrappedKey
from ferraris.messaging.dlms.security.agreement import (
    agree_one_pass,
    agree_static_unified,
    curve_of,
    open_ephemeral,
    signed_ephemeral,
)
from ferraris.messaging.dlms.security.suites import SecuritySuite

__all__ = ["Keyring", "MakeKey", "OnePass", "StaticUnified", "UncertifiedError", "Wrapped"]

_WHERE = "general-ciphering"
_MASTER = 0  # the only key under which others travel [asn1]
_ONE_PASS = b"\x01"  # C(1e,1s) [asn1]
_STATIC_UNIFIED = b"\x02"  # C(0e,2s) [asn1]


class UncertifiedError(SecurityError):
    """What would prove or open a message is not known here: a certificate of the peer, or a private
    key of ours."""


class MakeKey(Protocol):
    """A way to a key for one message."""

    def make(
        self, suite: int, originator_title: bytes, recipient_title: bytes, transaction_id: bytes
    ) -> tuple[bytes, KeyInfo]:
        """The key, and what tells the recipient of it."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A fresh key for each message, wrapped under the master key of the meter."""

    master_key: bytes = field(repr=False)
    entropy: Callable[[int], bytes] = field(repr=False)

    def make(
        self, suite: int, originator_title: bytes, recipient_title: bytes, transaction_id: bytes
    ) -> tuple[bytes, KeyInfo]:
        """A key of fresh entropy and its wrapped form."""
        key = self.entropy(SecuritySuite(suite).key_octets)
        return key, WrappedKey(_MASTER, wrap(self.master_key, key))


@dataclass(frozen=True, slots=True)
class OnePass:
    """C(1e,1s): a signed ephemeral key in each message, the recipient's static key known."""

    recipient: bytes
    signing: SigningKey = field(repr=False)
    entropy: Callable[[int], bytes] = field(repr=False)

    def make(
        self, suite: int, originator_title: bytes, recipient_title: bytes, transaction_id: bytes
    ) -> tuple[bytes, KeyInfo]:
        """A key agreed by a fresh ephemeral key, which travels signed."""
        ephemeral = PrivateKey.generate(curve_of(suite), self.entropy)
        key = agree_one_pass(
            suite,
            ephemeral,
            self.recipient,
            originator_title=originator_title,
            recipient_title=recipient_title,
        )
        return key, AgreedKey(_ONE_PASS, signed_ephemeral(ephemeral.public_key, self.signing))


@dataclass(frozen=True, slots=True)
class StaticUnified:
    """C(0e,2s): two static keys; the transaction-id makes the key of each message another."""

    own: AgreementKey = field(repr=False)
    recipient: bytes

    def make(
        self, suite: int, originator_title: bytes, recipient_title: bytes, transaction_id: bytes
    ) -> tuple[bytes, KeyInfo]:
        """A key for this transaction; nothing but its identifier travels."""
        key = agree_static_unified(
            suite,
            self.own,
            self.recipient,
            originator_title=originator_title,
            recipient_title=recipient_title,
            transaction_id=transaction_id,
        )
        return key, AgreedKey(_STATIC_UNIFIED, b"")


@dataclass(frozen=True, slots=True)
class Keyring:
    """What a recipient has to find the keys of one peer's messages.

    Attributes:
        master_key: unwraps keys that come wrapped; None refuses them.
        own: our static key-agreement key; None refuses agreed keys.
        peer_agreement: the peer's static public key, for C(0e,2s).
        peer_signing: the key by which the peer signs ephemeral ones, for C(1e,1s).
    """

    master_key: bytes | None = field(default=None, repr=False)
    own: AgreementKey | None = field(default=None, repr=False)
    peer_agreement: bytes = b""
    peer_signing: bytes = b""

    def find(self, suite: int, message: GeneralCiphering, own_title: bytes) -> bytes:
        """The key of a message; `SecurityError` when there is no way to it, `DecodeError`."""
        info = message.key_info
        if isinstance(info, WrappedKey):
            return self._unwrapped(suite, info)
        if not isinstance(info, AgreedKey):
            raise SecurityError("the message brings no key", where=_WHERE)
        own = self.own
        if own is None:
            raise UncertifiedError("no key-agreement key of ours is known", where=_WHERE)
        originator = message.originator_system_title
        if info.key_parameters == _ONE_PASS and self.peer_signing:
            curve = curve_of(suite)
            ephemeral = open_ephemeral(info.key_ciphered_data, curve, self.peer_signing)
            return agree_one_pass(
                suite, own, ephemeral, originator_title=originator, recipient_title=own_title
            )
        if info.key_parameters == _STATIC_UNIFIED and self.peer_agreement:
            if info.key_ciphered_data:
                raise SecurityError("C(0e,2s) carries no data", where=_WHERE)
            return agree_static_unified(
                suite,
                own,
                self.peer_agreement,
                originator_title=originator,
                recipient_title=own_title,
                transaction_id=message.transaction_id,
            )
        raise UncertifiedError(
            f"no certificate of the peer serves the agreement {info.key_parameters.hex() or '?'}",
            where=_WHERE,
        )

    def _unwrapped(self, suite: int, info: WrappedKey) -> bytes:
        if self.master_key is None or info.kek_id != _MASTER:
            raise SecurityError("no master key unwraps the key of this message", where=_WHERE)
        key = unwrap(self.master_key, info.key_ciphered_data)
        if len(key) != SecuritySuite(suite).key_octets:
            raise SecurityError("the wrapped key is of another suite", where=_WHERE)
        return key
