"""What scenarios do to the voltage in front of a meter: sags, swells, phases lost or reversed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ferraris.core.errors import UsageError
from ferraris.meter import life
from ferraris.meter.behaviour.quality import QualityLog
from ferraris.meter.happenings import Happening
from ferraris.meter.network import Network, imposed
from ferraris.meter.voltage import PHASES, Disturbance

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["disturb", "restore", "reverse_phases"]

_MOST_IMPOSED = 64


def disturb(
    meter: SimulatedMeter,
    at: int,
    percent: int,
    *,
    phases: Iterable[int] = PHASES,
    seconds: int | None = None,
) -> None:
    """Set phases to a percentage of the nominal voltage from UTC second `at` on.

    Below 100 that is a sag, above a swell, 0 a missing phase. It lasts `seconds`, or until it is
    restored. Raises `UsageError` when all phases would be gone: that is an outage.
    """
    chosen = tuple(sorted(set(phases)))
    if not chosen or not set(chosen) <= set(PHASES) or not 0 <= percent <= 200:
        raise UsageError("phases are 1 to 3, and voltages 0 to 200 percent of the nominal one")
    if chosen == PHASES and not percent:
        raise UsageError("three phases without voltage are an outage")
    if seconds is not None and seconds < 1:
        raise UsageError("a disturbance lasts a second at least")
    with life.intervening(meter, at):
        network = meter.change().part(Network)
        stop = None if seconds is None else at + seconds
        added = Disturbance(at, stop, chosen, percent)
        _cut(meter, at, chosen)
        network.imposed = (*network.imposed, added)[-_MOST_IMPOSED:]


def restore(meter: SimulatedMeter, at: int) -> None:
    """Whatever was imposed on the voltage is over at UTC second `at`."""
    with life.intervening(meter, at):
        if imposed(meter):
            _cut(meter, at, PHASES)


def reverse_phases(meter: SimulatedMeter, at: int, *, are_reversed: bool = True) -> None:
    """Two phases change places at UTC second `at`, or are put back."""
    with life.intervening(meter, at):
        network = meter.change().part(Network)
        if network.is_reversed != are_reversed:
            network.is_reversed = are_reversed
            told = Happening.PHASE_SEQUENCE if are_reversed else Happening.PHASE_SEQUENCE_RIGHT
            meter.note(told, at)


def _cut(meter: SimulatedMeter, at: int, phases: tuple[int, ...]) -> None:
    """What was imposed on some phases, and on others together with them, ends at `at`."""
    network = meter.change().part(Network)
    lasting = [
        each
        for each in network.imposed
        if (each.stop is None or each.stop > at) and set(each.phases) & set(phases)
    ]
    ended = [each._replace(stop=max(at, each.start)) for each in lasting]
    network.imposed = tuple(
        ended[lasting.index(each)] if each in lasting else each for each in network.imposed
    )
    if ended and meter.state.off_since is None:
        for log in meter.fleet.template.behaviours.values():
            if isinstance(log, QualityLog):
                log.end(meter, ended, at)
