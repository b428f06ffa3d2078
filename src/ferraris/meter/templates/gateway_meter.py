"""The template `gateway-meter`: a meter that only measures, behind a gateway that does the rest.

It has no tariff, no switch and no calendar; it tells totals and the power of each phase, and sends
them by itself as often as the gateway has written into its schedule, every few seconds mostly.
"""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.data.kinds import integer
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.periodic import LoadProfile, ProfileStatus
from ferraris.meter.behaviour.profile import Column
from ferraris.meter.behaviour.push_setup import PushList
from ferraris.meter.behaviour.registers import Energy
from ferraris.meter.behaviour.scripts import Schedule, Scripts
from ferraris.meter.consumption import Consumption
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.residential import (
    MANAGEMENT,
    OPERATOR,
    PUBLIC,
    READING,
    associations,
    identity,
)
from ferraris.meter.templates.supervision import supervision
from ferraris.meter.templates.three_phase import TOTALS, measured
from ferraris.meter.templates.timed import clock_block, failure_block
from ferraris.meter.zone import Zone
from ferraris.model.time_control import Script, ScriptAction, ServiceId

__all__ = ["gateway_meter"]

_ALL = frozenset((MANAGEMENT, READING, PUBLIC))
_KNOWN = frozenset((MANAGEMENT, READING))
_MANAGEMENT = frozenset((MANAGEMENT,))
_WATT_HOUR, _VAR_HOUR = 30, 32
_ENTRIES = 60 * 96
_MOMENTS = tuple(
    f"1-0:{group}.7.0*255" for group in (1, 2, 14, 21, 22, 31, 32, 41, 42, 51, 52, 61, 62, 71, 72)
)
_PUSH, _SCRIPTS, _SCHEDULE = "0-0:25.9.0*255", "0-0:10.0.108*255", "0-0:15.0.4*255"
_SENT = (
    (1, "0-0:42.0.0*255", 2),
    (8, "0-0:1.0.0*255", 2),
    *(
        (3, name, 2)
        for name in ("1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:1.7.0*255", "1-0:2.7.0*255")
    ),
)
"""Consumer information: who, when, both totals and both powers."""


def gateway_meter(
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template; arguments as for `residential`, though one rate counts everything."""
    consumption = Consumption(zone or Zone(), tariff or Tariff(((0, 1),)), region)
    placed = [
        *identity("1-0", suite),
        *clock_block(consumption.zone, _ALL, _KNOWN, _MANAGEMENT),
        *failure_block(_KNOWN, _MANAGEMENT),
        *supervision(_KNOWN, _MANAGEMENT),
        *_measurement(),
        *_information(),
    ]
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "gateway-meter",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


def _measurement() -> Iterator[Placed]:
    for name, channel, unit in TOTALS:
        yield Placed(Energy(name, channel, unit=unit), _KNOWN)
    yield from measured(_MOMENTS)
    yield Placed(ProfileStatus("0-0:96.10.1*255"), _KNOWN)
    status = Column(1, "0-0:96.10.1*255", 2, 2)
    columns = [Column(3, name, 2, 5) for name, _, _ in TOTALS]
    load = LoadProfile("1-0:99.1.0*255", status, columns, _ENTRIES)
    yield Placed(load, _KNOWN, {4: _MANAGEMENT}, {1: _MANAGEMENT})


def _information() -> Iterator[Placed]:
    """What a gateway or a display gets by itself, once somebody has said whereto and when."""
    setup = PushList(_PUSH, _SENT)
    writes = dict.fromkeys((index for index in setup.fixed if index != 2), _MANAGEMENT)
    yield Placed(setup, _KNOWN, writes, dict.fromkeys(setup.declares.methods, _MANAGEMENT))
    action = ScriptAction(ServiceId.EXECUTE, 40, Obis.parse(_PUSH), 1, integer(0))
    scripts = Scripts(_SCRIPTS, [Script(1, [action])])
    yield Placed(scripts, _KNOWN, methods={1: _MANAGEMENT})
    schedule = Schedule(_SCHEDULE, _SCRIPTS, 1)
    yield Placed(schedule, _KNOWN, {4: _MANAGEMENT})
