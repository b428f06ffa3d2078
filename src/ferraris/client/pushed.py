"""What a pushed list says: values with the names they carry, scaled to the unit they carry.

Lists come in five forms, and a list may mix the first two:

* elements that are structures of a name, a value and perhaps a scaler with a unit,
* one flat list in which each name is followed by its value (and perhaps scaler and unit),
* the push object list itself, then one value for each of its elements,
* values alone, in the order of a push object list that the receiver knows,
* values alone, in an order that only the manufacturer's list identifier tells.

Names are octet-strings of six octets. What manufacturers leave out stands in `push_makers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from ferraris.client.profile import ProfileLayout, bare_layout
from ferraris.client.push_makers import MAKERS, POWER_ALONE, QUANTITIES, Maker
from ferraris.core.errors import DecodeError
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.types import ArrayOf
from ferraris.data.units import Unit, scale, unit
from ferraris.model.data_storage import CaptureObject, CaptureObjectType

__all__ = [
    "PushedList",
    "PushedObject",
    "PushedValue",
    "Recipe",
    "captured",
    "names_itself",
    "pushed_values",
    "recipes",
]

_COLUMNS_AT, _COLUMNS = 5, ArrayOf(CaptureObjectType)
_ARRAY, _STRUCTURE, _OCTET_STRING, _VISIBLE_STRING = 1, 2, 9, 10
_INTEGER, _ENUM = 15, 22
_NUMBERS = frozenset((5, 6, 15, 16, 17, 18, 20, 21, 23, 24))
_LIST_IDENTIFIER = Obis.of(1, 1, 0, 2, 129)
_CLOCK = Obis.of(0, 0, 1, 0, 0)
_PUSH_SETUP = 40
_REGISTERS, _SCALER_UNIT_ATTRIBUTE = frozenset((3, 4)), 3  # [bluebook-quoted]
_CLOCK_OCTETS = 12


class PushedValue(NamedTuple):
    """One value of a push: its name, the exact value in the unit when a unit is known.

    `class_id` is 0 where the list does not tell the class.
    """

    name: Obis
    value: Any
    unit: Unit | None
    class_id: int = 0
    attribute: int = 2


class Recipe(NamedTuple):
    """A value before it is made: the data that holds it, and what to make of it.

    `scaler` None leaves it as it is, octet-strings as texts and clocks. `layout` is that of the
    rows of a profile, where it is known.
    """

    name: Obis
    held: Data
    scaler: int | None = None
    unit: Unit | None = None
    class_id: int = 0
    attribute: int = 2
    layout: ProfileLayout | None = None

    def value(self) -> Any:
        """The exact value."""
        if self.attribute == 1 and self.class_id and _is_name(self.held):
            return str(Obis(self.held[1]))
        return _text(self.held) if self.scaler is None else _scaled(self.held, self.scaler)

    def made(self) -> PushedValue:
        """Name, value and unit."""
        return PushedValue(self.name, self.value(), self.unit, self.class_id, self.attribute)


class PushedObject(NamedTuple):
    """One element of a push object list; `unit` None leaves the value unscaled.

    `layout` tells the columns of a profile's buffer, None where the list does not tell them.
    """

    name: Obis
    class_id: int = 3
    attribute: int = 2
    scaler: int = 0
    unit: Unit | None = None
    layout: ProfileLayout | None = None


class PushedList(NamedTuple):
    """A push object list that the receiver knows, with scalers and units where they are known.

    It gives names to lists without any, and scalers to lists that bring only names.
    """

    objects: tuple[PushedObject, ...]

    def by_name(self) -> Mapping[bytes, PushedObject]:
        """The elements that are values, by name."""
        return _by_name(self)


@lru_cache(maxsize=256)
def _by_name(known: PushedList) -> Mapping[bytes, PushedObject]:
    values = (each for each in known.objects if each.attribute > 1 and not _is_scaler(each))
    return {each.name: each for each in values}


def pushed_values(data: Data, known: PushedList | None = None) -> list[PushedValue]:
    """The named values of a push, in their order; an empty list when nothing is named."""
    return [each.made() for each in recipes(data, known)]


def recipes(data: Data, known: PushedList | None = None) -> list[Recipe]:
    """What stands where in a push: depends on names, scalers, kinds and texts, not on numbers."""
    tag, elements = data
    if tag not in (_ARRAY, _STRUCTURE) or not isinstance(elements, list):
        return []
    listed = _object_list(elements, known)
    if listed is not None:
        return listed
    maker = _list_maker(elements)
    found = list(_named(elements, maker))
    if not found and known is not None:
        found = _by_known_list(elements, known)
    if not found and maker is not None:
        return list(_by_position(elements, maker))
    return found if known is None else _with_units(found, known)


def names_itself(data: Data) -> bool:
    """Whether the push object list comes first, and so says what every element is."""
    tag, elements = data
    is_list = tag in (_ARRAY, _STRUCTURE) and isinstance(elements, list)
    return is_list and _object_list(elements, None) is not None


# -- a push object list, sent along or known ------------------------------------------------------


def _object_list(elements: Sequence[Data], known: PushedList | None) -> list[Recipe] | None:
    """Values named by the push object list that comes first; None when there is none."""
    if len(elements) < 2 or elements[0][0] != _ARRAY or len(elements[0][1]) != len(elements):
        return None
    objects = []
    for each in elements[0][1]:
        found = captured(each)
        if found is None:
            return None
        objects.append(found)
    values = _paired(objects[1:], elements[1:])  # the list itself comes first
    return values if known is None else _with_units(values, known)


def captured(data: Data) -> PushedObject | None:
    """The object of one element of a push object list: class, logical name, attribute, index."""
    tag, fields = data
    if tag != _STRUCTURE or len(fields) < 4 or not _is_name(fields[1]):
        return None
    class_id, attribute = fields[0][1], fields[2][1]
    if not (isinstance(class_id, int) and isinstance(attribute, int)):
        return None
    name = Obis(fields[1][1])
    columns = _columns(fields[_COLUMNS_AT]) if len(fields) > _COLUMNS_AT else []
    layout = bare_layout(name, columns) if columns else None
    return PushedObject(name, class_id, attribute, layout=layout)


def _columns(data: Data) -> list[CaptureObject]:
    """The columns of an element, an empty list for anything else."""
    try:
        return _COLUMNS.load(data)
    except DecodeError:
        return []


def _by_known_list(elements: Sequence[Data], known: PushedList) -> list[Recipe]:
    """Values alone, one for each element of the list that is known; the list itself may lack."""
    objects = known.objects
    if len(objects) == len(elements) + 1 and objects[0].class_id == _PUSH_SETUP:
        objects = objects[1:]
    return _paired(objects, elements) if len(objects) == len(elements) else []


def _paired(objects: Sequence[PushedObject], elements: Sequence[Data]) -> list[Recipe]:
    """One value for each element; the scalers of registers among them go with their values."""
    scalers = {
        each.name: scaler_unit
        for each, held in zip(objects, elements, strict=True)
        if _is_scaler(each) and (scaler_unit := _scaler_unit(held)) is not None
    }
    found = []
    for each, held in zip(objects, elements, strict=True):
        if _is_scaler(each) and each.name in scalers:
            continue
        scaler, of_unit = each.scaler, each.unit
        if each.name in scalers and each.attribute == 2:
            scaler, code = scalers[each.name]
            of_unit = unit(code)
        applied = None if of_unit is None else scaler
        names = (each.class_id, each.attribute, each.layout)
        found.append(Recipe(each.name, held, applied, of_unit, *names))
    return found


def _is_scaler(each: PushedObject) -> bool:
    return each.class_id in _REGISTERS and each.attribute == _SCALER_UNIT_ATTRIBUTE


def _with_units(found: list[Recipe], known: PushedList) -> list[Recipe]:
    """Scaler and unit of the known list for numbers that came without."""
    names = known.by_name()
    done = []
    for each in found:
        of_name = names.get(each.name) if each.unit is None and each.attribute > 1 else None
        if of_name is not None and of_name.unit is not None and each.held[0] in _NUMBERS:
            each = each._replace(scaler=of_name.scaler, unit=of_name.unit)
        if of_name is not None and of_name.layout is not None:
            each = each._replace(layout=of_name.layout)
        done.append(each)
    return done


# -- names inside the list ------------------------------------------------------------------------


def _list_maker(elements: Sequence[Data]) -> Maker | None:
    """Who wrote a flat list, by the list identifier that is its first text."""
    for tag, value in elements[:2]:
        text = value.decode("latin-1") if tag == _OCTET_STRING else value
        if isinstance(text, str):
            for maker in MAKERS:
                if text.startswith(maker.prefix):
                    return maker
    only_power = len(elements) == 1 and elements[0][0] in _NUMBERS
    return POWER_ALONE if only_power else None


def _named(elements: Sequence[Data], maker: Maker | None) -> Iterator[Recipe]:
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
            yield Recipe(name, held, scaler_unit[0], unit(scaler_unit[1]))
        else:
            yield _unscaled(name, held, maker)


def _by_position(elements: Sequence[Data], maker: Maker) -> Iterator[Recipe]:
    for place, held in zip(maker.orders.get(len(elements), ()), elements, strict=False):
        if place == "clock":
            yield Recipe(_CLOCK, held)
        elif place == "list":
            yield Recipe(_LIST_IDENTIFIER, held)
        elif place.startswith("96."):
            yield Recipe(Obis.parse(f"0-0:{place}*255"), held)
        else:
            yield _unscaled(Obis.parse(place), held, maker)


def _unscaled(name: Obis, held: Data, maker: Maker | None) -> Recipe:
    quantity = QUANTITIES.get((name.c, name.d)) if name.a == 1 and held[0] in _NUMBERS else None
    if maker is None or quantity is None:
        return Recipe(name, held)
    scaler = maker.scalers.get(quantity.kind, 0)
    return Recipe(name, held, scaler, unit(quantity.unit))


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
    if len(value) == _CLOCK_OCTETS and not value.isascii():
        return DateTime(value)
    text = value.rstrip(b"\0")  # texts of fixed length are filled up
    if text and text.isascii() and text.decode("ascii").isprintable():
        return text.decode("ascii")
    return value
