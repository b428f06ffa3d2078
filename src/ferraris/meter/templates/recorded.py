"""Templates from files that `recording` wrote: a meter that was met, to be met again.

Its objects hold still: what was recorded is what is told, and what was not is zero. Associations,
counters, keys and the time are alive, and the keys are new ones.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferraris.client.security import DEFAULT_SYSTEM_TITLE
from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.names import Selection
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.fixed import FixedObject
from ferraris.meter.behaviour.identity import EngineObject, InvocationCounter
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.behaviour.security_setup import SecuritySetup, SecuritySetupV1
from ferraris.meter.consumption import Consumption
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.offered import AUTHENTICATED_AND_ENCRYPTED, PUBLIC_SERVICES
from ferraris.meter.templates.plausible import of_shape, of_type
from ferraris.meter.templates.recording import FORMAT, RIGHTS, is_counter
from ferraris.meter.zone import Zone
from ferraris.model import registry
from ferraris.model.access_control import AssociationLnV1
from ferraris.model.companion import Shape
from ferraris.model.companion.tables import Table
from ferraris.server.device import AccessRights, AssociationSettings, ObjectKey, ObjectRights

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["recorded_template"]

_ASSOCIATION, _SHORT_NAMES, _SAPS, _SECURITY, _CLOCK, _PROFILE = 15, 12, 17, 64, 8, 7
_CURRENT = Obis.of(0, 0, 40, 0, 0)
_MOST_CLIENT, _MOST_PDU, _MOST_SERVICES, _MOST_MECHANISM = 127, 0xFFFF, 0xFFFFFF, 7
_RESULTS = {each.words: each for each in DataAccessResult}
_PUBLIC = (8, 17)
_LONGEST_FILE = 16 << 20


def recorded_template(file: str, *, suite: int = 0) -> Template:
    """Build the template that a file holds.

    Raises `UsageError`, with file, line and what was expected, for a file that is malformed.
    """
    path = Path(file)
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise UsageError(f"{file}: too long for a template")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: UTF-8 expected, octet {error.start} is none") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from error
    return _template(Table(document, file, text), path.stem, suite)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """One object of a file."""

    class_id: int
    version: int
    logical_name: Obis
    rights: ObjectRights
    values: Mapping[int, Data] = field(default_factory=dict)
    refused: Mapping[int, DataAccessResult] = field(default_factory=dict)

    @property
    def key(self) -> ObjectKey:
        return (self.class_id, bytes(self.logical_name))


def _template(table: Table, name: str, suite: int) -> Template:
    form = table.number("template", None, 0, 0xFFFF)
    if form != FORMAT:
        raise table.error("template", f"form {FORMAT} expected, not {form}")
    client = table.number("client", None, 0, _MOST_CLIENT)
    associations = [_settings(each) for each in table.tables("associations")]
    objects = [_object(each) for each in table.tables("objects")]
    table.finish()
    if not any(each.client_sap == client for each in associations):
        associations.append(_open_to(client))
    if all(each.mechanism for each in associations):
        # Whoever has keys asks for the invocation counter first, as one who has none.
        associations.append(_open_to(_PUBLIC_CLIENT))
    objects = list(_with_associations(objects))
    zone = _zone(objects)
    placed = [
        Placed(_behaviour(each, client, suite), frozenset(), version=each.version)
        for each in objects
    ]
    shared = AccessRights({each.key: each.rights for each in objects})
    public = AccessRights({each.key: _readable(each) for each in objects if _is_public(each)})
    settled = [
        replace(each, rights=shared if each.client_sap == client else public)
        for each in associations
    ]
    settled.sort(key=lambda each: each.client_sap != client)  # its keys are those that are told
    return Template(name, Consumption(zone, Tariff()), placed, settled, suite=suite, codes={})


# -- reading ----------------------------------------------------------------------------------


def _settings(table: Table) -> AssociationSettings:
    ciphered = table.flag("ciphered", False)
    setup = table.text("security_setup", "")
    made = AssociationSettings(
        table.number("client", None, 0, _MOST_CLIENT),
        table.reading("object", Obis.parse)(table.text("object")),
        mechanism=table.number("mechanism", 0, 0, _MOST_MECHANISM),
        ciphered=ciphered,
        conformance=table.number("services", 0, 0, _MOST_SERVICES),
        max_pdu=table.number("max_pdu", _MOST_PDU, 12, _MOST_PDU),
        policy=AUTHENTICATED_AND_ENCRYPTED if ciphered else 0,
        security_setup=bytes(table.reading("security_setup", Obis.parse)(setup)) if setup else b"",
    )
    table.finish()
    return made


def _open_to(client: int) -> AssociationSettings:
    """An association without security for a client of whom the recording tells nothing."""
    return AssociationSettings(client, _CURRENT, conformance=PUBLIC_SERVICES)


_PUBLIC_CLIENT = 16


def _object(table: Table) -> _Recorded:
    class_id = table.number("class", None, 1, 0xFFFF)
    version = table.number("version", 0, 0, 0xFF)
    name = table.reading("obis", Obis.parse)(table.text("obis"))
    selectors = {
        index: tuple(table.whole("selectors", each, 0, 0xFF) for each in listed)
        for index, listed in table.by_index("selectors", (list,))
    }
    rights = ObjectRights(
        dict(_rights(table.table("rights"))), dict(_rights(table.table("methods"))), selectors
    )
    values = {
        index: _sample(class_id, version, index, table.reading("types", Shape.parse)(words))
        for index, words in table.by_index("types", (str,))
    }
    for index, digits in table.by_index("values", (str,)):
        values[index] = table.reading("values", _data)(digits)
    refused = {
        index: _RESULTS.get(why, DataAccessResult.READ_WRITE_DENIED)
        for index, why in table.by_index("unread", (str,))
    }
    table.finish()
    return _Recorded(class_id, version, name, rights, values, refused)


def _rights(table: Table) -> Iterator[tuple[int, int]]:
    for letters in table.unread():
        if not letters or set(letters) - set(RIGHTS):
            raise table.error(letters, f"rights are letters of {RIGHTS}")
        mode = sum(1 << RIGHTS.index(letter) for letter in set(letters))
        for index in table.numbers(letters, [], -128, 127):
            yield index, mode
    table.finish()


def _data(digits: str) -> Data:
    try:
        return axdr.decode(bytes.fromhex(digits))
    except ValueError:
        raise UsageError(f"octets in hex expected, not {digits[:40]!r}") from None
    except DecodeError as error:
        raise UsageError(f"encoded data expected: {error.message}") from error


def _sample(class_id: int, version: int, index: int, shape: Shape) -> Data:
    """A value of a shape: what the class would have there, where that is of this shape."""
    declared = registry.find(class_id, version)
    if declared is not None and index in declared.attributes:
        usual = of_type(declared.attributes[index].type)
        if shape.members is None and usual[0] == shape.tag:
            return usual
    if shape.tag == Tag.ARRAY and shape.members:
        return (shape.tag, [_sample(0, 0, 0, shape.members[0])])
    if shape.tag == Tag.STRUCTURE and shape.members:
        return (shape.tag, [_sample(0, 0, 0, member) for member in shape.members])
    if shape.tag in (Tag.DATE_TIME, Tag.DATE, Tag.TIME):
        return (shape.tag, of_shape(shape)[1])
    return of_shape(shape)


# -- building ---------------------------------------------------------------------------------


def _with_associations(objects: Sequence[_Recorded]) -> Iterator[_Recorded]:
    """Objects by logical names: a meter that was met by short names gets an association."""
    kept = [each for each in objects if each.class_id != _SHORT_NAMES]
    if not any(each.key == (_ASSOCIATION, bytes(_CURRENT)) for each in kept):
        rights = ObjectRights(dict.fromkeys((2, 3, 4, 5, 6, 8, 9), 1), {1: 1}, {2: (1, 2, 3, 4)})
        yield _Recorded(_ASSOCIATION, AssociationLnV1.version, _CURRENT, rights)
    yield from kept


def _behaviour(recorded: _Recorded, client: int, suite: int) -> Behaviour:
    class_id, name = recorded.class_id, str(recorded.logical_name)
    if class_id in (_ASSOCIATION, _SAPS):
        declared = registry.find(class_id, recorded.version) or registry.newest(class_id)
        assert declared is not None
        return EngineObject(name, declared, (7,), {2: (1, 2, 3, 4)})
    if class_id == _SECURITY:
        made = SecuritySetupV1 if recorded.version else SecuritySetup
        return made(name, suite, DEFAULT_SYSTEM_TITLE)
    if is_counter(class_id, recorded.logical_name):
        return InvocationCounter(name, client)
    kind = {_CLOCK: _RecordedClock, _PROFILE: _RecordedProfile}.get(class_id, FixedObject)
    return kind(class_id, name, recorded.values, recorded.refused, recorded.rights.selectors)


class _RecordedClock(FixedObject):
    """A clock with recorded rules, which tells the present time."""

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 4."""
        if attribute not in (2, 4):
            return super().value(meter, attribute, now)
        shown = meter.stamp(now)
        return stamp(shown) if attribute == 2 else encoded(Tag.UNSIGNED, shown[11])

    def get(
        self, meter: SimulatedMeter, attribute: int, selection: Selection | None, now: int
    ) -> bytes:
        """The time is never the recorded one."""
        if attribute in (2, 4) and selection is None:
            return self.value(meter, attribute, now)
        return super().get(meter, attribute, selection, now)


