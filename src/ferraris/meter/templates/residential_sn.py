"""An older household meter: its objects go by short names.

Registers, clock, load profile, log, switch and a display; nothing is pushed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ferraris.core.errors import UsageError
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.meter.behaviour.clock import Clock
from ferraris.meter.behaviour.demand import MaximumDemand
from ferraris.meter.behaviour.disconnector import Disconnector
from ferraris.meter.behaviour.event_log import EventCode, EventLog
from ferraris.meter.behaviour.identity import (
    ConsumerMessage,
    DeviceNumber,
    EngineObject,
    FixedData,
    InvocationCounter,
    LogicalDeviceName,
)
from ferraris.meter.behaviour.periodic import LoadProfile, ProfileStatus
from ferraris.meter.behaviour.profile import Column
from ferraris.meter.behaviour.registers import Energy, Instantaneous
from ferraris.meter.consumption import Consumption
from ferraris.meter.happenings import STANDARD_LOG
from ferraris.meter.patterns import (
    ACTIVE_EXPORT,
    ACTIVE_IMPORT,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
)
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.templates.mechanisms import Proving, proving
from ferraris.meter.zone import Zone
from ferraris.model.access_control import SapAssignment
from ferraris.model.short_names import (
    CURRENT_ASSOCIATION_NAME,
    LOGICAL_DEVICE_NAME,
    SAP_ASSIGNMENT_NAME,
    AssociationSnV1,
)
from ferraris.server.device import AssociationSettings

__all__ = ["MANAGEMENT", "PUBLIC", "READING", "residential_sn"]

MANAGEMENT, READING, PUBLIC = 1, 2, 16
"""Addresses of the clients: HLS with GMAC and ciphering, password, no security."""

_ALL = frozenset((MANAGEMENT, READING, PUBLIC))
_KNOWN = frozenset((MANAGEMENT, READING))
_MANAGEMENT = frozenset((MANAGEMENT,))
_READING = frozenset((READING,))

_AUTHENTICATED_AND_ENCRYPTED = 0x30
_MAX_PDU = 512
_PROFILE_ENTRIES = 60 * 96
_WATT_HOUR, _VAR_HOUR = 30, 32
_FIRST_BASE_NAME = 0x1000
_ROOM = 0x100
"""Distance of base names: thirty-two names, more than any class here has."""

_PUBLIC_SERVICES = (
    Conformance.READ
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.PARAMETERIZED_ACCESS
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
)
_SERVICES = (
    _PUBLIC_SERVICES
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.INFORMATION_REPORT
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
)


def residential_sn(
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template for a zone, a tariff and a region with its own weather.

    Raises `UsageError` for a security suite other than 0: these meters are older than the others.
    `mechanism` and `weak` choose how clients prove themselves, as `mechanisms.proving` tells.
    """
    if suite:
        raise UsageError("residential-sn knows security suite 0 alone")
    consumption = Consumption(zone or Zone(), tariff or Tariff(), region)
    placed = [*_reserved(), *_numbered([*_identity(), *_control(consumption), *_measurement()])]
    by = proving(mechanism, suite, weak=weak)
    return Template("residential-sn", consumption, placed, _associations(placed, by))


def _numbered(placed: Sequence[Placed]) -> Iterator[Placed]:
    """Give each object a base name of its own, in order."""
    for place, each in enumerate(placed):
        yield replace(each, base_name=_FIRST_BASE_NAME + place * _ROOM)


def _associations(placed: Sequence[Placed], by: Proving) -> Iterator[AssociationSettings]:
    current = Obis.parse("0-0:40.0.0*255")
    yield AssociationSettings(
        PUBLIC,
        current,
        short_names=True,
        conformance=int(_PUBLIC_SERVICES),
        max_pdu=_MAX_PDU,
        rights=rights_of(PUBLIC, placed),
    )
    yield AssociationSettings(
        READING,
        current,
        short_names=True,
        mechanism=by.reading,
        weak=by.weak,
        conformance=int(_SERVICES),
        max_pdu=_MAX_PDU,
        rights=rights_of(READING, placed),
    )
    yield AssociationSettings(
        MANAGEMENT,
        current,
        short_names=True,
        mechanism=by.management,
        weak=by.weak,
        ciphered=True,
        conformance=int(_SERVICES | Conformance.GENERAL_PROTECTION),
        max_pdu=_MAX_PDU,
        policy=_AUTHENTICATED_AND_ENCRYPTED,
        rights=rights_of(MANAGEMENT, placed),
    )


