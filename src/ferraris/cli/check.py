"""`ferraris check`: is a meter as its companion specification says?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.cli.capture import with_capture
from ferraris.cli.options import MeterOptions, Url, with_meter_options

if TYPE_CHECKING:
    from ferraris.client.checking import CheckReport, Finding

__all__ = ["register"]

_VERSION = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(with_capture(check))


@with_meter_options
def check(
    url: Url,
    given: MeterOptions,
    companion: Annotated[
        str, typer.Option(metavar="NAME", help="smr-5.2, … or a .toml file of your own.")
    ],
    kind: Annotated[
        str | None, typer.Option(help="single-phase, three-phase …; else what fits best.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels that the meter has; else all of them.")
    ] = None,
    allow_extra: Annotated[
        bool, typer.Option("--allow-extra", help="Objects beyond the specification are no fault.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> int:
    """Compare a meter with a companion specification.

    Tells what is missing, extra and different, and what could not be checked and why. Ends with 0
    when nothing is missing, extra or different, with 1 otherwise.
    """
    from ferraris.cli.failures import DONE, REFUSED
    from ferraris.cli.meters import opened
    from ferraris.cli.output import json_text
    from ferraris.cli.progress import progress_bar
    from ferraris.client.comparing import EXTRA, UNCHECKED
    from ferraris.model.companion import companion as specification

    wanted = specification(companion)
    wanted.expected(kind, channels)  # a wrong wish is found before the meter is asked
    with opened(url, given) as meter, progress_bar("objects") as progress:
        report = meter.check(wanted, kind=kind, channels=channels, progress=progress)
    harmless = {UNCHECKED, EXTRA} if allow_extra else {UNCHECKED}
    passed = all(finding.verdict in harmless for finding in report.findings)
    if as_json:
        typer.echo(json_text(_shape(url, report, passed)))
    else:
        for line in _lines(report, passed):
            typer.echo(line)
    return DONE if passed else REFUSED


def _shape(url: str, report: CheckReport, passed: bool) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "meter": url,
        "companion": report.companion,
        "kind": report.kind,
        "kind_assumed": report.assumed,
        "channels": report.channels,
        "client": report.client,
        "objects": report.objects,
        "expected": report.expected,
        "passed": passed,
        "findings": [
            {
                "verdict": finding.verdict,
                "class_id": finding.class_id,
                "obis": str(finding.logical_name),
                "name": finding.name,
                "attribute": finding.attribute or None,
                "what": finding.what or None,
                "expected": finding.expected or None,
                "found": finding.found or None,
                "rests_on": finding.rests_on or None,
            }
            for finding in report.findings
        ],
    }


def _lines(report: CheckReport, passed: bool) -> Iterator[str]:
    taken = f"{report.kind}, which fits best" if report.assumed else report.kind
    channels = f", {report.channels} channels" if report.channels else ""
    yield f"{report.companion}: {taken}{channels}; {report.objects} objects"
    yield from _table([finding for finding in report.findings if finding.verdict != "unchecked"])
    yield from _unchecked(report.of("unchecked"))
    counts = Counter(finding.verdict for finding in report.findings)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS)
    yield f"{'passed' if passed else 'failed'}: {told}"


_VERDICTS = ("missing", "extra", "differs", "unchecked")
_HEAD = ("", "class", "object", "what", "expected", "found", "name")


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    rows = [_HEAD, *map(_row, findings)]
    if not findings:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _row(finding: Finding) -> tuple[str, ...]:
    place = f"/{finding.attribute}" if finding.attribute else ""
    return (
        finding.verdict,
        str(finding.class_id),
        f"{finding.logical_name}{place}",
        finding.what,
        _printable(finding.expected),
        _printable(finding.found),
        finding.name + (" (memory)" if finding.rests_on == "memory" else ""),
    )


def _unchecked(findings: Sequence[Finding]) -> Iterator[str]:
    """One line for each thing and reason: there are many, and few differ."""
    reasons: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        # What was found in place of a type that nobody states says nothing by itself.
        unknown = finding.expected.startswith("a type that")
        why = finding.expected if unknown or finding.what != "type" else finding.found
        reasons.setdefault((finding.what, why), []).append(finding)
    for (what, why), listed in reasons.items():
        objects = len({(each.class_id, each.logical_name) for each in listed})
        first = listed[0]
        yield f"unchecked  {what} of {objects} objects, as {first.logical_name}: {why}"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "·" for letter in text)
