"""`ferraris headend export`: readings of many meters into files, here or from afar."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from ferraris.cli.failures import DONE
from ferraris.cli.headend_asking import Head, asking
from ferraris.cli.output import json_text
from ferraris.cli.progress import progress_bar
from ferraris.core.errors import UsageError
from ferraris.headend.export import Choice
from ferraris.headend.export.files import claim_folder, whole_file
from ferraris.headend.operations.export import Form, export_readings
from ferraris.headend.operations.operation import declared
from ferraris.headend.operations.shape import converted

__all__ = ["COMMANDS"]

_ENDINGS = {Form.ARROW: "arrows", Form.CSV: "csv", Form.CSV_WIDE: "csv", Form.PARQUET: "parquet"}
_Many = list[str] | None


def export(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="TIME", help="As in 2026-03-01T00:00Z.")],
    until: Annotated[str, typer.Option(metavar="TIME", help="The end, like it.")],
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help="Where files go.")],
    form: Annotated[Form, typer.Option(help="Parquet is one file a UTC day.")] = Form.PARQUET,
    group: Annotated[str, typer.Option(metavar="NAME", help="Its meters only.")] = "",
    meter: Annotated[_Many, typer.Option(metavar="ID", help="This meter only.")] = None,
    profile: Annotated[_Many, typer.Option(metavar="OBIS", help="This profile only.")] = None,
    channel: Annotated[_Many, typer.Option(metavar="OBIS", help="This channel only.")] = None,
    values: Annotated[Choice, typer.Option(help="What meters said, or what was made of it.")] = (
        Choice.RAW
    ),
    registers: Annotated[bool, typer.Option(help="Register reads as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> int:
    """Write readings of many meters into a folder; a day that is there is written anew.

    Parquet is `day=YYYY-MM-DD/readings.parquet` for each whole UTC day with values, so that pandas,
    DuckDB and others read the folder as one table. A file is whole or it is not there.
    """
    begin, end = converted("since", since, datetime), converted("until", until, datetime)
    query = {
        "group": [group] if group else [],
        "meter": meter or [],
        "profile": profile or [],
        "channel": channel or [],
        "values": [values.value],
        "registers": ["true" if registers else "false"],
    }
    query = {name: given for name, given in query.items() if given}
    folder = Path(to)
    with asking(context) as head:
        if form is Form.PARQUET:
            files = _days(head, query, begin, end, folder)
        else:
            name = f"readings-{begin:%Y%m%d}-{end:%Y%m%d}.{_ENDINGS[form]}"
            files = [_write(head, {**query, "form": [form.value]}, begin, end, folder / name)]
    if as_json:
        typer.echo(json_text({"version": 1, "files": [str(file) for file in files]}))
    else:
        for file in files:
            typer.echo(str(file))
    return DONE


def _days(
    head: Head, query: Mapping[str, Sequence[str]], begin: datetime, end: datetime, folder: Path
) -> list[Path]:
    from ferraris.headend.export.columns_files import FILE, rows_in

    first, last = begin.date(), (end - timedelta(seconds=1)).date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if not days:
        raise UsageError("an export ends after it begins")
    claim_folder(folder, json.dumps(query, sort_keys=True))
    files = []
    with progress_bar("days") as progress:
        for done, day in enumerate(days, 1):
            place = folder / f"day={day}" / FILE
            asked = {**query, "form": [Form.PARQUET.value]}
            _write(head, asked, _midnight(day), _midnight(day + timedelta(days=1)), place)
            if rows_in(place):
                files.append(place)
            else:
                place.unlink()
                place.parent.rmdir()
            progress(done, len(days))
    return files


def _write(
    head: Head,
    query: Mapping[str, Sequence[str]],
    since: datetime,
    until: datetime,
    place: Path,
) -> Path:
    asked = {**query, "since": [since.isoformat()], "until": [until.isoformat()]}
    stream = head.ask(declared(export_readings), {}, asked, None)
    with closing(stream), whole_file(place) as file:
        for chunk in stream.chunks:
            file.write(chunk)
    return place


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


COMMANDS = {"export": export}
"""By their words."""
