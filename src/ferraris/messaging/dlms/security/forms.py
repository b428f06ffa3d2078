"""In which form a protected APDU travels, and what one end knows beside the global keys for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.crypto.curves import AgreementKey, AgreesOnce, SigningKey
from ferraris.messaging.dlms.general import (
    AgreedKey,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
)
from ferraris.messaging.dlms.security.message_keys import (
    Keyring,
    MakeKey,
    OnePass,
    StaticUnified,
    Wrapped,
)

__all__ = ["BY_SERVICE", "NO_PAIRS", "Form", "KeyPairs", "KeySource", "Shape", "source_of"]

_ONE_PASS = b"\x01"  # of key parameters [asn1]


class Form(Enum):
    """Which APDU carries the ciphertext."""

    SERVICE = "service"  # glo- and ded- twins of services
    GENERAL = "general"  # general-glo- and general-ded-ciphering
    ENVELOPE = "envelope"  # general-ciphering


class KeySource(Enum):
    """Where the key of a general-ciphering APDU comes from."""

    IDENTIFIED = "identified"
    WRAPPED = "wrapped"
    ONE_PASS = "one-pass"  # noqa: S105 - C(1e,1s), not a password
    STATIC = "static"  # C(0e,2s)


class Shape(NamedTuple):
    """How an APDU is put together, beside the bits that say what protects it.

    `source` matters in an envelope only; with `signed_last` the signature covers the ciphertext,
    else what was signed is ciphered.
    """

    form: Form = Form.SERVICE
    source: KeySource = KeySource.IDENTIFIED
    signed_last: bool = False


BY_SERVICE = Shape()


def source_of(info: KeyInfo | None) -> KeySource:
    """Where the key of a received APDU came from; no information names the global key."""
    if isinstance(info, WrappedKey):
        return KeySource.WRAPPED
    if isinstance(info, AgreedKey):
        return KeySource.ONE_PASS if info.key_parameters == _ONE_PASS else KeySource.STATIC
    assert info is None or isinstance(info, IdentifiedKey)
    return KeySource.IDENTIFIED


@dataclass(frozen=True, slots=True)
class KeyPairs:
    """What one end has to sign, to agree on keys and to check what the other end signed.

    Attributes:
        signing, agreement: our private keys; None signs nothing and takes no agreed keys.
        peer_signing, peer_agreement: the peer's public keys, as its certificates say; b"" takes
            nothing signed, and agrees on nothing.
        master_key: wraps and unwraps keys of messages; None refuses them.
    """

    signing: SigningKey | None = field(default=None, repr=False)
    agreement: AgreementKey | None = field(default=None, repr=False)
    peer_signing: bytes = b""
    peer_agreement: bytes = b""
    master_key: bytes | None = field(default=None, repr=False)

    @property
    def can_sign(self) -> bool:
        """Whether signed APDUs may be asked for in both directions."""
        return self.signing is not None and bool(self.peer_signing)

    def with_master(self, master_key: bytes) -> KeyPairs:
        """The same with another master key."""
        return replace(self, master_key=master_key)

    def for_association(self) -> KeyPairs:
        """The same for one association, which works out the secret of the static keys once."""
        if self.agreement is None or not self.peer_agreement:
            return self
        return replace(self, agreement=AgreesOnce(self.agreement, self.peer_agreement))

    def keyring(self) -> Keyring:
        """What opens messages under keys of their own."""
        return Keyring(self.master_key, self.agreement, self.peer_agreement, self.peer_signing)

    def maker(self, source: KeySource, entropy: Callable[[int], bytes] | None) -> MakeKey | None:
        """What makes the keys of messages; None names the global key.

        Raises `UsageError` when something is missing for it.
        """
        if source is KeySource.IDENTIFIED:
            return None
        if source is KeySource.WRAPPED and self.master_key is not None and entropy is not None:
            return Wrapped(self.master_key, entropy)
        if source is KeySource.STATIC and self.agreement is not None and self.peer_agreement:
            return StaticUnified(self.agreement, self.peer_agreement)
        can_agree = self.signing is not None and self.peer_agreement
        if source is KeySource.ONE_PASS and can_agree and entropy is not None:
            assert self.signing is not None
            return OnePass(self.peer_agreement, self.signing, entropy)
        needs = {
            KeySource.WRAPPED: "the master key",
            KeySource.STATIC: "a key-agreement key, and the peer's certificate of one",
            KeySource.ONE_PASS: "a signing key, and the peer's certificate for key agreement",
        }
        raise UsageError(f"{source.value} keys of messages need {needs[source]}", where="security")


NO_PAIRS = KeyPairs()
