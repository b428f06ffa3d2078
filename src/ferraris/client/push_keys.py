"""Who may push, under which keys and how well protected: as values for `listen`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.curves import AgreementKey
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys, check_system_title
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, ENCRYPTION
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.message_keys import Keyring

__all__ = ["PushKeys", "PushKeysOf", "Senders"]

_WHERE = "push"
_MINIMA = {
    "both": BOTH,
    "authentication": AUTHENTICATION,
    "encryption": ENCRYPTION,
    "any": 0,
}
_LONG_KEY_OCTETS = 32


@dataclass(frozen=True, slots=True)
class PushKeys:
    """Keys and policy of one sender, or of all.

    Attributes:
        encryption_key, broadcast_key: global unicast and broadcast encryption keys, 16 octets
            each (32 in suite 2).
        authentication_key: as long; None when it is not known: tags are then not verified, and
            nothing proves who made a push.
        protection: the least that is taken: "both", "authentication", "encryption" or "any"
            protection. By default "authentication" with an authentication key, else "encryption".
        suite: security suite; by default the one that the sender uses first, as far as the length
            of the keys allows it.
        system_title: of the sender, for APDUs that do not name it.
        floor, broadcast_floor: the highest counters accepted so far, -1 for none.
        lease: counters for confirmations that we send under these keys; without one they are
            sent plain.
        client_system_title: ours, in confirmations, and the recipient of pushes in general-signing
            and general-ciphering.
        sender_signing: the sender's public key for signatures (x and y, 64 or 96 octets); without
            it signatures prove nothing and signed pushes are refused. A signature that verifies
            counts as authentication.
        master_key: unwraps keys that come with a message in general-ciphering.
        agreement_key, sender_agreement: our key for key agreement, and the sender's public one.
        transaction_floor: the last transaction-id accepted in general-signing and
            general-ciphering, as a number, -1 for none.
    """

    encryption_key: bytes = field(repr=False)
    authentication_key: bytes | None = field(default=None, repr=False)
    broadcast_key: bytes | None = field(default=None, repr=False)
    protection: str | None = None
    suite: int | None = None
    system_title: bytes = b""
    floor: int = -1
    broadcast_floor: int = -1
    lease: CounterLease | None = field(default=None, repr=False)
    client_system_title: bytes = b"FRR\x00\x00\x00\x00\x01"
    sender_signing: bytes = b""
    master_key: bytes | None = field(default=None, repr=False)
    agreement_key: AgreementKey | None = field(default=None, repr=False)
    sender_agreement: bytes = b""
    transaction_floor: int = -1

    def __post_init__(self) -> None:
        self.cipher_keys()
        proving = self.authentication_key is not None or self.sender_signing
        if self.minimum & AUTHENTICATION and not proving:
            raise UsageError("authentication needs an authentication key", where=_WHERE)
        if self.system_title:
            check_system_title(self.system_title)

    def cipher_keys(self, used: int = 0) -> CipherKeys:
        """The keys, checked, for the suite that the sender uses; `UsageError` for wrong lengths."""
        key = self.encryption_key
        suite = self.suite
        if suite is None:
            suite = 2 if len(key) == _LONG_KEY_OCTETS else used & 1
        authentication_key = self.authentication_key
        if authentication_key is None:
            authentication_key = bytes(len(key))
        return CipherKeys(suite, key, authentication_key, self.broadcast_key)

    @property
    def keyring(self) -> Keyring:
        """The ways to keys of single messages."""
        return Keyring(
            self.master_key, self.agreement_key, self.sender_agreement, self.sender_signing
        )

    @property
    def minimum(self) -> int:
        """The policy as bits of the security control octet."""
        if self.protection is None:
            return ENCRYPTION if self.authentication_key is None else AUTHENTICATION
        try:
            return _MINIMA[self.protection]
        except KeyError:
            known = ", ".join(_MINIMA)
            raise UsageError(f"protection is {known}, not {self.protection}") from None


PushKeysOf = Callable[[bytes], PushKeys | None]
Senders = (
    PushKeys
    | Mapping[bytes, PushKeys]
    | Mapping[str, PushKeys]
    | Mapping[bytes, tuple[bytes, bytes]]
    | Mapping[bytes, bytes]
    | PushKeysOf
)
"""Keys of all senders, keys by system title (octets or hex), or whoever finds them."""


def lookup(senders: Senders | None) -> PushKeysOf:
    """Whatever the caller gave, as a function from a system title to keys.

    An empty title asks for the keys of senders that do not name themselves. Raises `UsageError`
    for keys that cannot be any.
    """
    if senders is None:
        return _nobody
    if isinstance(senders, PushKeys):
        return lambda title: senders
    if isinstance(senders, Mapping):
        known = {_title(title): _keys(keys) for title, keys in senders.items()}
        only = next(iter(known.values())) if len(known) == 1 else None
        if only is not None and not only.system_title:
            title = next(iter(known))
            return lambda asked: known.get(asked or title)
        return lambda asked: known.get(asked) if asked else only
    if callable(senders):
        return senders
    raise UsageError("keys are PushKeys, a mapping from system titles, or a function", where=_WHERE)


def anonymous_title(senders: Senders | None) -> bytes:
    """The system title of who names none: the only one known, or that of the keys."""
    if isinstance(senders, PushKeys):
        return senders.system_title
    if isinstance(senders, Mapping) and len(senders) == 1:
        return _title(next(iter(senders)))
    return b""


def unknown_sender(title: bytes) -> SecurityError:
    """Nobody knows the keys of this sender."""
    who = f"the sender {title.hex()}" if title else "a sender that does not name itself"
    return SecurityError(f"no keys for {who}", where=_WHERE)


def _nobody(title: bytes) -> PushKeys | None:
    return None


def _title(title: Any) -> bytes:
    if isinstance(title, str):
        try:
            title = bytes.fromhex(title)
        except ValueError:
            raise UsageError("a system title is written in hexadecimal", where=_WHERE) from None
    if not isinstance(title, bytes | bytearray):
        raise UsageError("a system title is octets or hexadecimal", where=_WHERE)
    return check_system_title(bytes(title))


def _keys(keys: Any) -> PushKeys:
    if isinstance(keys, PushKeys):
        return keys
    if isinstance(keys, bytes | bytearray):
        return PushKeys(bytes(keys))
    if isinstance(keys, tuple) and 1 <= len(keys) <= 2:
        return PushKeys(*keys)
    raise UsageError("keys of a sender are PushKeys, or encryption and authentication key")
