"""`ferraris units`: what the codes of units mean."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ferraris.core.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("units")(units)


AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


def units(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[CODE|SYMBOL]", help="A code, a symbol, a word.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the units of COSEM: code, symbol, name and quantity."""
    from ferraris.data.units import UNITS

    rows = [unit._asdict() for unit in UNITS.values()]
    if wanted is not None:
        rows = [row for row in rows if _matches(row, wanted)]
        if not rows:
            raise UsageError(f"no unit is {wanted!r}")
    _show(rows, as_json=as_json)


def _matches(row: dict[str, Any], wanted: str) -> bool:
    if wanted.isdigit():
        return bool(row["code"] == int(wanted))
    if wanted in (row["symbol"], row["symbol"].replace("³", "3").replace("²", "2")):
        return True
    return len(wanted) > 2 and wanted.lower() in f"{row['name']} {row['quantity']}".lower()


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    from ferraris.cli.output import aligned, json_text

    if as_json:
        typer.echo(json_text({"version": 1, "found": rows}))
        return
    for line in aligned(rows):
        typer.echo(line)
