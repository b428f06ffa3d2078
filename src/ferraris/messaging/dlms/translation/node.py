"""The neutral tree between APDUs and documents: elements with a value or with children.

XML and JSON are two spellings of this tree; what may stand where is in `layouts`. Values may be
passwords and keys, so a node shows neither in its repr nor in an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ferraris.core.errors import UsageError

__all__ = [
    "MAX_CHARACTERS",
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "MAX_SHOWN_OCTETS",
    "Node",
    "Value",
    "attach",
    "hexadecimal",
    "octets_of",
    "only_child",
    "unfit",
]

MAX_CHARACTERS = 1 << 26
"""The longest document that is read."""

MAX_ELEMENTS = 1 << 20
"""The most elements of a document that is read."""

MAX_DEPTH = 96
"""How deep the elements of a document may nest."""

MAX_SHOWN_OCTETS = 1 << 18
"""Longer APDUs and Data are shown as octets: as elements they might be more than is read back."""

_DEEPEST_SHOWN = 12

Value = str | int | bool | None


@dataclass(slots=True, repr=False, eq=False)
class Node:
    """One element: a value, or children; `listed` children may share a name and have an order.

    `note` is said beside it to people and never read back. `line` is where it stood in a document,
    0 when that is not known.
    """

    name: str
    value: Value = None
    children: list[Node] = field(default_factory=list)
    listed: bool = False
    note: str = ""
    line: int = 0
    parent: Node | None = None

    def __repr__(self) -> str:
        return f"Node({self.path})"

    @property
    def path(self) -> str:
        """The names from the root to here, for example `get-request/get-request-normal`."""
        names: list[str] = []
        at: Node | None = self
        while at is not None:
            names.append(at.name)
            at = at.parent
        names.reverse()
        if len(names) > _DEEPEST_SHOWN:
            names[4 : len(names) - 6] = ["…"]
        return "/".join(name[:60] for name in names)


def attach(parent: Node, child: Node) -> Node:
    """Put `child` last among the children of `parent`."""
    child.parent = parent
    parent.children.append(child)
    return child


def unfit(node: Node, expected: str) -> UsageError:
    """The error that says where a document does not fit, and what belongs there."""
    where = f"line {node.line}, {node.path}" if node.line else node.path
    return UsageError(expected, where=where)


def only_child(node: Node, expected: str) -> Node:
    """The one child of an element that holds a choice."""
    if len(node.children) != 1:
        raise unfit(node, f"one element expected, {expected}; here are {len(node.children)}")
    return node.children[0]


def hexadecimal(octets: bytes) -> str:
    """Octets as documents spell them."""
    return octets.hex().upper()


def octets_of(node: Node, size: int | None = None) -> bytes:
    """The octets that an element spells in hexadecimal, `size` of them unless None."""
    text = "" if node.value is None else node.value
    if node.children or not isinstance(text, str):
        raise unfit(node, "octets expected, as a text of hexadecimal digits")
    try:
        octets = bytes.fromhex("".join(text.split()))
    except ValueError:
        raise unfit(node, "octets expected, in hexadecimal digits, two for each") from None
    if size is not None and len(octets) != size:
        raise unfit(node, f"{size} octets expected, here are {len(octets)}")
    return octets
