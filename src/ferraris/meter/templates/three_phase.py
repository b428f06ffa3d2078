"""The template `residential-three-phase`: a house with three phases and panels on its roof."""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.core.errors import UsageError
from ferraris.data.kinds import Tag
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.shown import Shown
from ferraris.meter.consumption import Consumption
from ferraris.meter.measures import measure_of
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.residential import (
    MANAGEMENT,
    OPERATOR,
    READING,
    associations,
    residential_objects,
)
from ferraris.meter.zone import Zone

__all__ = ["measured", "residential_three_phase"]

_KNOWN = frozenset((MANAGEMENT, READING))
_PHASE_QUANTITIES = (1, 2, 3, 4, 9, 13)
"""C of the sum of all phases: power in and out, reactive in and out, apparent, power factor."""

_CURRENT = 11


def residential_three_phase(
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template; arguments as for `residential`."""
    consumption = Consumption(zone or Zone(), tariff or Tariff(), region, roofs=1.0)
    placed = residential_objects(consumption, suite)
    taken = {each.behaviour.key for each in placed}
    for phase in (1, 2, 3):
        groups = [quantity + 20 * phase for quantity in (*_PHASE_QUANTITIES, _CURRENT)]
        shown = measured(f"1-0:{group}.7.0*255" for group in groups)
        placed += [each for each in shown if each.behaviour.key not in taken]
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "residential-three-phase",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


def measured(names: Iterator[str]) -> Iterator[Placed]:
    """Registers of measured values by their names; `UsageError` for one that measures nothing."""
    for name in names:
        measure = measure_of(Obis.parse(name), three_phase=True)
        if measure is None:
            raise UsageError(f"nothing is measured under {name}")
        kind = Tag.DOUBLE_LONG_UNSIGNED if measure.scaler == 0 else Tag.LONG_UNSIGNED
        yield Placed(Shown(name, measure, kind, measure.scaler), _KNOWN)
