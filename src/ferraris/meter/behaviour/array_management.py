"""Array manager: the entries of attributes that are arrays, one by one.

Entries are numbered from 1; a last entry 0 means that of the array. An entry is inserted before the
one that has its index now, with index 0 at the end [memory].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, array, long_unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.configured import parameter_of
from ferraris.meter.behaviour.function_control import is_off
from ferraris.model import management
from ferraris.model.management import EntrySpan, ManagedArray
from ferraris.model.references import AttributeIdentity
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["ArrayManagement"]

_MOST_ENTRIES = 0xFFFF


class ArrayManagement(Behaviour):
    """Array manager of `arrays`: attributes by their numbers, each by class, name and index."""

    declares = management.ArrayManagement

    def __init__(self, name: str, arrays: Mapping[int, tuple[int, str, int]]) -> None:
        self._arrays = {
            number: AttributeIdentity(class_id, Obis.parse(managed), attribute)
            for number, (class_id, managed, attribute) in arrays.items()
        }
        listed = [ManagedArray(number, what) for number, what in self._arrays.items()]
        super().__init__(name, {2: self.declares.array_object_list.type.dump(listed)})

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Count, retrieve, insert, update and remove; raises `ActionRefused`."""
        declares = self.declares
        if method == 1:
            number = parameter_of(declares.retrieve_number_of_entries, data)
            count = len(self._entries(meter, number, now))
            return axdr.encode(long_unsigned(min(count, _MOST_ENTRIES)))
        if method == 2:
            number, span = parameter_of(declares.retrieve_entries, data)
            entries = self._entries(meter, number, now)
            return axdr.encode(array(*entries[_places(span, entries)]))
        if method in (3, 4):
            change = declares.insert_entry if method == 3 else declares.update_entry
            number, (index, entry) = parameter_of(change, data)
            entries = self._entries(meter, number, now)
            if method == 3:
                place = index - 1 if index else len(entries)
                if place > len(entries) or len(entries) >= _MOST_ENTRIES:
                    raise ActionRefused(ActionResult.OTHER_REASON)
                entries.insert(place, entry)
            else:
                entries[_place(index, entries)] = entry
        elif method == 5:
            number, span = parameter_of(declares.remove_entries, data)
            entries = self._entries(meter, number, now)
            del entries[_places(span, entries)]
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        self._write(meter, number, entries, now)
        return None

    def _what(self, meter: SimulatedMeter, number: int) -> AttributeIdentity:
        what = self._arrays.get(number)
        if what is None or is_off(meter, (what.class_id, bytes(what.logical_name))):
            raise ActionRefused(ActionResult.OBJECT_UNAVAILABLE)
        return what

    def _entries(self, meter: SimulatedMeter, number: int, now: int) -> list[Data]:
        what = self._what(meter, number)
        behaviour = _behaviour(meter, what)
        try:
            tag, entries = axdr.decode(behaviour.get(meter, what.attribute, None, now))
        except AccessRefused as refused:
            raise ActionRefused(ActionResult(refused.result)) from refused
        if tag != Tag.ARRAY:
            raise ActionRefused(ActionResult.OTHER_REASON)
        return list(entries)

    def _write(self, meter: SimulatedMeter, number: int, entries: list[Data], now: int) -> None:
        what = self._what(meter, number)
        behaviour = _behaviour(meter, what)
        try:
            behaviour.declares.attributes[what.attribute].type.load(array(*entries))
            meter.write(behaviour, what.attribute, axdr.encode(array(*entries)), now)
        except DecodeError as error:
            raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error
        except AccessRefused as refused:
            raise ActionRefused(ActionResult(refused.result)) from refused


def _behaviour(meter: SimulatedMeter, what: AttributeIdentity) -> Behaviour:
    key = (what.class_id, bytes(what.logical_name))
    behaviour = meter.fleet.template.behaviours.get(key)
    if behaviour is None:
        raise ActionRefused(ActionResult.OBJECT_UNDEFINED)
    return behaviour


def _places(span: EntrySpan, entries: list[Data]) -> slice:
    """The places of a span that is not empty."""
    first = _place(span.from_index, entries)
    last = _place(span.to_index or len(entries), entries)
    if last < first:
        raise ActionRefused(ActionResult.OTHER_REASON)
    return slice(first, last + 1)


def _place(index: int, entries: list[Data]) -> int:
    if not 1 <= index <= len(entries):
        raise ActionRefused(ActionResult.OTHER_REASON)
    return index - 1
