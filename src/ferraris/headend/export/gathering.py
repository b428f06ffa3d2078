"""Reading portions of an export out of the store: newest versions, opened and unpacked."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, select

from ferraris.data.units import unit
from ferraris.headend.export.selection import Choice, Portion, Selection, portions
from ferraris.headend.store.blocks import Rows, unpack, within
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.exchange import canonical, unpack_read
from ferraris.headend.store.finals import FinalDay, Finals
from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import ErasedError, Sealer, seal_context
from ferraris.headend.store.tables.readings import BLOCK, CHANNEL, LAYOUT, PROFILE, REGISTER_READ

__all__ = ["Gathered", "Gathering", "Part", "unit_symbol"]

_NO_UNIT: Final = -1
_DAYS_LATE: Final = 40  # a register read can be for a day that was due long before it


class Part(NamedTuple):
    """One block, or one read of registers: then `profile` is 0, and each column has one row."""

    meter: int
    profile: int
    channels: tuple[int, ...]
    version: int
    stored_s: int
    rows: Rows


@dataclass(slots=True)
class Gathered:
    """What a portion has; `erased` counts the bodies that were left out as their key is gone."""

    parts: list[Part] = field(default_factory=list)
    finals: list[FinalDay] = field(default_factory=list)
    erased: int = 0


class Gathering:
    """One export: what its meters, profiles and channels are called, and its portions in turn.

    A portion is one view of the store; while an export runs, later portions may see newer
    versions. `finals` is needed for other choices than raw.
    """

    def __init__(
        self, engine: Engine, sealer: Sealer, selection: Selection, finals: Finals | None = None
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self.selection = selection
        self.finals = finals
        self.channels: dict[int, ChannelKey] = {}
        self.channel_versions: dict[int, int] = {}
        self._layouts: dict[int, tuple[int, ...]] = {}
        with engine.reading() as connection:
            rows = connection.execute(selection.statement())
            self.meters: dict[int, str] = {row.id: row.external_id for row in rows}
            self.profiles = self._named_profiles(connection)
            self._learn(connection)
        self.wanted_channels = frozenset(
            number for number, key in self.channels.items() if self._is_wanted(key)
        )

    def portions(self, *, by_day: bool = False) -> list[Portion]:
        """What `gather` takes, in order; `by_day` keeps portions within one day."""
        meters, chosen = list(self.meters), self.selection
        if by_day:
            days = range(chosen.first_day, chosen.last_day + 1)
            return [one for day in days for one in portions(meters, day, day)]
        return list(portions(meters, chosen.first_day, chosen.last_day))

    def widen(self) -> None:
        """Take the days at both ends of the selection whole."""
        self.selection = self.selection.whole_days()

    def gather(self, portion: Portion) -> Gathered:
        """Read a portion; channels that came since the beginning are left out."""
        found = Gathered()
        chosen = self.selection
        with self._engine.reading() as connection:
            if chosen.choice is not Choice.RAW and self.finals is not None:
                since, until = self.limits(portion)
                days = self.finals.days(connection, chosen.tenant, portion.meters, since, until)
                found.finals = [day for day in days if self._is_final_wanted(day)]
            if chosen.choice is not Choice.FINAL:
                found.parts = list(self._blocks(connection, portion, found))
            if chosen.registers:
                found.parts += self._reads(connection, portion, found)
        return found

    def used_channels(self) -> set[int]:
        """The wanted channels that any block of the selection has: one pass over their keys."""
        used: set[int] = set()
        with self._engine.reading() as connection:
            for portion in self.portions():
                rows = connection.execute(self._keys(portion).distinct()).scalars()
                for layout in rows:
                    used |= set(self._layouts.get(layout, ()))
        return used & self.wanted_channels

    def _blocks(
        self, connection: Connection, portion: Portion, found: Gathered
    ) -> Iterator[Part]:  # fmt: skip
        since, until = self.limits(portion)
        for row in connection.execute(self._statement(portion)).all():
            numbers = self._layouts.get(row.layout)
            places = self._places(numbers)
            if numbers is None or not places:
                continue
            key = (row.meter, row.profile, row.day, row.layout, row.version)
            body = self._open(row.seal, row.body, "block", key)
            if body is None:
                found.erased += 1
                continue
            rows = within(unpack(body), since, until)
            if not rows.axis:
                continue
            if len(places) < len(numbers):
                rows = rows._replace(columns=[rows.columns[place] for place in places])
                numbers = tuple(numbers[place] for place in places)
            yield Part(row.meter, row.profile, numbers, row.version, row.stored_s, rows)

    def _reads(
        self, connection: Connection, portion: Portion, found: Gathered
    ) -> Iterator[Part]:  # fmt: skip
        since, until = self.limits(portion)
        for row in connection.execute(_reads_of(self.selection.tenant, portion, since, until)):
            numbers = self._layouts.get(row.layout)
            places = self._places(numbers)
            if numbers is None or not places:
                continue
            key = (row.meter, row.day, row.read_s, row.layout, row.version)
            body = self._open(row.seal, row.body, "register_read", key)
            if body is None:
                found.erased += 1
                continue
            values, _, quality = unpack_read(body, len(numbers))
            for place in places:
                rows = Rows(array("q", [row.read_s]), [], [], [[values[place]]], [quality[place]])
                yield Part(row.meter, 0, (numbers[place],), row.version, row.read_s, rows)

    def _open(self, seal: int, body: bytes, table: str, key: Sequence[int]) -> bytes | None:
        try:
            return self._sealer.open(seal, body, seal_context(table, *key))
        except ErasedError:
            return None

    def limits(self, portion: Portion) -> tuple[int, int]:
        """The seconds of a portion within the selection."""
        since = max(self.selection.since_s, portion.first_day * 86_400)
        return since, min(self.selection.until_s, (portion.last_day + 1) * 86_400)

    def _places(self, numbers: tuple[int, ...] | None) -> list[int]:
        wanted = self.wanted_channels
        return [at for at, number in enumerate(numbers or ()) if number in wanted]

    def _keys(self, portion: Portion) -> Select[Any]:
        return select(BLOCK.c.layout).where(*self._conditions(portion))

    def _statement(self, portion: Portion) -> Select[Any]:
        names = ("meter", "profile", "day", "layout", "version", "stored_s", "seal", "body")
        return (
            select(*(BLOCK.c[name] for name in names))
            .where(
                *self._conditions(portion),
                is_newest(BLOCK, (portion.first_day, portion.last_day)),
            )
            .order_by(BLOCK.c.day, BLOCK.c.meter, BLOCK.c.profile, BLOCK.c.layout)
        )

    def _conditions(self, portion: Portion) -> list[Any]:
        return [
            BLOCK.c.tenant == self.selection.tenant,
            BLOCK.c.meter.in_(portion.meters),
            BLOCK.c.profile.in_(list(self.profiles)),
            BLOCK.c.day >= portion.first_day,
            BLOCK.c.day <= portion.last_day,
        ]

    def _named_profiles(self, connection: Connection) -> dict[int, str]:
        wanted = select(PROFILE.c.id, PROFILE.c.obis).where(
            PROFILE.c.tenant == self.selection.tenant
        )
        if self.selection.profiles:
            names = [canonical(name) for name in self.selection.profiles]
            wanted = wanted.where(PROFILE.c.obis.in_(names))
        return {row.id: row.obis for row in connection.execute(wanted.order_by(PROFILE.c.id))}

    def _learn(self, connection: Connection) -> None:
        """All channels and layouts of the tenant: as many as there are kinds of meters."""
        mine = CHANNEL.c.tenant == self.selection.tenant
        for row in connection.execute(select(CHANNEL).where(mine).order_by(CHANNEL.c.id)):
            self.channels[row.id] = ChannelKey(*(getattr(row, name) for name in ChannelKey._fields))
            self.channel_versions[row.id] = row.version
        layouts = select(LAYOUT.c.id, LAYOUT.c.channels)
        for row in connection.execute(layouts.where(LAYOUT.c.tenant == self.selection.tenant)):
            self._layouts[row.id] = tuple(json.loads(row.channels))

    def _is_wanted(self, key: ChannelKey) -> bool:
        wanted = self.selection.channels
        return not wanted or key.name in {canonical(name) for name in wanted}

    def _is_final_wanted(self, day: FinalDay) -> bool:
        return day.channel in self.wanted_channels and day.profile in self.profiles


def _reads_of(tenant: int, portion: Portion, since: int, until: int) -> Select[Any]:
    days = portion.first_day - _DAYS_LATE, portion.last_day + 1
    return (
        select(REGISTER_READ)
        .where(
            REGISTER_READ.c.tenant == tenant,
            REGISTER_READ.c.meter.in_(portion.meters),
            REGISTER_READ.c.day.between(*days),
            REGISTER_READ.c.read_s > since,
            REGISTER_READ.c.read_s <= until,
            is_newest(REGISTER_READ, days),
        )
        .order_by(REGISTER_READ.c.meter, REGISTER_READ.c.read_s, REGISTER_READ.c.layout)
    )


def unit_symbol(key: ChannelKey) -> str:
    """The symbol of a channel's unit; empty where it has none."""
    return "" if key.unit == _NO_UNIT else unit(key.unit).symbol
