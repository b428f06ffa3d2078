"""Bodies of pushes whose shape is known: the same meter sends the same list again and again.

Between two pushes of a list only numbers, clocks and texts change. A `Shape` is learnt from one
body: which octets stay, where the values are, what each of them is called and scaled by. The next
body of that shape is one comparison of all octets that stay and one unpacking; any other takes
the ordinary way. Names, scalers, kinds and counts are octets that stay: nothing is ever guessed.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable
from decimal import Context
from functools import partial
from struct import Struct
from typing import Any, NamedTuple

from ferraris.client.pushed import PushedList, PushedValue, Recipe, names_itself, recipes
from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.units import Unit

__all__ = ["Shape", "ShapedBody", "Shapes"]

_ARRAY, _STRUCTURE = 1, 2
_NUMBERS = {5: "i", 6: "I", 16: "h", 17: "B", 18: "H", 20: "q", 21: "Q"}
_STRINGS = {9, 10}
_TELLING = {_ARRAY, *_STRINGS}
_CLOCK_HEAD = b"\x09\x0c"
_STAY = {0: 0, 3: 1, 15: 1, 22: 1}  # null-data, boolean, integer and enum: as scalers and units are
_SHORT = 0x80
_NAME_OCTETS = 6
_EXACT = Context(prec=64)  # the largest number has 20 digits
_MOST_SHAPES = 4096
_MOST_COMMON = 256
_MOST_MISSES = 8


class _Slot(NamedTuple):
    """Where a value is, and the data that it was in the body learnt from."""

    offset: int
    code: str
    held: Data


class _UnlearnableError(Exception):
    """Something whose length or meaning may change from push to push."""


class Column(NamedTuple):
    """One value that changes: its place in the list, among the values unpacked, and its making.

    `make` takes what was unpacked; None takes it as it is. `shift` is the power of ten of a
    fraction, 0 for all others.
    """

    place: int
    slot: int
    make: Callable[[Any], Any] | None
    shift: int
    name: Obis
    unit: Unit | None
    class_id: int
    attribute: int


class Shape:
    """What bodies of one list have in common."""

    __slots__ = (
        "as_they_are",
        "common",
        "fractions",
        "known",
        "misses",
        "others",
        "stay",
        "unpack",
        "values",
    )

    def __init__(self, body: bytes, known: PushedList | None) -> None:
        slots: list[_Slot] = []
        data, end = _walk(body, 0, slots, tell=1)
        self.common = names_itself(data)
        """All meters that send this list share it: it says itself what each element is."""
        if not self.common:
            slots.clear()
            data, end = _walk(body, 0, slots, tell=2)
        if end != len(body):
            raise _UnlearnableError
        form, position = ">", 0
        for slot in slots:
            width = Struct(f">{slot.code}").size
            form += f"{slot.offset - position}s{slot.code}"
            position = slot.offset + width
        form += f"{len(body) - position}s"
        self.unpack = Struct(form).unpack
        """Takes a body as long as the one learnt: what stays and what changes, in turn."""
        self.stay = self.unpack(body)[::2]
        places = {id(slot.held): number for number, slot in enumerate(slots)}
        found = recipes(data, known)
        if any(each.held[0] in (_ARRAY, _STRUCTURE) for each in found):
            raise _UnlearnableError  # rows of a profile, whose parts no column stands for
        self.values = [each.made() for each in found]
        """All values as learnt; those that stay are used again."""
        columns = [
            _column(place, places[id(each.held)], each)
            for place, each in enumerate(found)
            if id(each.held) in places
        ]
        self.fractions = [each for each in columns if each.shift]
        self.others = [each for each in columns if each.make is not None]
        self.as_they_are = [each for each in columns if not each.shift and each.make is None]
        self.known = known
        self.misses = 0
        """How often this list did not fit what was learnt, this shape included."""


class ShapedBody:
    """The values of one body; everything else is made when it is asked for."""

    __slots__ = ("_fields", "_shape")

    def __init__(self, shape: Shape, fields: tuple[Any, ...]) -> None:
        self._shape = shape
        self._fields = fields

    def values(self) -> list[PushedValue]:
        """The named values, in the order of the list."""
        fields, shape = self._fields, self._shape
        found = shape.values.copy()
        new, shifted = tuple.__new__, _EXACT.scaleb  # the fast ways to make many
        for place, slot, _, _, name, unit, class_id, attribute in shape.as_they_are:
            found[place] = new(PushedValue, (name, fields[slot], unit, class_id, attribute))
        for place, slot, _, shift, name, unit, class_id, attribute in shape.fractions:
            value = shifted(fields[slot], shift)
            found[place] = new(PushedValue, (name, value, unit, class_id, attribute))
        for place, slot, make, _, name, unit, class_id, attribute in shape.others:
            value = make(fields[slot])  # type: ignore[misc] # these have one
            found[place] = new(PushedValue, (name, value, unit, class_id, attribute))
        return found


class Shapes:
    """Shapes learnt so far, bounded; a list is learnt when it comes for the second time.

    A list that names its elements itself is learnt once for all meters that send it.
    """

    def __init__(self) -> None:
        self._shapes: OrderedDict[tuple[bytes | str, int], Shape | int] = OrderedDict()
        self._common: OrderedDict[tuple[int, int], Shape | int] = OrderedDict()

    def find(
        self, sender: bytes | str, body: bytes, known: PushedList | None = None
    ) -> ShapedBody | None:
        """The body by its sender's shape, or by one of all; None when it goes the ordinary way."""
        for shape in (
            self._common.get((len(body), id(known))),
            self._shapes.get((sender, len(body))),
        ):
            if type(shape) is Shape and shape.known is known:
                fields = shape.unpack(body)
                if fields[::2] == shape.stay:
                    return ShapedBody(shape, fields[1::2])
        return None

    def learn(self, sender: bytes | str, body: bytes, known: PushedList | None = None) -> None:
        """Remember a body that was found to be sound."""
        if self._learn_common(body, known):
            return
        key = (sender, len(body))
        before = self._shapes.get(key, 0)
        misses = before.misses if isinstance(before, Shape) else before
        if misses >= _MOST_MISSES:
            return
        self._shapes[key] = misses + 1
        self._shapes.move_to_end(key)
        if misses:
            try:
                self._shapes[key] = shape = Shape(body, known)
                shape.misses = misses + 1
            except (_UnlearnableError, DecodeError):
                self._shapes[key] = _MOST_MISSES
        if len(self._shapes) > _MOST_SHAPES:
            self._shapes.popitem(last=False)

    def _learn_common(self, body: bytes, known: PushedList | None) -> bool:
        """Learn it for all who send it, when a body of this length has come before."""
        key = (len(body), id(known))
        before = self._common.get(key, 0)
        if before != 1:
            self._common[key] = before or 1
            if len(self._common) > _MOST_COMMON:
                self._common.popitem(last=False)
            return False
        self._common[key] = _MOST_MISSES
        with contextlib.suppress(_UnlearnableError, DecodeError):
            shape = Shape(body, known)
            if shape.common:
                self._common[key] = shape
        return isinstance(self._common[key], Shape)


