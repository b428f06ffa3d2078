"""`ferraris bench`: the benchmarks of the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ferraris.core.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One benchmark; by default all.")
    ] = None,
    show_names: Annotated[bool, typer.Option("--list", help="Only name them.")] = False,
) -> int:
    """Measure speed, against peers in the same run where they are installed."""
    scripts = _scripts()
    if show_names:
        for known in scripts:
            typer.echo(known)
        return 0
    if name is not None and name not in scripts:
        raise UsageError(f"no benchmark {name!r}: there are {', '.join(scripts)}")
    outcome = 0
    for known in scripts if name is None else (name,):
        typer.echo(f"== {known}")
        command = [sys.executable, str(scripts[known])]
        done = subprocess.run(command, check=False)  # noqa: S603  (a script of ours)
        outcome = outcome or abs(done.returncode)
    return min(outcome, 1)


def _scripts() -> dict[str, Path]:
    """Benchmarks by name; they come with the checkout, not with the wheel."""
    folder = Path(__file__).resolve().parents[3] / "bench"
    if not folder.is_dir():
        folder = Path("bench")
    found = {
        file.stem: file for file in sorted(folder.glob("*.py")) if not file.stem.startswith("_")
    }
    if not found:
        raise UsageError("benchmarks come with the source: run this in a checkout of Ferraris")
    return found
