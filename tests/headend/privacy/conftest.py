from __future__ import annotations

from array import array
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select

from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.store.blocks import Rows, pack
from ferraris.headend.store.columns_codec import pack_column
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.sealing import seal_context
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    METER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
    TENANT,
)
from ferraris.headend.store.tables.readings import (
    BLOCK,
    CHANNEL,
    LAYOUT,
    PROFILE,
    REGISTER_READ,
    UNDATED,
)
from ferraris.headend.store.tables.validated import FINAL
from ferraris.keys import MemoryKeys

DAY = 86_400


@pytest.fixture
def keys():
    return MemoryKeys()


@pytest.fixture
def sealer(engine, keys):
    return CustomerSealer(engine, keys)


class Town:
    """Puts tenants, meters, customers and assignments into a database."""

    def __init__(self, connection, tenant="main"):
        self._connection = connection
        self.tenant = self._add(TENANT, name=tenant)
        self._count = 0

    def meter(self, name, **columns):
        return self._add(
            METER, tenant=self.tenant, external_id=name, system_title=b"",
            created_s=0, changed_s=0, **columns,
        )  # fmt: skip

    def customer(self, name):
        return self._add(CUSTOMER, tenant=self.tenant, name=name)

    def assign(self, meter, customer, since_s, until_s=None):
        self._count += 1
        point = self._add(SERVICE_POINT, tenant=self.tenant, name=f"SP{self._count}")
        self._connection.execute(
            insert(SERVICE_POINT_METER).values(
                tenant=self.tenant, service_point=point, since_s=since_s, until_s=until_s,
                meter=meter, customer=customer,
            )
        )  # fmt: skip
        return point

    def _add(self, table, **columns):
        made = self._connection.execute(insert(table).values(**columns))
        return made.inserted_primary_key[0]


@pytest.fixture
def town(engine):
    """Meter `a` measures for `ann` from day 10.5, then for `bob` from day 12.25; `b` for nobody."""
    with engine.transaction() as connection:
        made = Town(connection)
        a, b = made.meter("A"), made.meter("B")
        ann, bob = made.customer("C-1"), made.customer("C-2")
        made.assign(a, ann, 10 * DAY + DAY // 2, 12 * DAY + DAY // 4)
        made.assign(a, bob, 12 * DAY + DAY // 4)
    return SimpleNamespace(
        tenant=made.tenant, a=a, b=b, ann=ann, bob=bob, town=Town, shelf=Shelf
    )  # fmt: skip


class Shelf:
    """Puts readings where the store would, sealed as it would."""

    def __init__(self, connection, sealer, tenant):
        self._connection, self._sealer, self._tenant = connection, sealer, tenant
        self.channel = self._once(
            CHANNEL, tenant=tenant, name="1-0:1.8.0*255", is_obis=1, class_id=3, attribute=2,
            element=0, scaler=-3, unit=30, origin="", version=1,
        )  # fmt: skip
        self.layout = self._once(LAYOUT, tenant=tenant, channels=f"[{self.channel}]")
        self.profile = self._once(PROFILE, tenant=tenant, obis="1-0:99.1.0*255")

    def block(self, meter, day, *, seal=None, version=1, values=None):
        """An hourly day; each value is the hour since 1970 unless given."""
        ends = [day * DAY + 3600 * hour for hour in range(1, 25)]
        column = [end // 3600 for end in ends] if values is None else values
        body = pack(Rows(array("q", ends), [], [], [column], []))
        key = {"meter": meter, "profile": self.profile, "day": day}
        key |= {"layout": self.layout, "version": version}
        self._put(BLOCK, key, body, self._seal(meter, day, seal), rows=24, stored_s=0)

    def read(self, meter, read_s, value, *, seal=None):
        body = pack_column([value]) + pack_column([0]) + pack_column([0])
        day = (read_s - 1) // DAY
        key = {"meter": meter, "day": day, "read_s": read_s, "layout": self.layout, "version": 1}
        self._put(REGISTER_READ, key, body, self._seal(meter, day, seal), count=1)

    def final(self, meter, day, start_s, *, seal=None):
        key = {"meter": meter, "profile": self.profile, "channel": self.channel, "day": day}
        counts = dict.fromkeys(("suspect", "estimated", "edited", "missing", "findings"), 0)
        self._put(
            FINAL, key | {"version": 1}, b"final", self._seal(meter, day, seal), zone="UTC",
            start_s=start_s, period_s=3600, intervals=24, rules="", stored_s=0, **counts,
        )  # fmt: skip

    def undated(self, meter, stored_s, *, seal=None, value=None):
        sealed = self._seal(meter, stored_s // DAY, seal)
        context = seal_context("undated", self._tenant, meter, self.profile)
        body = self._sealer.close(sealed, pack_column([(b"\xff" * 12, value or stored_s)]), context)
        self._connection.execute(
            insert(UNDATED).values(
                tenant=self._tenant, meter=meter, profile=self.profile, rows=1,
                stored_s=stored_s, seal=sealed, body=body, digest=digest(body),
            )
        )  # fmt: skip

    def open(self, row, table):
        key = [getattr(row, column.name) for column in table.primary_key]
        return self._sealer.open(row.seal, row.body, seal_context(table.name, *key))

    def _put(self, table, key, plain, seal, **more):
        body = self._sealer.close(seal, plain, seal_context(table.name, *key.values()))
        values = key | more | {"tenant": self._tenant, "seal": seal}
        self._connection.execute(insert(table).values(body=body, digest=digest(body), **values))

    def _seal(self, meter, day, seal):
        if seal is not None:
            return seal
        return self._sealer.holders(self._connection, [(meter, day)]).get((meter, day), 0)

    def _once(self, table, **columns):
        same = [table.c[name] == value for name, value in columns.items()]
        found = self._connection.execute(select(table.c.id).where(*same)).scalar()
        if found is None:
            made = self._connection.execute(insert(table).values(**columns))
            found = made.inserted_primary_key[0]
        return found
