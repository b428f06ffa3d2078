"""The template `water`: a meter of cold water on a battery."""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.meter.behaviour.capture import Periodically
from ferraris.meter.behaviour.indexes import (
    CountedOn,
    Daily,
    Flow,
    History,
    Index,
    IndexProfile,
    Monthly,
    Yearly,
)
from ferraris.meter.consumption import Consumption
from ferraris.meter.fluids import Fluid
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.battery_meter import KNOWN, MANAGERS, common
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.residential import MANAGEMENT, OPERATOR, associations
from ferraris.meter.zone import DAY, Zone

__all__ = ["water"]

_HOUR = 3600
_INDEX = "8-0:1.0.0*255"
_HOURS, _DAYS, _MONTHS = 70 * 24, 70, 24


def water(
    zone: Zone | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template; arguments as for `gas`."""
    consumption = Consumption(zone or Zone(), Tariff(), region)
    placed = [*common("8-0", (_INDEX,), consumption.zone, suite), *_measurement()]
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "water",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


def _measurement() -> Iterator[Placed]:
    volume = CountedOn(Fluid.WATER)
    index = Index(_INDEX, volume)
    yield Placed(index, KNOWN)
    yield Placed(History("8-0:1.2.0*255", volume, Yearly()), KNOWN)
    yield Placed(Flow("8-0:2.0.0*255", Fluid.WATER), KNOWN)
    for profile in (
        IndexProfile("8-0:99.1.0*255", Periodically(_HOUR), [index], _HOURS, _HOUR),
        IndexProfile("8-0:99.2.0*255", Daily(), [index], _DAYS, DAY),
        IndexProfile("8-0:98.1.0*255", Monthly(), [index], _MONTHS, 0),
    ):
        yield Placed(profile, KNOWN, methods={1: MANAGERS})
