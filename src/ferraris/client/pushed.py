"""What a pushed list says: values with the names they carry, scaled to the unit they carry.

Lists come in four forms, and a list may mix the first two:

* elements that are structures of a name, a value and perhaps a scaler with a unit,
* one flat list in which each name is followed by its value (and perhaps scaler and unit),
* the push object list itself, then one value for each of its elements,
* values without names, in an order that only the manufacturer's list identifier tells.

Names are octet-strings of six octets. What manufacturers leave out (scalers of their flat lists,
names of their nameless ones) stands in a table here [han-lists].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.units import Unit, scale, unit

__all__ = ["PushedValue", "pushed_values"]

_ARRAY, _STRUCTURE, _OCTET_STRING, _VISIBLE_STRING = 1, 2, 9, 10
_INTEGER, _ENUM, _NULL = 15, 22, 0
_NUMBERS = {5, 6, 15, 16, 17, 18, 20, 21, 23, 24}
_CLOCKS = {bytes((0, 0, 1, 0, 0, 255)), bytes((0, 1, 1, 0, 0, 255))}


class PushedValue(NamedTuple):
    """One value of a push: its name, and the exact value in the unit, when a unit is known."""

    name: Obis
    value: Any
    unit: Unit | None


def pushed_values(data: Data) -> list[PushedValue]:
    """The named values of a push, in their order; an empty list when nothing is named."""
    tag, elements = data
    if tag not in (_ARRAY, _STRUCTURE) or not isinstance(elements, list):
        return []
    listed = _object_list(elements)
    if listed is not None:
        return listed
    maker = _list_maker(elements)
    found = list(_named(elements, maker))
    return found if found or maker is None else list(_by_position(elements, maker))


class _Maker(NamedTuple):
    """What a manufacturer's list leaves out: scalers by kind of quantity, names by position."""

    scalers: dict[str, int]
    orders: Mapping[int, tuple[str, ...]] = MappingProxyType({})


_POWERS = ("1.7.0", "2.7.0", "3.7.0", "4.7.0")
_ENERGIES = ("clock", "1.8.0", "2.8.0", "3.8.0", "4.8.0")
_THREE_PHASES = (*_POWERS, "31.7.0", "51.7.0", "71.7.0", "32.7.0", "52.7.0", "72.7.0")
_ONE_PHASE = (*_POWERS, "31.7.0", "32.7.0")
_IDENTITY = ("list", "96.1.0", "96.1.7")

# Kamstrup's HAN list: currents in 0.01 A, energies in 10 Wh. Kaifa's: in mA, 0.1 V [han-lists].
_KAMSTRUP = _Maker({"A": -2, "energy": 1})
_KAIFA = _Maker(
    {"A": -3, "V": -1},
    {
        1: ("1.7.0",),
        9: (*_IDENTITY, *_ONE_PHASE),
        13: (*_IDENTITY, *_THREE_PHASES),
        14: (*_IDENTITY, *_ONE_PHASE, *_ENERGIES),
        18: (*_IDENTITY, *_THREE_PHASES, *_ENERGIES),
    },
)
_MAKERS = {"Kamstrup": _KAMSTRUP, "KFM_": _KAIFA}


def _object_list(elements: Sequence[Data]) -> list[PushedValue] | None:
    """Values named by the push object list that comes first; None when there is none."""
    if len(elements) < 2 or elements[0][0] != _ARRAY or len(elements[0][1]) != len(elements):
        return None
    names = [_captured(each) for each in elements[0][1]]
    if None in names:
        return None
    pairs = zip(names[1:], elements[1:], strict=True)  # the list itself comes first
    return [PushedValue(name, _text(held), None) for name, held in pairs if name is not None]


def _captured(data: Data) -> Obis | None:
    """The object of one element of a push object list: class, logical name, attribute, index."""
    tag, fields = data
    if tag != _STRUCTURE or len(fields) < 4 or not _is_name(fields[1]):
        return None
    return Obis(fields[1][1])


