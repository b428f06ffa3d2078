from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    METER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
    TENANT,
)
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
    return SimpleNamespace(tenant=made.tenant, a=a, b=b, ann=ann, bob=bob, town=Town)
