"""`ferraris read`, `browse`, `set`, `act`: talk to a meter."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.cli.capture import wanted_tap, with_capture
from ferraris.cli.layered import DEFAULT, Layers, Through, through
from ferraris.cli.options import MeterOptions, Url, with_meter_options
from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.data.readings import Reading, Series

__all__ = ["opened", "register"]

_SENT = "sent, unknown: no answer was asked for, read it back"

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("read")(with_capture(read))
    app.command("browse")(with_capture(browse))
    app.command("set")(with_capture(set_))
    app.command("act")(with_capture(act))


Unconfirmed = Annotated[
    bool, typer.Option("--unconfirmed", help="Ask for no answer: what becomes of it is unknown.")
]


@with_meter_options
def read(
    url: Url,
    given: MeterOptions,
    names: Annotated[list[str] | None, typer.Argument(metavar="OBIS...", help="Objects.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every meter of --keys FILE, instead of a URL.")
    ] = False,
    at_once: Annotated[int, typer.Option(help="With --all: meters at a time.")] = 50,
    profile: Annotated[str | None, typer.Option(metavar="OBIS", help="A profile too.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Rows after this time.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Rows up to this.")] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values.")] = False,
    parquet: Annotated[
        str | None, typer.Option(metavar="FILE", help="The profile as a Parquet file.")
    ] = None,
    layers: Layers = None,
    through_object: Through = DEFAULT,
) -> int:
    """Read objects by name, and a profile by time; with --all of every meter in a file of keys.

    Times are ISO 8601; without an offset they are UTC. Secrets are @FILE or env:NAME.
    """
    from ferraris.cli.failures import DONE
    from ferraris.cli.values import parse_moment
    from ferraris.data.obis import Obis

    if every:
        if profile is not None or parquet is not None:
            raise UsageError("--all reads objects: profiles are read one meter at a time")
        from ferraris.cli.reading_all import read_all

        form = "json" if as_json else "csv" if as_csv else "table"
        return read_all(given, [url, *(names or ())], at_once=at_once, form=form)
    wanted = [Obis.parse(name) for name in names or ()]
    if not wanted and profile is None:
        raise UsageError("nothing to read: name an object, as in 1-0:1.8.0*255, or --profile")
    if profile is None and (since or until or parquet):
        raise UsageError("--since, --until and --parquet go with --profile")
    protected = through(layers, through_object)
    if protected is not None and profile is not None:
        raise UsageError("--layers goes with objects: a profile is read without")
    named = None if profile is None else Obis.parse(profile)
    first = None if since is None else parse_moment(since)
    last = None if until is None else parse_moment(until)
    with opened(url, given) as meter:
        if protected is None:
            readings = [meter.read(name) for name in wanted]
        else:
            readings = meter.read_protected(wanted, **protected)
        series = None if named is None else meter.profile(named, first, last)
    if parquet is not None and series is not None:
        _write_parquet(series, parquet)
        series = None
    if as_json:
        _show_json(url, readings, series)
    elif as_csv:
        _show_csv(readings, series)
    else:
        _show_text(readings, series)
    return DONE


@with_meter_options
def browse(
    url: Url,
    given: MeterOptions,
    values: Annotated[bool, typer.Option("--values", help="Read every attribute too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the objects that a client sees, with their attributes when asked."""
    from ferraris.cli.objects import show_objects
    from ferraris.cli.progress import progress_bar

    with opened(url, given) as meter, progress_bar("objects") as progress:
        found = meter.browse(values=values, progress=progress)
    show_objects(url, found, as_json=as_json)


@with_meter_options
def set_(
    url: Url,
    given: MeterOptions,
    attribute: Annotated[str, typer.Argument(metavar="CLASS/OBIS/ATTRIBUTE")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="KIND:VALUE, as in unsigned:5.")],
    unconfirmed: Unconfirmed = False,
    layers: Layers = None,
    through_object: Through = DEFAULT,
) -> None:
    """Write an attribute.

    Without an answer it is unknown whether the meter took the value: read it back.
    """
    from ferraris.cli.values import parse_object, parse_value
    from ferraris.client.wishes import WriteData
    from ferraris.model.registry import newest

    class_id, name, index = parse_object(attribute)
    declared = newest(class_id)
    known = None if declared is None else declared.attributes.get(index)
    data = parse_value(value, None if known is None else known.type)
    protected = _protected(layers, through_object, unconfirmed=unconfirmed)
    with opened(url, given) as meter:
        if protected is None:
            meter.set_data(class_id, name, index, data, confirmed=not unconfirmed)
        else:
            meter.set_protected([WriteData(class_id, name, index, data)], **protected)
    typer.echo(_SENT if unconfirmed else "done")


