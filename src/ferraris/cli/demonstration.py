"""The demonstration on the screen: a night, step by step, and then the head-end as it runs."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import typer

from ferraris.cli.failures import one_line
from ferraris.cli.output import json_text
from ferraris.cli.progress import progress_bar
from ferraris.core.errors import Error
from ferraris.headend.collect import Progress, Summary
from ferraris.headend.demo.first_page import keep_first_page
from ferraris.headend.demo.night import Night, NightSettings
from ferraris.headend.demo.told import HOURS, Told
from ferraris.headend.observe.logs import configure_logs
from ferraris.headend.service.running import serve_until

__all__ = ["demonstrate"]

_PAUSE_S = 5.0
_LOOKED_AT = ("0-0:1.0.0*255", "1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:1.7.0*255", "1-0:32.7.0*255")


async def demonstrate(
    meters: int, seed: int, concurrency: int, store: str | None, *, once: bool, as_json: bool
) -> int:
    """Run it; 0 when every meter was read in the end and all agrees with the truth, else 1.

    Without `once` an interruption is its ordinary end, as soon as the night is over.
    """
    configure_logs("error", "text")
    with tempfile.TemporaryDirectory(prefix="ferraris-") as scratch:
        folder = Path(tempfile.mkdtemp(prefix="ferraris-demo-"))  # kept: the summary says where
        settings = NightSettings(
            store or folder / "ferraris.sqlite",
            Path(scratch) / "keys.sqlite",
            meters,
            seed,
            concurrency,
        )
        bar = _Bar()
        async with Night(settings, progress=bar.progress) as night:
            await _night(night, bar, silent=as_json)
            token = night.administrator()
            if once:
                await _page(night, token, folder / "overview.html", silent=as_json)
            _sum_up(night, as_json=as_json)
            if not once:
                await _go_on(night, token, as_json=as_json)
            told = night.told
    if store is not None and not any(folder.iterdir()):
        folder.rmdir()
    return 0 if not told.summary.failed and told.agreement.whole else 1


async def _night(night: Night, bar: _Bar, *, silent: bool) -> None:
    """The story, each step told when it is over."""
    say = _quiet if silent else typer.echo
    new = night.deliver()
    say(f"18:00  {new} meters delivered: a shipment file, its keys wrapped")
    commissioned = await night.commission()
    say(f"       {commissioned} of them registered: identity proved, clock set, new keys")
    evening = await bar.during(night.evening)
    if evening is not None:
        say(f"       {_read(evening)} (the days before)")
    steps: tuple[tuple[str, Callable[[], Awaitable[Summary]]], ...] = (
        (HOURS[0], night.first_round),
        (HOURS[1], night.second_round),
        (HOURS[2], night.third_round),
    )
    for hour, step in steps:
        if hour == HOURS[2]:
            say(f"06:00  deadline: {_share(night.told)} of the meters read in time")
        summary = await bar.during(step)
        say(f"{hour}  {_read(summary)}")
        for reason, count in summary.failures.items():
            say(f"       {count} x {reason}")
        finals = night.told.finals[-1]
        say(
            f"       validated: {finals['values']} final values, {finals['estimated']} estimated, "
            f"{finals['suspect']} suspect, {finals['missing']} unknown"
        )
    found = await asyncio.to_thread(night.compare)
    if found.whole:
        say(
            f"truth  {found.intervals} intervals, {found.registers} registers and {found.finals} "
            "final values agree with the meters to the last unit"
        )
    for line in found.wrong[:10]:
        typer.echo(f"wrong: {line}", err=True)


async def _page(night: Night, token: str, file: Path, *, silent: bool) -> None:
    """The page is served, looked at and kept."""
    serving = asyncio.ensure_future(night.whole.parts["http"]())
    try:
        while "http" not in night.whole.ports and not serving.done():
            await asyncio.sleep(0.02)
        if serving.done():
            await serving
        await keep_first_page(night.url, token, file)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    if not silent:
        typer.echo(f"page   its first one: {file}")


async def _go_on(night: Night, token: str, *, as_json: bool) -> None:
    """The head-end as a service, and a table of what meters say now, until interrupted."""
    night.now()
    stop = asyncio.Event()

    def told(_: object) -> None:
        if not as_json:
            typer.echo(f"page   {night.url}  with the token {token}")

    service = asyncio.create_task(serve_until(stop, night.whole, told=told))
    try:
        while not service.done():
            await asyncio.sleep(_PAUSE_S)
            if as_json:
                _sum_up(night, as_json=True)
            else:
                await _look(night, token)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
    finally:
        stop.set()
        await service
    if not as_json:
        typer.echo("\ninterrupted:")
        _sum_up(night, as_json=False)


class _Bar:
    """A progress bar that steps come and go under."""

    def __init__(self) -> None:
        self._show: Callable[[Progress], None] | None = None

    def progress(self, now: Progress) -> None:
        if self._show is not None:
            self._show(now)

    async def during(self, step: Callable[[], Awaitable[Any]]) -> Any:
        begun = time.monotonic()
        with progress_bar("meters") as show:

            def shown(now: Progress) -> None:
                passed_s = time.monotonic() - begun
                text = _figures(now.read, now.failed, passed_s)
                show(now.read + now.failed, now.meters, text)

            self._show = shown
            try:
                return await step()
            finally:
                self._show = None


def _figures(read: int, failed: int, duration_s: float) -> str:
    rate = (read + failed) / duration_s if duration_s else 0.0
    return f"{read} read, {failed} failed, {rate:.0f} a second"


def _read(summary: Summary) -> str:
    return (
        f"{summary.read} of {summary.meters} meters read in {summary.duration_s:.1f} s: "
        f"{summary.registers} registers, {summary.intervals} rows of load profile"
    )


def _share(told: Told) -> str:
    success = told.success[-1]
    return f"{success.in_time / success.due:.1%}" if success.due else "none"


def _sum_up(night: Night, *, as_json: bool) -> None:
    told, location = night.told, night.whole.house.engine.location
    summary = told.summary
    if not as_json:
        typer.echo(_read(summary))
        typer.echo(f"store: {location}")
        return
    figures: dict[str, Any] = {"version": 1} | summary.counts()
    figures["duration_s"] = round(summary.duration_s, 3)
    figures["store"] = location
    figures["night"] = told.document()
    typer.echo(json_text(figures))


def _quiet(_: str) -> None:
    """Scripts get the summary alone."""


async def _look(night: Night, token: str) -> None:
    """Read a few meters again and show what they say now: a table, drawn anew on a terminal."""
    from rich.console import Console
    from rich.table import Table

    from ferraris.cli.readings import plain_value

    last = night.told.summary
    figures = _figures(last.read, last.failed, last.duration_s)
    table = Table(
        "meter", "clock", "import", "export", "power", "voltage",
        title=f"{last.meters} meters: {figures}",
        caption=f"{night.url}  token {token}\nCtrl-C ends it",
    )  # fmt: skip
    try:
        for name, readings in (await night.look(_LOOKED_AT)).items():
            table.add_row(name, *(plain_value(readings[each]) for each in _LOOKED_AT))
    except Error as error:
        table.add_row(one_line(error))
    console = Console()
    if sys.stdout.isatty():
        console.clear()
    console.print(table)
