"""The household meter: two rates, both directions, switch, logs and a load profile of 60 days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ferraris.client.security import DEFAULT_SYSTEM_TITLE
from ferraris.data.kinds import integer, null_data
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.alarms import (
    ALARM_SCRIPT,
)
from ferraris.meter.behaviour.capture import Daily
from ferraris.meter.behaviour.data_protection import DataProtection
from ferraris.meter.behaviour.demand import Demand, MaximumDemand
from ferraris.meter.behaviour.identity import (
    ConsumerMessage,
    DeviceNumber,
    EngineObject,
    InvocationCounter,
    LogicalDeviceName,
)
from ferraris.meter.behaviour.periodic import BillingProfile, LoadProfile, ProfileStatus
from ferraris.meter.behaviour.profile import Column
from ferraris.meter.behaviour.push_setup import PushList, PushListV1, PushListV2, Sent
from ferraris.meter.behaviour.registers import Energy, Instantaneous
from ferraris.meter.behaviour.scripts import Schedule, Scripts
from ferraris.meter.behaviour.security_setup import SecuritySetup, SecuritySetupV1
from ferraris.meter.consumption import Consumption
from ferraris.meter.patterns import (
    ACTIVE_EXPORT,
    ACTIVE_IMPORT,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
)
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.templates.mechanisms import GMAC, Proving, proving
from ferraris.meter.templates.offered import (
    AUTHENTICATED_AND_ENCRYPTED,
    MANAGEMENT_SERVICES,
    MAX_PDU,
    PUBLIC_SERVICES,
    SERVICES,
)
from ferraris.meter.templates.quality import last_gasp, quality
from ferraris.meter.templates.supervision import (
    limits,
    management,
    supervision,
    switching,
    tamper,
)
from ferraris.meter.templates.timed import (
    billing_block,
    clock_block,
    demand_block,
    failure_block,
    tariff_block,
)
from ferraris.meter.templates.updating import firmware_objects
from ferraris.meter.zone import Zone
from ferraris.model.access_control import AssociationLnV1, SapAssignment
from ferraris.model.push import RepetitionDelay
from ferraris.model.time_control import Script, ScriptAction, ServiceId
from ferraris.server.device import AssociationSettings

__all__ = [
    "MANAGEMENT",
    "OPERATOR",
    "PUBLIC",
    "READING",
    "associations",
    "identity",
    "pushes",
    "residential",
    "residential_objects",
]

MANAGEMENT, READING, OPERATOR, PUBLIC = 1, 2, 3, 16
"""Addresses of the clients: HLS with GMAC and ciphering, password, no security.

With suite 1 or 2 the management client proves itself by ECDSA, and the operator, who is the same,
by GMAC.
"""

_ALL = frozenset((MANAGEMENT, READING, PUBLIC))
_KNOWN = frozenset((MANAGEMENT, READING))
_MANAGEMENT = frozenset((MANAGEMENT,))

_PROFILE_ENTRIES = 60 * 96
_STORED = (101, 102)
"""Last groups of the names under which the last two billing values are kept."""

_WATT_HOUR, _VAR_HOUR = 30, 32

_PUSHED = (
    (1, "0-0:42.0.0*255", 2),
    (8, "0-0:1.0.0*255", 2),
    *(
        (3, f"1-0:{group}*255", index)
        for group in ("1.8.0", "2.8.0", "1.7.0", "2.7.0", "32.7.0", "31.7.0")
        for index in (2, 3)
    ),
)
"""What the meter sends by itself: each register with its scaler and unit."""

_PUSHED_PROFILE = (
    Sent(1, "0-0:42.0.0*255", 2),
    Sent(
        7,
        "1-0:99.1.0*255",
        2,
        restriction=(1, null_data(), null_data()),
        columns=((8, "0-0:1.0.0*255", 2), (3, "1-0:1.8.0*255", 2), (3, "1-0:2.8.0*255", 2)),
    ),
)
"""Rows of the load profile since the last push, until somebody confirms them."""

_NAMED = ((1, "0-0:42.0.0*255", 2), (8, "0-0:1.0.0*255", 2))
_GUARDED = {"1-0": (*_NAMED[:1], (3, "1-0:1.8.0*255", 2), (3, "1-0:2.8.0*255", 2))}
"""What the buffer of the data protection object holds, by medium; name and time for others."""

_PUSHED_ALARM = ((1, "0-0:42.0.0*255", 2), (8, "0-0:1.0.0*255", 2), (1, "0-0:97.98.20*255", 2))
_PUSHES = {1: "0-0:25.9.0*255", 2: "0-1:25.9.0*255", ALARM_SCRIPT: "0-4:25.9.0*255"}
"""Set-up objects by the number of the script that pushes them."""


def residential(
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template for a zone, a tariff and a region with its own weather.

    Central European time and 07-23 o'clock as rate 1 unless said otherwise; security suite 0.
    `mechanism` and `weak` choose how clients prove themselves, as `mechanisms.proving` tells.
    """
    consumption = Consumption(zone or Zone(), tariff or Tariff(), region)
    placed = residential_objects(consumption, suite)
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "residential",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


