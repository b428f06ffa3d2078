"""`ferraris headend run` and `ready`: the service, and the question whether it is well."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Annotated

import typer

from ferraris.cli.failures import DONE, REFUSED
from ferraris.cli.headend_asking import place
from ferraris.cli.loop import run_to_end
from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.headend.service.building import Built

__all__ = ["COMMANDS"]

_PATIENCE_S = 5.0


def serve(context: typer.Context) -> int:
    """Run the head-end: it collects, validates, registers, and serves the API and the page.

    Ends in order at SIGTERM or Ctrl-C. Logs go to standard error.
    """
    from ferraris.headend.service.running import run

    where = place(context)
    if where.url:
        raise UsageError("a head-end is run where its configuration is: --config FILE")

    def told(whole: Built) -> None:
        http = where.configuration.http
        scheme = "https" if http.certificate else "http"
        host = http.listen.rpartition(":")[0]
        typer.echo(f"listening at {scheme}://{host}:{whole.ports['http']}")

    run_to_end(run(where.configuration, told=told))
    return DONE


def ready(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> int:
    """Ask a head-end of this machine whether it is well; 1 when it is not, or not there."""
    address = place(context).configuration.observe.metrics
    if not address:
        raise UsageError("observe.metrics says where to ask; here it is empty")
    try:
        with urllib.request.urlopen(f"http://{address}/ready", timeout=_PATIENCE_S) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        body = json.dumps(
            {
                "ok": False,
                "parts": {"process": f"does not answer ({reason}): `ferraris headend run`"},
            }
        ).encode()
    report = json.loads(body)
    if as_json:
        typer.echo(json.dumps({"version": 1} | report))
    else:
        for part, text in report["parts"].items():
            typer.echo(f"{part:14} {text}")
    return DONE if report["ok"] else REFUSED


COMMANDS = {"run": serve, "ready": ready}
"""By their words."""