def _reserved() -> Iterator[Placed]:
    """What has a base name by the standard."""
    queries = dict.fromkeys((1, 2, 3, 4), _ALL)
    yield Placed(
        EngineObject("0-0:40.0.0*255", AssociationSnV1),
        _ALL,
        methods={**queries, 5: _READING, 8: _MANAGEMENT},
        base_name=CURRENT_ASSOCIATION_NAME,
    )
    sap_assignment = EngineObject("0-0:41.0.0*255", SapAssignment)
    yield Placed(sap_assignment, _ALL, base_name=SAP_ASSIGNMENT_NAME)
    yield Placed(LogicalDeviceName("0-0:42.0.0*255"), _ALL, base_name=LOGICAL_DEVICE_NAME)


def _identity() -> Iterator[Placed]:
    yield Placed(InvocationCounter("0-0:43.1.1*255", MANAGEMENT), _ALL)
    yield Placed(DeviceNumber("0-0:96.1.0*255"), _ALL)
    yield Placed(FixedData("1-0:0.2.0*255", octet_string(b"FRR-S1.0")), _ALL)
    yield Placed(ConsumerMessage("0-0:96.13.0*255"), _KNOWN, {2: _KNOWN})


def _control(consumption: Consumption) -> Iterator[Placed]:
    clock = Clock("0-0:1.0.0*255", consumption.zone)
    rules = dict.fromkeys((3, 5, 6, 7, 8), _MANAGEMENT)
    yield Placed(clock, _ALL, {2: _KNOWN, **rules}, dict.fromkeys((1, 2, 3, 4, 5, 6), _KNOWN))
    switch = Disconnector("0-0:96.3.10*255")
    yield Placed(switch, _KNOWN, {4: _MANAGEMENT}, {1: _MANAGEMENT, 2: _MANAGEMENT})
    code = EventCode(f"0-0:96.11.{STANDARD_LOG}*255", STANDARD_LOG)
    yield Placed(code, _KNOWN)
    yield Placed(EventLog("0-0:99.98.0*255", code), _KNOWN, methods={1: _MANAGEMENT})


def _measurement() -> Iterator[Placed]:
    totals = [
        Energy("1-0:1.8.0*255", ACTIVE_IMPORT, unit=_WATT_HOUR),
        Energy("1-0:2.8.0*255", ACTIVE_EXPORT, unit=_WATT_HOUR),
        Energy("1-0:3.8.0*255", REACTIVE_IMPORT, unit=_VAR_HOUR),
        Energy("1-0:4.8.0*255", REACTIVE_EXPORT, unit=_VAR_HOUR),
    ]
    rates = [Energy(f"1-0:1.8.{rate}*255", ACTIVE_IMPORT, rate, _WATT_HOUR) for rate in (1, 2)]
    for behaviour in (
        *totals,
        *rates,
        Instantaneous("1-0:1.7.0*255"),
        Instantaneous("1-0:32.7.0*255"),
        Instantaneous("1-0:31.7.0*255"),
    ):
        yield Placed(behaviour, _KNOWN)
    yield Placed(MaximumDemand("1-0:1.6.0*255"), _KNOWN, methods={1: _MANAGEMENT})
    yield Placed(ProfileStatus("0-0:96.10.1*255"), _KNOWN)
    status = Column(1, "0-0:96.10.1*255", 2, 2)
    channels = [Column(3, str(Obis(total.logical_name)), 2, 5) for total in totals]
    load = LoadProfile("1-0:99.1.0*255", status, channels, _PROFILE_ENTRIES)
    yield Placed(load, _KNOWN, methods={1: _MANAGEMENT})