@with_meter_options
def act(
    url: Url,
    given: MeterOptions,
    method: Annotated[str, typer.Argument(metavar="CLASS/OBIS/METHOD")],
    value: Annotated[
        str | None, typer.Argument(metavar="[VALUE]", help="KIND:VALUE; by default integer:0.")
    ] = None,
    unconfirmed: Unconfirmed = False,
    layers: Layers = None,
    through_object: Through = DEFAULT,
) -> None:
    """Invoke a method.

    Without an answer it is unknown whether the meter did it: look before you repeat it.
    """
    from ferraris.cli.values import parse_object, parse_value
    from ferraris.client.wishes import ActData
    from ferraris.data.kinds import show
    from ferraris.model.registry import newest

    class_id, name, index = parse_object(method)
    declared = newest(class_id)
    known = None if declared is None else declared.methods.get(index)
    data = parse_value(value or "integer:0", None if known is None else known.type)
    protected = _protected(layers, through_object, unconfirmed=unconfirmed)
    with opened(url, given) as meter:
        if protected is None:
            answer = meter.act_data(class_id, name, index, data, confirmed=not unconfirmed)
        else:
            answer = meter.invoke_protected(ActData(class_id, name, index, data), **protected)
    if unconfirmed:
        typer.echo(_SENT)
    else:
        typer.echo("done" if answer is None else f"done: {show(answer)}")


def _protected(layers: str | None, name: str, *, unconfirmed: bool) -> dict[str, Any] | None:
    """What the protected services take; they are answered always."""
    found = through(layers, name)
    if found is not None and unconfirmed:
        raise UsageError("--layers goes without --unconfirmed")
    return found


def opened(url: str, given: MeterOptions) -> AbstractContextManager[Any]:
    """The meter at `url`, associated as the options say."""
    import ferraris
    from ferraris.cli.credentials import high_priority, security_of

    tap = wanted_tap()
    priority = high_priority(given)
    security = security_of(given, url)
    if url.startswith("sim://") and security == ferraris.NoSecurity() and given.client is None:
        # The meter gives its own keys.
        return ferraris.open(url, timeout_s=given.timeout, tap=tap, high_priority=priority)
    return ferraris.open(
        url,
        client=given.client,
        server=given.server,
        security=security,
        timeout_s=given.timeout,
        tap=tap,
        pre_established=given.pre_established,
        high_priority=priority,
        short_names=given.short_names or None,
    )


def _show_text(readings: list[Reading], series: Series | None) -> None:
    from ferraris.cli.readings import table_lines, text_line

    for reading in readings:
        typer.echo(text_line(reading))
    if series is not None:
        for line in table_lines(series):
            typer.echo(line)


def _show_json(url: str, readings: list[Reading], series: Series | None) -> None:
    from ferraris.cli.output import json_text
    from ferraris.cli.readings import reading_shape, series_shape

    shape: dict[str, Any] = {"version": 1, "meter": url}
    shape["readings"] = [reading_shape(reading) for reading in readings]
    shape["profile"] = None if series is None else series_shape(series)
    typer.echo(json_text(shape))


def _show_csv(readings: list[Reading], series: Series | None) -> None:
    import csv

    from ferraris.cli.readings import csv_rows

    csv.writer(sys.stdout, lineterminator="\n").writerows(csv_rows(readings, series))


def _write_parquet(series: Series, file: str) -> None:
    try:
        from ferraris.cli.columns_parquet import write_parquet
    except ImportError:
        raise UsageError("--parquet needs the data extra: pip install 'ferraris[data]'") from None
    write_parquet(series, Path(file))
    typer.echo(f"{file}: {len(series)} rows", err=True)
