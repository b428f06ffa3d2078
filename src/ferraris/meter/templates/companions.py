"""Templates from companion specifications: a meter that has every object of one.

What the table of makers knows lives; the rest holds fixed values of the right type, which the
management client may write where the specification says so, or says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.alarms import (
    AlarmDescriptor,
    AlarmFilter,
    AlarmRegister,
    ErrorRegister,
)
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.clock import Clock, ShiftLimit
from ferraris.meter.behaviour.disconnector import Disconnector
from ferraris.meter.behaviour.fixed import FixedObject
from ferraris.meter.behaviour.identity import ConsumerMessage, EngineObject
from ferraris.meter.behaviour.image_transfer import ImageTransfer
from ferraris.meter.behaviour.limiter import Limiter
from ferraris.meter.behaviour.mbus_client import MBusClient
from ferraris.meter.behaviour.mbus_valve import MBusValve
from ferraris.meter.behaviour.power_failures import FailureThreshold
from ferraris.meter.behaviour.push_setup import PushList
from ferraris.meter.behaviour.scripts import Schedule
from ferraris.meter.behaviour.tariffication import ActivityCalendar, SpecialDays
from ferraris.meter.behaviour.timetable import Timetable
from ferraris.meter.consumption import Consumption
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.templates.companion_codes import codes_of
from ferraris.meter.templates.hosting import clients_of, devices_for
from ferraris.meter.templates.makers import Setting, inner_scripts, make
from ferraris.meter.templates.mechanisms import GMAC, Proving, proving
from ferraris.meter.templates.offered import (
    AUTHENTICATED_AND_ENCRYPTED,
    MANAGEMENT_SERVICES,
    MAX_PDU,
    PUBLIC_SERVICES,
    SERVICES,
)
from ferraris.meter.templates.plausible import of_shape, of_type, with_value
from ferraris.meter.zone import Zone
from ferraris.model import registry
from ferraris.model.companion import WRITABLE, Client, Companion, CompanionObject
from ferraris.server.device import AssociationSettings

__all__ = ["companion_template", "settings_of"]

_ASSOCIATION, _SECURITY, _DATA = 15, 64, 1
_CURRENT = Obis.of(0, 0, 40, 0, 0)
_COUNTER = Obis.of(0, 0, 43, 1, 0)
_PUBLIC_NAMES = (
    (_DATA, (42, 0)),
    (_DATA, (43, 1)),
    (_DATA, (96, 1)),
    (_DATA, (0, 2)),
    (8, (1, 0)),
    (_ASSOCIATION, (40, 0)),
    (17, (41, 0)),
)
"""What a client without authentication may read, by class and the groups C and D."""

_OPERATOR = 3
"""Address of the management client where it proves itself by GMAC beside a suite of signatures."""

_WRITES: tuple[tuple[type[Behaviour], tuple[int, ...]], ...] = (
    (Clock, (2, 3, 5, 6, 7, 8)),
    (AlarmRegister, (2,)),
    (AlarmFilter, (2,)),
    (AlarmDescriptor, (2,)),
    (ErrorRegister, (2,)),
    (FailureThreshold, (2,)),
    (ShiftLimit, (2,)),
    (ConsumerMessage, (2,)),
    (Disconnector, (4,)),
    (Schedule, (4,)),
    (ImageTransfer, (5,)),
    (Limiter, (2, 4, 5, 6, 7, 8, 9, 11)),
    (ActivityCalendar, (6, 7, 8, 9, 10)),
    (SpecialDays, (2,)),
    (Timetable, (2,)),
    (PushList, (3, 4, 5, 6, 7)),
    (MBusClient, (4, 5, 6, 7, 8, 9)),
    (MBusValve, (4,)),
)
"""What the management client may write where no source states rights."""


def companion_template(
    companion: Companion,
    kind: str | None = None,
    channels: int | None = None,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
) -> Template:
    """Build a meter of a kind that has every object of a specification.

    By default the fullest kind, with all channels. Central European time and 07-23 o'clock as rate
    1 unless said otherwise; `mechanism` and `weak` choose how clients prove themselves, as
    `mechanisms.proving` tells. Raises `UsageError` for a kind that the specification does not know.
    """
    consumption = Consumption(zone or Zone(), tariff or Tariff(), region)
    kind = companion.kinds[-1] if kind is None else kind
    management = next((c.address for c in companion.clients if c.authentication != "none"), 1)
    rows = list(_built(companion, companion.expected(kind, channels)))
    by_name = {(row.class_id, row.logical_name): row for row in rows}
    clients = clients_of(by_name)
    setting = Setting(consumption, kind != "single-phase", suite, management, by_name, clients)
    placed = [_placed(row, setting, companion.clients) for row in rows]
    associations = [
        settings
        for client in companion.clients
        for settings in settings_of(
            client, placed, proving(mechanism, suite, weak=weak), _setup_of(rows), suite=suite
        )
    ]
    counts_as = {_OPERATOR: management} if suite else {}
    unseen = [Placed(each, frozenset()) for each in inner_scripts(setting)]
    return Template(
        companion.name,
        consumption,
        [*placed, *unseen],
        associations,
        suite=suite,
        counts_as=counts_as,
        codes=codes_of(rows),
        mbus_devices=devices_for(clients, by_name),
    )


def settings_of(
    client: Client, placed: Sequence[Placed], by: Proving, setup: bytes, *, suite: int = 0
) -> Iterator[AssociationSettings]:
    """The association of one client; in suites of signatures the management client has two."""
    plain = AssociationSettings(
        client.address,
        client.association,
        conformance=PUBLIC_SERVICES,
        max_pdu=MAX_PDU,
        rights=rights_of(client.address, placed),
        security_setup=setup,
    )
    if client.authentication == "none":
        yield plain
    elif client.authentication == "password":
        yield replace(plain, mechanism=by.reading, weak=by.weak, conformance=SERVICES)
    else:
        ciphered = replace(
            plain,
            mechanism=by.management,
            weak=by.weak,
            ciphered=True,
            conformance=MANAGEMENT_SERVICES,
            general_blocks=True,
            policy=AUTHENTICATED_AND_ENCRYPTED,
        )
        yield ciphered
        if suite:
            yield replace(ciphered, client_sap=_OPERATOR, mechanism=GMAC)


def _built(companion: Companion, rows: Sequence[CompanionObject]) -> Iterator[CompanionObject]:
    """The rows without optional associations, set-ups and counters that no client uses."""
    used = {_CURRENT, *(client.association for client in companion.clients)}
    setup = _setup_of(rows)
    for row in rows:
        spare = row.optional and (
            (row.class_id == _ASSOCIATION and row.logical_name not in used)
            or (row.class_id == _SECURITY and row.logical_name != setup)
            or (_is_counter(row) and row.logical_name != _COUNTER)
        )
        if not spare:
            yield row


def _setup_of(rows: Sequence[CompanionObject]) -> bytes:
    """The security set-up: the one that the association refers to, one that is demanded, any."""
    for row in rows:
        if row.class_id == _ASSOCIATION and isinstance(row.values.get(9), Obis):
            return bytes(row.values[9])
    setups = [row for row in rows if row.class_id == _SECURITY]
    setups.sort(key=lambda row: row.optional)
    return bytes(setups[0].logical_name) if setups else b""


def _is_counter(row: CompanionObject) -> bool:
    return row.class_id == _DATA and (row.logical_name.c, row.logical_name.d) == (43, 1)


def _placed(row: CompanionObject, setting: Setting, clients: Sequence[Client]) -> Placed:
    behaviour = make(row, setting)
    version = _version(row)
    if behaviour is None:
        behaviour = _fixed(row, version)
    elif behaviour.declares.version in row.versions:
        version = behaviour.declares.version
    management = frozenset((setting.management, *((_OPERATOR,) if setting.suite else ())))
    key_owners = {_SECURITY} if behaviour.class_id == _SECURITY else set()
    readers = frozenset(
        client.address
        for client in clients
        if client.authentication not in ("none", "password")
        or (client.authentication == "password" and not key_owners)
        or _is_public(row, client)
    )
    return Placed(
        behaviour,
        readers | management,
        dict.fromkeys(_writable(row, behaviour), management),
        dict.fromkeys(_methods(behaviour), management),
        version=version,
    )


def _is_public(row: CompanionObject, client: Client) -> bool:
    name = row.logical_name
    if row.class_id == _ASSOCIATION and name not in (_CURRENT, client.association):
        return False
    return (row.class_id, (name.c, name.d)) in _PUBLIC_NAMES


def _version(row: CompanionObject) -> int:
    """The latest version that is right and declared, else the latest that is right."""
    declared = [each for each in row.versions if registry.is_layout_known(row.class_id, each)]
    return max(declared or row.versions)


def _writable(row: CompanionObject, behaviour: Behaviour) -> list[int]:
    if row.rights:
        return [index for index, bits in row.rights.items() if bits & WRITABLE]
    if isinstance(behaviour, FixedObject):
        declared = registry.find(row.class_id, _version(row))
        settled = (
            set()
            if declared is None
            else {index for index, each in declared.attributes.items() if not each.is_static}
        )
        kept = {*row.values, *(() if row.class_id == _DATA else settled), _unit_index(row)}
        return [index for index in behaviour.fixed if index not in kept]
    for kind, indices in _WRITES:
        if isinstance(behaviour, kind):
            return list(indices)
    return []


def _unit_index(row: CompanionObject) -> int:
    return {3: 3, 4: 3, 5: 4}.get(row.class_id, 0)


def _methods(behaviour: Behaviour) -> list[int]:
    if isinstance(behaviour, FixedObject):
        return []
    if isinstance(behaviour, EngineObject):
        return [1] if behaviour.class_id == _ASSOCIATION else []
    if isinstance(behaviour, MBusClient):
        return list(behaviour.offered)
    return list(behaviour.declares.methods)


def _fixed(row: CompanionObject, version: int) -> FixedObject:
    """All attributes of the class, as far as it is known, with values of the right type."""
    declared = registry.find(row.class_id, version)
    values: dict[int, Data] = {}
    if declared is not None:
        values = {
            index: of_type(each.type) for index, each in declared.attributes.items() if index != 1
        }
    for index, shapes in row.shapes.items():
        values[index] = of_shape(shapes[0])
    if declared is None:
        demanded = (index for index in (*row.values, *row.rights) if index not in (1, *values))
        values |= dict.fromkeys(demanded, (17, 0))
    for index, value in row.values.items():
        if index in values:
            values[index] = with_value(values[index], value)
    unit = _unit_index(row)
    if unit in values:
        scaler = row.scalers[0] if row.scalers else 0
        code = row.units[0] if row.units else _UNITLESS
        values[unit] = (2, [(15, scaler), (22, code)])
    return FixedObject(row.class_id, row.pattern, values or {2: (0, None)})


_UNITLESS = 255
