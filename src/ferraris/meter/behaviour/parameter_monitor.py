"""Parameter monitor: which of some attributes a client changed last, to what and when; its log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    array,
    enum,
    integer,
    long_unsigned,
    null_data,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.configured import Configured, Watching, parameter_of
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.happenings import Happening
from ferraris.model import event_control
from ferraris.model.references import AttributeIdentity
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["ParameterLog", "ParameterMonitor", "ParameterMonitorV1"]

_MOST_PARAMETERS = 64
_MOST_CHANGES = 64
_LONGEST_VALUE = 256  # octets; of a longer one only the name is kept
_LONGEST_NAME = 64
_NEVER = b"\xff" * 12
_NOTHING = b"\x00"
_SHA_256 = 2
_HASHES = {_SHA_256: sha256, 3: sha384, 4: sha512}
"""Hash algorithms by number [memory]."""


class Change(NamedTuple):
    """A parameter was changed when the meter's own clock showed `shown`; `value` is encoded."""

    shown: int
    class_id: int
    logical_name: bytes
    attribute: int
    value: bytes

    def to_data(self) -> Data:
        """As attribute 2 tells it."""
        return structure(
            long_unsigned(self.class_id),
            octet_string(self.logical_name),
            integer(self.attribute),
            axdr.decode(self.value) if self.value else null_data(),
        )


@dataclass(slots=True)
class Changes:
    """The last changes of a meter, oldest first."""

    found: tuple[Change, ...] = ()


