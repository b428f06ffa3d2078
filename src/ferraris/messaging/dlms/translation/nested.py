"""Fields that hold another APDU, as it is or protected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferraris.messaging.dlms.translation.kinds import U8, U32
from ferraris.messaging.dlms.translation.node import (
    Node,
    attach,
    hexadecimal,
    octets_of,
    only_child,
    unfit,
)
from ferraris.messaging.dlms.translation.way import MAX_NESTED, Opened, Way

__all__ = ["NESTED", "PROTECTED", "Nested", "Protected"]

_PARTS = ["security-control", "invocation-counter", "plain"]


@dataclass(frozen=True, slots=True)
class Nested:
    """An APDU within: its element, or its octets where it cannot be shown exactly."""

    def show(self, name: str, value: Any, way: Way) -> Node:
        """The APDU's element inside, or octets."""
        inner = None
        if way.shows is not None and way.nested < MAX_NESTED:
            inner = way.shows(value, way)
        if inner is None:
            return Node(name, hexadecimal(value))
        node = Node(name)
        attach(node, inner)
        return node

    def take(self, node: Node, way: Way) -> bytes:
        """The APDU's octets."""
        if not node.children or way.takes is None:
            return octets_of(node)
        return way.takes(only_child(node, "an APDU"), way)


NESTED = Nested()


@dataclass(frozen=True, slots=True)
class Protected:
    """A protected content: its octets, or what is in it where it could be opened."""

    def show(self, name: str, value: Any, way: Way) -> Node:
        """Octets, or the parts of the opened content."""
        opened = None if way.opens is None else way.opens(way.holder, way.title)
        if opened is None:
            return Node(name, hexadecimal(value))
        node = Node(name)
        attach(node, Node(_PARTS[0], opened.control))
        attach(node, Node(_PARTS[1], opened.counter))
        attach(node, NESTED.show(_PARTS[2], opened.plain, way))
        return node

    def take(self, node: Node, way: Way) -> bytes | Opened:
        """The octets; what is open is for the caller to protect."""
        if not node.children:
            return octets_of(node)
        found = {child.name: child for child in node.children}
        if sorted(found) != sorted(_PARTS) or len(node.children) != len(_PARTS):
            raise unfit(node, f"{', '.join(_PARTS)} expected, or octets")
        control, counter, plain = (found[name] for name in _PARTS)
        return Opened(U8.take(control, way), U32.take(counter, way), NESTED.take(plain, way))


PROTECTED = Protected()
