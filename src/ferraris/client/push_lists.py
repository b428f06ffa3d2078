"""The push object list of a meter, asked for: names, scalers and units of what it will push."""

from __future__ import annotations

from ferraris.client.meter import Meter
from ferraris.client.profile import read_layout
from ferraris.client.pushed import PushedList, PushedObject, captured
from ferraris.core.errors import DecodeError, RefusedError
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.units import unit

__all__ = ["learn_push_list"]

_PUSH_SETUP, _PUSH_OBJECT_LIST = 40, 2
_BUFFER = (7, 2)
_SCALER_UNIT = {3: (3, (2,)), 4: (3, (2,)), 5: (4, (2, 3))}
"""By class: the attribute with scaler and unit, and the attributes that it is for
[bluebook-quoted]."""


async def learn_push_list(meter: Meter, name: str | Obis = "0-0:25.9.0*255") -> PushedList:
    """Read what the push set-up object `name` sends, scalers of registers, columns of profiles.

    Give the result to `listen` as `lists`. Scalers that the meter does not tell stay unknown.
    Raises `DecodeError` when the object holds no list of objects, and as any reading does.
    """
    setup = name if isinstance(name, Obis) else Obis.parse(name)
    tag, elements = await meter.get_data(_PUSH_SETUP, setup, _PUSH_OBJECT_LIST)
    objects = [captured(each) for each in elements] if tag == 1 else [None]
    found = []
    for each in objects:
        if each is None:
            raise DecodeError(f"{setup} holds no list of objects", where="push")
        found.append(await _scaled(meter, each))
    return PushedList(tuple(found))


async def _scaled(meter: Meter, each: PushedObject) -> PushedObject:
    """The object with its scaler and unit, where it has any and the meter tells."""
    if (each.class_id, each.attribute) == _BUFFER:
        return await _laid_out(meter, each)
    attribute, values = _SCALER_UNIT.get(each.class_id, (0, ()))
    if each.attribute not in values:
        return each
    try:
        answer: Data = await meter.get_data(each.class_id, each.name, attribute)
    except RefusedError:
        return each
    tag, fields = answer
    if tag != 2 or len(fields) != 2:
        return each
    scaler, code = fields[0][1], fields[1][1]
    if not (isinstance(scaler, int) and isinstance(code, int)):
        return each
    return each._replace(scaler=scaler, unit=unit(code))


async def _laid_out(meter: Meter, each: PushedObject) -> PushedObject:
    """The profile with its columns and their scalers: those that the list names, or all."""
    try:
        layout = await read_layout(meter, each.name)
    except RefusedError:
        return each
    chosen = layout if each.layout is None else layout.only(each.layout.columns)
    return each._replace(layout=chosen)
