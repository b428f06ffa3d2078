"""The template `industrial`: a meter behind current transformers, with more than 300 objects.

Registers count what passes the terminals of the meter; whoever bills multiplies by the ratio of the
transformers, which stands in objects of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferraris.data.kinds import Tag, long_unsigned
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.demand import Demand, MaximumDemand, RatchetDemand
from ferraris.meter.behaviour.derived import DerivedProfile
from ferraris.meter.behaviour.identity import FixedData
from ferraris.meter.behaviour.parameter_monitor import ParameterMonitorV1
from ferraris.meter.behaviour.periodic import LoadProfile, ProfileStatus
from ferraris.meter.behaviour.profile import Column
from ferraris.meter.behaviour.registers import Energy
from ferraris.meter.behaviour.shown import Shown
from ferraris.meter.behaviour.voltage_values import Harmonic
from ferraris.meter.consumption import Consumption
from ferraris.meter.measures import Measure, measure_of
from ferraris.meter.network import feeder
from ferraris.meter.patterns import (
    ACTIVE_EXPORT,
    ACTIVE_IMPORT,
    QUARTER,
)
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.quality import last_gasp, quality
from ferraris.meter.templates.residential import (
    MANAGEMENT,
    OPERATOR,
    PUBLIC,
    READING,
    associations,
    identity,
)
from ferraris.meter.templates.supervision import limits, management, supervision, tamper
from ferraris.meter.templates.three_phase import TOTALS, measured
from ferraris.meter.templates.timed import (
    billing_block,
    clock_block,
    demand_block,
    failure_block,
    tariff_block,
)
from ferraris.meter.voltage import NOMINAL, harmonic
from ferraris.meter.zone import Zone
from ferraris.model.companion import CompanionColumn

__all__ = ["industrial"]

_ALL = frozenset((MANAGEMENT, READING, PUBLIC))
_KNOWN = frozenset((MANAGEMENT, READING))
_MANAGEMENT = frozenset((MANAGEMENT,))

_WATT_HOUR, _VAR_HOUR, _AMPERE = 30, 32, 33
_FOUR_RATES = Tariff(((0, 4), (6 * 60, 1), (9 * 60, 2), (17 * 60, 3), (21 * 60, 4)))
_PRIMARY_A, _SECONDARY_A = 400, 5
_ORDERS = range(1, 32)
"""Harmonics that are told, the fundamental among them."""

_ENTRIES = 60 * 96
_STORED = tuple(range(101, 113))
"""The last twelve billing periods."""

_MOMENTS = tuple(
    f"1-0:{group}.7.0*255"
    for phase in range(4)
    for group in (quantity + 20 * phase for quantity in (1, 2, 3, 4, 9, 11, 12, 13))
    if group not in (11, 12)  # of no phase in particular
)
_AVERAGES = tuple(f"1-0:{11 + 20 * phase}.25.0*255" for phase in (1, 2, 3))
_TWELVE = (
    *(name for name, _, _ in TOTALS),
    *(f"1-0:{12 + 20 * phase}.24.0*255" for phase in (1, 2, 3)),
    *_AVERAGES,
    "1-0:13.7.0*255",
    "1-0:14.7.0*255",
)
"""The channels of the second load profile."""


def industrial(
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template; arguments as for `residential`, with four rates unless said otherwise."""
    consumption = Consumption(zone or Zone(), tariff or _FOUR_RATES, region)
    placed = [
        *identity("1-0", suite),
        *_transformers(),
        *clock_block(consumption.zone, _ALL, _KNOWN, _MANAGEMENT),
        *failure_block(_KNOWN, _MANAGEMENT),
        *supervision(_KNOWN, _MANAGEMENT),
        *limits(_KNOWN, _MANAGEMENT),
        *management(_KNOWN, _MANAGEMENT),
        *_watched(),
        *tamper(_KNOWN),
        *quality(_KNOWN, _MANAGEMENT),
        *last_gasp(_KNOWN, _MANAGEMENT),
        *_energies(consumption.tariff),
    ]
    placed += _moments({each.behaviour.key for each in placed})
    placed += _profiles()
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "industrial",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


_CALIBRATION = ((1, "1-0:0.4.2*255", 2), (1, "1-0:0.4.5*255", 2), (20, "0-0:13.0.0*255", 5))
"""What bills depend on, watched by the digest of a second parameter monitor."""


