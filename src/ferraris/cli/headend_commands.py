"""The commands of the head-end: known by their first words, made when one of them is wanted."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import typer
from typer.main import get_command

from ferraris.cli.headend_asking import headend_options
from ferraris.cli.headend_words import WORDS
from ferraris.core.errors import UsageError

__all__ = ["commands", "commands_of"]

_PLAIN: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}
_WHOLE: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "allow_interspersed_args": False,
}


@cache
def commands() -> Callable[..., Any]:
    """All commands of the head-end; what comes after the first word is read by those behind it."""
    app = typer.Typer(name="headend", **_PLAIN)
    app.callback()(headend_options)
    for word, (told, _) in WORDS.items():
        add = app.command(word, help=told, context_settings=_WHOLE, add_help_option=False)
        add(_behind(word))
    return get_command(app)


def _behind(word: str) -> Callable[[typer.Context], int]:
    def run(context: typer.Context) -> int:
        rest = list(context.args)
        behind = _command(word, rest[0] if rest else "")
        name = f"ferraris headend {word}"
        outcome = behind(rest, prog_name=name, standalone_mode=False, obj=context.obj)
        return outcome if isinstance(outcome, int) else 0

    return run


@cache
def _command(word: str, wanted: str) -> Callable[..., Any]:
    return get_command(commands_of(word, wanted))


def commands_of(word: str, wanted: str = "") -> typer.Typer:
    """The commands with this first word, or as many of them as it takes to have the wanted one.

    They need the `headend` extra, which other commands of Ferraris do without.
    """
    try:
        return _made(word, wanted)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ferraris"):
            raise
        message = f"this needs pip install 'ferraris[headend]' ({error.name} is missing)"
        raise UsageError(message) from None


def _made(word: str, wanted: str) -> typer.Typer:
    told, modules = WORDS[word]
    app = typer.Typer(name=word, help=told, **_PLAIN)
    for name in modules:
        module = importlib.import_module(name)
        if hasattr(module, "COMMANDS"):
            app.command(word)(module.COMMANDS[word])
        elif _operations(app, word, module, wanted):
            break
    return app


def _operations(app: typer.Typer, word: str, module: ModuleType, wanted: str) -> bool:
    """Add what a module declares, and tell whether the wanted command is among it."""
    from ferraris.cli.headend_operations import add_operation
    from ferraris.headend.operations.registry import declared_in

    found = {each.command: each for each in declared_in(module)}
    for command, operation in sorted(found.items()):
        if command == word:
            add_operation(app, word, operation)
        elif command.startswith(f"{word} "):
            app.callback()(_group)
            add_operation(app, command.removeprefix(f"{word} "), operation)
    return f"{word} {wanted}" in found


def _group() -> None:
    """A single command that is not the word itself stays one behind it."""
