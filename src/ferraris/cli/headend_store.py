"""`ferraris headend check|backup|restore|retention`: the store itself, with no service running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ferraris.cli.failures import DONE, REFUSED
from ferraris.cli.headend_asking import place, user
from ferraris.cli.output import json_text
from ferraris.cli.progress import progress_bar
from ferraris.core.errors import UsageError
from ferraris.headend.audit import Journal, anchor
from ferraris.headend.audit import check as check_audit
from ferraris.headend.privacy import Erasure, settle
from ferraris.headend.store.backing_up import BackupSummary, back_up
from ferraris.headend.store.catalogue import tenant_number
from ferraris.headend.store.checking import check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.restoring import restore, rows_in
from ferraris.headend.store.retention import Retention, apply
from ferraris.headend.store.tables.inventory import CUSTOMER
from ferraris.headend.vee.columns_checking import check_finals
from ferraris.keys import Keys

__all__ = ["COMMANDS"]

_JSON = Annotated[bool, typer.Option("--json", help="JSON.")]
_FILE = Annotated[str, typer.Argument(metavar="FILE")]
_KEEP = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="KIND=DAYS", help="Instead of what the configuration says."),
]


def check_whole(context: typer.Context, as_json: _JSON = False) -> int:
    """Verify the store: structure, bodies, totals, final values, the audit log; 1 for a fault."""
    faults = []
    with _store(context) as engine, progress_bar("checked") as progress:
        for fault in check(engine, progress=progress, further=[check_finals, check_audit]):
            faults.append(fault)
            if not as_json:
                typer.echo(fault)
    if as_json:
        typer.echo(json_text({"version": 1, "sound": not faults, "faults": faults}))
    else:
        typer.echo(f"{len(faults)} faults" if faults else "sound")
    return REFUSED if faults else DONE


def make_backup(context: typer.Context, file: _FILE, as_json: _JSON = False) -> int:
    """Write all that is in the store into a new file, while others work.

    Keys are not in it: copy the key store, too.
    """
    with _store(context) as engine, progress_bar("tables") as progress:
        made = back_up(engine, file, now=time.time(), progress=_by_table(progress))
    return _told(made, as_json)


def put_back(context: typer.Context, file: _FILE, as_json: _JSON = False) -> int:
    """Put a backup into a new, empty store, in SQLite or PostgreSQL, wherever it came from.

    Customers who were erased since it was made are erased in it, too; that takes the key store.
    """
    log = Journal()
    with (
        _store(context, new=True) as engine,
        place(context).keys() as keys,
        progress_bar("tables") as progress,
    ):
        customers = _customers_in(file, keys)
        found = restore(engine, file, progress=_by_table(progress))
        _witness(context, engine, "restore", {"made_s": found.made_s, "rows": found.rows}, log)
        erased: list[Erasure] = []
        if customers:
            erased = settle(engine, keys, at_s=time.time(), journal=log.write)
            _anchored(engine)
    return _told(found, as_json, erased)


def retain(context: typer.Context, keep: _KEEP = None, as_json: _JSON = False) -> int:
    """Drop what has outlived the time that the configuration gives its kind."""
    days: dict[str, int] = dict(place(context).configuration.retention)
    if keep:
        days = {}
        for text in keep:
            kind, _, number = text.partition("=")
            if not (number.isascii() and number.isdigit() and len(number) < 9):
                raise UsageError(f"--keep is KIND=DAYS, not {text!r}")
            days[kind] = int(number)
    retention = Retention.of(days)
    with _store(context) as engine:
        removed = apply(engine, retention, time.time())
        if removed:
            _witness(context, engine, "retention", {each.kind: each.rows for each in removed})
    if as_json:
        kinds = [
            {"kind": each.kind, "rows": each.rows, "months": list(each.months)} for each in removed
        ]
        typer.echo(json_text({"version": 1, "removed": kinds}))
        return DONE
    for each in removed:
        months = f", the months {', '.join(each.months)}" if each.months else ""
        typer.echo(f"{each.kind}: {each.rows} row{'' if each.rows == 1 else 's'}{months}")
    if not removed:
        typer.echo("nothing has outlived its time")
    return DONE


@contextmanager
def _store(context: typer.Context, *, new: bool = False) -> Iterator[Engine]:
    where = place(context)
    if where.url:
        raise UsageError("this works on the store itself, where that is: --config or --store")
    location = where.configuration.location()
    if not new and "://" not in location and not Path(location).is_file():
        raise UsageError(f"{location}: there is no store")
    with where.engine(new=new) as engine:
        yield engine


def _customers_in(file: str, keys: Keys) -> bool:
    """Whether a backup has customers; then the key store must open before anything is written."""
    if not rows_in(file, CUSTOMER.name):
        return False
    try:
        keys.destructions()
    except UsageError as error:
        text = f"the backup has customers, and some may have been erased since: {error.message}"
        raise UsageError(text, where="restore") from None
    return True


def _by_table(progress: Callable[..., None]) -> Callable[[str, int], None]:
    done = 0

    def told(table: str, rows: int) -> None:
        nonlocal done
        done += 1
        progress(done, None, f"{table}: {rows} rows")

    return told


def _told(
    found: BackupSummary, as_json: bool, erased: Sequence[Erasure] | None = None
) -> int:  # fmt: skip
    names = None if erased is None else [each.customer for each in erased]
    if as_json:
        values: dict[str, Any] = {
            "version": 1,
            "tables": found.tables,
            "rows": found.rows,
            "octets": found.octets,
            "revision": found.revision,
            "made_s": found.made_s,
        }
        typer.echo(json_text(values if names is None else values | {"erased": names}))
    else:
        typer.echo(f"{found.rows} rows of {found.tables} tables, {found.octets} octets")
        for name in names or ():
            typer.echo(f"{name} was erased since, and is erased here")
    return DONE


def _witness(
    context: typer.Context,
    engine: Engine,
    action: str,
    detail: dict[str, Any],
    journal: Journal | None = None,
) -> None:
    """A line in the audit log of the head-end's own tenant, by who could open the store."""
    now = time.time()
    with engine.transaction() as connection:
        (journal or Journal()).write(
            connection,
            tenant=tenant_number(connection, place(context).configuration.tenant) or 0,
            principal=f"local:{user()}",
            action=action,
            subject="store",
            detail=detail,
            at_s=now,
        )
    _anchored(engine)


def _anchored(engine: Engine) -> None:
    with engine.transaction() as connection:
        anchor(connection, at_s=time.time())


COMMANDS = {"check": check_whole, "backup": make_backup, "restore": put_back, "retention": retain}
"""By their words."""
