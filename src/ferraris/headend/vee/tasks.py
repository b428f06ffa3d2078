"""From what is due to the local days that run: each with its zone, and the lines it answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from ferraris.headend.vee.claims import NOTHING_CAME, Due
from ferraris.headend.vee.gathering import Catalogue, MeterFacts, unfinished
from ferraris.headend.vee.local_days import DAY_S, day_bounds, hour_of, touched_days

__all__ = ["Lot", "Task", "tasks_of", "utc_days"]


class Task(NamedTuple):
    """A local day of a meter's profile; `demanded` even when no reading of it is there."""

    meter: int
    demanded: bool


@dataclass(slots=True)
class Lot:
    """Meters that share profile, zone and local day, and so run at once."""

    profile: int
    zone: str
    hour: int
    day: int
    demanded: dict[int, bool] = field(default_factory=dict)

    @property
    def bounds(self) -> tuple[int, int]:
        """Begin and end of the day, in seconds UTC."""
        return day_bounds(self.day, self.zone, self.hour)

    @property
    def meters(self) -> list[int]:
        """Its meters, in order."""
        return sorted(self.demanded)


def utc_days(start_s: int, end_s: int) -> tuple[int, int]:
    """The first and last UTC day with a row from one instant to another, both included."""
    return (start_s - 1) // DAY_S, (end_s - 1) // DAY_S


def tasks_of(
    connection: Connection,
    catalogue: Catalogue,
    due: Sequence[Due],
    facts: Mapping[int, MeterFacts],
    now: float,
) -> list[Lot]:
    """The lots of what is due, the earliest day first. Days that are not over yet are left out.

    Where one profile has something new, unfinished days of the others run as well: its registers
    may tell what they lack.
    """
    lots: dict[tuple[int, int, str], Lot] = {}
    new: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)
    for one in due:
        known = facts.get(one.meter)
        if known is None:
            continue
        hour = hour_of(catalogue.profile(connection, one.profile))
        mount = known.mount_of(one.day * DAY_S, (one.day + 1) * DAY_S)
        zone = known.zone if mount is None else mount.zone
        days = (one.day,) if one.local else touched_days(one.day, zone, hour)
        for day in days:
            lot = Lot(one.profile, zone, hour, day)
            if lot.bounds[1] > now:
                continue
            lot = lots.setdefault((day, one.profile, zone), lot)
            asked = one.local and one.reason == NOTHING_CAME
            lot.demanded[one.meter] = lot.demanded.get(one.meter, False) or asked
            new[one.meter].add((one.profile, day))
    always = catalogue.of_intervals(connection, due[0].tenant) if due else []
    _add_others(connection, catalogue, lots, new, always)
    return [lots[key] for key in sorted(lots)]


def _add_others(
    connection: Connection,
    catalogue: Catalogue,
    lots: dict[tuple[int, int, str], Lot],
    new: Mapping[int, Iterable[tuple[int, int]]],
    always: Sequence[int],
) -> None:
    if not new:
        return
    days = [day for each in new.values() for _, day in each]
    span = min(days), max(days)
    zones = {(meter, lot.day): lot.zone for lot in lots.values() for meter in lot.demanded}
    for meter, profile, day in unfinished(connection, new.keys(), span, always):
        zone = zones.get((meter, day))
        if zone is None or (profile, day) in new[meter]:
            continue
        hour = hour_of(catalogue.profile(connection, profile))
        lot = lots.setdefault((day, profile, zone), Lot(profile, zone, hour, day))
        lot.demanded.setdefault(meter, False)
