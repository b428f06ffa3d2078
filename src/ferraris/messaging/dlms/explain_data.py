"""Telling COSEM Data element by element, compact-arrays included."""

from __future__ import annotations

from ferraris.data.axdr import decode_content
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Tag, kind_name
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.telling import Teller

__all__ = ["tell_data"]

_MAX_DEPTH = 32
_TOKEN_OCTETS = 17
_TOKEN_CONTROLS = (0x10, 0x11, 0x12)  # authenticated, under the unicast key of each suite
_NOTHING = (Tag.NULL_DATA, Tag.DONT_CARE)
_STRINGS = (Tag.BIT_STRING, Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)


def tell_data(teller: Teller) -> None:
    """Tell one Data: kind and value of every element."""
    _element(teller, 0)


def _element(teller: Teller, level: int) -> None:
    tag = teller.peek()
    if tag is None:
        raise teller.error("a value is missing")
    if level > _MAX_DEPTH:
        raise teller.error("nested too deeply")
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        start = teller.position
        teller.take(1)
        count = teller.tell_length(f"{kind_name(tag)} of {{}}", start)
        with teller.deeper():
            for _ in range(count):
                _element(teller, level + 1)
    elif tag == Tag.COMPACT_ARRAY:
        _compact_array(teller)
    elif tag in _NOTHING:
        teller.tell(1, kind_name(tag))
    elif tag in _STRINGS:
        start = teller.position
        teller.take(1)
        _string(teller, tag, start)
    else:
        _value(teller, tag, 1)


def _value(teller: Teller, tag: int, before: int) -> None:
    """Tell a value of fixed size, with `before` octets of tag in front."""
    value, end = decode_content(tag, teller.octets, teller.position + before)
    teller.tell(end - teller.position, f"{kind_name(tag)} {value}")


def _string(teller: Teller, tag: int, start: int) -> None:
    """Tell length and octets of a string whose line begins at `start`."""
    unit = "bits" if tag == Tag.BIT_STRING else "octets"
    position = teller.position
    length = teller.length()
    size = (length + 7) // 8 if tag == Tag.BIT_STRING else length
    if size > teller.remaining:
        teller.position = start
        raise teller.error(f"length {length} exceeds the {teller.remaining} octets left")
    end, teller.position = teller.position, start
    teller.tell(end - start, f"{kind_name(tag)} of {length} {unit}")
    if not size:
        return
    value, _ = decode_content(tag, teller.octets, position)
    with teller.deeper():
        if teller.hiding:
            teller.tell_hidden(size, "secret")
        elif tag == Tag.BIT_STRING:
            teller.tell(size, value.text)
        elif tag == Tag.OCTET_STRING:
            teller.tell(size, octets_in_words)
        else:
            teller.tell(size, repr(value))


def octets_in_words(octets: bytes) -> str:
    """What an octet string most likely holds: a date-time, a logical name, text, or just octets."""
    if len(octets) == 12 and _is_moment(octets):
        return f"date-time {DateTime(octets)}"
    if octets.isascii() and octets.decode("ascii").isprintable():
        return repr(octets.decode("ascii"))
    if len(octets) == 6:
        return f"logical name {Obis(octets)}"
    if len(octets) == _TOKEN_OCTETS and octets[0] in _TOKEN_CONTROLS:
        counter = int.from_bytes(octets[1:5], "big")
        return f"GMAC token, as it seems: suite {octets[0] & 15}, invocation counter {counter}"
    return f"octets {octets.hex()}"


def _is_moment(octets: bytes) -> bool:
    """Every field of a date-time is in range or a wildcard."""
    year = octets[0] << 8 | octets[1]
    return (
        (1970 <= year < 2200 or year == 0xFFFF)
        and (1 <= octets[2] <= 12 or octets[2] >= 0xFD)
        and (1 <= octets[3] <= 31 or octets[3] >= 0xFD)
        and (1 <= octets[4] <= 7 or octets[4] == 0xFF)
        and (octets[5] < 24 or octets[5] == 0xFF)
        and (octets[6] < 60 or octets[6] == 0xFF)
        and (octets[7] < 60 or octets[7] == 0xFF)
        and (octets[8] < 100 or octets[8] == 0xFF)
        and (octets[9:11] == b"\x80\x00" or -840 <= _signed(octets[9:11]) <= 840)
    )


def _signed(octets: bytes) -> int:
    return int.from_bytes(octets, "big", signed=True)


class _Shape:
    """A type of the description: its tag, its members, and how many of them."""

    __slots__ = ("count", "least", "members", "tag")

    def __init__(self, tag: int, members: list[_Shape], count: int, least: int) -> None:
        self.tag = tag
        self.members = members
        self.count = count
        self.least = least  # octets that one value takes at least


def _compact_array(teller: Teller) -> None:
    teller.tell(1, kind_name(Tag.COMPACT_ARRAY))
    with teller.deeper():
        teller.say("contents description")
        with teller.deeper():
            shape = _description(teller, 0)
        length = teller.tell_length("array contents of {} octets")
        with teller.deeper():
            teller.within(length, lambda inner: _contents(inner, shape))


def _description(teller: Teller, level: int) -> _Shape:
    tag = teller.peek()
    if tag is None or level > _MAX_DEPTH:
        raise teller.error("a type description is missing" if tag is None else "nested too deeply")
    if tag == Tag.ARRAY:
        octets = teller.tell(3, lambda told: f"array of {told[1] << 8 | told[2]}, each")
        count = octets[1] << 8 | octets[2]
        with teller.deeper():
            member = _description(teller, level + 1)
        return _Shape(tag, [member], count, count * member.least)
    if tag == Tag.STRUCTURE:
        start = teller.position
        teller.take(1)
        count = teller.tell_length("structure of {}", start)
        with teller.deeper():
            members = [_description(teller, level + 1) for _ in range(count)]
        return _Shape(tag, members, 1, sum(member.least for member in members))
    teller.tell(1, kind_name(tag))
    return _Shape(tag, [], 1, 0 if tag in _NOTHING else 1)


def _contents(teller: Teller, shape: _Shape) -> None:
    if not shape.least:  # values without octets: nothing says how many
        return
    while teller.remaining:
        _untagged(teller, shape)


def _untagged(teller: Teller, shape: _Shape) -> None:
    teller.step()
    if shape.tag in (Tag.ARRAY, Tag.STRUCTURE):
        teller.say(kind_name(shape.tag))
        with teller.deeper():
            for _ in range(shape.count):
                for member in shape.members:
                    _untagged(teller, member)
    elif shape.tag in _STRINGS:
        _string(teller, shape.tag, teller.position)
    elif shape.tag not in _NOTHING:
        _value(teller, shape.tag, 0)
