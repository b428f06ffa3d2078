"""`ferraris enumerations`: the states, modes and device types of meters by number."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ferraris.core.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("enumerations")(enumerations)


def enumerations(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME|WORD]", help="A name, or a part of one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """List what the numbers of an enumeration mean, such as control-state, or all enumerations."""
    from ferraris.cli.output import aligned, json_text
    from ferraris.model.enumerations import enumerations as tables

    chosen = [each for each in tables().values() if name is None or name in each.name]
    chosen = [each for each in chosen if each.name == name] or chosen
    if not chosen:
        raise UsageError(f"no enumeration has {name!r} in its name: without a name all are listed")
    if as_json:
        found: list[dict[str, Any]] = [
            each._asdict() | {"values": {str(n): words for n, words in each.values.items()}}
            for each in chosen
        ]
        typer.echo(json_text({"version": 1, "found": found}))
        return
    if name is None:
        for line in aligned([{"name": each.name, "about": each.about} for each in chosen]):
            typer.echo(line)
        return
    for each in chosen:
        typer.echo(f"{each.name}: {each.about}")
        rows = [{"number": number, "words": words} for number, words in each.values.items()]
        for line in aligned(rows, right=("number",)):
            typer.echo(f"  {line}")
