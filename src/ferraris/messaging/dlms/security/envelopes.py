"""General-signing and general-ciphering: APDUs in envelopes that name their ends.

What is signed and ciphered is signed first. One value of the counter lease is the transaction-id of
both envelopes and the invocation counter, so none of the three serves twice. A recipient takes
rising transaction-ids only, since messages under keys of their own would be replayed otherwise.
"""

from __future__ import annotations

from typing import NoReturn

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.curves import SigningKey, verify
from ferraris.messaging.dlms.general import (
    GeneralCiphering,
    GeneralSigning,
    IdentifiedKey,
    decode_general_ciphering,
    decode_general_signing,
)
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys, check_system_title
from ferraris.messaging.dlms.security.control import BOTH, KEY_SET, SIGNED
from ferraris.messaging.dlms.security.counters import CounterLease, SpentTransactionError
from ferraris.messaging.dlms.security.message_keys import Keyring, MakeKey, UncertifiedError
from ferraris.messaging.dlms.security.protection import Opened, Opener, Sealer
from ferraris.messaging.dlms.tags import ApduTag

__all__ = ["EnvelopeOpener", "EnvelopeSealer", "originator_of"]

_SIGNING, _CIPHERING = int(ApduTag.GENERAL_SIGNING), int(ApduTag.GENERAL_CIPHERING)
_TRANSACTION_OCTETS = 8
_UNICAST, _BROADCAST = 0, 1


class EnvelopeSealer:
    """Puts what one originator sends to one recipient into envelopes.

    `keys` are the global ones; `lease` gives their counters. `make_key` gives messages keys of
    their own, without it the global key is named. `signing` is needed to sign. The broadcast key is
    shared by many meters, hence it has a lease of its own. `transaction_offset` is added to
    counters that began anew with a new key, since transaction-ids go on rising.
    """

    def __init__(
        self,
        keys: CipherKeys,
        system_title: bytes,
        recipient_title: bytes,
        lease: CounterLease,
        *,
        make_key: MakeKey | None = None,
        signing: SigningKey | None = None,
        broadcast_lease: CounterLease | None = None,
        transaction_offset: int = 0,
    ) -> None:
        self._keys = keys
        self._lease = lease
        self._offset = transaction_offset
        self._broadcast_lease = broadcast_lease
        self._make_key = make_key
        self._signing = signing
        self.system_title = check_system_title(system_title)
        self.recipient_title = check_system_title(recipient_title)

    def seal(self, plain: bytes, control: int, *, date_time: bytes = b"") -> bytes:
        """The APDU in a signed envelope, a ciphered one, or one in the other.

        `control` holds protection bits and the suite as in a security control octet, and `SIGNED`;
        `date_time` is empty or twelve octets. Raises `UsageError` for no protection at all or a
        signature without a key, `SecurityError` when the lease is spent.
        """
        if not control & (BOTH | SIGNED):
            raise UsageError("an envelope signs, ciphers or both")
        counter = self._lease_of(control).take()
        if control & SIGNED:
            plain = self._signed(plain, counter, date_time)
        if control & BOTH:
            plain = self._ciphered(plain, control & 0xFF, counter, date_time)
        return plain

    def sign(self, octets: bytes) -> bytes:
        """Anything, protected already or not, in a signed envelope."""
        return self._signed(octets, self._lease.take(), b"")

    def _lease_of(self, control: int) -> CounterLease:
        lease = self._broadcast_lease if control & KEY_SET else self._lease
        if lease is None or (control & KEY_SET and self._make_key is not None):
            raise UsageError("the key-set bit needs the broadcast key and its own counter lease")
        return lease

    def _transaction(self, counter: int) -> bytes:
        return (self._offset + counter).to_bytes(_TRANSACTION_OCTETS, "big")

    def _signed(self, plain: bytes, counter: int, date_time: bytes) -> bytes:
        if self._signing is None:
            raise UsageError("signing needs a private key for signatures")
        transaction = self._transaction(counter)
        message = GeneralSigning(
            transaction, self.system_title, self.recipient_title, date_time, b"", plain, b""
        )
        message.signature = self._signing.sign(message.signed_octets)
        return message.to_octets()

    def _ciphered(self, plain: bytes, control: int, counter: int, date_time: bytes) -> bytes:
        keys = self._keys
        transaction = self._transaction(counter)
        message = GeneralCiphering(
            transaction, self.system_title, self.recipient_title, date_time, b"", None, b""
        )
        lease = CounterLease(counter, counter + 1)
        if self._make_key is None:
            message.key_info = IdentifiedKey(_BROADCAST if control & KEY_SET else _UNICAST)
            sealer = Sealer(keys, self.system_title, lease, lease)
        else:
            key, message.key_info = self._make_key.make(
                keys.suite, self.system_title, self.recipient_title, transaction
            )
            sealer = Sealer(keys.dedicated(key), self.system_title, lease)
        message.content = sealer.seal(plain, control, message.header)
        return message.to_octets()

    def __repr__(self) -> str:
        return f"EnvelopeSealer({self.system_title.hex()} to {self.recipient_title.hex()})"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a sealer is never copied: its counter values would be used twice")