class _RecordedProfile(FixedObject):
    """A profile whose rows were not recorded: it is empty, however it is asked."""

    def get(
        self, meter: SimulatedMeter, attribute: int, selection: Selection | None, now: int
    ) -> bytes:
        """No rows for any selection."""
        return super().get(meter, attribute, None if attribute == 2 else selection, now)


def _zone(objects: Sequence[_Recorded]) -> Zone:
    """The zone of the recorded clock, where it is told; central Europe otherwise."""
    rules: Mapping[int, Data] = next(
        (each.values for each in objects if each.class_id == _CLOCK), {}
    )
    zone = rules.get(3)
    if zone is None or not isinstance(zone[1], int):
        return Zone()
    summer = rules.get(7, (0, 0))[1] if rules.get(8, (0, False))[1] else 0
    return Zone(-zone[1], int(summer))


def _is_public(recorded: _Recorded) -> bool:
    """What clients other than the one that recorded see: who the meter is, and how to reach it."""
    name = recorded.logical_name
    is_name = recorded.class_id == 1 and name[2:4] == bytes((42, 0))
    return (
        is_name
        or recorded.class_id in _PUBLIC
        or is_counter(recorded.class_id, name)
        or recorded.key == (_ASSOCIATION, bytes(_CURRENT))
    )


def _readable(recorded: _Recorded) -> ObjectRights:
    """The same object without the right to change it."""
    attributes = {index: 1 for index, mode in recorded.rights.attributes.items() if int(mode) & 1}
    return ObjectRights(attributes, {}, recorded.rights.selectors)
