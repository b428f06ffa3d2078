"""A store, opened for one tenant: the shortest way to an archive that can be written and read."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

from sqlalchemy import Connection, Table, func, select, text

from ferraris.headend.store.archive import Archive
from ferraris.headend.store.catalogue import tenant_number
from ferraris.headend.store.checking import Progress, check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.records import StoreSummary
from ferraris.headend.store.sealing import Sealer
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import BLOCK, EVENT, REGISTER_READ

__all__ = ["Store", "octets_of", "summary_of"]

_SIZE: Final = """
SELECT COALESCE(SUM(pg_total_relation_size(c.oid)), 0) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r'
"""


class Store:
    """An open store, for one tenant of it; use it as a context manager.

    `engine` has the transactions, `archive` the readings.
    """

    def __init__(self, engine: Engine, tenant: int, sealer: Sealer | None = None) -> None:
        self.engine = engine
        self.tenant = tenant
        self.archive = Archive(engine, tenant, sealer)

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        tenant: str = "main",
        sealer: Sealer | None = None,
        wait_s: float = 30.0,
    ) -> Store:
        """Open or make the store at a path or URL, bring it up to date, and make its tenant.

        Raises `StoreError` for a newer store and for a file or database that is something else,
        `UsageError` for a URL of another kind.
        """
        engine = Engine(location, wait_s=wait_s)
        try:
            migrate(engine)
            with engine.reading() as connection:
                number = tenant_number(connection, tenant)
            if number is None:
                with engine.transaction() as connection:
                    number = tenant_number(connection, tenant, make=True) or 0
        except BaseException:
            engine.close()
            raise
        return cls(engine, number, sealer)

    @property
    def location(self) -> str:
        """Where it is, without a password."""
        return self.engine.location

    def close(self) -> None:
        """Close the connections; what was committed is safe."""
        self.engine.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def summary(self) -> StoreSummary:
        """How much there is."""
        with self.engine.reading() as connection:
            return summary_of(connection, self.tenant)

    def check(self, progress: Progress | None = None) -> list[str]:
        """All that is wrong, of all tenants; `checking.check` tells it as it finds it."""
        return list(check(self.engine, progress=progress))


def summary_of(connection: Connection, tenant: int) -> StoreSummary:
    """How much a tenant has; of blocks all versions, of intervals the newest ones."""
    newer = BLOCK.alias("newer")
    keys = [column.name for column in BLOCK.primary_key if column.name != "version"]
    same = [newer.c[name] == BLOCK.c[name] for name in keys]
    superseded = select(1).where(*same, newer.c.version > BLOCK.c.version).exists()
    rows = select(func.coalesce(func.sum(BLOCK.c.rows), 0))
    values = select(func.coalesce(func.sum(REGISTER_READ.c.count), 0))
    return StoreSummary(
        meters=_count(connection, METER, tenant),
        blocks=_count(connection, BLOCK, tenant),
        intervals=int(
            connection.execute(rows.where(BLOCK.c.tenant == tenant, ~superseded)).scalar_one()
        ),
        register_reads=_count(connection, REGISTER_READ, tenant),
        registers=int(
            connection.execute(values.where(REGISTER_READ.c.tenant == tenant)).scalar_one()
        ),
        sessions=_count(connection, SESSION, tenant),
        octets=octets_of(connection),
        events=_count(connection, EVENT, tenant),
    )


def octets_of(connection: Connection) -> int:
    """What the store takes on the disk: its file, or its tables with their indexes."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text(_SIZE)).scalar_one())
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())


def _count(connection: Connection, table: Table, tenant: int) -> int:
    wanted = select(func.count()).select_from(table).where(table.c.tenant == tenant)
    return int(connection.execute(wanted).scalar_one())
