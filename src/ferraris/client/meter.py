"""A meter that is associated: read, write, act, browse - typed, by name, in any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from ferraris.client import services
from ferraris.client.kind import Kind
from ferraris.client.profile import ProfileLayout, read_layout, read_rows
from ferraris.core.errors import DecodeError, RefusedError, UsageError
from ferraris.data import axdr, units
from ferraris.data.kinds import Data, plain
from ferraris.data.obis import Obis
from ferraris.data.readings import Reading, Series
from ferraris.line.driver import Driver
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.model.access_control import AssociationLnV2, ObjectListElement
from ferraris.model.data_storage import (
    DataObject,
    DemandRegister,
    ExtendedRegister,
    Register,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method
from ferraris.model.registry import find
from ferraris.model.time_control import Clock

__all__ = ["BrowsedAttribute", "BrowsedObject", "Meter", "Name"]

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")

Name = str | bytes
"""A logical name in any usual spelling, or its six octets."""

_CURRENT_ASSOCIATION = Obis.of(0, 0, 40, 0, 0, 255)
_ELSEWHERE = frozenset(
    (
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
        DataAccessResult.OBJECT_UNAVAILABLE,
        DataAccessResult.READ_WRITE_DENIED,
    )
)
_TIMED = (ExtendedRegister.class_id, DemandRegister.class_id)


class BrowsedAttribute(NamedTuple):
    """One attribute as a browse found it: its value as (tag, value), or why there is none."""

    attribute_id: int
    name: str
    data: Data | None
    refused: str = ""


class BrowsedObject(NamedTuple):
    """One object of the object list, with its attributes when they were asked for."""

    class_id: int
    version: int
    logical_name: Obis
    class_name: str
    attributes: tuple[BrowsedAttribute, ...] = ()


class Meter:
    """An open association with one logical device.

    Everything that reads or writes is a coroutine; `ferraris.open` gives the blocking twin. Reads
    of any size work; a write or an action without an answer is *unknown* until read back and is
    never repeated by itself.

    Errors: `RefusedError` when the meter says no (its `reason` is the standard's enumeration),
    `LineError` for silence or a lost line, `SecurityError`, `DecodeError` and `SequenceError` for
    answers that are not what they should be, `UsageError` for impossible requests.
    """

    def __init__(
        self,
        driver: Driver[Apdu, Apdu],
        association: ClientAssociation,
        *,
        device: str = "",
        zone: tzinfo | None = None,
        kind: Kind | None = None,
    ) -> None:
        self._driver = driver
        self._association = association
        self._objects: dict[Obis, ObjectListElement] | None = None
        self.kind = kind or Kind()
        self.device = device
        self.zone = zone
        self.on_close: Callable[[], None] | None = None

    # -- what was agreed ------------------------------------------------------------------

    @property
    def negotiated(self) -> Negotiated:
        """Services and sizes of this association."""
        if self._association.negotiated is None:
            raise UsageError("the association is not open", where="client")
        return self._association.negotiated

    @property
    def system_title(self) -> bytes:
        """The meter's system title, b"" when it did not tell."""
        return self._association.peer_system_title

    @property
    def receive_floor(self) -> int:
        """The highest invocation counter accepted from the meter, to be kept by the caller."""
        return self._association.receive_floor

    # -- single attributes and methods ----------------------------------------------------

    async def get(
        self, attribute: Attribute[T], name: Name, selection: Selection | None = None
    ) -> T:
        """Read an attribute of the object `name`, as the type that its class declares."""
        descriptor = AttributeDescriptor(attribute.class_id, _obis(name), attribute.index)
        octets = await services.get(self._driver, descriptor, selection)
        return attribute.type.load(axdr.decode(octets))

    async def get_raw(
        self, attribute: AttributeDescriptor, selection: Selection | None = None
    ) -> bytes:
        """Read an attribute as encoded data."""
        return await services.get(self._driver, attribute, selection)

    async def get_data(
        self, class_id: int, name: Name, attribute: int, selection: Selection | None = None
    ) -> Data:
        """Read an attribute of any class, known or not, as (tag, value)."""
        descriptor = AttributeDescriptor(class_id, _obis(name), attribute)
        return axdr.decode(await services.get(self._driver, descriptor, selection))

    async def set(self, attribute: Attribute[T], name: Name, value: T) -> None:
        """Write an attribute of the object `name`."""
        data = axdr.encode(attribute.type.dump(value))
        await self._write(
            AttributeDescriptor(attribute.class_id, _obis(name), attribute.index), data
        )

    async def set_data(self, class_id: int, name: Name, attribute: int, data: Data) -> None:
        """Write (tag, value) to an attribute of any class."""
        descriptor = AttributeDescriptor(class_id, _obis(name), attribute)
        await self._write(descriptor, axdr.encode(data))

    async def act(self, method: Method[P, R], name: Name, value: P) -> R | None:
        """Invoke a method of the object `name`; what it returns as the declared type."""
        data = axdr.encode(method.type.dump(value))
        descriptor = MethodDescriptor(method.class_id, _obis(name), method.index)
        octets = await self._act(descriptor, data)
        if octets is None or method.returns is None:
            return None
        return method.returns.load(axdr.decode(octets))

    async def act_data(
        self, class_id: int, name: Name, method: int, data: Data | None = None
    ) -> Data | None:
        """Invoke a method of any class with (tag, value) or without a parameter."""
        encoded = None if data is None else axdr.encode(data)
        octets = await self._act(MethodDescriptor(class_id, _obis(name), method), encoded)
        return None if octets is None else axdr.decode(octets)

    # -- readings, profiles, lists --------------------------------------------------------

    async def read(self, name: Name) -> Reading:
        """Read the value of an object of whatever class, scaled to its unit.

        The class is guessed from the name first, since most names have a usual class; the object
        list is asked when the meter knows no such object.
        """
        obis = _obis(name)
        known = self.kind.classes.get(obis)
        if known is None:
            return await self._read_unknown(obis)
        return await self._read_as(known, obis)

    async def read_many(self, names: Sequence[Name]) -> list[Reading]:
        """Read the values of several objects, many in one request where that was negotiated.

        Objects that the meter refuses are left out: what is missing from the answer is missing
        from the meter, or hidden from this client.
        """
        found: dict[Obis, Reading] = {}
        known: list[tuple[int, Obis]] = []
        for name in names:
            obis = _obis(name)
            class_id = self.kind.classes.get(obis)
            if class_id is None or (class_id in _SCALED and not self._is_scaled(class_id, obis)):
                with suppress(RefusedError):
                    found[obis] = await self.read(obis)
            else:
                known.append((class_id, obis))
        wanted = [(AttributeDescriptor(class_id, obis, 2), None) for class_id, obis in known]
        if wanted:
            results = await services.get_list(self._driver, self.negotiated, wanted)
            for (class_id, obis), result in zip(known, results, strict=True):
                if isinstance(result, bytes):
                    found[obis] = self._reading(class_id, obis, result)
        return [found[obis] for obis in map(_obis, names) if obis in found]

    async def profile(
        self,
        name: Name | ProfileLayout,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Series:
        """Read the rows of a profile whose interval ends lie in (since, until].

        Both times need a zone; None leaves that side open. A `ProfileLayout` kept from an earlier
        `profile_layout` saves asking the meter what its columns are.
        """
        known = name if isinstance(name, ProfileLayout) else await self.profile_layout(name)
        octets = await read_rows(self, known, since, until)
        return known.series(octets, self.device, self.zone)

    async def profile_layout(self, name: Name) -> ProfileLayout:
        """What the profile `name` captures; asked once for each kind of meter."""
        obis = _obis(name)
        known = self.kind.layouts.get(obis)
        if known is None:
            known = self.kind.layouts[obis] = await read_layout(self, obis)
        return known

    async def object_list(self) -> Sequence[ObjectListElement]:
        """Every object that this client sees, with class, version and rights."""
        if self._objects is None:
            listed = await self.get(AssociationLnV2.object_list, _CURRENT_ASSOCIATION)
            self._objects = {element.logical_name: element for element in listed}
        return tuple(self._objects.values())

    async def browse(
        self,
        *,
        values: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[BrowsedObject]:
        """Every object, and with `values` every attribute that can be read but long buffers.

        `progress(done, all)` is called after each object.
        """
        elements = await self.object_list()
        found = []
        for done, element in enumerate(elements, 1):
            found.append(await self._browse(element, values))
            if progress is not None:
                progress(done, len(elements))
        return found

    async def close(self) -> None:
        """Release the association and close the line."""
        try:
            await self._driver.close()
        finally:
            if self.on_close is not None:
                self.on_close()

    # -- below ----------------------------------------------------------------------------

    async def _write(self, attribute: AttributeDescriptor, data: bytes) -> None:
        protected = self._association.parameters.ciphered
        await services.set_(self._driver, self.negotiated, attribute, data, protected=protected)

    async def _act(self, method: MethodDescriptor, data: bytes | None) -> bytes | None:
        protected = self._association.parameters.ciphered
        return await services.act(self._driver, self.negotiated, method, data, protected=protected)

    async def _read_unknown(self, obis: Obis) -> Reading:
        """Guess the class, then look it up; what worked is remembered for the kind."""
        if self._objects is None:
            guess = _usual_class(obis)
            try:
                reading = await self._read_as(guess, obis)
            except RefusedError as refused:
                if refused.reason not in _ELSEWHERE:
                    raise
                first = refused
            else:
                self.kind.classes[obis] = guess
                return reading
            try:
                await self.object_list()
            except RefusedError:
                raise first from None
        assert self._objects is not None
        found = self._objects.get(obis)
        if found is None:
            raise RefusedError(
                f"{obis} is not among the {len(self._objects)} objects that this client sees",
                reason=DataAccessResult.OBJECT_UNDEFINED,
                where="client",
            )
        self.kind.classes[obis] = found.class_id
        return await self._read_as(found.class_id, obis)

    async def _read_as(self, class_id: int, obis: Obis) -> Reading:
        octets = await services.get(self._driver, AttributeDescriptor(class_id, obis, 2))
        if class_id in _SCALED:
            await self._scaler(class_id, obis)
        reading = self._reading(class_id, obis, octets)
        if class_id in _TIMED:
            reading = reading._replace(time=await self._capture_time(class_id, obis))
        return reading

    def _reading(self, class_id: int, obis: Obis, octets: bytes) -> Reading:
        """The value of an object whose scaler, if it has one, is known."""
        value: Any = plain(axdr.decode(octets))
        unit = None
        if class_id in _SCALED:
            scaler, code = self.kind.scalers[class_id, obis]
            unit = units.unit(code)
            if type(value) in (int, float):
                value = units.scale(value, scaler)
        return Reading(self.device, obis, value, unit, origin=f"dlms class {class_id} attribute 2")

    def _is_scaled(self, class_id: int, obis: Obis) -> bool:
        return (class_id, obis) in self.kind.scalers

    async def _scaler(self, class_id: int, obis: Obis) -> None:
        if not self._is_scaled(class_id, obis):
            found = await self.get(_SCALED[class_id], obis)
            self.kind.scalers[class_id, obis] = (found.scaler, found.unit)

    async def _capture_time(self, class_id: int, obis: Obis) -> datetime | None:
        attribute = (
            ExtendedRegister.capture_time
            if class_id == ExtendedRegister.class_id
            else DemandRegister.capture_time
        )
        try:
            return (await self.get(attribute, obis)).to_datetime(self.zone)
        except (RefusedError, DecodeError, UsageError):
            return None  # the value stands without its time

    async def _browse(self, element: ObjectListElement, values: bool) -> BrowsedObject:
        declared = find(element.class_id, element.version)
        class_name = "" if declared is None else declared.__name__
        attributes: list[BrowsedAttribute] = []
        if values:
            for index in _attributes(element, declared):
                attributes.append(await self._browse_attribute(element, declared, index))
        return BrowsedObject(
            element.class_id,
            element.version,
            element.logical_name,
            class_name,
            tuple(attributes),
        )

    async def _browse_attribute(
        self, element: ObjectListElement, declared: type[InterfaceClass] | None, index: int
    ) -> BrowsedAttribute:
        name = f"attribute {index}"
        if declared is not None and index in declared.attributes:
            name = declared.attributes[index].name
        if (element.class_id, index) in _LONG:
            return BrowsedAttribute(index, name, None, "long: ask for it by name")
        try:
            data = await self.get_data(element.class_id, element.logical_name, index)
        except RefusedError as refused:
            reason = refused.reason
            words = getattr(reason, "words", refused.message)
            return BrowsedAttribute(index, name, None, str(words))
        return BrowsedAttribute(index, name, data)


_SCALED: dict[int, Attribute[Any]] = {
    Register.class_id: Register.scaler_unit,
    ExtendedRegister.class_id: ExtendedRegister.scaler_unit,
    DemandRegister.class_id: DemandRegister.scaler_unit,
}
_LONG = frozenset(((7, 2), (15, 2)))  # buffers and the object list itself


@lru_cache(4096)
def _obis(name: Name) -> Obis:
    return name if isinstance(name, Obis) else Obis.parse(name)


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


def _attributes(element: ObjectListElement, declared: type[InterfaceClass] | None) -> Sequence[int]:
    listed = [item.attribute_id for item in element.access_rights.attributes]
    if listed:
        return sorted(index for index in listed if index > 0)
    return sorted(declared.attributes) if declared is not None else (1, 2)