class EnvelopeOpener:
    """Opens envelopes of one peer; `opener` holds the global keys and the floors of their counters.

    `transaction_floor` is the last accepted transaction-id as a number, -1 before the first; store
    it when it has risen. `peer_signing` is the peer's public key for signatures, b"" refuses them.
    """

    def __init__(
        self,
        keys: CipherKeys,
        system_title: bytes,
        opener: Opener,
        *,
        keyring: Keyring | None = None,
        peer_signing: bytes = b"",
        transaction_floor: int = -1,
    ) -> None:
        self._keys = keys
        self._opener = opener
        self._keyring = keyring or Keyring()
        self._peer_signing = peer_signing
        self.system_title = check_system_title(system_title)
        self.transaction_floor = transaction_floor

    def open(self, octets: bytes) -> Opened:
        """The APDU within, and how it was protected: `control` carries `SIGNED` when it was signed.

        Signature and tag are checked before counters and transaction-ids. Raises `DecodeError`,
        `ReplayError`, `SpentTransactionError`, `UncertifiedError`, and other `SecurityError` for
        another originator or recipient, a signature or tag that does not verify, an unknown key, or
        too little protection.
        """
        if octets[:1] == bytes((_CIPHERING,)):
            return self.open_ciphered(decode_general_ciphering(octets))
        return self._opened(octets, 0, -1, None)

    def open_ciphered(self, message: GeneralCiphering) -> Opened:
        """The same of a ciphered envelope that was decoded already."""
        (control, counter, plain), within = self.decipher(message)
        return self._opened(plain, control, counter, within)

    def _opened(self, octets: bytes, control: int, counter: int, within: int | None) -> Opened:
        """What was signed, if it was; `within` is the transaction that was accepted around it."""
        if octets[:1] == bytes((_SIGNING,)):
            octets, number = self.verify(octets)
            if number != within:
                self.accept(number)
            control |= SIGNED
        if not control or self._opener.minimum & ~control:
            raise SecurityError("less protection than the policy asks for", where="protection")
        return Opened(octets, control, counter)

    def verify(self, octets: bytes) -> tuple[bytes, int]:
        """The content of a signed envelope, and its transaction-id, which `accept` has to judge."""
        message = decode_general_signing(octets)
        self._check_titles(message)
        if not self._peer_signing:
            raise UncertifiedError("no certificate of the peer for signatures", where="protection")
        verify(self._peer_signing, message.signature, message.signed_octets)
        return message.content, _number(message.transaction_id)

    def accept(self, transaction: int) -> None:
        """Raise the floor of transaction-ids; `SpentTransactionError` for one used before."""
        if transaction <= self.transaction_floor:
            raise SpentTransactionError(transaction, self.transaction_floor, where="protection")
        self.transaction_floor = transaction

    def decipher(self, message: GeneralCiphering) -> tuple[tuple[int, int, bytes], int]:
        """Take a ciphered envelope off: control octet, counter and content; its transaction-id.

        Transaction-id and counter are accepted, once the tag verified.
        """
        self._check_titles(message)
        number = _number(message.transaction_id)
        opened = self._deciphered(message, number)
        return (opened.control, opened.counter, opened.plain), number

    def _deciphered(self, message: GeneralCiphering, number: int) -> Opened:
        opener = self._opener
        message.originator_system_title = message.originator_system_title or opener.system_title
        header = message.header
        info = message.key_info
        if info is None or isinstance(info, IdentifiedKey):
            self._check_named_key(info, message.content)
            opened = opener.open(message.content, header)
            if opened.authenticated:  # a forger could shut out the peer with one high value
                self.transaction_floor = max(self.transaction_floor, number)
            return opened
        key = self._keyring.find(self._keys.suite, message, self.system_title)
        once = Opener(self._keys.dedicated(key), opener.system_title, minimum=opener.minimum)
        opened = once.open(message.content, header)
        if not opened.authenticated:
            raise SecurityError("a key of its own needs a tag to prove it", where="protection")
        self.accept(number)
        return opened

    @staticmethod
    def _check_named_key(info: IdentifiedKey | None, content: bytes) -> None:
        """The key named must be the one that the key-set bit says, where both speak."""
        broadcast = bool(content[:1] and content[0] & KEY_SET)
        if info is not None and info.key_id not in (_UNICAST, _BROADCAST):
            raise SecurityError(f"there is no key {info.key_id}", where="protection")
        if info is not None and (info.key_id == _BROADCAST) != broadcast:
            raise SecurityError("the key named is not that of the key-set bit", where="protection")

    def _check_titles(self, message: GeneralCiphering | GeneralSigning) -> None:
        originator, recipient = message.originator_system_title, message.recipient_system_title
        if originator and originator != self._opener.system_title:
            raise SecurityError("an envelope of another originator", where="protection")
        if recipient and recipient != self.system_title:
            raise SecurityError("an envelope for another recipient", where="protection")


def originator_of(octets: bytes) -> bytes:
    """The system title of whoever claims to have made an envelope."""
    if octets[:1] == bytes((_CIPHERING,)):
        return decode_general_ciphering(octets).originator_system_title
    return decode_general_signing(octets).originator_system_title


def _number(transaction_id: bytes) -> int:
    if len(transaction_id) > _TRANSACTION_OCTETS + 1:
        raise SecurityError("a transaction-id has at most 9 octets", where="protection")
    return int.from_bytes(transaction_id, "big")
