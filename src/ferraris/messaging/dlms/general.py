"""Protection and block transfer around other APDUs: ciphered, signed, and in general blocks [asn1].

Contents are carried as they are; `security` opens them, `association` joins blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS, ApduReader, octet_string

__all__ = [
    "AgreedKey",
    "GeneralBlockTransfer",
    "GeneralCiphering",
    "GeneralDed",
    "GeneralGlo",
    "GeneralSigning",
    "IdentifiedKey",
    "KeyInfo",
    "ServiceCiphered",
    "WrappedKey",
]

_LAST_BLOCK = 0x80
_STREAMING = 0x40
_WINDOW = 0x3F


@dataclass(slots=True)
class ServiceCiphered:
    """A service-specific glo- or ded- APDU: `content` is SC, counter, ciphertext and tag."""

    tag: int
    content: bytes

    def to_octets(self) -> bytes:
        """Encode with its own tag."""
        return bytes((self.tag,)) + octet_string(self.content)


@dataclass(slots=True)
class GeneralGlo:
    """General-glo-ciphering; an empty system title stands for the one already known."""

    system_title: bytes
    content: bytes

    def to_octets(self) -> bytes:
        """Encode with tag DB."""
        return b"\xdb" + octet_string(self.system_title) + octet_string(self.content)


@dataclass(slots=True)
class GeneralDed:
    """General-ded-ciphering; an empty system title stands for the one already known."""

    system_title: bytes
    content: bytes

    def to_octets(self) -> bytes:
        """Encode with tag DC."""
        return b"\xdc" + octet_string(self.system_title) + octet_string(self.content)


@dataclass(slots=True)
class IdentifiedKey:
    """The content is ciphered with a key both have: 0 unicast, 1 broadcast."""

    key_id: int

    def to_octets(self) -> bytes:
        """Encode with choice 00."""
        return bytes((0, self.key_id))


@dataclass(slots=True)
class WrappedKey:
    """The content is ciphered with a key that travels wrapped under key `kek_id`, 0 master."""

    kek_id: int
    key_ciphered_data: bytes

    def to_octets(self) -> bytes:
        """Encode with choice 01."""
        return bytes((1, self.kek_id)) + octet_string(self.key_ciphered_data)


@dataclass(slots=True)
class AgreedKey:
    """The content is ciphered with an agreed key; parameters 01 is C(1e,1s), 02 is C(0e,2s)."""

    key_parameters: bytes
    key_ciphered_data: bytes

    def to_octets(self) -> bytes:
        """Encode with choice 02."""
        parameters = octet_string(self.key_parameters)
        return b"\x02" + parameters + octet_string(self.key_ciphered_data)


KeyInfo = IdentifiedKey | WrappedKey | AgreedKey


@dataclass(slots=True)
class GeneralCiphering:
    """General-ciphering: titles and transaction travel along, the key is named by `key_info`."""

    transaction_id: bytes
    originator_system_title: bytes
    recipient_system_title: bytes
    date_time: bytes
    other_information: bytes
    key_info: KeyInfo | None
    content: bytes

    @property
    def header(self) -> bytes:
        """The five header fields with their lengths, as they are authenticated."""
        return _header(self)

    def to_octets(self) -> bytes:
        """Encode with tag DD."""
        key = b"\x00" if self.key_info is None else b"\x01" + self.key_info.to_octets()
        return b"\xdd" + _header(self) + key + octet_string(self.content)


@dataclass(slots=True)
class GeneralSigning:
    """General-signing: `content` is the signed APDU, `signature` r and s without any frame."""

    transaction_id: bytes
    originator_system_title: bytes
    recipient_system_title: bytes
    date_time: bytes
    other_information: bytes
    content: bytes
    signature: bytes

    @property
    def signed_octets(self) -> bytes:
        """What the signature covers: header fields and content, each with its length."""
        return _header(self) + octet_string(self.content)

    def to_octets(self) -> bytes:
        """Encode with tag DF."""
        return b"\xdf" + self.signed_octets + octet_string(self.signature)


@dataclass(slots=True)
class GeneralBlockTransfer:
    """One block of any APDU. Window 0..63, block numbers 0..65535."""

    last_block: bool
    streaming: bool
    window: int
    block_number: int
    block_number_ack: int
    block_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag E0."""
        control = self.last_block * _LAST_BLOCK | self.streaming * _STREAMING | self.window
        head = bytes((0xE0, control)) + self.block_number.to_bytes(2, "big")
        return head + self.block_number_ack.to_bytes(2, "big") + octet_string(self.block_data)


