"""Names and their numbers: tenants, profiles, channels and the layouts they are put together in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, bindparam, event, func, select

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.exchange import canonical
from ferraris.headend.store.partitions import (
    ensure_partitions,
    following,
    month_of,
    partition_days,
)
from ferraris.headend.store.records import ChannelKey, StoreError
from ferraris.headend.store.tables.inventory import TENANT
from ferraris.headend.store.tables.readings import CHANNEL, LAYOUT, PROFILE
from ferraris.headend.store.upsert import adding

__all__ = ["Catalogue", "Layout", "tenant_number"]

_PROFILE = select(PROFILE.c.id).where(
    PROFILE.c.tenant == bindparam("tenant"), PROFILE.c.obis == bindparam("obis")
)
_PROFILES = select(PROFILE.c.id, PROFILE.c.obis).where(PROFILE.c.tenant == bindparam("tenant"))
_LAYOUT = select(LAYOUT.c.id).where(
    LAYOUT.c.tenant == bindparam("tenant"), LAYOUT.c.channels == bindparam("channels")
)
_CHANNELS = select(LAYOUT.c.channels).where(
    LAYOUT.c.tenant == bindparam("tenant"), LAYOUT.c.id == bindparam("number")
)
_IDENTITY = ChannelKey._fields
_SAME_BUT_SCALED = ("name", "is_obis", "class_id", "attribute", "element")
_TRIES = 5


class Layout(NamedTuple):
    """The channels of a body, in the order of its columns, and their numbers."""

    channels: tuple[ChannelKey, ...]
    numbers: tuple[int, ...]


class _Memory:
    """What is known to be committed, shared by all who use an engine.

    A transaction that has added a name keeps it to itself: it may still be rolled back.
    """

    def __init__(self, engine: Engine) -> None:
        self._known: dict[Any, Any] = {}
        self._own: dict[Connection, dict[Any, Any]] = {}
        event.listen(engine.sqlalchemy, "commit", self._over)
        event.listen(engine.sqlalchemy, "rollback", self._over)
        event.listen(engine.sqlalchemy, "rollback_savepoint", self._part_over)

    def find(self, connection: Connection, key: Any) -> Any:
        found = self._known.get(key)
        if found is None and (own := self._own.get(connection)):
            found = own.get(key)
        return found

    def learn(self, connection: Connection, key: Any, value: Any, *, added: bool = False) -> None:
        if added:
            self._own.setdefault(connection, {})[key] = value
        elif (own := self._own.get(connection)) is not None:
            own[key] = value  # it may be this transaction's, so nobody else's yet
        else:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = value

    def _over(self, connection: Connection) -> None:
        self._own.pop(connection, None)

    def _part_over(self, connection: Connection, *_: Any) -> None:
        if connection in self._own:
            self._own[connection] = {}


_MOST = 1 << 14
_MEMORIES: WeakKeyDictionary[Engine, _Memory] = WeakKeyDictionary()


class Catalogue:
    """Finds and gives the numbers of one tenant's names; cheap to make."""

    def __init__(self, engine: Engine, tenant: int) -> None:
        self.tenant = tenant
        memory = _MEMORIES.get(engine)
        if memory is None:
            memory = _MEMORIES.setdefault(engine, _Memory(engine))
        self._memory = memory
        self.is_postgresql = engine.is_postgresql

    def profile(self, connection: Connection, obis: str) -> int | None:
        """The number of a profile, or None while nothing knows it."""
        name = canonical(obis)
        key = ("profile", self.tenant, name)
        found = self._memory.find(connection, key)
        if found is None:
            found = connection.execute(_PROFILE, {"tenant": self.tenant, "obis": name}).scalar()
            if found is not None:
                self._memory.learn(connection, key, found)
        return None if found is None else int(found)

    def profiles(self, connection: Connection) -> dict[int, str]:
        """All profiles of the tenant: number and OBIS code."""
        return {row.id: row.obis for row in connection.execute(_PROFILES, {"tenant": self.tenant})}

    def make_profile(self, connection: Connection, obis: str) -> int:
        """The number of a profile, given when new; inside a transaction."""
        found = self.profile(connection, obis)
        if found is not None:
            return found
        name = canonical(obis)
        row = {"tenant": self.tenant, "obis": name}
        connection.execute(adding(connection, PROFILE), row)
        found = int(connection.execute(_PROFILE, row).scalar_one())
        self._memory.learn(connection, ("profile", self.tenant, name), found, added=True)
        return found

    def make_layout(self, connection: Connection, channels: tuple[ChannelKey, ...]) -> int:
        """The number of an ordered set of channels, given when new; inside a transaction."""
        key = ("layout", self.tenant, channels)
        found = self._memory.find(connection, key)
        if found is not None:
            return int(found)
        numbers = json.dumps([self._make_channel(connection, channel) for channel in channels])
        row = {"tenant": self.tenant, "channels": numbers}
        found = connection.execute(_LAYOUT, row).scalar()
        added = found is None
        if added:
            connection.execute(adding(connection, LAYOUT), row)
            found = connection.execute(_LAYOUT, row).scalar_one()
        self._memory.learn(connection, key, found, added=added)
        return int(found)

    def layout(self, connection: Connection, number: int) -> Layout:
        """The channels of a layout; raises `StoreError` when there is no such one."""
        key = ("channels", self.tenant, number)
        found = self._memory.find(connection, key)
        if found is None:
            found = self._layout(connection, number)
            self._memory.learn(connection, key, found)
        return found  # type: ignore[no-any-return] # what was learnt

    def ensure_months(self, connection: Connection, days: Iterable[int]) -> None:
        """Make what a writer needs for these days; asks the database once for each month."""
        if not self.is_postgresql:
            return
        wanted = {month for month in map(month_of, set(days)) if month is not None}
        if wanted:  # while nobody needs it yet, nobody waits for it
            wanted.add(following(max(wanted)))
        if missing := [m for m in wanted if not self._memory.find(connection, ("month", m))]:
            made = ensure_partitions(connection, [_day_in(month) for month in missing])
            for month in missing:
                self._memory.learn(connection, ("month", month), True, added=month in made)

    def _layout(self, connection: Connection, number: int) -> Layout:
        key = {"tenant": self.tenant, "number": number}
        text = connection.execute(_CHANNELS, key).scalar()
        if text is None:
            raise StoreError(f"there is no layout {number}", where="store")
        numbers = tuple(json.loads(text))
        columns = [CHANNEL.c[name] for name in _IDENTITY]
        rows = connection.execute(
            select(CHANNEL.c.id, *columns).where(
                CHANNEL.c.tenant == self.tenant, CHANNEL.c.id.in_(set(numbers))
            )
        )
        channels = {row[0]: ChannelKey(*row[1:]) for row in rows}
        try:
            return Layout(tuple(channels[given] for given in numbers), numbers)
        except KeyError:
            raise StoreError(f"layout {number} lacks a channel", where="store") from None

    def _make_channel(self, connection: Connection, channel: ChannelKey) -> int:
        given = dict(zip(_IDENTITY, channel, strict=True))
        mine = [CHANNEL.c.tenant == self.tenant]
        same = select(CHANNEL.c.id).where(*mine, *(CHANNEL.c[n] == v for n, v in given.items()))
        versions = select(func.coalesce(func.max(CHANNEL.c.version), 0) + 1).where(
            *mine, *(CHANNEL.c[name] == given[name] for name in _SAME_BUT_SCALED)
        )
        for _ in range(_TRIES):
            found = connection.execute(same).scalar()
            if found is not None:
                return int(found)
            row = {"tenant": self.tenant, "version": connection.execute(versions).scalar(), **given}
            connection.execute(adding(connection, CHANNEL), row)
        raise StoreError(f"no number for channel {channel.name}", where="store")


def tenant_number(connection: Connection, name: str, *, make: bool = False) -> int | None:
    """The number of a tenant; None when there is none of this name and `make` is not set."""
    wanted = select(TENANT.c.id).where(TENANT.c.name == name)
    found = connection.execute(wanted).scalar()
    if found is None and make:
        connection.execute(adding(connection, TENANT), {"name": name})
        found = connection.execute(wanted).scalar()
    return found


def _day_in(month: tuple[int, int]) -> int:
    return partition_days(month)[0]
