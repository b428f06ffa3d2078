"""Which rate registers counted when: by the template's tariff, until something makes it otherwise.

A meter whose tariff nobody has touched remembers nothing; its rates follow from the calendar of the
template. From then on every switch is kept with what had been counted until it happened, so that
registers at any instant are sums of pieces to the last unit.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ferraris.meter import supply
from ferraris.meter.outages import held_back
from ferraris.meter.patterns import ACTIVE_EXPORT, ACTIVE_IMPORT, QUARTER
from ferraris.meter.zone import DAY

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["BY_RATE", "Rates", "Switch", "active", "counted", "depart", "has_departed", "switch"]

BY_RATE = (ACTIVE_IMPORT, ACTIVE_EXPORT)
"""Channels that are counted by rate."""

_THINNED_EVERY = 256
_MOST_SWITCHES = 4096
_WHOLE_S = 64 * DAY


class Switch(NamedTuple):
    """From UTC second `at` on other registers count.

    `rates` holds the numbers of the rates that count, and `counted` the energy by rate until then,
    both for each channel of `BY_RATE`.
    """

    at: int
    rates: tuple[tuple[int, ...], ...]
    counted: tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class Rates:
    """The switches of one meter, oldest first, and the mask that is active, as octets."""

    switches: list[Switch] = field(default_factory=list)
    mask: bytes = b""


def has_departed(meter: SimulatedMeter) -> bool:
    """Whether the rates no longer follow from the template alone."""
    return meter.state.found(Rates) is not None


def counted(meter: SimulatedMeter, channel: int, utc: int) -> tuple[int, tuple[int, ...]]:
    """Energy counted until `utc`: the total, and by rate."""
    state = meter.state
    if state.parts is None and not state.interruptions:  # nothing has happened: the usual case
        by_rate = meter.fleet.household(meter.index).energy(channel, utc)
        return sum(by_rate), by_rate
    without = held_back(state)
    by_rate = supply.energy(meter.household, channel, utc, without)
    total = sum(by_rate)
    last = _last_switch(meter, channel, utc)
    if last is None:
        return total, by_rate
    place = BY_RATE.index(channel)
    before = last.counted[place]
    flowed = total - sum(supply.energy(meter.household, channel, last.at, without))
    rates = last.rates[place]
    return total, tuple(
        value + (flowed if number in rates else 0) for number, value in enumerate(before, 1)
    )


def active(meter: SimulatedMeter, channel: int, utc: int) -> tuple[int, ...]:
    """Numbers of the rates that count a channel at `utc`."""
    last = _last_switch(meter, channel, utc)
    if last is not None:
        return last.rates[BY_RATE.index(channel)]
    local = utc + meter.fleet.template.zone.offset(utc)
    return (meter.fleet.template.tariff.rate(local // QUARTER),)


def depart(meter: SimulatedMeter, at: int) -> None:
    """Go on with what counts at `at`, whatever the template's tariff says from now on."""
    if not has_departed(meter):
        rates = tuple(active(meter, channel, at) for channel in BY_RATE)
        mask = b"%d" % rates[0][0]
        switch(meter, at, rates, mask)


def switch(meter: SimulatedMeter, at: int, rates: tuple[tuple[int, ...], ...], mask: bytes) -> None:
    """Let other rates count from `at` on, for each channel of `BY_RATE`; `mask` names them."""
    known = tuple(counted(meter, channel, at)[1] for channel in BY_RATE)
    most = [max((len(before), *numbers)) for before, numbers in zip(known, rates, strict=True)]
    before = tuple(
        values + (0,) * (count - len(values)) for values, count in zip(known, most, strict=True)
    )
    part = meter.change().part(Rates)
    part.mask = mask
    if part.switches and part.switches[-1].rates == rates:
        return
    part.switches.append(Switch(at, rates, before))
    if not len(part.switches) % _THINNED_EVERY:
        part.switches = _thinned(part.switches, meter)


def _thinned(switches: list[Switch], meter: SimulatedMeter) -> list[Switch]:
    """Forget old switches but the last of each month, from which billing values follow.

    Daily values want all of the last two months.
    """
    zone = meter.fleet.template.zone
    young = bisect_right(switches, switches[-1].at - _WHOLE_S, key=lambda each: each.at)
    young = max(young, len(switches) - _MOST_SWITCHES)
    months = [zone.month(each.at) for each in switches[: young + 1]]
    kept = [
        each
        for each, month, following in zip(switches[1:], months[1:], months[2:], strict=False)
        if month != following
    ]
    return [switches[0], *kept, *switches[max(1, young) :]]


def _last_switch(meter: SimulatedMeter, channel: int, utc: int) -> Switch | None:
    if channel not in BY_RATE:
        return None
    part = meter.state.found(Rates)
    if part is None:
        return None
    place = bisect_right(part.switches, utc, key=lambda each: each.at)
    return part.switches[place - 1] if place else None
