"""The demonstration on the screen: a bar while it collects, then figures or a live table."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import typer

from ferraris.cli.output import json_text
from ferraris.cli.progress import progress_bar
from ferraris.headend.collect import Progress, Summary
from ferraris.headend.demo import Demo, DemoSettings

__all__ = ["demonstrate"]

_PAUSE_S = 5.0
_SHOWN = 12
_LOOKED_AT = ("0-0:1.0.0*255", "1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:1.7.0*255", "1-0:32.7.0*255")


async def demonstrate(
    meters: int, seed: int, concurrency: int, store: str | None, *, once: bool, as_json: bool
) -> int:
    """Run it; 0 when every meter was read, 1 when one was not."""
    with tempfile.TemporaryDirectory(prefix="ferraris-") as scratch:
        file = Path(tempfile.mkdtemp(prefix="ferraris-demo-") if store is None else store)
        if store is None:
            file /= "ferraris.sqlite"  # kept: the summary says where
        settings = DemoSettings(file, Path(scratch) / "keys.sqlite", meters, seed, concurrency)
        async with Demo(settings) as demo:
            summary = await _collect(demo)
            _sum_up(summary, demo, as_json=as_json)
            while not once:
                await _look(demo)
                await asyncio.sleep(_PAUSE_S)
                await demo.collect()
    return 1 if summary.failed else 0


async def _collect(demo: Demo) -> Summary:
    with progress_bar("meters read") as show:

        def progress(now: Progress) -> None:
            show(now.read + now.failed, now.meters)

        return await demo.collect(progress)


def _sum_up(summary: Summary, demo: Demo, *, as_json: bool) -> None:
    figures: dict[str, Any] = {"version": 1} | summary.counts()
    figures["duration_s"] = round(summary.duration_s, 3)
    figures["store"] = demo.store.location
    if as_json:
        typer.echo(json_text(figures))
        return
    typer.echo(
        f"{summary.read} of {summary.meters} meters read in {summary.duration_s:.1f} s: "
        f"{summary.registers} registers, {summary.intervals} rows of load profile"
    )
    for reason, count in summary.failures.items():
        typer.echo(f"  {count} x {reason}")
    typer.echo(f"store: {demo.store.location}")


async def _look(demo: Demo) -> None:
    """Read a few meters again and show what they say now: a table, drawn anew on a terminal."""
    from rich.console import Console
    from rich.table import Table

    from ferraris.cli.readings import plain_value

    table = Table("meter", "clock", "import", "export", "power", "voltage")
    for name in list(demo.targets)[:_SHOWN]:
        readings = await demo.look(name, _LOOKED_AT)
        table.add_row(name, *(plain_value(readings[each]) for each in _LOOKED_AT))
    console = Console()
    if sys.stdout.isatty():
        console.clear()
    console.print(table)