def _watched() -> Iterator[Placed]:
    monitor = ParameterMonitorV1("0-0:16.2.1*255", _CALIBRATION, b"billing")
    writes = dict.fromkeys((4, 5, 6), _MANAGEMENT)
    yield Placed(monitor, _KNOWN, writes, dict.fromkeys((1, 2), _MANAGEMENT))


def _transformers() -> Iterator[Placed]:
    """Numerator and denominator of the current transformers' ratio."""
    yield Placed(FixedData("1-0:0.4.2*255", long_unsigned(_PRIMARY_A)), _ALL)
    yield Placed(FixedData("1-0:0.4.5*255", long_unsigned(_SECONDARY_A)), _ALL)


def _energies(tariff: Tariff) -> Iterator[Placed]:
    totals = [Energy(name, channel, unit=unit) for name, channel, unit in TOTALS]
    rates = [
        Energy(f"1-0:{group}.8.{rate}*255", channel, rate, _WATT_HOUR)
        for group, channel in ((1, ACTIVE_IMPORT), (2, ACTIVE_EXPORT))
        for rate in range(1, tariff.rates + 1)
    ]
    for each in (*totals, *rates):
        yield Placed(each, _KNOWN)
    yield from tariff_block(tariff, rates, _KNOWN, _MANAGEMENT)
    # Over an hour that slides by quarters, as contracts of industry have it.
    demand = Demand("1-0:1.4.0*255", ACTIVE_IMPORT, QUARTER, 4)
    maximum = MaximumDemand("1-0:1.6.0*255", demand=demand)
    yield from demand_block(demand, maximum, _KNOWN, _MANAGEMENT)
    ratchet = RatchetDemand("1-0:1.6.128*255", maximum)  # a maker's own [memory]
    yield Placed(ratchet, _KNOWN)
    billed: Sequence[Energy] = [*totals, *rates]
    captured = [*((register, 2) for register in billed), (maximum, 2), (maximum, 5), (ratchet, 2)]
    kept = [*totals[:2], *rates[: tariff.rates], maximum]
    yield from billing_block(captured, kept, _STORED, _KNOWN, _MANAGEMENT, lockout_s=300)


def _moments(taken: set[tuple[int, bytes]]) -> Iterator[Placed]:
    for each in measured((*_MOMENTS, "1-0:14.7.0*255", *_AVERAGES)):
        if each.behaviour.key not in taken:
            yield each
    for phase in (1, 2, 3):
        for order in _ORDERS:
            for behaviour in (Harmonic(phase, order), _current_harmonic(phase, order)):
                if behaviour.key not in taken:
                    yield Placed(behaviour, _KNOWN)


def _current_harmonic(phase: int, order: int) -> Shown:
    """Current of one harmonic: as the voltage is distorted, so is the current, somewhat more."""
    name = f"1-0:{11 + 20 * phase}.7.{order}*255"
    whole = measure_of(Obis.parse(f"1-0:{11 + 20 * phase}.7.0*255"), three_phase=True)
    assert whole is not None

    def at(meter: SimulatedMeter, now: int) -> int:
        through = whole.at(meter, now)
        if order == 1:
            return through
        part = harmonic(feeder(meter), meter.system_title, phase, order, now)
        return through * 3 * part // (10 * NOMINAL)

    measure = Measure(at, whole.scaler, _AMPERE)
    return Shown(name, measure, Tag.LONG_UNSIGNED, whole.scaler)


def _profiles() -> Iterator[Placed]:
    status = ProfileStatus("0-0:96.10.1*255")
    yield Placed(status, _KNOWN)
    column = Column(1, "0-0:96.10.1*255", 2, 2)
    energies = [Column(3, name, 2, 5) for name, _, _ in TOTALS]
    load = LoadProfile("1-0:99.1.0*255", column, energies, _ENTRIES)
    yield Placed(load, _KNOWN, {4: _MANAGEMENT}, {1: _MANAGEMENT})
    columns = [
        CompanionColumn(8, "0-0:1.0.0*255", 2),
        *(CompanionColumn(3, name, 2) for name in _TWELVE),
    ]
    twelve = DerivedProfile("1-0:99.2.0*255", columns, QUARTER, _ENTRIES)
    yield Placed(twelve, _KNOWN, {4: _MANAGEMENT}, {1: _MANAGEMENT})
