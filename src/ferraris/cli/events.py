"""`ferraris events`: what codes in event logs and bits of alarm registers mean."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ferraris.core.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("events")(events)


def events(
    companion: Annotated[
        str | None,
        typer.Argument(metavar="[COMPANION]", help="A specification, such as smr-5.2 or idis."),
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="N|KEY", help="Only this log.")
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", metavar="N", help="Only this code, 80 or 0x8080.")
    ] = None,
    wanted: Annotated[
        str | None, typer.Option("--search", metavar="WORDS", help="Only what says these words.")
    ] = None,
    with_alarms: Annotated[
        bool, typer.Option("--alarms", help="The bits of alarm registers instead.")
    ] = False,
    with_status: Annotated[
        bool, typer.Option("--status", help="The bits of the status of profiles instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Say what event codes mean. The same code means other things in other specifications."""
    from ferraris.cli.output import aligned, json_text
    from ferraris.model import events as tables

    number = None if code is None else _number(code)
    if (log is not None) + with_alarms + with_status > 1:
        raise UsageError("--log, --alarms and --status do not go together: each lists other things")
    rows: list[dict[str, Any]] = []
    for each in tables.families() if companion is None else (companion,):
        if with_alarms:
            rows += _alarm_rows(each)
        elif with_status:
            rows += _status_rows(each)
        else:
            rows += _event_rows(each, log, everywhere=companion is None)
    found = [
        row
        for row in rows
        if (number is None or number == row.get("code", row.get("bit")))
        and tables.says(row["words"], wanted or "")
    ]
    if not found:
        raise UsageError("no event is so: ferraris events lists all, with their specifications")
    if as_json:
        typer.echo(json_text({"version": 1, "found": found}))
        return
    for line in aligned(found, right=("code", "bit")):
        typer.echo(line)


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"not a code: {text[:40]!r} (try 80 or 0x8080)") from None


def _event_rows(companion: str, log: str | None, *, everywhere: bool) -> list[dict[str, Any]]:
    from ferraris.model import events as tables

    chosen = int(log) if log is not None and log.isdecimal() else log
    if everywhere and not any(chosen in (None, *each[:2]) for each in tables.logs(companion)):
        return []  # other specifications may have this log
    return [
        {
            "companion": event.companion,
            "log": event.log.number,
            "title": event.log.title,
            "code": event.code,
            "words": event.words,
            "rests_on": event.provenance,
        }
        for event in tables.events(companion, chosen)
    ]


def _alarm_rows(companion: str) -> list[dict[str, Any]]:
    from ferraris.model import events as tables

    return [
        {
            "companion": alarm.companion,
            "register": alarm.register,
            "bit": alarm.bit,
            "words": alarm.words,
            "rests_on": alarm.provenance,
        }
        for alarm in tables.alarms(companion)
    ]


def _status_rows(companion: str) -> list[dict[str, Any]]:
    from ferraris.model import events as tables

    return [
        {
            "companion": status.companion,
            "bit": status.bit,
            "words": status.words,
            "rests_on": status.provenance,
        }
        for status in tables.status_bits(companion)
    ]
