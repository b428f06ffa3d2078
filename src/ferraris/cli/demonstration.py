"""The demonstration on the screen: a bar while it collects, then figures or a live table."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from ferraris.cli.failures import one_line
from ferraris.cli.output import json_text
from ferraris.cli.progress import progress_bar
from ferraris.core.errors import Error
from ferraris.headend.collect import Progress, Summary
from ferraris.headend.demo import Demo, DemoSettings

__all__ = ["demonstrate"]

_PAUSE_S = 5.0
_SHOWN = 12
_LOOKED_AT = ("0-0:1.0.0*255", "1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:1.7.0*255", "1-0:32.7.0*255")


async def demonstrate(
    meters: int, seed: int, concurrency: int, store: str | None, *, once: bool, as_json: bool
) -> int:
    """Run it; 0 when every meter was read, 1 when one was not.

    Without `once` an interruption is its ordinary end, as soon as the first round is over.
    """
    with tempfile.TemporaryDirectory(prefix="ferraris-") as scratch:
        place: str | Path = store or Path(tempfile.mkdtemp(prefix="ferraris-demo-"))
        if store is None:
            place = Path(place) / "ferraris.sqlite"  # kept: the summary says where
        settings = DemoSettings(place, Path(scratch) / "keys.sqlite", meters, seed, concurrency)
        async with Demo(settings) as demo:
            summary = await _collect(demo)
            _sum_up(summary, demo, as_json=as_json)
            if not once:
                summary = await _go_on(demo, summary, as_json=as_json)
    return 1 if summary.failed else 0


async def _go_on(demo: Demo, summary: Summary, *, as_json: bool) -> Summary:
    """Round after round until interrupted; what all of them brought."""
    last = summary
    try:
        while True:
            if not as_json:
                await _look(demo, last)
            await asyncio.sleep(_PAUSE_S)
            last = await _collect(demo)
            summary = _both(summary, last)
            if as_json:
                _sum_up(last, demo, as_json=True)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
    if not as_json:
        typer.echo("\ninterrupted, in all rounds:")
        _sum_up(summary, demo, as_json=False)
    return summary


def _both(before: Summary, last: Summary) -> Summary:
    """Figures of a round added to those before; how many meters are read is what the last says."""
    return replace(
        last,
        registers=before.registers + last.registers,
        intervals=before.intervals + last.intervals,
        duration_s=before.duration_s + last.duration_s,
    )


async def _collect(demo: Demo) -> Summary:
    begun = time.monotonic()
    with progress_bar("meters") as show:

        def progress(now: Progress) -> None:
            done = now.read + now.failed
            passed_s = time.monotonic() - begun
            show(done, now.meters, _figures(now.read, now.failed, passed_s))

        return await demo.collect(progress)


def _figures(read: int, failed: int, duration_s: float) -> str:
    rate = (read + failed) / duration_s if duration_s else 0.0
    return f"{read} read, {failed} failed, {rate:.0f} a second"


def _sum_up(summary: Summary, demo: Demo, *, as_json: bool) -> None:
    figures: dict[str, Any] = {"version": 1} | summary.counts()
    figures["duration_s"] = round(summary.duration_s, 3)
    figures["store"] = demo.engine.location
    if as_json:
        typer.echo(json_text(figures))
        return
    typer.echo(
        f"{summary.read} of {summary.meters} meters read in {summary.duration_s:.1f} s: "
        f"{summary.registers} registers, {summary.intervals} rows of load profile"
    )
    for reason, count in summary.failures.items():
        typer.echo(f"  {count} x {reason}")
    typer.echo(f"store: {demo.engine.location}")


async def _look(demo: Demo, last: Summary) -> None:
    """Read a few meters again and show what they say now: a table, drawn anew on a terminal."""
    from rich.console import Console
    from rich.table import Table

    from ferraris.cli.readings import plain_value

    figures = _figures(last.read, last.failed, last.duration_s)
    table = Table(
        "meter",
        "clock",
        "import",
        "export",
        "power",
        "voltage",
        title=f"{last.meters} meters: {figures}",
        caption="Ctrl-C ends it",
    )
    for name in list(demo.targets)[:_SHOWN]:
        try:
            readings = await demo.look(name, _LOOKED_AT)
        except Error as error:
            table.add_row(name, one_line(error))
            continue
        table.add_row(name, *(plain_value(readings[each]) for each in _LOOKED_AT))
    console = Console()
    if sys.stdout.isatty():
        console.clear()
    console.print(table)