class ParameterMonitor(Configured, Watching):
    """Parameter monitor, version 0; clients put attributes on its list and take them off."""

    declares: ClassVar[type[event_control.ParameterMonitor]] = event_control.ParameterMonitor

    def __init__(self, name: str, parameters: Iterable[tuple[int, str, int]] = ()) -> None:
        listed = (
            structure(
                long_unsigned(class_id), octet_string(Obis.parse(parameter)), integer(attribute)
            )
            for class_id, parameter, attribute in parameters
        )
        super().__init__(name, {4: array(*listed)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 3; nothing and never before the first change."""
        changes = _changes(meter, self.key)
        if attribute == 3:
            return stamp(meter.zone.stamp(changes[-1].shown) if changes else _NEVER)
        nothing = Change(0, 0, bytes(6), 0, b"")
        return axdr.encode((changes[-1] if changes else nothing).to_data())

    def check(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> None:
        """Only what the meter has can be watched, and only so much of it."""
        if len(value) > _MOST_PARAMETERS or not all(_exists(meter, each) for each in value):
            raise AccessRefused(DataAccessResult.OTHER_REASON)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 adds an attribute to the list, method 2 takes one off."""
        present = self.setting(meter, self.declares.parameter_list, now)
        parameters = list(present)
        if method == 1:
            added = parameter_of(self.declares.add_parameter, data)
            if added in parameters:
                return None
            parameters.append(added)
        elif method == 2:
            removed = parameter_of(self.declares.delete_parameter, data)
            if removed not in parameters:
                raise ActionRefused(ActionResult.OTHER_REASON)
            parameters.remove(removed)
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        try:
            listed = axdr.encode(self.declares.parameter_list.type.dump(parameters))
            self.set(meter, 4, listed, now)
        except AccessRefused as refused:
            raise ActionRefused(ActionResult(refused.result)) from refused
        return None

    def changed(
        self, meter: SimulatedMeter, written: tuple[int, bytes, int], data: bytes, now: int
    ) -> None:
        """Keep it when it is on the list."""
        watched = AttributeIdentity(written[0], Obis(written[1]), written[2])
        if watched not in self.setting(meter, self.declares.parameter_list, now):
            return
        value = data if len(data) <= _LONGEST_VALUE else b""
        changes = meter.change().part(Changes, self.key)
        change = Change(meter.local(now), *written, value)
        changes.found = (*changes.found, change)[-_MOST_CHANGES:]
        meter.note(Happening.CONFIGURATION_CHANGED, now)


class ParameterMonitorV1(ParameterMonitor):
    """Version 1: also the values of all parameters on the list, and a digest of them.

    The digest is that of the encoded values, one after the other in the order of the list.
    """

    declares = event_control.ParameterMonitorV1

    def __init__(
        self,
        name: str,
        parameters: Iterable[tuple[int, str, int]] = (),
        list_name: bytes = b"",
    ) -> None:
        super().__init__(name, parameters)
        self.fixed[5] = axdr.encode(octet_string(list_name))
        self.fixed[6] = axdr.encode(enum(_SHA_256))

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 7 and 8, besides those of version 0."""
        if attribute == 8:
            values = [axdr.decode(each) for each in self._values(meter, now)]
            return axdr.encode(structure(*values))
        if attribute != 7:
            return super().value(meter, attribute, now)
        algorithm = _HASHES[self.setting(meter, self.declares.hash_algorithm_id, now)]
        return axdr.encode(octet_string(algorithm(b"".join(self._values(meter, now))).digest()))

    def check(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> None:
        """A list as in version 0, a name of some length, an algorithm that the meter has."""
        if attribute == 4:
            super().check(meter, attribute, value, now)
        is_long = attribute == 5 and len(value) > _LONGEST_NAME
        if is_long or (attribute == 6 and value not in _HASHES):
            raise AccessRefused(DataAccessResult.OTHER_REASON)

    def _values(self, meter: SimulatedMeter, now: int) -> list[bytes]:
        behaviours = meter.fleet.template.behaviours
        found = []
        for each in self.setting(meter, self.declares.parameter_list, now):
            behaviour = behaviours[each.class_id, bytes(each.logical_name)]
            try:
                found.append(behaviour.get(meter, each.attribute, None, now))
            except AccessRefused:
                found.append(_NOTHING)
        return found


class ParameterLog(Profile):
    """What a parameter monitor has seen: when, and what was changed to what."""

    def __init__(self, name: str, monitor: ParameterMonitor, entries: int = _MOST_CHANGES) -> None:
        monitored = str(Obis(monitor.logical_name))
        column = Column(monitor.declares.class_id, monitored, 2, 0)
        super().__init__(name, (CLOCK_COLUMN, column), 0, min(entries, _MOST_CHANGES))
        self._monitored = monitor.key

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """How many changes are kept."""
        return len(self._kept(meter))

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """Changes by their stamps."""
        chosen = [
            change
            for change in self._kept(meter)
            if (since is None or change.shown >= since) and (until is None or change.shown <= until)
        ]
        return len(chosen), self._octets(meter, chosen)

    def rows(self, meter: SimulatedMeter, first: int, stop: int, now: int) -> bytes:
        """Changes by number."""
        return self._octets(meter, self._kept(meter)[first:stop])

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 clears the log, and with it what the monitor tells."""
        if method != 1:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        if _changes(meter, self._monitored):
            meter.change().part(Changes, self._monitored).found = ()
        return None

    def _pick(self, rows: bytes, columns: tuple[int, ...] | None) -> bytes:
        """Rows with only some of their columns; what was changed is of any length."""
        if columns is None:
            return rows
        parts: list[bytes] = []
        position = 0
        while position < len(rows):
            row, position = axdr.decode_at(rows, position)
            parts.append(axdr.encode(structure(*(row[1][index] for index in columns))))
        return b"".join(parts)

    def _kept(self, meter: SimulatedMeter) -> tuple[Change, ...]:
        return _changes(meter, self._monitored)[-self.entries :]

    def _octets(self, meter: SimulatedMeter, chosen: Iterable[Change]) -> bytes:
        return b"".join(
            axdr.encode(structure(octet_string(meter.zone.stamp(each.shown)), each.to_data()))
            for each in chosen
        )


def _changes(meter: SimulatedMeter, key: tuple[int, bytes]) -> tuple[Change, ...]:
    changes = meter.state.found(Changes, key)
    return () if changes is None else changes.found


def _exists(meter: SimulatedMeter, what: AttributeIdentity) -> bool:
    key = (what.class_id, bytes(what.logical_name))
    behaviour = meter.fleet.template.behaviours.get(key)
    return behaviour is not None and what.attribute in behaviour.declares.attributes