def residential_objects(consumption: Consumption, suite: int) -> list[Placed]:
    """Everything that a household meter has; other templates add to it."""
    return [
        *identity("1-0", suite),
        *pushes(_PUSHED, _PUSHED_PROFILE),
        *_control(consumption),
        *supervision(_KNOWN, _MANAGEMENT),
        *limits(_KNOWN, _MANAGEMENT),
        *management(_KNOWN, _MANAGEMENT),
        *tamper(_KNOWN),
        *quality(_KNOWN, _MANAGEMENT),
        *last_gasp(_KNOWN, _MANAGEMENT),
        *_measurement(consumption.tariff),
    ]


def associations(
    placed: Sequence[Placed], suite: int, by: Proving
) -> Iterator[AssociationSettings]:
    """What the public client, the reader and the management client may open."""
    yield AssociationSettings(
        PUBLIC,
        Obis.parse("0-0:40.0.1*255"),
        conformance=PUBLIC_SERVICES,
        max_pdu=MAX_PDU,
        rights=rights_of(PUBLIC, placed),
    )
    yield AssociationSettings(
        READING,
        Obis.parse("0-0:40.0.2*255"),
        mechanism=by.reading,
        weak=by.weak,
        conformance=SERVICES,
        max_pdu=MAX_PDU,
        rights=rights_of(READING, placed),
    )
    management = AssociationSettings(
        MANAGEMENT,
        Obis.parse("0-0:40.0.3*255"),
        mechanism=by.management,
        weak=by.weak,
        ciphered=True,
        conformance=MANAGEMENT_SERVICES,
        general_blocks=True,
        max_pdu=MAX_PDU,
        policy=AUTHENTICATED_AND_ENCRYPTED,
        rights=rights_of(MANAGEMENT, placed),
        security_setup=Obis.parse("0-0:43.0.1*255"),
    )
    yield management
    if suite:
        yield replace(management, client_sap=OPERATOR, mechanism=GMAC)


def identity(medium: str, suite: int) -> Iterator[Placed]:
    """Who the meter is, its security and its firmware; `medium` is `1-0` for electricity."""
    for name in ("0-0:40.0.0*255", "0-0:40.0.1*255", "0-0:40.0.2*255", "0-0:40.0.3*255"):
        own = {"0-0:40.0.0*255": _ALL, "0-0:40.0.1*255": _ALL, "0-0:40.0.2*255": _KNOWN}
        association = EngineObject(name, AssociationLnV1, (7,), {2: (1, 2, 3, 4)})
        yield Placed(association, own.get(name, _MANAGEMENT), methods={1: _MANAGEMENT})
    yield Placed(EngineObject("0-0:41.0.0*255", SapAssignment), _ALL)
    yield Placed(LogicalDeviceName("0-0:42.0.0*255"), _ALL)
    yield Placed(InvocationCounter("0-0:43.1.1*255", MANAGEMENT), _ALL)
    setup = (SecuritySetupV1 if suite else SecuritySetup)(
        "0-0:43.0.1*255", suite, DEFAULT_SYSTEM_TITLE
    )
    yield Placed(setup, _KNOWN, methods=dict.fromkeys(setup.declares.methods, _MANAGEMENT))
    guarded = DataProtection("0-0:43.2.1*255", _GUARDED.get(medium, _NAMED))
    writes = dict.fromkeys((2, 3, 4, 5), _MANAGEMENT)
    yield Placed(guarded, _MANAGEMENT, writes, dict.fromkeys((1, 2, 3), _MANAGEMENT))
    yield Placed(DeviceNumber("0-0:96.1.0*255"), _ALL)
    yield Placed(DeviceNumber("0-0:96.1.1*255", "E"), _KNOWN)
    yield from firmware_objects(medium, _ALL, _KNOWN, _MANAGEMENT)
    for display in ("0-0:96.13.0*255", "0-0:96.13.1*255"):
        yield Placed(ConsumerMessage(display), _KNOWN, {2: _KNOWN})


