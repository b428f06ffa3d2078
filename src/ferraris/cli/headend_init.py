"""`ferraris headend init`: a folder with all that a head-end needs, and its first administrator."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ferraris.cli.failures import DONE
from ferraris.cli.output import json_text
from ferraris.headend.access.first import NAME, first_administrator
from ferraris.headend.audit import Journal, anchor
from ferraris.headend.configuration import Configuration
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.service.initialising import Wishes, initialise
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate

__all__ = ["COMMANDS", "furnish"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New, or empty.")],
    store: Annotated[
        str, typer.Option(metavar="URL", help="postgresql://…; by default a file in the folder.")
    ] = "",
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose meters.")] = "main",
    zone: Annotated[str, typer.Option(help="Time zone, an IANA name.")] = "UTC",
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the API and the page are.")
    ] = "127.0.0.1:8470",
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="A proxy ends TLS.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> int:
    """Make a head-end: configuration, key store, store, and an administrator with a token.

    The token is printed once and kept nowhere.
    """
    made: list[str] = []
    wishes = Wishes(store, tenant, zone, listen, behind_proxy)
    file = initialise(folder, wishes, lambda configuration: made.append(furnish(configuration)))
    if as_json:
        typer.echo(json_text({"configuration": str(file), "name": NAME, "token": made[0]}))
        return DONE
    typer.echo(f"{file} made, with its store and its keys")
    typer.echo(f"token of {NAME}, shown this once:")
    typer.echo(made[0])
    return DONE


def furnish(configuration: Configuration) -> str:
    """Set up the store of a new head-end; the token of its first administrator."""
    engine, journal, now = Engine(configuration.location()), Journal(), time.time()
    try:
        migrate(engine)
        with engine.transaction() as connection:
            tenant = tenant_number(connection, configuration.tenant, make=True)
            secret = first_administrator(connection, tenant, journal.write, at_s=now)
        with engine.transaction() as connection:
            anchor(connection, at_s=now)
    finally:
        engine.close()
    return secret


COMMANDS = {"init": init}
"""By their words."""
