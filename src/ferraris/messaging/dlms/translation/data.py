"""COSEM data as elements and back, every kind, to the last octet.

Numbers are decimal; octet-strings, floats and times are octets; bit-strings zeros and ones. A value
whose content has no such spelling has its content as octets in `hex`; a whole encoding that we
would not write so (a length in a longer form, say) stands as it is in `encoded`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import RANGES, BitString, CompactArray, Data, Description, NotANumber
from ferraris.messaging.dlms.translation.kinds import FLAG, U16, hexed, integer_of, unhexed
from ferraris.messaging.dlms.translation.names import DATA_KINDS
from ferraris.messaging.dlms.translation.node import (
    MAX_SHOWN_OCTETS,
    Node,
    attach,
    hexadecimal,
    octets_of,
    only_child,
    unfit,
)
from ferraris.messaging.dlms.translation.way import Way

__all__ = ["DATA", "DataKind", "data_node", "data_of"]

_ENCODED = "encoded"
_TAGS = {name: tag for tag, name in DATA_KINDS.items()}
_TIMES: dict[int, type[DateTime] | type[Date] | type[Time]] = {25: DateTime, 26: Date, 27: Time}
_FLOATS = {23: struct.Struct(">f"), 24: struct.Struct(">d")}
_COMPACT_ARRAY = 19
_CONTENTS_DESCRIPTION, _ARRAY_CONTENTS = "contents-description", "array-contents"
_NUMBER_OF_ELEMENTS, _TYPE_DESCRIPTION = "number-of-elements", "type-description"
_A_KIND = "a kind of Data, for example double-long-unsigned, octet-string, structure"


@dataclass(frozen=True, slots=True)
class DataKind:
    """Encoded Data within an element."""

    def show(self, name: str, value: Any, way: Way) -> Node:
        """The element of its kind; its octets where they are no Data, or not as we write it."""
        node = Node(name)
        attach(node, data_node(value))
        return node

    def take(self, node: Node, way: Way) -> bytes:
        """The Data of the one element within, encoded."""
        child = only_child(node, _A_KIND)
        if child.name == _ENCODED:
            return octets_of(child)
        return _encoded(child, data_of(child))


DATA = DataKind()


def data_node(octets: bytes) -> Node:
    """Encoded Data as an element; `encoded` with the octets when they are not canonical Data."""
    note = "not as it would be written"
    if len(octets) <= MAX_SHOWN_OCTETS:
        try:
            data = axdr.decode(octets)
            if axdr.encode(data) == octets:
                return _shown(data)
        except DecodeError:
            note = "no data"
    else:
        note = "too long to be shown in elements"
    return Node(_ENCODED, hexadecimal(octets), note=note)


def data_of(node: Node) -> Data:
    """The value that an element says; `UsageError` with its place when it says none."""
    tag = _TAGS.get(node.name)
    if tag is None:
        raise unfit(node, f"{_A_KIND} expected")
    if tag in (1, 2):
        _check_blank(node)
        return tag, [data_of(child) for child in node.children]
    content = unhexed(node) if tag != _COMPACT_ARRAY else None
    if content is not None:
        return tag, _content(node, tag, content)
    return tag, _value(node, tag)


def _shown(data: Data) -> Node:
    tag, value = data
    name = DATA_KINDS[tag]
    if tag in (1, 2):
        node = Node(name, listed=True)
        for each in value:
            attach(node, _shown(each))
        return node
    if tag in RANGES:
        return Node(name, int(value))
    if tag in (0, 255):
        return Node(name)
    if tag == 9:
        return Node(name, hexadecimal(value))
    if tag in _TIMES:
        return Node(name, hexadecimal(value), note=str(value))
    if tag in _FLOATS:
        content = axdr.encode_content(tag, value)
        note = "not a number" if isinstance(value, NotANumber) else repr(value)
        return Node(name, hexadecimal(content), note=note)
    if tag == _COMPACT_ARRAY:
        return _compact_array(name, value)
    if tag == 3 and isinstance(value, bool):
        return Node(name, value)
    if tag == 4 and BitString.from_text(value.text) == value:
        return Node(name, value.text)
    if tag in (10, 12) and _is_plain(value):
        return Node(name, value)
    return hexed(name, axdr.encode_content(tag, value))


def _is_plain(text: str) -> bool:
    """Does a text survive XML? Neither control characters do, nor lone surrogates."""
    return all(character.isprintable() for character in text)


def _compact_array(name: str, value: CompactArray) -> Node:
    node = Node(name)
    attach(attach(node, Node(_CONTENTS_DESCRIPTION)), _description(value.description))
    attach(node, Node(_ARRAY_CONTENTS, hexadecimal(value.contents)))
    return node


def _description(description: Description) -> Node:
    tag, inner = description
    node = Node(DATA_KINDS[tag], listed=tag == 2)
    if tag == 1:
        count, element = inner
        attach(node, Node(_NUMBER_OF_ELEMENTS, count))
        attach(attach(node, Node(_TYPE_DESCRIPTION)), _description(element))
    elif tag == 2:
        for member in inner:
            attach(node, _description(member))
    return node


def _value(node: Node, tag: int) -> Any:
    """The value of a simple kind in its plain spelling."""
    if tag in RANGES:
        return integer_of(node, *RANGES[tag])
    if tag in (0, 255):
        _check_blank(node)
        if node.children:
            raise unfit(node, "no content expected")
        return None
    if tag == _COMPACT_ARRAY:
        return _compact_array_of(node)
    if tag == 3:
        return FLAG.take(node, Way())
    if tag == 9:
        return octets_of(node)
    if tag in _TIMES:
        kind = _TIMES[tag]
        return kind(octets_of(node, {25: 12, 26: 5, 27: 4}[tag]))
    if tag in _FLOATS:
        return _content(node, tag, octets_of(node, _FLOATS[tag].size))
    return _text(node, tag)


def _text(node: Node, tag: int) -> Any:
    text = "" if node.value is None else node.value
    if node.children or not isinstance(text, str):
        raise unfit(node, "a text expected")
    if tag == 4:
        bits = text.strip()
        if bits.strip("01") or len(bits) > 8 * MAX_SHOWN_OCTETS:
            raise unfit(node, "bits expected, as zeros and ones")
        return _bits(bits)
    if tag == 10 and any(ord(character) > 0xFF for character in text):
        raise unfit(node, "characters of one octet expected: use utf8-string")
    return text


def _bits(bits: str) -> BitString:
    padded = bits + "0" * (-len(bits) % 8)
    return BitString(len(bits), bytes(int(padded[n : n + 8], 2) for n in range(0, len(padded), 8)))


def _content(node: Node, tag: int, content: bytes) -> Any:
    """The value whose content, the octets behind its tag, is given."""
    try:
        value, end = axdr.decode_content(tag, content, 0)
    except DecodeError as error:
        raise unfit(node, f"the content of a {node.name} expected: {error.message}") from None
    if end != len(content):
        raise unfit(node, f"the content of one {node.name} expected, octets are left over")
    if axdr.encode_content(tag, value) != content:
        raise unfit(node, "a length in its shortest form expected")
    return value


def _compact_array_of(node: Node) -> CompactArray:
    parts = {child.name: child for child in node.children}
    if list(parts) != [_CONTENTS_DESCRIPTION, _ARRAY_CONTENTS] or len(node.children) != 2:
        raise unfit(node, f"{_CONTENTS_DESCRIPTION} and {_ARRAY_CONTENTS} expected")
    described = only_child(parts[_CONTENTS_DESCRIPTION], _A_KIND)
    return CompactArray(_description_of(described), octets_of(parts[_ARRAY_CONTENTS]))


def _description_of(node: Node) -> Description:
    tag = _TAGS.get(node.name)
    if tag is None or tag == _COMPACT_ARRAY:
        raise unfit(node, f"{_A_KIND} expected")
    _check_blank(node)
    if tag == 2:
        return tag, tuple(_description_of(child) for child in node.children)
    if tag == 1:
        parts = {child.name: child for child in node.children}
        if set(parts) != {_NUMBER_OF_ELEMENTS, _TYPE_DESCRIPTION} or len(node.children) != 2:
            raise unfit(node, f"{_NUMBER_OF_ELEMENTS} and {_TYPE_DESCRIPTION} expected")
        count = U16.take(parts[_NUMBER_OF_ELEMENTS], Way())
        return tag, (count, _description_of(only_child(parts[_TYPE_DESCRIPTION], _A_KIND)))
    if node.children:
        raise unfit(node, "no content expected: a description has kinds without values")
    return tag, None


def _check_blank(node: Node) -> None:
    if node.value is not None and not (isinstance(node.value, str) and not node.value.strip()):
        raise unfit(node, "elements expected, no text" if node.children else "no text expected")


def _encoded(node: Node, data: Data) -> bytes:
    try:
        octets = axdr.encode(data)
        axdr.skip(octets)
    except UsageError as error:
        raise unfit(node, f"Data expected that can be encoded: {error.message}") from None
    except DecodeError as error:
        raise unfit(node, f"Data expected within the limits: {error.message}") from None
    return octets
