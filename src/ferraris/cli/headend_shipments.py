"""`ferraris headend shipments import FILE`: how far it is, and what is wrong in which row."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ferraris.cli.headend_asking import asking
from ferraris.cli.headend_printing import show, table
from ferraris.cli.progress import progress_bar
from ferraris.core.errors import UsageError
from ferraris.headend.operations.operation import Operation

__all__ = ["command_of_import"]


def command_of_import(operation: Operation) -> Callable[..., int]:
    """The command of the operation that takes a shipment file."""

    def import_file(
        context: typer.Context,
        file: Annotated[
            str | None, typer.Argument(metavar="FILE", help="CSV or JSON; - is standard input.")
        ] = None,
        named: Annotated[
            str | None, typer.Option("--file", metavar="@FILE", help="The same.", hidden=True)
        ] = None,
        transport_key: Annotated[
            str, typer.Option(metavar="NAME", help="The key under which its keys are wrapped.")
        ] = "",
        plain_keys: Annotated[
            bool, typer.Option("--plain-keys/--no-plain-keys", help="Take keys not wrapped.")
        ] = False,
        update: Annotated[
            bool,
            typer.Option("--update/--no-update", help="Rows that differ are changes."),
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run/--no-dry-run", help="Check and write nothing.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
        out: Annotated[
            str | None, typer.Option(metavar="FILE", help="Write the answer to a file.")
        ] = None,
    ) -> int:
        """Take the meters of a shipment file into the inventory and their keys into the key store.

        All of it or nothing: a row that is wrong refuses the file. With a dry run all that is wrong
        is listed.
        """
        if (file is None) == (named is None):
            raise UsageError("which file? name one, or - for standard input")
        body = {
            "file": base64.b64encode(_read(file or named or "")).decode(),
            "transport_key": transport_key,
            "plain_keys": plain_keys,
            "update": update,
            "dry_run": dry_run,
        }
        with asking(context) as head:
            try:
                with progress_bar("rows") as told:
                    head.tell(told)
                    answer = head.ask(operation, {}, {}, body)
            except UsageError as error:
                _list_problems(head, operation, body, error)
                raise
            return show(answer, as_json=as_json, out=out)

    return import_file


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name.removeprefix("@")).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from None


def _list_problems(head: Any, operation: Operation, body: dict[str, Any], error: Exception) -> None:
    """All that is wrong, as a table beside the error: a dry run tells it."""
    head.tell(None)
    try:
        plain = msgspec.to_builtins(head.ask(operation, {}, {}, body | {"dry_run": True}))
    except UsageError:  # not the rows are wrong
        return
    if not plain["problems"]:
        return
    for line in table(plain["problems"]):
        typer.echo(line, err=True)
    more = plain["errors"] - len(plain["problems"])
    told = f" (the first {len(plain['problems'])} are listed)" if more > 0 else ""
    text = f"{plain['errors']} errors in {plain['rows']} rows{told}: nothing was written"
    raise UsageError(text, where="shipment") from error