def decode_service_ciphered(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> ServiceCiphered:
    """Decode a service-specific glo- or ded- APDU from its tag on."""
    if len(octets) > 1 and octets[1] == len(octets) - 2 < 0x80:
        return ServiceCiphered(octets[0], octets[2:])
    reader = ApduReader(octets, "dlms ciphered apdu", limits, 1)
    content = reader.octet_string()
    reader.finish()
    return ServiceCiphered(octets[0], content)


def decode_general_glo(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GeneralGlo:
    """Decode a general-glo-ciphering APDU from its tag DB on."""
    return GeneralGlo(*_title_and_content(octets, "dlms general-glo-ciphering", limits))


def decode_general_ded(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GeneralDed:
    """Decode a general-ded-ciphering APDU from its tag DC on."""
    return GeneralDed(*_title_and_content(octets, "dlms general-ded-ciphering", limits))


def decode_general_ciphering(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GeneralCiphering:
    """Decode a general-ciphering APDU from its tag DD on."""
    reader = ApduReader(octets, "dlms general-ciphering", limits, 1)
    header = _read_header(reader)
    key_info = _read_key_info(reader) if reader.present() else None
    content = reader.octet_string()
    reader.finish()
    return GeneralCiphering(*header, key_info, content)


def decode_general_signing(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GeneralSigning:
    """Decode a general-signing APDU from its tag DF on."""
    reader = ApduReader(octets, "dlms general-signing", limits, 1)
    header = _read_header(reader)
    content = reader.octet_string()
    signature = reader.octet_string()
    reader.finish()
    return GeneralSigning(*header, content, signature)


def decode_general_block_transfer(
    octets: bytes, limits: Limits = DEFAULT_LIMITS
) -> GeneralBlockTransfer:
    """Decode a general-block-transfer APDU from its tag E0 on."""
    reader = ApduReader(octets, "dlms general-block-transfer", limits, 1)
    control = reader.u8()
    number, acknowledged = reader.u16(), reader.u16()
    data = reader.octet_string()
    reader.finish()
    return GeneralBlockTransfer(
        control >= _LAST_BLOCK,
        bool(control & _STREAMING),
        control & _WINDOW,
        number,
        acknowledged,
        data,
    )


def _title_and_content(octets: bytes, where: str, limits: Limits) -> tuple[bytes, bytes]:
    size = len(octets) - 13  # of the usual content: behind eight octets of title, 128 and more
    usual = octets[1:2] == b"\x08" and octets[10:11] == b"\x82" and size > 0
    if usual and int.from_bytes(octets[11:13], "big") == size:
        return octets[2:10], octets[13:]
    reader = ApduReader(octets, where, limits, 1)
    title = reader.octet_string()
    content = reader.octet_string()
    reader.finish()
    return title, content


def _header(apdu: GeneralCiphering | GeneralSigning) -> bytes:
    transaction = apdu.transaction_id
    originator, recipient = apdu.originator_system_title, apdu.recipient_system_title
    usual = len(transaction) == len(originator) == len(recipient) == 8
    if usual and not apdu.date_time and not apdu.other_information:
        return b"\x08%b\x08%b\x08%b\x00\x00" % (transaction, originator, recipient)
    return b"".join(
        map(
            octet_string,
            (
                apdu.transaction_id,
                apdu.originator_system_title,
                apdu.recipient_system_title,
                apdu.date_time,
                apdu.other_information,
            ),
        )
    )


_USUAL = b"\x08\x08\x08\x00\x00"


def _read_header(reader: ApduReader) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    octets, start = reader.octets, reader.position
    # Three fields of eight octets, and two that are empty.
    lengths = octets[start : start + 1] + octets[start + 9 : start + 10]
    if lengths + octets[start + 18 : start + 19] + octets[start + 27 : start + 29] == _USUAL:
        reader.position = start + 29
        fields = octets[start + 1 : start + 27]
        return fields[:8], fields[9:17], fields[18:], b"", b""
    string = reader.octet_string
    return string(), string(), string(), string(), string()


def _read_key_info(reader: ApduReader) -> KeyInfo:
    choice = reader.u8()
    if choice == 0:
        return IdentifiedKey(reader.u8())
    if choice == 1:
        return WrappedKey(reader.u8(), reader.octet_string())
    if choice == 2:
        return AgreedKey(reader.octet_string(), reader.octet_string())
    reader.position -= 1
    raise reader.error(f"unknown kind of key information {choice}")
