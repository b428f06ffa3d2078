"""Reading and writing the A-XDR parts that services are made of [asn1]."""

from __future__ import annotations

from collections.abc import Iterable

from ferraris.core.octets import Reader
from ferraris.data.axdr import DEFAULT_LIMITS, Limits, length_octets, read_length, skip
from ferraris.messaging.dlms.names import (
    AttributeDescriptor,
    MethodDescriptor,
    Selection,
    attribute_from_octets,
    method_from_octets,
)

__all__ = [
    "DEFAULT_LIMITS",
    "ApduReader",
    "attribute_list",
    "octet_string",
    "optional_data",
    "optional_selection",
    "sequence_of",
]


class ApduReader(Reader):
    """A `Reader` that knows the building blocks of services; `limits` bound nested Data."""

    __slots__ = ("limits",)

    def __init__(
        self, octets: bytes, where: str, limits: Limits = DEFAULT_LIMITS, position: int = 0
    ) -> None:
        super().__init__(octets, where=where, position=position)
        self.limits = limits

    def length(self) -> int:
        """Read a length or count, one octet or `8n` and n octets."""
        first = self.u8()
        if first < 0x80:
            return first
        length, self.position = read_length(self.octets, self.position - 1)
        return length

    def count(self, least: int) -> int:
        """Read a count of elements of at least `least` octets each; more cannot follow."""
        count = self.length()
        if count * least > self.remaining:
            raise self.error(f"{count} elements announced, {self.remaining} octets left")
        return count

    def octet_string(self) -> bytes:
        """Read a length and so many octets."""
        return self.take(self.length())

    def boolean(self) -> bool:
        """Read a boolean: 00 is false, any other octet true."""
        return self.u8() != 0

    def present(self) -> bool:
        """Read the presence octet of an optional component, 00 or 01."""
        octet = self.u8()
        if octet > 1:
            self.position -= 1
            raise self.error(f"presence octet {octet:02x} is neither 00 nor 01")
        return octet == 1

    def data(self) -> bytes:
        """Read one encoded Data, as it is."""
        start = self.position
        self.position = end = skip(self.octets, start, self.limits)
        return self.octets[start:end]

    def attribute(self) -> AttributeDescriptor:
        """Read a Cosem-Attribute-Descriptor."""
        return attribute_from_octets(self.take(9))

    def method(self) -> MethodDescriptor:
        """Read a Cosem-Method-Descriptor."""
        return method_from_octets(self.take(9))

    def selection(self) -> Selection | None:
        """Read an optional Selective-Access-Descriptor."""
        return Selection(self.u8(), self.data()) if self.present() else None

    def attributes(self) -> list[tuple[AttributeDescriptor, Selection | None]]:
        """Read a list of attributes with their optional selections."""
        return [(self.attribute(), self.selection()) for _ in range(self.count(10))]

    def methods(self) -> list[MethodDescriptor]:
        """Read a list of methods."""
        return [self.method() for _ in range(self.count(9))]

    def data_list(self) -> list[bytes]:
        """Read a list of encoded Data."""
        return [self.data() for _ in range(self.count(1))]


def octet_string(octets: bytes) -> bytes:
    """Length and octets."""
    length = len(octets)
    if length < 0x80:
        return bytes((length,)) + octets
    return length_octets(length) + octets


def optional_data(data: bytes | None) -> bytes:
    """Presence octet and Data, or 00."""
    return b"\x00" if data is None else b"\x01" + data


def optional_selection(selection: Selection | None) -> bytes:
    """Presence octet and Selective-Access-Descriptor, or 00."""
    return b"\x00" if selection is None else b"\x01" + selection.to_octets()


def sequence_of(items: Iterable[bytes]) -> bytes:
    """Count and encoded items."""
    parts = list(items)
    return length_octets(len(parts)) + b"".join(parts)


def attribute_list(attributes: Iterable[tuple[AttributeDescriptor, Selection | None]]) -> bytes:
    """Count and attributes with their optional selections."""
    return sequence_of(
        attribute.to_octets() + optional_selection(selection) for attribute, selection in attributes
    )
