from __future__ import annotations

from array import array
from decimal import Decimal
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select

from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Reading, Series
from ferraris.headend.export import Gathering, Selection
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.exchange import pack_readings, pack_series
from ferraris.headend.store.finals import FinalDay
from ferraris.headend.store.records import Brought
from ferraris.headend.store.sealing import NoSealer
from ferraris.headend.store.tables.inventory import METER, TENANT
from ferraris.headend.store.tables.readings import CHANNEL

DAY = 86_400
FIRST = 20_523  # 2026-03-11
LOAD, DAILY = "1-0:99.1.0*255", "1-0:99.2.0*255"
IMPORT = Channel(Obis.parse("1-0:1.8.0*255"), 3, 2, -3, 30)
EXPORT = Channel(Obis.parse("1-0:2.8.0*255"), 3, 2, 1, 30)
ODD = Channel(Obis.parse("0-0:96.1.0*255"), 1, 2, 0, 255)
ODD_VALUES = [None, 1 << 64, 'a,"b"', b"\x01\xff", 1.5, Decimal("2.50"), True, [1, [b"\2", None]]]


def rows_of(number, day):
    """Hourly rows of a meter: exact, different for each."""
    ends = [day * DAY + 3600 * hour for hour in range(1, 25)]
    return ends, [number * 10**6 + end // 3600 for end in ends], [-hour for hour in range(24)]


@pytest.fixture
def filled(engine):
    """Meters M1 to M3 with two channels on three days; M1 has odd values, M2 a correction."""
    with engine.transaction() as connection:
        tenant, other = (
            connection.execute(insert(TENANT).values(name=name)).inserted_primary_key[0]
            for name in ("main", "other")
        )
        meters = [
            connection.execute(
                insert(METER).values(
                    tenant=whose, external_id=name, system_title=b"", created_s=0, changed_s=0
                )
            ).inserted_primary_key[0]
            for name, whose in (("M1", tenant), ("M2", tenant), ("M3", tenant), ("X", other))
        ]
        archive = Archive(engine, tenant)

        def put(meter, series, profile, now, *, reads=(), into=archive):
            blocks = pack_series(profile, series, 0, 1 << 40)
            into.put(connection, meter, Brought(blocks, list(reads)), now=now)

        for number, meter in enumerate(meters[:3], 1):
            for day in range(FIRST, FIRST + 3):
                ends, imported, exported = rows_of(number, day)
                series = Series(
                    "m", LOAD, array("q", ends), [IMPORT, EXPORT], [imported, exported],
                    status=[0, *range(8, 31)], quality=array("H", [2] + [0] * 23),
                )  # fmt: skip
                put(meter, series, LOAD, day * DAY)
        begin = FIRST * DAY
        odd = Series("m", DAILY, array("q", range(begin + 1, begin + 9)), [ODD], [ODD_VALUES])
        register = Reading("m", Obis.parse("1-0:1.8.1*255"), Decimal("7.25"))
        put(meters[0], odd, DAILY, 5, reads=[pack_readings(FIRST, begin + 60, [register])])
        fixed = Series("m", LOAD, array("q", [begin + 3600]), [IMPORT, EXPORT], [[99], [98]])
        put(meters[1], fixed, LOAD, begin + 9 * DAY)
        foreign = Series("m", LOAD, array("q", [begin + 1]), [IMPORT], [[1]])
        put(meters[3], foreign, LOAD, 5, into=Archive(engine, other))
        numbers = dict(
            connection.execute(
                select(CHANNEL.c.name, CHANNEL.c.id).where(CHANNEL.c.tenant == tenant)
            ).all()
        )
        profiles = archive.catalogue.profiles(connection)
    return SimpleNamespace(
        tenant=tenant, meters=meters, channels=numbers,
        profiles={name: number for number, name in profiles.items()},
    )  # fmt: skip


@pytest.fixture
def gathering(engine, filled):
    """An export of the three days, or of whatever else is said."""

    def made(finals=None, sealer=None, **chosen):
        values = {
            "since_s": FIRST * DAY,
            "until_s": (FIRST + 3) * DAY,
            "profiles": (LOAD,),
        } | chosen
        return Gathering(engine, sealer or NoSealer(), Selection(filled.tenant, **values), finals)

    return made


class Validated:
    """Final values of M1's import on the second day: one is estimated, one missing."""

    qualities = ("valid", "suspect", "estimated", "edited", "missing")
    rules = ("measured", "interpolation", "nothing")

    def __init__(self, filled):
        self._filled = filled

    def days(self, connection, tenant, meters, since_s, until_s):
        start = (FIRST + 1) * DAY
        if self._filled.meters[0] not in meters or not since_s < start + DAY or until_s <= start:
            return
        raw = rows_of(1, FIRST + 1)[1]
        final = [5, None, *raw[2:]]
        yield FinalDay(
            self._filled.meters[0], self._filled.profiles[LOAD],
            self._filled.channels["1-0:1.8.0*255"], start, 3600, final, [None, *raw[1:]],
            [2, 4] + [0] * 22, [1, 2] + [0] * 22, [1, 0] + [0] * 22, [3] * 24,
        )  # fmt: skip


@pytest.fixture
def validated(filled):
    return Validated(filled)
