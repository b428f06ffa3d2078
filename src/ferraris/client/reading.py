"""Reading the value of an object by its name alone: class, scaler and unit are found out.

The class is guessed from the name first, since most names have a usual class; the object list is
asked when the meter knows no such object. What worked is remembered for the kind of meter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ferraris.client.wishes import Read, ReadData, Wish
from ferraris.core.errors import DecodeError, RefusedError, UsageError
from ferraris.data import units
from ferraris.data.kinds import Data, plain
from ferraris.data.obis import Obis
from ferraris.data.readings import Reading
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.model.data_storage import DataObject, DemandRegister, ExtendedRegister, Register
from ferraris.model.interface_class import Attribute
from ferraris.model.time_control import Clock

if TYPE_CHECKING:
    from ferraris.client.meter import Meter

__all__ = ["read", "read_many"]

_ELSEWHERE = frozenset(
    (
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
        DataAccessResult.OBJECT_UNAVAILABLE,
        DataAccessResult.READ_WRITE_DENIED,
    )
)
_SCALED: dict[int, Attribute[Any]] = {
    Register.class_id: Register.scaler_unit,
    ExtendedRegister.class_id: ExtendedRegister.scaler_unit,
    DemandRegister.class_id: DemandRegister.scaler_unit,
}
_TIMED: dict[int, Attribute[Any]] = {
    ExtendedRegister.class_id: ExtendedRegister.capture_time,
    DemandRegister.class_id: DemandRegister.capture_time,
}


async def read(meter: Meter, obis: Obis) -> Reading:
    """The value of one object; raises `RefusedError` when this client does not see it."""
    kind = meter.kind
    known = kind.classes.get(obis)
    if known is not None:
        return await _read_as(meter, known, obis)
    if kind.objects is None:
        guess = _usual_class(obis)
        try:
            reading = await _read_as(meter, guess, obis)
        except RefusedError as refused:
            if refused.reason not in _ELSEWHERE:
                raise
            first = refused
        else:
            kind.classes[obis] = guess
            return reading
        try:
            await meter.object_list()
        except RefusedError:
            raise first from None
    assert kind.objects is not None
    found = kind.objects.get(obis)
    if found is None:
        raise RefusedError(
            f"{obis} is not among the {len(kind.objects)} objects that this client sees",
            reason=DataAccessResult.OBJECT_UNDEFINED,
            where="client",
        )
    kind.classes[obis] = found.class_id
    return await _read_as(meter, found.class_id, obis)


async def read_many(meter: Meter, names: Sequence[Obis]) -> list[Reading]:
    """The values of those objects that the meter gives, in the order of `names`."""
    kind = meter.kind
    found: dict[Obis, Reading] = {}
    known = {obis: kind.classes[obis] for obis in names if obis in kind.classes}
    guessed = {obis: _usual_class(obis) for obis in names if obis not in known}
    if kind.objects is not None:
        known |= _listed(meter, guessed)
        guessed = {}
    refused = await _read_all(meter, known | guessed, found)
    kind.classes |= {obis: guess for obis, guess in guessed.items() if obis in found}
    elsewhere = [obis for obis in guessed if refused.get(obis) in _ELSEWHERE]
    if elsewhere:
        with suppress(RefusedError):
            await meter.object_list()
            again = _listed(meter, elsewhere)
            await _read_all(meter, again, found)
            kind.classes |= {obis: again[obis] for obis in again if obis in found}
    return [found[obis] for obis in names if obis in found]


async def read_protected(meter: Meter, names: Sequence[Obis], **how: Any) -> list[Reading]:
    """The values of objects through data protection, scaled; scalers themselves are read plainly.

    Raises `RefusedError` when the meter refuses any of them, or the client sees no such object.
    """
    await meter.object_list()
    classes = _listed(meter, names)
    unseen = [obis for obis in names if obis not in classes]
    if unseen:
        text = f"{unseen[0]} is not among the objects that this client sees"
        raise RefusedError(text, reason=DataAccessResult.OBJECT_UNDEFINED, where="client")
    wishes = [ReadData(classes[obis], obis, 2) for obis in names]
    values = await meter.get_protected(wishes, **how)
    for obis in names:
        await _learn_scaler(meter, classes[obis], obis)
    return [
        _reading(meter, classes[obis], obis, data) for obis, data in zip(names, values, strict=True)
    ]


async def _read_all(
    meter: Meter, classes: Mapping[Obis, int], found: dict[Obis, Reading]
) -> dict[Obis, object]:
    """Read many values at once into `found`; gives why those that are missing were refused."""
    # Decided once: another session with the same kind may learn a scaler in the meantime.
    plan: dict[Obis, list[Wish | None]] = {
        obis: [
            ReadData(class_id, obis, 2),
            None if (class_id, obis) in meter.kind.scalers else _wish(_SCALED, class_id, obis),
            _wish(_TIMED, class_id, obis),
        ]
        for obis, class_id in classes.items()
    }
    wishes: list[Wish] = [wish for row in plan.values() for wish in row if wish is not None]
    outcomes = iter(await meter.do(wishes))
    refused: dict[Obis, object] = {}
    for obis, row in plan.items():
        class_id = classes[obis]
        value, scaler, time = (None if wish is None else next(outcomes) for wish in row)
        assert value is not None
        try:
            data = value.value
            if scaler is not None:
                meter.kind.scalers[class_id, obis] = tuple(scaler.value)
        except RefusedError as error:
            refused[obis] = error.reason
            continue
        reading = _reading(meter, class_id, obis, data)
        if time is not None and time.done:
            reading = reading._replace(time=_moment(meter, time.value))
        found[obis] = reading
    return refused


def _wish(table: Mapping[int, Attribute[Any]], class_id: int, obis: Obis) -> Wish | None:
    attribute = table.get(class_id)
    return None if attribute is None else Read(attribute, obis)


async def _read_as(meter: Meter, class_id: int, obis: Obis) -> Reading:
    data = await meter.get_data(class_id, obis, 2)
    await _learn_scaler(meter, class_id, obis)
    reading = _reading(meter, class_id, obis, data)
    if class_id not in _TIMED:
        return reading
    try:
        time = await meter.get(_TIMED[class_id], obis)
    except (RefusedError, DecodeError):
        return reading  # the value stands without its time
    return reading._replace(time=_moment(meter, time))


async def _learn_scaler(meter: Meter, class_id: int, obis: Obis) -> None:
    """Ask for scaler and unit, where there are any and nobody has asked yet."""
    if class_id in _SCALED and (class_id, obis) not in meter.kind.scalers:
        scaler_unit = await meter.get(_SCALED[class_id], obis)
        meter.kind.scalers[class_id, obis] = (scaler_unit.scaler, scaler_unit.unit)


def _reading(meter: Meter, class_id: int, obis: Obis, data: Data) -> Reading:
    """The value of an object whose scaler, if it has one, is known."""
    value: Any = plain(data)
    unit = None
    if class_id in _SCALED:
        scaler, code = meter.kind.scalers[class_id, obis]
        unit = units.unit(code)
        if type(value) in (int, float):
            value = units.scale(value, scaler)
    return Reading(meter.device, obis, value, unit, origin=f"dlms class {class_id} attribute 2")


def _moment(meter: Meter, stamp: Any) -> datetime | None:
    try:
        moment: datetime = stamp.to_datetime(meter.zone)
    except (DecodeError, UsageError):
        return None
    return moment


def _listed(meter: Meter, names: Sequence[Obis] | Mapping[Obis, int]) -> dict[Obis, int]:
    """The classes of those names that are in the object list."""
    objects = meter.kind.objects or {}
    return {obis: objects[obis].class_id for obis in names if obis in objects}


def _usual_class(obis: Obis) -> int:
    """The class that objects of this name usually have [bluebook-quoted]."""
    if obis.a == 0:
        return Clock.class_id if (obis.c, obis.d) == (1, 0) else DataObject.class_id
    if obis.c in (0, 94, 96) or not obis.c:
        return DataObject.class_id
    if obis.d in (2, 6, 10, 16, 26, 56):  # cumulative and single maxima and minima
        return ExtendedRegister.class_id
    if obis.d in (4, 5, 14, 15, 24, 25):  # averages of a demand register
        return DemandRegister.class_id
    return Register.class_id
