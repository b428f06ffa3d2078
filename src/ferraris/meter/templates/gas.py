"""The template `gas`: a meter of gas on a battery, converted by temperature, with a valve."""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.data.kinds import octet_string
from ferraris.meter.behaviour.capture import Periodically
from ferraris.meter.behaviour.disconnector import Disconnector
from ferraris.meter.behaviour.identity import FixedData
from ferraris.meter.behaviour.indexes import (
    CountedOn,
    Daily,
    Difference,
    Flow,
    GasConversion,
    GasPressure,
    GasTemperature,
    History,
    Index,
    IndexProfile,
    Monthly,
)
from ferraris.meter.consumption import Consumption
from ferraris.meter.fluids import Fluid
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.battery_meter import KNOWN, MANAGERS, common
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.residential import MANAGEMENT, OPERATOR, associations
from ferraris.meter.zone import DAY, Zone

__all__ = ["gas"]

_HOUR = 3600
_GAS_DAY_HOUR = 6
_CORRECTED_CUBIC_METRES = 14  # unit [facts-g]
_INDEXES = ("7-0:3.0.0*255", "7-0:3.2.0*255")
_HOURS, _DAYS, _MONTHS = 70 * 24, 70, 24


def gas(
    zone: Zone | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template for a zone and a region with its own weather.

    Central European time unless said otherwise; `suite`, `mechanism` and `weak` as for
    `residential`.
    """
    consumption = Consumption(zone or Zone(), Tariff(), region)
    placed = [*common("7-0", _INDEXES, consumption.zone, suite), *_measurement()]
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "gas",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


def _measurement() -> Iterator[Placed]:
    """Names of volumes end in .0 as metered, .2 at base conditions; days and hours in triples."""
    metered = CountedOn(Fluid.GAS)
    converted = CountedOn(Fluid.GAS, converted=True, unit=_CORRECTED_CUBIC_METRES)
    day, hour = Daily(_GAS_DAY_HOUR), Periodically(_HOUR)
    indexes = [
        Index(name, counts) for name, counts in zip(_INDEXES, (metered, converted), strict=True)
    ]
    for behaviour in (
        *indexes,
        Difference("7-0:3.15.0*255", metered, hour),
        Difference("7-0:3.17.0*255", converted, hour),
        History("7-0:3.24.0*255", metered, day),
        History("7-0:3.26.0*255", converted, day),
        Difference("7-0:3.30.0*255", metered, day),
        Difference("7-0:3.32.0*255", converted, day),
        Flow("7-0:43.0.0*255", Fluid.GAS),
        GasTemperature("7-0:41.0.0*255"),
        GasPressure("7-0:42.0.0*255"),
        GasConversion("7-0:52.0.0*255"),
        FixedData("7-0:0.9.3*255", octet_string(bytes((_GAS_DAY_HOUR, 0, 0, 0)))),
    ):
        yield Placed(behaviour, KNOWN)
    for profile in (
        IndexProfile("7-0:99.1.0*255", hour, indexes, _HOURS, _HOUR),
        IndexProfile("7-0:99.2.0*255", day, indexes, _DAYS, DAY),
        IndexProfile("7-0:98.1.0*255", Monthly(_GAS_DAY_HOUR), indexes, _MONTHS, 0),
    ):
        yield Placed(profile, KNOWN, methods={1: MANAGERS})
    valve = Disconnector("0-0:96.3.10*255")
    yield Placed(valve, KNOWN, {4: MANAGERS}, {1: MANAGERS, 2: MANAGERS})
