"""`ferraris headend watch`: what is new, as it happens, here or at a URL."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

import typer

from ferraris.cli.failures import DONE
from ferraris.cli.headend_asking import Place, asking, place
from ferraris.cli.headend_remote import Remote
from ferraris.cli.output import json_text
from ferraris.core.errors import UsageError
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.operations.watching import RIGHTS, Watch

__all__ = ["COMMANDS"]

_EVERY_S = 0.5


def watch(
    context: typer.Context,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help=f"One of {', '.join(RIGHTS)}.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="End after so many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """Watch what is new: meters, sessions, readings, alarms, commands; until interrupted."""
    kinds = tuple(kind or RIGHTS)
    strange = set(kinds) - set(RIGHTS)
    if strange:
        raise UsageError(f"no kind {min(strange)!r}: there are {', '.join(RIGHTS)}")
    for each in islice(_news(context, kinds), count):
        typer.echo(json_text(each) if as_json else _line(each))
    return DONE


def _news(context: typer.Context, kinds: Sequence[str]) -> Iterator[Any]:
    where = place(context)
    if not where.url:
        yield from _here(where, kinds)
        return
    with asking(context) as head:
        assert isinstance(head, Remote)
        yield from head.watch(kinds)


def _here(where: Place, kinds: Sequence[str]) -> Iterator[Any]:
    watching = Watch(time.monotonic)
    with where.engine() as engine:
        with engine.reading() as connection:
            tenant = tenant_number(connection, where.configuration.tenant)
        while True:
            with engine.reading() as connection:
                found = watching.look(connection)
            for each in found.changes.get(tenant, ()):
                if each.kind in kinds:
                    yield {
                        "number": each.number,
                        "kind": each.kind,
                        "subject": each.subject,
                        "detail": dict(each.detail),
                        "at_s": each.at_s,
                    }
            if not found.more:
                time.sleep(_EVERY_S)


def _line(each: Any) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each["at_s"]))
    detail = " ".join(f"{name}={value}" for name, value in each["detail"].items())
    text = f"{at}  {each['kind']:8}  {each['subject']}  {detail}".rstrip()
    return "".join(c if c.isprintable() else "·" for c in text)


COMMANDS = {"watch": watch}
"""By their words."""
