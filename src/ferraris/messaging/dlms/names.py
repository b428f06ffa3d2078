"""What a service speaks of: attributes, methods, and selections within an attribute [asn1]."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import NamedTuple

__all__ = [
    "AttributeDescriptor",
    "MethodDescriptor",
    "Selection",
    "attribute_from_octets",
    "method_from_octets",
]

_DESCRIPTOR = Struct(">H6sb")
_KNOWN_DESCRIPTORS = 8192


class AttributeDescriptor(NamedTuple):
    """Cosem-Attribute-Descriptor: class 0..65535, six octets of name, attribute -128..127.

    Attribute 0 means all attributes at once where that was negotiated.
    """

    class_id: int
    logical_name: bytes
    attribute: int

    def to_octets(self) -> bytes:
        """Nine octets."""
        return _DESCRIPTOR.pack(*self)

    def __repr__(self) -> str:
        name = self.logical_name.hex()
        return f"AttributeDescriptor({self.class_id}, {name}, {self.attribute})"


class MethodDescriptor(NamedTuple):
    """Cosem-Method-Descriptor: class 0..65535, six octets of name, method -128..127."""

    class_id: int
    logical_name: bytes
    method: int

    def to_octets(self) -> bytes:
        """Nine octets."""
        return _DESCRIPTOR.pack(*self)

    def __repr__(self) -> str:
        return f"MethodDescriptor({self.class_id}, {self.logical_name.hex()}, {self.method})"


class Selection(NamedTuple):
    """Selective-Access-Descriptor: selector 0..255 and its parameter as encoded Data."""

    selector: int
    parameter: bytes

    def to_octets(self) -> bytes:
        """Selector and parameter, without the presence octet."""
        return bytes((self.selector,)) + self.parameter


# Requests name the same few objects over and over: one tuple for each, made once.
@lru_cache(_KNOWN_DESCRIPTORS)
def attribute_from_octets(octets: bytes) -> AttributeDescriptor:
    """From exactly nine octets; the caller has checked their number."""
    return AttributeDescriptor._make(_DESCRIPTOR.unpack(octets))


@lru_cache(_KNOWN_DESCRIPTORS)
def method_from_octets(octets: bytes) -> MethodDescriptor:
    """From exactly nine octets; the caller has checked their number."""
    return MethodDescriptor._make(_DESCRIPTOR.unpack(octets))
