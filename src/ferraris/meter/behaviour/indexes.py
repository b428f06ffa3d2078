"""What meters of gas and water count: indexes, their differences and history, and the flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data.kinds import Data, Tag
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.capture import Grid, Run
from ferraris.meter.behaviour.periodic import Periodic
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.fluids import GAS_PRESSURE, Fluid, conversion, counted, gas_temperature
from ferraris.meter.zone import DAY, Zone
from ferraris.model.data_storage import Register
from ferraris.server.device import ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "CountedOn",
    "Daily",
    "Difference",
    "Flow",
    "GasConversion",
    "GasPressure",
    "GasTemperature",
    "History",
    "Index",
    "IndexProfile",
    "Monthly",
    "Yearly",
]

_VALUE_OCTETS, _STATUS_OCTETS = 5, 2
_CLOCK_INVALID = 0x02  # AMR profile status [facts-g]
_SUMMER = 0x08  # AMR profile status, daylight saving [facts-g]
_HOUR = 3600


class CountedOn(NamedTuple):
    """What an index counts: a fluid in litres, as metered or converted to base conditions."""

    fluid: Fluid
    converted: bool = False
    scaler: int = -3
    unit: int = 13  # m³ [facts-g]

    def total(self, meter: SimulatedMeter, utc: int) -> int:
        """Counted until `utc`; nothing flows while the valve is closed."""
        spans = meter.state.interruptions
        return counted(meter.use(self.fluid), utc, spans, converted=self.converted)


class _Reading(Behaviour):
    """A register that nobody resets."""

    declares = Register

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Indexes are never reset."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)


class Index(_Reading):
    """The index as it is now."""

    def __init__(self, name: str, counts: CountedOn) -> None:
        super().__init__(name, {3: _scaler_unit(counts.scaler, counts.unit)})
        self.counts = counts

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, self.counts.total(meter, now))


class History(_Reading):
    """The index at the last instant of a grid: the beginning of the gas day, the set date."""

    def __init__(self, name: str, counts: CountedOn, grid: Grid) -> None:
        super().__init__(name, {3: _scaler_unit(counts.scaler, counts.unit)})
        self._counts = counts
        self._grid = grid

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        (_, end) = _last_span(meter, self._grid, now)
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, self._counts.total(meter, end))


class Difference(_Reading):
    """How much the index grew between the last two instants of a grid."""

    def __init__(self, name: str, counts: CountedOn, grid: Grid) -> None:
        super().__init__(name, {3: _scaler_unit(counts.scaler, counts.unit)})
        self._counts = counts
        self._grid = grid

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        start, end = _last_span(meter, self._grid, now)
        grown = self._counts.total(meter, end) - self._counts.total(meter, start)
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, grown)


class Flow(_Reading):
    """Litres an hour at the moment: the mean of the running hour."""

    _CUBIC_METRES_AN_HOUR = 15  # unit [facts-g]

    def __init__(self, name: str, fluid: Fluid) -> None:
        super().__init__(name, {3: _scaler_unit(-3, self._CUBIC_METRES_AN_HOUR)})
        self._fluid = fluid

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        flow = 0 if meter.is_disconnected else meter.use(self._fluid).rate(now)
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, flow)


class GasTemperature(_Reading):
    """Of the gas, in tenths of a kelvin."""

    def __init__(self, name: str) -> None:
        super().__init__(name, {3: _scaler_unit(-1, 52)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.LONG_UNSIGNED, gas_temperature(now))


class GasPressure(_Reading):
    """Of the gas, absolute, in millibar."""

    def __init__(self, name: str) -> None:
        super().__init__(name, {3: _scaler_unit(-3, 24)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.LONG_UNSIGNED, GAS_PRESSURE)


class GasConversion(_Reading):
    """The factor from metering to base conditions, in ten-thousandths."""

    def __init__(self, name: str) -> None:
        super().__init__(name, {3: _scaler_unit(-4, 255)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.LONG_UNSIGNED, conversion(now))


# -- grids that begin at an hour of their own ---------------------------------------------------


@dataclass(frozen=True)
class Daily:
    """Every day at `hour` o'clock local time."""

    hour: int = 0

    def number(self, utc: int, zone: Zone) -> int:
        """Number of the day, from 1970."""
        return (utc + zone.offset(utc) - self.hour * _HOUR) // DAY

    def instant(self, number: int, zone: Zone) -> int:
        """Its beginning."""
        return zone.utc(number * DAY + self.hour * _HOUR)


@dataclass(frozen=True)
class Monthly:
    """The first of every month at `hour` o'clock local time."""

    hour: int = 0

    def number(self, utc: int, zone: Zone) -> int:
        """12 x year + month - 1."""
        month = zone.month(utc)
        return month if utc >= self.instant(month, zone) else month - 1

    def instant(self, number: int, zone: Zone) -> int:
        """Its beginning."""
        begin = zone.month_begin(number)
        return zone.utc(begin + zone.offset(begin) + self.hour * _HOUR)


@dataclass(frozen=True)
class Yearly:
    """The first of January."""

    def number(self, utc: int, zone: Zone) -> int:
        """The year."""
        return zone.month(utc) // 12

    def instant(self, number: int, zone: Zone) -> int:
        """Its beginning."""
        return zone.month_begin(12 * number)


class IndexProfile(Periodic):
    """Clock, status and indexes at the instants of a grid; `period_s` 0 where they are uneven."""

    def __init__(
        self, name: str, grid: Grid, indexes: Sequence[Index], entries: int, period_s: int
    ) -> None:
        self._grid = grid
        self._indexes = tuple(indexes)
        status = Column(1, "0-0:96.10.1*255", 2, _STATUS_OCTETS)
        columns = [
            Column(3, str(Obis(index.logical_name)), 2, _VALUE_OCTETS) for index in self._indexes
        ]
        super().__init__(name, (CLOCK_COLUMN, status, *columns), period_s, entries)

    def grid(self, meter: SimulatedMeter) -> Grid:
        """The same for all meters."""
        return self._grid

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        rows: list[bytes] = []
        for number in range(first, stop):
            instant = self._grid.instant(number, run.zone)
            utc = run.law.utc(instant)
            status = _SUMMER if run.zone.is_summer(instant) else 0
            status |= _CLOCK_INVALID if run.law.status else 0
            status |= run.mark if number == run.first else 0
            octets = run.zone.stamp(instant)
            rows += (
                bytes((Tag.STRUCTURE, len(self.columns))),
                stamp(octets[:11] + bytes((octets[11] | run.law.status,))),
                bytes((Tag.UNSIGNED, status)),
            )
            rows += [
                encoded(Tag.DOUBLE_LONG_UNSIGNED, index.counts.total(meter, utc))
                for index in self._indexes
            ]
        return b"".join(rows)


def _last_span(meter: SimulatedMeter, grid: Grid, now: int) -> tuple[int, int]:
    """UTC seconds of the last two instants at or before `now`, by the meter's own clock."""
    law = meter.clock(now)
    number = grid.number(law.local(now), meter.zone)
    start, end = (law.utc(grid.instant(each, meter.zone)) for each in (number - 1, number))
    return start, min(end, now)


def _scaler_unit(scaler: int, unit: int) -> Data:
    return (int(Tag.STRUCTURE), [(int(Tag.INTEGER), scaler), (int(Tag.ENUM), unit)])
