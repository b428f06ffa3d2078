"""What the store holds against what the simulated meters counted, to the last unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from sqlalchemy import Connection

from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.headend.inventory.naming import numbers_of
from ferraris.headend.store.archive import Archive
from ferraris.headend.vee.columns_series import final_series
from ferraris.meter.columns_consumption import day_of_fleet
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Totals = NDArray[np.int64]

__all__ = ["Agreement", "agreement"]

_DAY_S: Final = 86_400
_PERIOD_S: Final = 900
_FOR_EVER: Final = 1 << 40
_CHANNEL: Final = {str(Obis.parse(f"1-0:{c}.8.0*255")): n for n, c in enumerate((1, 2, 3, 4))}
_CLOCK: Final = str(Obis.parse("0-0:1.0.0*255"))


@dataclass(slots=True)
class Agreement:
    """How many values were compared, and each that differs, in words."""

    intervals: int = 0
    registers: int = 0
    finals: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing differs and something was compared."""
        return not self.wrong and bool(self.intervals)


def agreement(
    connection: Connection,
    archive: Archive,
    fleets: Sequence[Fleet],
    profile: str,
    day: int,
    *,
    first_interval: bool,
    most_finals: int = 500,
    progress: Callable[[int], None] = lambda done: None,
) -> Agreement:
    """Compare a UTC day of all meters, their registers, and final values of the first so many.

    Troubled streets come first, for their final values are the interesting ones. The final value
    of the day's first interval is known only where the day before was read, too: `first_interval`.
    """
    comparing = _Comparing(connection, archive, profile, day, first=0 if first_interval else 1)
    done = 0
    for fleet in reversed(fleets):
        names = [meter.logical_device_name.decode("ascii") for meter in fleet]
        numbers = numbers_of(connection, archive.tenant, names)
        totals = np.concatenate(
            [day_of_fleet(fleet, day), day_of_fleet(fleet, day + 1)[:, :, :1]], axis=2
        ).astype(np.int64)
        for place, name in enumerate(names):
            comparing.name, comparing.number = name, numbers[name]
            comparing.intervals(totals[place])
            comparing.registers(fleet[place])
            if done < most_finals:
                comparing.finals(totals[place])
            done += 1
            progress(done)
    return comparing.found


class _Comparing:
    """One meter after the other."""

    def __init__(
        self, connection: Connection, archive: Archive, profile: str, day: int, *, first: int
    ) -> None:
        self._first = first
        self.found = Agreement()
        self.name, self.number = "", 0
        self._connection, self._archive = connection, archive
        self._profile = profile
        self._span = (day * _DAY_S, (day + 1) * _DAY_S)
        self._profile_number = archive.catalogue.profile(connection, profile)

    def intervals(self, totals: Totals) -> None:
        """The rows of the load profile against what was counted until their ends."""
        series = self._archive.series(self._connection, self.number, self._profile, *self._span)
        start, end = self._span
        if list(series.ends) != list(range(start + _PERIOD_S, end + 1, _PERIOD_S)):
            self.found.wrong.append(f"{self.name}: {len(series.ends)} rows of the day")
            return
        for channel, column in zip(series.channels, series.columns, strict=True):
            place = _CHANNEL.get(str(channel.name))
            if place is None:
                continue
            self.found.intervals += len(column)
            if list(column) != totals[place, 1:].tolist():
                self.found.wrong.append(f"{self.name}: rows of {channel.name}")

    def registers(self, meter: SimulatedMeter) -> None:
        """The registers against what was counted when the meter's own clock said so."""
        read = self._archive.registers(self._connection, self.number, self._span[1], _FOR_EVER)
        clocks = [each.value for each in read if str(each.name) == _CLOCK]
        if not clocks or not isinstance(clocks[0], bytes):
            self.found.wrong.append(f"{self.name}: no read of the registers")
            return
        at = DateTime(clocks[0]).to_datetime()
        for each in read:
            place = _CHANNEL.get(str(each.name))
            if place is None or at is None:
                continue
            self.found.registers += 1
            expected = meter.total(place, int(at.timestamp()))
            if each.value != expected:
                self.found.wrong.append(f"{self.name}: {each.name} {each.value!r}, not {expected}")

    def finals(self, totals: Totals) -> None:
        """The final values against what was counted in each interval; raw ones where measured."""
        if self._profile_number is None:
            return
        sealer = self._archive.sealer
        for series in final_series(
            self._connection, sealer, self.number, self._profile_number, self._span
        ):
            place = _CHANNEL.get(series.channel.name)
            if place is None:
                continue
            expected = np.diff(totals[place])[self._first :].tolist()
            self.found.finals += len(expected)
            if series.final[-len(expected) :] != expected:
                self.found.wrong.append(f"{self.name}: final values of {series.channel.name}")
