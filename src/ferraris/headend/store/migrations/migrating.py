"""Bringing a database to the newest revision of the schema, whoever else is just starting too."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, inspect, text

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreError

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

__all__ = ["VERSION_TABLE", "head", "is_known", "migrate", "revision_of", "scripts"]

VERSION_TABLE: Final = "store_revision"
"""Not Alembic's own name for it: another program's database is not taken for a store."""

_OLD: Final = "store_version"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('ferraris ' || current_schema(), 0))"
_WHERE: Final = "store"


@lru_cache(maxsize=1)
def scripts() -> ScriptDirectory:
    """The revisions that this program knows."""
    # Loaded when a store is opened: other commands start without it.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def head() -> str:
    """The newest revision that this program knows."""
    return str(scripts().get_current_head())


def migrate(engine: Engine, to: str = "") -> str:
    """Bring the store to a revision, the newest unless told, in one transaction; returns that.

    Safe when several processes start at once: one does it, the others wait and find it done.
    Raises `StoreError` for a newer store, for a database that holds something else, and for a
    store of the first, unpublished format; such a database is left as it is.
    """
    wanted = to or head()
    with engine.reading() as connection:
        if _judged(connection) == wanted:
            return wanted
    with engine.transaction() as connection:
        if engine.is_postgresql:
            connection.execute(text(_LOCK))
        if _judged(connection) != wanted:  # another process may have been quicker
            _upgrade(connection, wanted)
    return wanted


def is_known(revision: str) -> bool:
    """Whether this program has a revision, or an older one has made it."""
    return any(revision == script.revision for script in scripts().walk_revisions())


def revision_of(connection: Connection) -> str | None:
    """The revision of the database; None where there is no store yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _judged(connection: Connection) -> str | None:
    """The revision of a database that may be brought up to date."""
    found = revision_of(connection)
    if found is None:
        _refuse_others(connection)
    elif not is_known(found):
        raise StoreError(
            f"the store has revision {found}, which this program does not know: it is newer; "
            f"the newest known one is {head()}",
            where=_WHERE,
        )
    return found


def _refuse_others(connection: Connection) -> None:
    tables = inspect(connection).get_table_names()
    if _OLD in tables:
        raise StoreError(
            "a store of the first, unpublished format: read its meters into a new one",
            where=_WHERE,
        )
    if tables:
        raise StoreError("the database holds something else, not a store", where=_WHERE)


def _upgrade(connection: Connection, wanted: str) -> None:
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415

    known = scripts()

    def steps(revision: Any, _: Any) -> Any:
        return known._upgrade_revs(wanted, revision)

    with EnvironmentContext(Config(), known, fn=steps) as environment:
        environment.configure(
            connection=connection,
            version_table=VERSION_TABLE,
            render_as_batch=True,
            transactional_ddl=True,
        )
        environment.run_migrations()
