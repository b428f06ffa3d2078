"""Protection of COSEM data in layers: authenticated, encrypted, both, or signed, one in another.

Where general-ciphering and general-signing put envelopes around an APDU, data protection puts the
same functions around data; titles, transaction-id and key information travel beside the octets, as
parameters of each layer [facts-g §8]. What a layer leaves rests on memory, hence it stands here in
one place: a ciphered one leaves security control, counter, ciphertext and tag, and authenticates
its header as general-ciphering does; a signed one leaves the data and then the signature, which
covers header and data as general-signing does [memory].

Layers are applied in the order of their parameters and taken off in reverse [memory].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, NoReturn

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import verify
from ferraris.data.kinds import Data, Tag, enum, octet_string, structure
from ferraris.messaging.dlms.general import (
    AgreedKey,
    GeneralCiphering,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
)
from ferraris.messaging.dlms.security.agreement import curve_of
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys, check_system_title
from ferraris.messaging.dlms.security.control import (
    AUTHENTICATION,
    BOTH,
    ENCRYPTION,
    KEY_SET,
    SIGNED,
)
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.forms import KeyPairs, KeySource, source_of
from ferraris.messaging.dlms.security.protection import Opener, Sealer

__all__ = [
    "MOST_LAYERS",
    "DataLayer",
    "DataOpener",
    "DataSealer",
    "LayerFields",
    "LayerKind",
    "protection_of",
    "transaction_number",
    "wished",
]

MOST_LAYERS = 4
"""Most layers around one value: each kind once."""

_WHERE = "data protection"
_TRANSACTION_OCTETS = 8
_IDENTIFIED, _WRAPPED, _AGREED = 0, 1, 2  # kinds of key information [facts-g §8]
_ONE_PASS, _STATIC_UNIFIED = b"\x01", b"\x02"  # C(1e,1s), C(0e,2s) [asn1]

LayerFields = tuple[int, tuple[bytes, bytes, bytes, bytes, tuple[int, Data]]]
"""One element of protection parameters: the kind; transaction-id, originator, recipient and other
information; the kind of key information, and its options as data."""


class LayerKind(IntEnum):
    """What one layer does [facts-g §8]."""

    AUTHENTICATION = 0
    ENCRYPTION = 1
    BOTH = 2
    SIGNATURE = 3

    @property
    def control(self) -> int:
        """Bits of the security control octet, or `SIGNED`."""
        return (AUTHENTICATION, ENCRYPTION, BOTH, SIGNED)[self]


class DataLayer(NamedTuple):
    """One layer of protection: what it does, and all that its header says."""

    kind: LayerKind
    transaction_id: bytes = b""
    originator: bytes = b""
    recipient: bytes = b""
    other_information: bytes = b""
    key_info: KeyInfo | None = None

    @classmethod
    def of(cls, fields: LayerFields) -> DataLayer:
        """From the fields of protection parameters; raises `DecodeError`."""
        kind, (transaction, originator, recipient, other, (info_kind, options)) = fields
        try:
            what = LayerKind(kind)
        except ValueError:
            raise DecodeError(f"there is no protection type {kind}", where=_WHERE) from None
        info = None if what is LayerKind.SIGNATURE else _key_info(info_kind, options)
        return cls(what, transaction, originator, recipient, other, info)

    @property
    def fields(self) -> LayerFields:
        """As protection parameters say it; a signature names the global key, which nobody reads."""
        header = self.transaction_id, self.originator, self.recipient, self.other_information
        info = self.key_info
        if isinstance(info, WrappedKey):
            wrapped = structure(enum(info.kek_id), octet_string(info.key_ciphered_data))
            return int(self.kind), (*header, (_WRAPPED, wrapped))
        if isinstance(info, AgreedKey):
            parts = octet_string(info.key_parameters), octet_string(info.key_ciphered_data)
            return int(self.kind), (*header, (_AGREED, structure(*parts)))
        key_id = 0 if info is None else info.key_id
        return int(self.kind), (*header, (_IDENTIFIED, enum(key_id)))

    @property
    def source(self) -> KeySource:
        """Where its key comes from."""
        return source_of(self.key_info)

    def __repr__(self) -> str:
        return f"DataLayer({self.kind.name}, {self.source.value}, {self.transaction_id.hex()})"


def protection_of(layers: Sequence[DataLayer]) -> int:
    """The bits of all layers together."""
    return sum({bit for each in layers for bit in _bits(each.kind.control)})


def transaction_number(layers: Sequence[DataLayer]) -> int:
    """The one transaction-id of all layers as a number, -1 for an empty one; `SecurityError`."""
    found = {each.transaction_id for each in layers}
    if len(found) != 1 or any(len(each) > _TRANSACTION_OCTETS + 1 for each in found):
        raise SecurityError("the layers are of one transaction, of 9 octets at most", where=_WHERE)
    octets = found.pop()
    return int.from_bytes(octets, "big") if octets else -1


def wished(kind: LayerKind, source: KeySource = KeySource.IDENTIFIED) -> DataLayer:
    """A layer that somebody is asked to apply, without the octets that its maker adds."""
    infos: dict[KeySource, KeyInfo] = {
        KeySource.IDENTIFIED: IdentifiedKey(0),
        KeySource.WRAPPED: WrappedKey(0, b""),
        KeySource.ONE_PASS: AgreedKey(_ONE_PASS, b""),
        KeySource.STATIC: AgreedKey(_STATIC_UNIFIED, b""),
    }
    return DataLayer(kind, key_info=None if kind is LayerKind.SIGNATURE else infos[source])


class DataSealer:
    """Protects data from one originator for one recipient.

    `keys` are the global ones, `lease` gives their counters, one for each ciphered layer, so that
    no nonce serves twice whatever the key. `pairs` signs and makes keys of their own, which draw on
    `entropy`.
    """

    def __init__(
        self,
        keys: CipherKeys,
        system_title: bytes,
        recipient_title: bytes,
        lease: CounterLease,
        pairs: KeyPairs,
        *,
        entropy: Callable[[int], bytes] | None,
    ) -> None:
        self._keys = keys
        self._lease = lease
        self._pairs = pairs
        self._entropy = entropy
        self.system_title = check_system_title(system_title)
        self.recipient_title = check_system_title(recipient_title)

    def transaction(self, offset: int) -> bytes:
        """A transaction-id that was never used: `offset` and a counter of the lease."""
        return (offset + self._lease.take()).to_bytes(_TRANSACTION_OCTETS, "big")

    def addressed(self, layers: Sequence[DataLayer], transaction_id: bytes) -> list[DataLayer]:
        """The layers with both titles and a transaction-id in their headers."""
        own, peer = self.system_title, self.recipient_title
        return [
            each._replace(transaction_id=transaction_id, originator=own, recipient=peer)
            for each in layers
        ]

    def seal(self, plain: bytes, layers: Sequence[DataLayer]) -> tuple[bytes, list[DataLayer]]:
        """The data in these layers, whose headers are taken as they are; and the layers as made.

        Raises `UsageError` for a key that cannot be made or named, `SecurityError` when the lease
        is spent.
        """
        _check_count(layers)
        made = []
        for layer in layers:
            if layer.kind is LayerKind.SIGNATURE:
                plain = self._signed(plain, layer)
                made.append(layer)
            else:
                plain, ciphered = self._ciphered(plain, layer)
                made.append(ciphered)
        return plain, made

    def _signed(self, plain: bytes, layer: DataLayer) -> bytes:
        signing = self._pairs.signing
        if signing is None:
            raise UsageError("signing needs a private key for signatures", where=_WHERE)
        return plain + signing.sign(_signed_octets(layer, plain))

    def _ciphered(self, plain: bytes, layer: DataLayer) -> tuple[bytes, DataLayer]:
        keys, info = self._keys, layer.key_info
        if isinstance(info, IdentifiedKey) and info.key_id:
            raise UsageError("data are protected by the unicast key", where=_WHERE)
        make_key = self._pairs.maker(layer.source, self._entropy)
        if make_key is not None:
            key, info = make_key.make(
                keys.suite, self.system_title, self.recipient_title, layer.transaction_id
            )
            keys = keys.dedicated(key)
        layer = layer._replace(key_info=info)
        control = layer.kind.control | int(keys.suite)
        sealer = Sealer(keys, self.system_title, self._lease)
        return sealer.seal(plain, control, _header(layer)), layer

    def __repr__(self) -> str:
        return f"DataSealer({self.system_title.hex()} to {self.recipient_title.hex()})"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a sealer is never copied: its counter values would be used twice")


class DataOpener:
    """Takes the layers off data that one originator protected for us.

    `floor` is the highest counter of the global key that is too old, -1 for none; whether a
    transaction is new is for the caller to judge, after the layers have verified.
    """

    def __init__(
        self,
        keys: CipherKeys,
        system_title: bytes,
        peer_title: bytes,
        pairs: KeyPairs,
        *,
        floor: int = -1,
    ) -> None:
        self._keys = keys
        self._pairs = pairs
        self._floor = floor
        self.system_title = check_system_title(system_title)
        self.peer_title = check_system_title(peer_title)

    def open(self, octets: bytes, layers: Sequence[DataLayer]) -> bytes:
        """The data within, as the headers of the layers vouch for it; empty titles are not checked.

        Raises `DecodeError` for octets too short for their layers, `SecurityError` for other
        titles, a tag or signature that does not verify, an unknown key, a counter that is too old,
        or another kind of protection than the parameters say.
        """
        _check_count(layers)
        for each in reversed(layers):
            self._check_titles(each)
            if each.kind is LayerKind.SIGNATURE:
                octets = self._verified(octets, each)
            else:
                octets = self._deciphered(octets, each)
        return octets

    def _check_titles(self, layer: DataLayer) -> None:
        if layer.originator not in (b"", self.peer_title):
            raise SecurityError("data of another originator", where=_WHERE)
        if layer.recipient not in (b"", self.system_title):
            raise SecurityError("data for another recipient", where=_WHERE)

    def _verified(self, octets: bytes, layer: DataLayer) -> bytes:
        signer = self._pairs.peer_signing
        if not signer:
            raise SecurityError("no certificate of the peer for signatures", where=_WHERE)
        size = 2 * curve_of(self._keys.suite).octets
        if len(octets) < size:
            raise DecodeError("no room for a signature", where=_WHERE, offset=len(octets))
        plain, signature = octets[:-size], octets[-size:]
        verify(signer, signature, _signed_octets(layer, plain))
        return plain

    def _deciphered(self, octets: bytes, layer: DataLayer) -> bytes:
        keys, floor, info = self._keys, self._floor, layer.key_info
        control = octets[0] if octets else 0
        if control & (BOTH | KEY_SET) != layer.kind.control:
            raise SecurityError("data are not protected as their parameters say", where=_WHERE)
        if isinstance(info, IdentifiedKey):
            if info.key_id:
                raise SecurityError("data are protected by the unicast key", where=_WHERE)
        else:
            message = _message(layer)
            message.originator_system_title = self.peer_title
            key = self._pairs.keyring().find(keys.suite, message, self.system_title)
            keys, floor = keys.dedicated(key), -1
        opener = Opener(keys, self.peer_title, floor, minimum=layer.kind.control)
        return opener.open(octets, _header(layer)).plain

    def __repr__(self) -> str:
        return f"DataOpener({self.peer_title.hex()})"


def _bits(control: int) -> Sequence[int]:
    return [bit for bit in (AUTHENTICATION, ENCRYPTION, SIGNED) if control & bit]


def _check_count(layers: Sequence[DataLayer]) -> None:
    if not 0 < len(layers) <= MOST_LAYERS:
        raise SecurityError(f"data come in 1 to {MOST_LAYERS} layers", where=_WHERE)


def _message(layer: DataLayer) -> GeneralCiphering:
    """The envelope whose header a layer has; it says no time."""
    return GeneralCiphering(
        layer.transaction_id,
        layer.originator,
        layer.recipient,
        b"",
        layer.other_information,
        layer.key_info,
        b"",
    )


def _header(layer: DataLayer) -> bytes:
    """What a ciphered layer authenticates besides the data [memory]."""
    return _message(layer).header


def _signed_octets(layer: DataLayer, plain: bytes) -> bytes:
    """What the signature of a layer covers [memory]."""
    _, transaction, originator, recipient, other, _ = layer
    signed = GeneralSigning(transaction, originator, recipient, b"", other, plain, b"")
    return signed.signed_octets


def _key_info(kind: int, options: Data) -> KeyInfo:
    """Key information out of its kind and options [memory]: `DecodeError` for any other form."""
    tag, value = options
    if kind == _IDENTIFIED and tag == Tag.ENUM:
        return IdentifiedKey(value)
    if kind in (_WRAPPED, _AGREED) and tag == Tag.STRUCTURE and len(value) == 2:
        (first_tag, first), (second_tag, second) = value
        if second_tag == Tag.OCTET_STRING:
            if kind == _WRAPPED and first_tag == Tag.ENUM:
                return WrappedKey(first, bytes(second))
            if kind == _AGREED and first_tag == Tag.OCTET_STRING:
                return AgreedKey(bytes(first), bytes(second))
    raise DecodeError(f"key information of kind {kind} has another form", where=_WHERE)
