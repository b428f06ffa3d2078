"""Blocks of templates that have to do with time: clock, outages, tariff, demand and billing.

Each is a few objects that belong together, under their usual names, readable by `readers` and
changeable by `writers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferraris.meter.behaviour.bills import (
    BILLING,
    BILLING_SCRIPTS,
    BillingPeriods,
    EndOfBilling,
    PeriodFact,
    PeriodFacts,
    ResetLockout,
    billing_scripts,
    stored,
)
from ferraris.meter.behaviour.clock import Clock, ShiftLimit
from ferraris.meter.behaviour.demand import Demand, MaximumDemand
from ferraris.meter.behaviour.power_failures import (
    FAILURE_OBJECTS,
    FailureData,
    FailureDuration,
    FailureLog,
    FailureThreshold,
)
from ferraris.meter.behaviour.register_activation import (
    ACTIVATION,
    ACTIVE_RATE,
    ActiveRate,
    RegisterActivation,
    tariff_scripts,
)
from ferraris.meter.behaviour.registers import Billed
from ferraris.meter.behaviour.scripts import Scripts
from ferraris.meter.behaviour.tariffication import (
    CALENDAR,
    TARIFF_SCRIPTS,
    ActivityCalendar,
    SpecialDays,
)
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed
from ferraris.meter.zone import Zone

__all__ = ["CLOCK", "billing_block", "clock_block", "demand_block", "failure_block", "tariff_block"]

CLOCK = "0-0:1.0.0*255"

_Clients = frozenset[int]
_RULES = (3, 5, 6, 7, 8)
_ADJUSTING = (1, 2, 3, 4, 5, 6)
_PASSIVE = (6, 7, 8, 9, 10)


def clock_block(
    zone: Zone, everybody: _Clients, setters: _Clients, writers: _Clients
) -> Iterator[Placed]:
    """The clock, which `setters` set, and its shift limit; `writers` write the zone's rules."""
    rules = dict.fromkeys(_RULES, writers)
    adjusting = dict.fromkeys(_ADJUSTING, setters)
    yield Placed(Clock(CLOCK, zone), everybody, {2: setters, **rules}, adjusting)
    yield Placed(ShiftLimit(), setters, {2: writers})


def failure_block(readers: _Clients, writers: _Clients) -> Iterator[Placed]:
    """Registers of power failures in any phase, the threshold of long ones and their log."""
    for tells, (_, in_any_phase) in FAILURE_OBJECTS.items():
        yield Placed(FailureData(in_any_phase, tells), readers)
    duration = FailureDuration()
    yield Placed(duration, readers)
    yield Placed(FailureThreshold(), readers, {2: writers})
    yield Placed(FailureLog(duration), readers, methods={1: writers})


def tariff_block(
    tariff: Tariff, rates: Sequence[Billed], readers: _Clients, writers: _Clients
) -> Iterator[Placed]:
    """Calendar, special days, scripts and masks; `rates` are the registers by rate."""
    calendar = ActivityCalendar(CALENDAR, tariff)
    yield Placed(calendar, readers, dict.fromkeys(_PASSIVE, writers), {1: writers})
    yield Placed(SpecialDays(), readers, {2: writers}, {1: writers, 2: writers})
    scripts = Scripts(TARIFF_SCRIPTS, tariff_scripts(tariff.rates))
    yield Placed(scripts, readers, methods={1: writers})
    yield Placed(RegisterActivation(ACTIVATION, rates), readers)
    yield Placed(ActiveRate(ACTIVE_RATE), readers)


def demand_block(
    demand: Demand, maximum: MaximumDemand, readers: _Clients, writers: _Clients
) -> Iterator[Placed]:
    """A demand register, whose periods are written, and its maximum."""
    yield Placed(demand, readers, {8: writers, 9: writers}, {1: writers, 2: writers})
    yield Placed(maximum, readers, methods={1: writers})


def billing_block(
    captured: Sequence[tuple[Billed, int]],
    kept: Sequence[Billed],
    places: Sequence[int],
    readers: _Clients,
    writers: _Clients,
    *,
    lockout_s: int = 0,
) -> Iterator[Placed]:
    """The profile of periods and what closes them, counter, stamp, and stored values.

    `captured` are registers and attributes of them; the values of `kept` are stored under the last
    groups `places`: 101 and up, or 0 to 99. Without a lock-out clients end periods at any time.
    """
    lockout = ResetLockout(seconds=lockout_s) if lockout_s else None
    if lockout is not None:
        yield Placed(lockout, readers, {2: writers})
    profile = BillingPeriods(BILLING, captured, lockout=lockout)
    yield Placed(profile, readers, methods={1: writers, 2: writers})
    scripts = Scripts(BILLING_SCRIPTS, billing_scripts())
    yield Placed(scripts, readers, methods={1: writers})
    yield Placed(EndOfBilling(), readers, {3: writers, 4: writers})
    yield Placed(PeriodFact("1-0:0.1.0*255", PeriodFacts.COUNTER), readers)
    yield Placed(PeriodFact("1-0:0.1.2*255", PeriodFacts.STAMP), readers)
    for each in stored(kept, places):
        yield Placed(each, readers)