def pushes(regular: Sequence[tuple[int, str, int]], rows: Sequence[Sent]) -> Iterator[Placed]:
    """What the meter sends by itself: `regular` values, `rows` of a profile, and alarms."""
    again = RepetitionDelay(60, 200, 900)
    periodic, profile, alarm = _PUSHES.values()
    for setup in (
        PushList(periodic, regular),
        PushListV2(profile, rows, retries=3, repetition=again, confirms=True),
        PushListV1(alarm, _PUSHED_ALARM, retries=3, repetition=again),
    ):
        writes = dict.fromkeys((i for i in setup.fixed if i != 2), _MANAGEMENT)
        methods = dict.fromkeys(setup.declares.methods, _MANAGEMENT)
        yield Placed(setup, _KNOWN, writes, methods)
    execute = ServiceId.EXECUTE
    scripts = [
        Script(number, [ScriptAction(execute, 40, Obis.parse(name), 1, integer(0))])
        for number, name in _PUSHES.items()
    ]
    yield Placed(Scripts("0-0:10.0.108*255", scripts), _KNOWN, methods={1: _MANAGEMENT})
    for channel, selector in ((0, 1), (1, 2)):
        schedule = Schedule(f"0-{channel}:15.0.4*255", "0-0:10.0.108*255", selector)
        yield Placed(schedule, _KNOWN, {4: _MANAGEMENT})


def _control(consumption: Consumption) -> Iterator[Placed]:
    yield from clock_block(consumption.zone, _ALL, _KNOWN, _MANAGEMENT)
    yield from failure_block(_KNOWN, _MANAGEMENT)
    yield from switching(_KNOWN, _MANAGEMENT)


def _measurement(tariff: Tariff) -> Iterator[Placed]:
    totals = [
        Energy("1-0:1.8.0*255", ACTIVE_IMPORT, unit=_WATT_HOUR),
        Energy("1-0:2.8.0*255", ACTIVE_EXPORT, unit=_WATT_HOUR),
        Energy("1-0:3.8.0*255", REACTIVE_IMPORT, unit=_VAR_HOUR),
        Energy("1-0:4.8.0*255", REACTIVE_EXPORT, unit=_VAR_HOUR),
    ]
    rates = [
        Energy(f"1-0:{group}.8.{rate}*255", channel, rate, _WATT_HOUR)
        for group, channel in ((1, ACTIVE_IMPORT), (2, ACTIVE_EXPORT))
        for rate in range(1, tariff.rates + 1)
    ]
    yield from tariff_block(tariff, rates, _KNOWN, _MANAGEMENT)
    demand = Demand("1-0:1.4.0*255")
    maximum = MaximumDemand("1-0:1.6.0*255", demand=demand)
    yield from demand_block(demand, maximum, _KNOWN, _MANAGEMENT)
    for behaviour in (
        *totals,
        *rates,
        Instantaneous("1-0:1.7.0*255"),
        Instantaneous("1-0:2.7.0*255"),
        Instantaneous("1-0:31.7.0*255"),
        Instantaneous("1-0:32.7.0*255"),
        Instantaneous("1-0:13.7.0*255"),
        Instantaneous("1-0:14.7.0*255"),
    ):
        yield Placed(behaviour, _KNOWN)
    status = ProfileStatus("0-0:96.10.1*255")
    yield Placed(status, _KNOWN)
    channels = [Column(3, str(Obis(total.logical_name)), 2, 5) for total in totals]
    status_column = Column(1, "0-0:96.10.1*255", 2, 2)
    load = LoadProfile("1-0:99.1.0*255", status_column, channels, _PROFILE_ENTRIES)
    yield Placed(load, _KNOWN, {4: _MANAGEMENT}, {1: _MANAGEMENT})
    daily = BillingProfile("1-0:99.2.0*255", Daily(), rates, 62)
    yield Placed(daily, _KNOWN, methods={1: _MANAGEMENT})
    captured = [(register, 2) for register in (*totals[:2], *rates)]
    kept = [*totals[:2], maximum]
    yield from billing_block(captured, kept, _STORED, _KNOWN, _MANAGEMENT)
