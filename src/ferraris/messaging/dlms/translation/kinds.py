"""Kinds of values in the table of APDUs: how each is shown as a node and taken back.

Where a value has no plain spelling, an element `hex` holds its octets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import OctetEnum
from ferraris.messaging.dlms.translation.names import CONFORMANCE
from ferraris.messaging.dlms.translation.node import Node, hexadecimal, octets_of, unfit
from ferraris.messaging.dlms.translation.way import Way

__all__ = [
    "FLAG",
    "SHORT",
    "U8",
    "U16",
    "U32",
    "BitsKind",
    "ConformanceKind",
    "Enumeration",
    "Flag",
    "Integer",
    "Kind",
    "Name",
    "Nothing",
    "Octets",
    "hexed",
    "integer_of",
    "unhexed",
]

_DIGITS = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_UNASSIGNED = re.compile(r"(?:unassigned-)?([0-9]{1,3})", re.ASCII)


class Kind(Protocol):
    """A value of a field, both ways; `take` raises `UsageError` for what does not fit."""

    def show(self, name: str, value: Any, way: Way) -> Node:
        """The value as an element of this name."""

    def take(self, node: Node, way: Way) -> Any:
        """The value that an element holds."""


@dataclass(frozen=True, slots=True)
class Integer:
    """A number; `signed` shows numbers of 16 bits as Integer16 has them, and takes both."""

    low: int
    high: int
    signed: bool = False

    def show(self, name: str, value: Any, way: Way) -> Node:
        """In decimal digits."""
        number = int(value)
        return Node(name, number - 0x10000 if self.signed and number > 0x7FFF else number)

    def take(self, node: Node, way: Way) -> int:
        """A number in range."""
        number = integer_of(node, -0x8000 if self.signed else self.low, self.high)
        return number & 0xFFFF if self.signed else number


U8 = Integer(0, 0xFF)
U16 = Integer(0, 0xFFFF)
U32 = Integer(0, 0xFFFFFFFF)
SHORT = Integer(0, 0xFFFF, signed=True)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def show(self, name: str, value: Any, way: Way) -> Node:
        """As `true` or `false`."""
        return Node(name, bool(value))

    def take(self, node: Node, way: Way) -> bool:
        """`true`, `false`, 1 or 0."""
        text = node.value
        if not node.children:
            word = text.strip() if isinstance(text, str) else text
            if word in ("true", "1") or word is True or (word == 1 and word is not False):
                return True
            if word in ("false", "0") or word is False or word == 0:
                return False
        raise unfit(node, "true or false expected")


FLAG = Flag()


@dataclass(frozen=True, slots=True)
class Octets:
    """Octets, `size` of them unless None."""

    size: int | None = None

    def show(self, name: str, value: Any, way: Way) -> Node:
        """In hexadecimal digits."""
        return Node(name, hexadecimal(value))

    def take(self, node: Node, way: Way) -> bytes:
        """Octets of the size that belongs here."""
        return octets_of(node, self.size)


@dataclass(frozen=True, slots=True)
class Enumeration:
    """A member of an enumeration of one octet, in the standard's words."""

    members: type[OctetEnum]

    def show(self, name: str, value: Any, way: Way) -> Node:
        """Its word, `unassigned-77` for a number without one."""
        return Node(name, self.members(value).words)

    def take(self, node: Node, way: Way) -> OctetEnum:
        """A word of the enumeration, or a number."""
        found = None
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            found = self.named(str(node.value))
        elif isinstance(node.value, str):
            found = self.named(node.value.strip())
        if found is None or node.children:
            raise unfit(node, f"a word expected, {self.words}; or a number, 0 to 255")
        return found

    def named(self, word: str) -> OctetEnum | None:
        """The member of this word or number, None when there is none."""
        if match := _UNASSIGNED.fullmatch(word):
            number = int(match[1])
            return self.members(number) if number <= 0xFF else None
        for member in self.members:
            if member.words == word:
                return member
        return None

    @property
    def words(self) -> str:
        """All words, for errors."""
        return ", ".join(member.words for member in self.members)


