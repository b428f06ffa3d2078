"""The network in front of one meter: its feeder, and what was done to its voltage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ferraris.meter import voltage
from ferraris.meter.voltage import Disturbance

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Network", "Spells", "feeder", "group_of", "imposed", "volts"]

_METERS_OF_A_FEEDER = 100


class Spells(NamedTuple):
    """Times that a phase was beyond a limit: how many; seconds and tenths of a volt of the last."""

    times: int = 0
    last_s: int = 0
    last_volts: int = 0


@dataclass(slots=True)
class Network:
    """What was imposed on a meter's voltage, and what the meter made of that and of the rest.

    `spells` go by ten times the kind plus the phase, `dips` by depth and duration class.
    """

    imposed: tuple[Disturbance, ...] = ()
    is_reversed: bool = False
    spells: dict[int, Spells] = field(default_factory=dict)
    dips: dict[int, int] = field(default_factory=dict)


def imposed(meter: SimulatedMeter) -> tuple[Disturbance, ...]:
    """The disturbances that scenarios have imposed, oldest first."""
    network = None if meter.state.parts is None else meter.state.found(Network)
    return () if network is None else network.imposed


def feeder(meter: SimulatedMeter) -> int:
    """The seed of the feeder, which a hundred meters share."""
    return meter.fleet.meter_seed(meter.index // _METERS_OF_A_FEEDER)


def volts(meter: SimulatedMeter, phase: int, now: int) -> int:
    """Tenths of a volt on phase 1 to 3; on the meter's inlet, whatever the switch does."""
    fleet, index = meter.fleet, meter.index
    seed = fleet.meter_seed(index // _METERS_OF_A_FEEDER)
    return voltage.moment(seed, fleet.system_title(index), phase, now, imposed(meter))


def group_of(phase: int) -> int:
    """Group C of the voltage of a phase [facts-g]."""
    return 12 + 20 * phase
