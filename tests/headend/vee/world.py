"""Meters with registers that a test knows, in a store that has heard some of what they counted."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime

from sqlalchemy import insert, select

from ferraris.data import units
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Reading, Series
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.catalogue import tenant_number
from ferraris.headend.store.exchange import pack_readings, pack_series
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.store.tables.validated import FINAL, VEE_DUE
from ferraris.headend.vee.columns_versions import unpack_versions
from ferraris.headend.vee.local_days import DAY_S
from ferraris.headend.vee.rounds import Rounds
from ferraris.headend.vee.rule_sets import install

DAY = 20_000
LOAD = "1-0:99.1.0*255"
IMPORT = "1-0:1.8.0*255"
EXPORT = "1-0:2.8.0*255"
FOREVER = 1 << 40


class World:
    def __init__(self, engine, *, zone="UTC", meters=1, sealer=None):
        self.engine = engine
        self.now = float((DAY + 100) * DAY_S)
        with engine.transaction() as connection:
            self.tenant = tenant_number(connection, "main", make=True)
            install(connection, self.tenant, at_s=0.0)
            rows = [
                {"tenant": self.tenant, "external_id": f"meter-{n}", "system_title": b"",
                 "created_s": 0, "changed_s": 0, "zone": zone}
                for n in range(meters)
            ]  # fmt: skip
            connection.execute(insert(METER), rows)
            query = select(METER.c.id).order_by(METER.c.id)
            self.meters = list(connection.execute(query).scalars())
        self.archive = Archive(engine, self.tenant, sealer)
        self.rounds = Rounds(engine, **({} if sealer is None else {"sealer": sealer}))

    def put(self, rows, *, meter=0, profile=LOAD, names=(IMPORT,), status=None, scaler=0, unit=30):
        """Store rows: the interval's end, then a value for each name."""
        channels = [Channel(Obis.parse(name), 3, 2, scaler, unit) for name in names]
        ends = array("q", [row[0] for row in rows])
        columns = [[row[place + 1] for row in rows] for place in range(len(names))]
        series = Series(
            "",
            Obis.parse(profile),
            ends,
            channels,
            columns,
            status=status or [0] * len(rows),
        )
        brought = Brought(blocks=pack_series(profile, series, 0, FOREVER))
        with self.engine.transaction() as connection:
            return self.archive.put(connection, self.meters[meter], brought, now=self.now)

    def read(self, readings, at, *, of=None, meter=0):
        """Store registers that were read at an instant, and are `of` another: names to values."""
        moment = datetime.fromtimestamp(at if of is None else of, UTC)
        found = [
            Reading("", Obis.parse(name), value, units.unit(30), moment)
            for name, value in readings.items()
        ]
        brought = Brought(reads=[pack_readings(at // DAY_S, at, found)])
        with self.engine.transaction() as connection:
            self.archive.put(connection, self.meters[meter], brought, now=self.now)

    def run(self):
        return self.rounds.all(self.now)

    def due(self):
        with self.engine.reading() as connection:
            query = select(VEE_DUE.c.meter, VEE_DUE.c.day, VEE_DUE.c.local, VEE_DUE.c.reason)
            return [tuple(row) for row in connection.execute(query.order_by("day", "meter"))]

    def versions(self, meter=0, profile=None):
        """Every version of every final day: (channel, day, version) to its columns."""
        found = {}
        query = (
            select(FINAL, CHANNEL.c.name, CHANNEL.c.scaler, PROFILE.c.obis)
            .join(CHANNEL, CHANNEL.c.id == FINAL.c.channel)
            .join(PROFILE, PROFILE.c.id == FINAL.c.profile)
            .where(FINAL.c.meter == self.meters[meter])
            .order_by(FINAL.c.version)
        )
        if profile:
            query = query.where(PROFILE.c.obis == profile)
        with self.engine.reading() as connection:
            for row in connection.execute(query):
                columns = unpack_versions([row.body], row.intervals)
                scaled = profile and row.scaler  # of a profile, channels with one name are apart
                name = f"{row.name} e{row.scaler}" if scaled else row.name
                found[name, row.day, row.version] = row, columns
        return found

    def finals(self, meter=0, profile=None):
        """The newest version of every final day: (channel, day) to row and columns."""
        return {key[:2]: found for key, found in self.versions(meter, profile).items()}

    def values(self, day=DAY, name=IMPORT, meter=0):
        _, columns = self.finals(meter)[name, day]
        return columns.final[0].tolist()

    def outcome(self, meter=0, profile=None):
        """What counts in the end, without the numbers of versions."""
        return {
            key: (row.start_s, row.intervals, columns.raw.tolist(), columns.present.tolist(),
                  columns.final.tolist(), columns.quality.tolist(), columns.rule.tolist(),
                  columns.findings.tolist())
            for key, (row, columns) in sorted(self.finals(meter, profile).items())
            if row.intervals  # none: taken back
        }  # fmt: skip


def rows_of(first, last, step=900, seed=0):
    """Rows of a load profile after one instant, up to another."""
    return [(end, counted(end, seed)) for end in range(first + step, last + 1, step)]


_COUNTED = {}


def counted(end, seed=0):
    """A register that never falls: quarter by quarter from a fixed day on."""
    key = seed
    if key not in _COUNTED:
        total, start, found = 10**6, (DAY - 60) * DAY_S, {}
        for place in range(96 * 170):
            at = start + place * 900
            found[at] = total
            quarter, day = place % 96, place // 96
            peak = 90 if 26 <= quarter < 34 or 70 <= quarter < 88 else 0
            total += 20 + 5 * (quarter % 7) + peak + 10 * (day % 7) + (place * 31 + seed) % 17
        _COUNTED[key] = found
    return _COUNTED[key][end]
