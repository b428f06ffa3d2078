"""`ferraris headend`: the commands of the head-end, made when one of them is wanted.

They follow from the declared operations.
"""

from __future__ import annotations

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command; what comes after it is read by the commands of the head-end."""
    app.command(
        "headend",
        context_settings={
            "ignore_unknown_options": True,
            "allow_extra_args": True,
            "allow_interspersed_args": False,
        },
        add_help_option=False,
    )(headend)


def headend(context: typer.Context) -> int:
    """The head-end: inventory, collection, readings, access, audit; here or at a URL."""
    from ferraris.cli.headend_commands import commands

    outcome = commands()(list(context.args), prog_name="ferraris headend", standalone_mode=False)
    return outcome if isinstance(outcome, int) else 0
