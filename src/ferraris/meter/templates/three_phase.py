"""The template `residential-three-phase`: a house with three phases and panels on its roof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ferraris.meter.behaviour.registers import Instantaneous
from ferraris.meter.consumption import Consumption
from ferraris.meter.patterns import (
    ACTIVE_EXPORT,
    ACTIVE_IMPORT,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
)
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

__all__ = ["TOTALS", "measured", "residential_three_phase"]

_KNOWN = frozenset((MANAGEMENT, READING))
_WATT_HOUR, _VAR_HOUR = 30, 32
TOTALS = (
    ("1-0:1.8.0*255", ACTIVE_IMPORT, _WATT_HOUR),
    ("1-0:2.8.0*255", ACTIVE_EXPORT, _WATT_HOUR),
    ("1-0:3.8.0*255", REACTIVE_IMPORT, _VAR_HOUR),
    ("1-0:4.8.0*255", REACTIVE_EXPORT, _VAR_HOUR),
)
"""Registers of all phases that bill what passes in both directions: name, channel, unit."""

_BY_PHASE = (1, 2, 3, 4, 9, 11, 13)
"""C of all phases: power in and out, reactive in and out, apparent, current, power factor."""


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
    shown = list(measured(f"1-0:{q + 20 * n}.7.0*255" for n in (1, 2, 3) for q in _BY_PHASE))
    own = {each.behaviour.key for each in shown}
    common = residential_objects(consumption, suite)
    placed = [*(each for each in common if each.behaviour.key not in own), *shown]
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "residential-three-phase",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


def measured(names: Iterable[str]) -> Iterator[Placed]:
    """Registers of measured values by their names; `UsageError` for one that measures nothing."""
    for name in names:
        yield Placed(Instantaneous(name, three_phase=True), _KNOWN)