def _column(index: int, slot: int, recipe: Recipe) -> Column:
    tag = recipe.held[0]
    scaler = recipe.scaler or 0
    make: Callable[[Any], Any] | None = None
    if tag not in _NUMBERS:
        make = partial(_remade, recipe)
    elif scaler > 0:
        make = partial(_times, 10**scaler)
    shift = min(scaler, 0) if tag in _NUMBERS else 0
    names = (recipe.name, recipe.unit, recipe.class_id, recipe.attribute)
    return Column(index, slot, make, shift, *names)


def _remade(recipe: Recipe, octets: bytes) -> Any:
    return recipe._replace(held=(recipe.held[0], octets)).value()


def _times(power: int, value: int) -> int:
    return value * power


def _walk(
    body: bytes, position: int, slots: list[_Slot], *, tell: int = 0, stay: bool = False
) -> tuple[Data, int]:
    """Decode one data and note the places of what may change; `stay` keeps all of it.

    The first `tell` elements say whose list it is, or are the push object list itself.
    """
    tag = body[position]
    if tag in (_ARRAY, _STRUCTURE):
        return _walk_elements(body, position, slots, tell, stay)
    if tag in _NUMBERS:
        code = _NUMBERS[tag]
        field = Struct(f">{code}")
        held: Data = (tag, field.unpack_from(body, position + 1)[0])
        if not stay:
            slots.append(_Slot(position + 1, code, held))
        return held, position + 1 + field.size
    if tag in _STRINGS:
        return _walk_string(body, position, slots, stay)
    if tag in _STAY:
        end = position + 1 + _STAY[tag]
        return axdr.decode(body[position:end]), end
    raise _UnlearnableError


def _walk_elements(
    body: bytes, position: int, slots: list[_Slot], tell: int, stay: bool
) -> tuple[Data, int]:
    tag, count = body[position], body[position + 1]
    if count >= _SHORT:
        raise _UnlearnableError
    end = position + 2
    elements = []
    for number in range(count):
        tells = number < tell and body[end] in (_STRINGS if number else _TELLING)
        clock = body[end : end + 2] == _CLOCK_HEAD
        held, end = _walk(body, end, slots, stay=stay or (tells and not clock))
        elements.append(held)
    return (tag, elements), end


def _walk_string(body: bytes, position: int, slots: list[_Slot], stay: bool) -> tuple[Data, int]:
    tag, length = body[position], body[position + 1]
    if length >= _SHORT:
        raise _UnlearnableError
    end = position + 2 + length
    held = axdr.decode(body[position:end])
    if not stay and tag == 9 and length != _NAME_OCTETS and length:
        slots.append(_Slot(position + 2, f"{length}s", held))
    return held, end
