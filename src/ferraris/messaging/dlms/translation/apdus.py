"""Octets to the tree and back, for every APDU and for COSEM data alone."""

from __future__ import annotations

from typing import Any

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.axdr import Limits
from ferraris.messaging.dlms import acse, apdu
from ferraris.messaging.dlms.general import ServiceCiphered
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS
from ferraris.messaging.dlms.translation.data import DATA
from ferraris.messaging.dlms.translation.layouts import LAYOUTS, Layout
from ferraris.messaging.dlms.translation.names import (
    ACSE_ROOT,
    CIPHERED,
    DATA_ROOT,
    XDLMS_ROOT,
)
from ferraris.messaging.dlms.translation.nested import PROTECTED
from ferraris.messaging.dlms.translation.node import (
    MAX_CHARACTERS,
    MAX_SHOWN_OCTETS,
    Node,
    attach,
    hexadecimal,
    octets_of,
    only_child,
    unfit,
)
from ferraris.messaging.dlms.translation.way import Opened, Opens, Seals, Way

__all__ = ["data_to_tree", "from_tree", "to_tree"]

_ACSE = (acse.Aarq, acse.Aare, acse.Rlrq, acse.Rlre)
_OCTETS = "octets"
_NOT_CANONICAL = "not-canonical"
_CIPHERED_TAGS = {name: tag for tag, name in CIPHERED.items()}
_BY_ELEMENT: dict[str, dict[str, Layout]] = {}
for _layout in LAYOUTS.values():
    _BY_ELEMENT.setdefault(_layout.element, {})[_layout.choice] = _layout


def to_tree(octets: bytes, *, opens: Opens | None = None, limits: Limits = DEFAULT_LIMITS) -> Node:
    """The tree of one APDU, to the last octet.

    An APDU that would not be written as it came (a length in a longer form, say) keeps its octets
    beside its tree, in `not-canonical`; one of more than 256 KiB is nothing but octets. `opens`
    opens protected contents. The tree holds whatever the octets hold, passwords and dedicated keys
    among it.

    Raises `DecodeError` for what is no APDU, or has more than 16 MiB.
    """
    value = apdu.decode(octets, limits=limits)
    root = Node(ACSE_ROOT if isinstance(value, _ACSE) else XDLMS_ROOT)
    if len(octets) > MAX_SHOWN_OCTETS:
        if len(octets) > MAX_CHARACTERS // 4:
            raise DecodeError("too long for a document", where="translation")
        attach(root, Node(_OCTETS, hexadecimal(octets), note="too long to be shown in elements"))
        return root
    attach(root, _shown(value, Way(_inner, None, opens)))
    if not _is_canonical(value, octets):
        note = "as it came; written from the element before it would be other octets"
        attach(root, Node(_NOT_CANONICAL, hexadecimal(octets), note=note))
    return root


def data_to_tree(octets: bytes) -> Node:
    """The tree of one COSEM Data; raises `DecodeError` for what is none."""
    axdr.decode(octets)
    return DATA.show(DATA_ROOT, octets, Way())


def from_tree(root: Node, *, seals: Seals | None = None) -> bytes:
    """The octets that a tree says: of an APDU, with its root or without, or of Data.

    `seals` protects contents that are shown open. Raises `UsageError`, with the place in the
    document and what was expected there, when the tree says nothing that has octets.
    """
    way = Way(None, _taken, None, seals)
    if root.name == DATA_ROOT:
        return DATA.take(root, way)
    if root.name not in (ACSE_ROOT, XDLMS_ROOT):
        return _taken(root, way)
    if [child.name for child in root.children] == [_OCTETS]:
        return _as_they_are(root.children[0])
    kept = next((child for child in root.children if child.name == _NOT_CANONICAL), None)
    if kept is None:
        return _taken(only_child(root, "an APDU"), way)
    if len(root.children) != 2 or root.children[0] is kept:
        raise unfit(kept, "the element of an APDU and then its octets expected")
    return _kept(kept, root.children[0], way)


def _as_they_are(node: Node) -> bytes:
    octets = octets_of(node)
    try:
        apdu.decode(octets)
    except DecodeError as error:
        raise unfit(node, f"octets of an APDU expected: {error.message}") from None
    return octets


def _kept(kept: Node, element: Node, way: Way) -> bytes:
    """Octets as they came, when they still say what the element beside them says."""
    octets = octets_of(kept)
    value = _value(element, way)
    try:
        same = apdu.decode(octets) == value
    except DecodeError:
        same = False
    if not same:
        message = f"octets of the APDU in {element.name} expected: remove them to write it anew"
        raise unfit(kept, message)
    return octets


def _inner(octets: bytes, way: Way) -> Node | None:
    """The element of an APDU within another; None when octets say it better."""
    try:
        value = apdu.decode(octets)
    except DecodeError:
        return None
    return _shown(value, way) if _is_canonical(value, octets) else None


def _is_canonical(value: apdu.Apdu, octets: bytes) -> bool:
    return apdu.encode(value) == octets


def _shown(value: Any, way: Way) -> Node:
    way = way.inside(value)
    if isinstance(value, ServiceCiphered):
        return PROTECTED.show(CIPHERED[value.tag], value.content, way)
    layout = LAYOUTS[type(value)]
    if not layout.choice:
        return layout.record.show(layout.element, value, way)
    node = Node(layout.element)
    attach(node, layout.record.show(layout.choice, value, way))
    return node


def _taken(node: Node, way: Way) -> bytes:
    """The octets of an APDU's element."""
    value = _value(node, way)
    octets = apdu.encode(value)
    try:
        again = apdu.decode(octets)
    except DecodeError as error:
        raise unfit(node, f"fields of an APDU expected that can be read: {error.message}") from None
    if again != value:
        raise unfit(node, "fields expected that are read as they are written; these are not")
    return octets


def _value(node: Node, way: Way) -> Any:
    """The APDU that an element says; what is open in it is protected."""
    value = _fields(node, way)
    content = getattr(value, "content", None)
    if isinstance(content, Opened):
        if way.seals is None:
            message = "octets expected: to protect the plain APDU, keys and a counter are needed"
            raise unfit(node, message)
        value.content = way.seals(value, content)
    return value


def _fields(node: Node, way: Way) -> Any:
    tag = _CIPHERED_TAGS.get(node.name)
    if tag is not None:
        return ServiceCiphered(tag, PROTECTED.take(node, way))  # type: ignore[arg-type] # `_value` seals it
    choices = _BY_ELEMENT.get(node.name)
    if choices is None:
        raise unfit(node, "the name of an APDU expected, for example get-request or aarq")
    if "" in choices:
        return choices[""].record.take(node, way)
    inner = only_child(node, " or ".join(choices))
    layout = choices.get(inner.name)
    if layout is None:
        raise unfit(inner, f"{' or '.join(choices)} expected")
    return layout.record.take(inner, way)