@dataclass(frozen=True, slots=True)
class Name:
    """An object identifier known by its last number, else its octets."""

    known: type[IntEnum]

    def show(self, name: str, value: Any, way: Way) -> Node:
        """The last number of a known name."""
        return hexed(name, value) if isinstance(value, bytes) else Node(name, int(value))

    def take(self, node: Node, way: Way) -> IntEnum | bytes:
        """A number of a known name, or octets."""
        octets = unhexed(node)
        if octets is not None:
            return octets
        numbers = [member.value for member in self.known]
        number = integer_of(node, min(numbers), max(numbers))
        return self.known(number)


@dataclass(frozen=True, slots=True)
class BitsKind:
    """The content of a BIT STRING in BER, its first octet the number of unused bits."""

    def show(self, name: str, value: Any, way: Way) -> Node:
        """As zeros and ones; as octets when unused bits are set or too many."""
        octets = bytes(value)
        unused = octets[0] if octets else 8
        if unused <= 7 and len(octets) > (unused > 0):
            bits = "".join(f"{octet:08b}" for octet in octets[1:])
            kept = len(bits) - unused
            if "1" not in bits[kept:]:
                return Node(name, bits[:kept])
        return hexed(name, octets)

    def take(self, node: Node, way: Way) -> bytes:
        """Zeros and ones, or octets."""
        octets = unhexed(node)
        if octets is not None:
            return octets
        bits = "" if node.value is None else str(node.value).strip()
        if node.children or bits.strip("01") or len(bits) > 0xFFFF:
            raise unfit(node, "bits expected, as zeros and ones")
        padded = bits + "0" * (-len(bits) % 8)
        packed = bytes(int(padded[n : n + 8], 2) for n in range(0, len(padded), 8))
        return bytes((len(padded) - len(bits),)) + packed


@dataclass(frozen=True, slots=True)
class ConformanceKind:
    """The conformance block: names of the bits that are set."""

    def show(self, name: str, value: Any, way: Way) -> Node:
        """The names, one space between them."""
        number = int(value)
        named = [each for bit, each in enumerate(CONFORMANCE) if number >> (23 - bit) & 1]
        return Node(name, " ".join(named))

    def take(self, node: Node, way: Way) -> Conformance:
        """Names of bits in any order."""
        text = "" if node.value is None else node.value
        if not isinstance(text, str) or node.children or len(text) > 4096:
            raise unfit(node, "names of conformance bits expected")
        number = 0
        for word in text.split():
            if word not in CONFORMANCE:
                raise unfit(node, f"names of conformance bits expected: {' '.join(CONFORMANCE)}")
            number |= 1 << (23 - CONFORMANCE.index(word))
        return Conformance(number)


@dataclass(frozen=True, slots=True)
class Nothing:
    """An element without content that stands for one value."""

    value: Any

    def show(self, name: str, value: Any, way: Way) -> Node:
        """An empty element."""
        return Node(name)

    def take(self, node: Node, way: Way) -> Any:
        """The value it stands for."""
        blank = node.value is None or (isinstance(node.value, str) and not node.value.strip())
        if node.children or not blank:
            raise unfit(node, "no content expected")
        return self.value


def integer_of(node: Node, low: int, high: int) -> int:
    """The number that an element holds, between `low` and `high`."""
    value = node.value
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if node.children or not whole or not low <= int(value or 0) <= high:
        raise unfit(node, f"a number expected, {low} to {high}")
    return int(value or 0)


def hexed(name: str, octets: bytes) -> Node:
    """An element for what has no plain spelling: `hex` within holds the octets."""
    node = Node(name)
    node.children = [Node("hex", hexadecimal(octets), parent=node)]
    return node


def unhexed(node: Node) -> bytes | None:
    """The octets of an element `hex` within, None when there is none."""
    children: Sequence[Node] = node.children
    if len(children) == 1 and children[0].name == "hex":
        return octets_of(children[0])
    return None