def _list_maker(elements: Sequence[Data]) -> _Maker | None:
    """Who wrote a flat list, by the list identifier that is its first text."""
    for tag, value in elements[:2]:
        text = value.decode("latin-1") if tag == _OCTET_STRING else value
        if isinstance(text, str):
            for prefix, maker in _MAKERS.items():
                if text.startswith(prefix):
                    return maker
    only_power = len(elements) == 1 and elements[0][0] in _NUMBERS
    return _KAIFA if only_power else None


def _named(elements: Sequence[Data], maker: _Maker | None) -> Iterator[PushedValue]:
    position = 0
    while position < len(elements):
        tag, value = elements[position]
        position += 1
        if tag in (_STRUCTURE, _ARRAY) and isinstance(value, list):
            yield from _named(value, maker)
            continue
        if not _is_name((tag, value)) or position >= len(elements):
            continue
        held = elements[position]
        if _is_name(held) or held[0] in (_ARRAY, _STRUCTURE):
            continue
        position += 1
        name = Obis(value)
        scaler_unit = _scaler_unit(elements[position]) if position < len(elements) else None
        if scaler_unit is not None:
            position += 1
            yield PushedValue(name, _scaled(held, scaler_unit[0]), unit(scaler_unit[1]))
        else:
            yield _unscaled(name, held, maker)


def _by_position(elements: Sequence[Data], maker: _Maker) -> Iterator[PushedValue]:
    for place, held in zip(maker.orders.get(len(elements), ()), elements, strict=False):
        if place == "clock":
            yield PushedValue(Obis.of(0, 0, 1, 0, 0), _text(held), None)
        elif place == "list":
            yield PushedValue(Obis.of(1, 1, 0, 2, 129), _text(held), None)
        elif place.startswith("96."):
            yield PushedValue(Obis.parse(f"0-0:{place}*255"), _text(held), None)
        else:
            yield _unscaled(Obis.parse(place), held, maker)


def _unscaled(name: Obis, held: Data, maker: _Maker | None) -> PushedValue:
    quantity = _QUANTITIES.get((name.c, name.d)) if name.a == 1 and held[0] in _NUMBERS else None
    if maker is None or quantity is None:
        return PushedValue(name, _text(held), None)
    code, kind = quantity
    return PushedValue(name, _scaled(held, maker.scalers.get(kind, 0)), unit(code))


# Units that go with electricity's names, for lists that bring none: C and D to unit code, kind.
_QUANTITIES: dict[tuple[int, int], tuple[int, str]] = {
    **{(c + phase, 7): (27, "power") for c in (1, 2) for phase in (0, 20, 40, 60)},
    **{(c + phase, 7): (29, "power") for c in (3, 4) for phase in (0, 20, 40, 60)},
    **{(c, 7): (33, "A") for c in (31, 51, 71)},
    **{(c, 7): (35, "V") for c in (32, 52, 72)},
    **{(c, 8): (30, "energy") for c in (1, 2)},
    **{(c, 8): (32, "energy") for c in (3, 4)},
}


def _is_name(data: Data) -> bool:
    """An OBIS code: six octets that end as codes do, of a medium that exists."""
    tag, value = data
    return tag == _OCTET_STRING and len(value) == 6 and value[0] <= 15 and value[5] in (255, 0, 1)


def _scaler_unit(data: Data) -> tuple[int, int] | None:
    tag, value = data
    if tag == _STRUCTURE and len(value) == 2 and value[0][0] == _INTEGER and value[1][0] == _ENUM:
        return value[0][1], value[1][1]
    return None


def _scaled(held: Data, scaler: int) -> int | float | Decimal | Any:
    tag, value = held
    return scale(value, scaler) if tag in _NUMBERS and not isinstance(value, float) else value


def _text(held: Data) -> Any:
    """Octet-strings that are clocks or texts as such, everything else as it is."""
    tag, value = held
    if tag != _OCTET_STRING:
        return value
    if len(value) == 12 and not value.isascii():
        return DateTime(value)
    return (
        value.decode("ascii")
        if value and value.isascii() and value.decode().isprintable()
        else value
    )
