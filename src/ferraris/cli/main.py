"""The command `ferraris`: what the commands are, and how failures end.

Exit codes: 0 done; 1 the peer refused, did not answer or failed a check; 2 bad input or usage.
A failure is one line on standard error, without traceback and without secrets.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from typing import Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from ferraris._version import __version__
from ferraris.cli import (
    benchmarks,
    capture,
    check,
    class_tables,
    decode,
    encode,
    enumerations,
    events,
    firmware,
    headend,
    keys,
    listen,
    look_up,
    meters,
    obis,
    pki,
    provenance,
    simulated,
)
from ferraris.cli.failures import exit_code, one_line
from ferraris.core.errors import Error

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="ferraris",
    help="An open smart-metering stack: talk to meters, be one, explain what they say.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ferraris {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_show_version, help="Show the version."
    ),
) -> None:
    """Options that go before a command."""


for _room in (
    simulated,
    meters,
    firmware,
    check,
    listen,
    capture,
    decode,
    encode,
    obis,
    events,
    look_up,
    enumerations,
    class_tables,
    provenance,
    keys,
    pki,
    headend,
    benchmarks,
):
    _room.register(app)


def main() -> None:
    """Entry point of the command: never returns."""
    warnings.showwarning = _warn  # type: ignore[assignment] # the rest of its arguments is noise
    sys.exit(run(sys.argv[1:]))


def _warn(message: Warning | str, *_: object) -> None:
    typer.echo(f"ferraris: warning: {message}", err=True)


@cache
def _command(word: str) -> Callable[..., Any]:
    """The command line with that command alone where there is one, and whole otherwise.

    To make all commands takes longer than most of them run.
    """
    part = copy(app)
    part.registered_commands = [each for each in app.registered_commands if each.name == word]
    part.registered_groups = [each for each in app.registered_groups if each.name == word]
    found = part.registered_commands or part.registered_groups
    return get_command(part if found else app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        whole = _command(arguments[0] if arguments else "")
        outcome = whole(list(arguments), prog_name="ferraris", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        message = error.format_message()
        typer.echo(message if not message or "\n" in message else f"ferraris: {message}", err=True)
        return error.exit_code
    except Error as error:
        typer.echo(f"ferraris: {one_line(error)}", err=True)
        return exit_code(error)
    except BrokenPipeError:  # whoever read us has seen enough
        sys.stdout = open("/dev/null", "w") if sys.platform != "win32" else sys.stdout  # noqa: SIM115
        return 0
    except OSError as error:
        typer.echo(f"ferraris: {error.strerror or error}: {error.filename or ''}", err=True)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("ferraris: interrupted", err=True)
        return 130
    except Exception as error:
        if os.environ.get("FERRARIS_TRACEBACK"):
            raise
        what = f"internal error, please report it: {type(error).__name__}"
        typer.echo(f"ferraris: {what} (FERRARIS_TRACEBACK=1 shows where)", err=True)
        return 1
    return outcome if isinstance(outcome, int) else 0
