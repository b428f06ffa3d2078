"""`ferraris read --all`: the same objects of every meter in a file of keys."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import typer

import ferraris
from ferraris.cli.capture import wanted_tap
from ferraris.cli.credentials import entries_of, high_priority, security_of_entry
from ferraris.cli.failures import DONE, REFUSED, failure, one_line
from ferraris.cli.loop import run_to_end
from ferraris.cli.options import MeterOptions
from ferraris.cli.output import json_text
from ferraris.cli.progress import progress_bar
from ferraris.cli.readings import csv_rows, plain_value, reading_shape
from ferraris.client.security import Security
from ferraris.core.errors import Error, RefusedError, UsageError
from ferraris.data.obis import Obis
from ferraris.data.readings import Reading
from ferraris.line.url import Endpoint, parse_url

__all__ = ["read_all"]

_ONE_AT_A_TIME = ("serial", "modem")


@dataclass(slots=True)
class _Target:
    """One meter, and what became of it."""

    name: str
    endpoint: Endpoint
    server: int
    security: Security
    readings: dict[Obis, Reading] = field(default_factory=dict)
    errors: list[Error] = field(default_factory=list)


def read_all(given: MeterOptions, names: Sequence[str], *, at_once: int, form: str) -> int:
    """Read `names` of every meter of `given.keys`, at most `at_once` at a time; the exit code.

    `form` is json (a line for each meter, as it is done), csv or table (in the order of the file).
    Each failure is a line on standard error, in JSON a member of the meter's line. Raises
    `UsageError` before anything is sent.
    """
    wanted = [Obis.parse(name) for name in names]
    if given.keys is None:
        raise UsageError("--all needs --keys FILE, one JSON line a meter")
    if at_once < 1:
        raise UsageError("--at-once is 1 or more")
    targets = [_target(given, entry) for entry in entries_of(given.keys)]
    show = _show_json if form == "json" else _show_errors
    with progress_bar("meters") as progress:
        run_to_end(_Round(given, wanted, at_once).run(targets, show, progress))
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows(_csv_rows(targets))
    elif form == "table":
        for line in _table(targets, wanted):
            typer.echo(line)
    failed = sum(bool(target.errors) for target in targets)
    if failed:
        typer.echo(f"ferraris: {failed} of {len(targets)} meters failed", err=True)
    return REFUSED if failed else DONE


def _target(given: MeterOptions, entry: Mapping[str, Any]) -> _Target:
    try:
        url, server = str(entry["url"]), int(entry["server"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{given.keys}: a line without url and server") from None
    security = security_of_entry(given, entry, url)
    return _Target(str(entry.get("id", url)), parse_url(url), server, security)


class _Round:
    """One look at every meter."""

    def __init__(self, given: MeterOptions, wanted: Sequence[Obis], at_once: int) -> None:
        self._given = given
        self._wanted = wanted
        self._free = asyncio.Semaphore(at_once)
        self._ports: dict[str, asyncio.Lock] = {}
        self._high_priority = high_priority(given)
        self._tap = wanted_tap()

    async def run(
        self,
        targets: Sequence[_Target],
        show: Callable[[_Target], None],
        progress: Callable[[int, int, str], None],
    ) -> None:
        failed = 0
        tasks = [asyncio.create_task(self._read(target)) for target in targets]
        for done, task in enumerate(asyncio.as_completed(tasks), 1):
            target = await task
            failed += bool(target.errors)
            show(target)
            progress(done, len(targets), f"{failed} failed" if failed else "")

    async def _read(self, target: _Target) -> _Target:
        async with self._line(target.endpoint), self._free:
            try:
                async with ferraris.connect(
                    target.endpoint,
                    client=self._given.client,
                    server=target.server,
                    security=target.security,
                    timeout_s=self._given.timeout,
                    device=target.name,
                    pre_established=self._given.pre_established,
                    high_priority=self._high_priority,
                    tap=self._tap,
                ) as meter:
                    for name in self._wanted:
                        try:
                            target.readings[name] = await meter.read(name)
                        except RefusedError as error:
                            target.errors.append(error)
            except Error as error:
                target.errors.append(error)
        return target

    def _line(self, endpoint: Endpoint) -> AbstractAsyncContextManager[None]:
        """Meters that share a port take turns."""
        if endpoint.line not in _ONE_AT_A_TIME:
            return nullcontext()
        return self._ports.setdefault(endpoint.host, asyncio.Lock())


def _show_json(target: _Target) -> None:
    shape = {
        "version": 1,
        "id": target.name,
        "meter": str(target.endpoint),
        "server": target.server,
        "readings": [reading_shape(reading) for reading in target.readings.values()],
        "error": failure(target.errors[0]) if target.errors else None,
    }
    typer.echo(json_text(shape))


def _show_errors(target: _Target) -> None:
    for error in target.errors:
        typer.echo(f"ferraris: {target.name}: {one_line(error)}", err=True)


def _csv_rows(targets: Iterable[_Target]) -> Iterator[list[str]]:
    yield ["meter", "obis", "value", "unit", "time"]
    for target in targets:
        rows = csv_rows(list(target.readings.values()), None)
        yield from ([target.name, *row] for number, row in enumerate(rows) if number)


def _table(targets: Sequence[_Target], wanted: Sequence[Obis]) -> Iterator[str]:
    """A line for each meter that told something, columns as wide as they need."""
    rows = [["meter", *map(str, wanted)]]
    for target in targets:
        values = [target.readings.get(name) for name in wanted]
        if any(values):
            cells = ["-" if value is None else plain_value(value) for value in values]
            rows.append([target.name, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
