"""`ferraris obis`, `units`, `provenance`: look-ups."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.model.companion import Companion

__all__ = ["register"]

_MARK = re.compile(r"\[memory(?: §[^\]]*)?\]")
_MOST_FOUND = 200


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("obis")(obis)
    app.command("units")(units)
    app.command("provenance")(provenance)


AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


def obis(
    words: Annotated[list[str], typer.Argument(metavar="CODE|WORD...", help="A code, or words.")],
    as_json: AsJson = False,
) -> None:
    """Say what an OBIS code names, in any spelling, or find codes by words."""
    from ferraris.data.obis import Obis
    from ferraris.model import obis_names

    found: list[tuple[str, str]]
    try:
        code = Obis.parse(" ".join(words))
    except UsageError:
        if any(character.isdigit() for character in words[0]) and len(words) == 1:
            raise
        hits = obis_names.search(" ".join(words), _MOST_FOUND)
        found = [(hit.pattern, hit.name) for hit in hits]
        if not found:
            raise UsageError(f"no name has {' '.join(words)!r} in it") from None
    else:
        found = [(str(code), obis_names.name(code))]
    _show([{"obis": code_text, "name": name} for code_text, name in found], as_json=as_json)


def units(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[CODE|SYMBOL]", help="A code, a symbol, a word.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the units of COSEM: code, symbol, name and quantity."""
    from ferraris.data.units import UNITS

    rows = [unit._asdict() for unit in UNITS.values()]
    if wanted is not None:
        rows = [row for row in rows if _matches(row, wanted)]
        if not rows:
            raise UsageError(f"no unit is {wanted!r}")
    _show(rows, as_json=as_json)


def provenance(as_json: AsJson = False) -> None:
    """List the data that rest on memory or on a single source."""
    _show(list(_weak()), as_json=as_json)


def _matches(row: dict[str, Any], wanted: str) -> bool:
    if wanted.isdigit():
        return bool(row["code"] == int(wanted))
    if wanted in (row["symbol"], row["symbol"].replace("³", "3").replace("²", "2")):
        return True
    return len(wanted) > 2 and wanted.lower() in f"{row['name']} {row['quantity']}".lower()


def _weak() -> Iterator[dict[str, Any]]:
    from ferraris.client.push_makers import MAKERS
    from ferraris.data.units import UNITS
    from ferraris.model import companion, registry

    for declared in registry.classes():
        if declared.provenance != "two-sources":
            yield {"what": declared.title(), "rests_on": declared.provenance}
    for maker in MAKERS:
        if maker.provenance != "two-sources":
            what = f"scalers and order of the lists that {maker.prefix}… meters push"
            yield {"what": what, "rests_on": maker.provenance}
    for unit in UNITS.values():
        if unit.provenance == "memory":
            yield {"what": f"unit {unit.code}, {unit.name}", "rests_on": "memory"}
    for name in companion.names():
        yield from _weak_rows(companion.companion(name))
    for module, line in _marked(resources.files("ferraris"), "ferraris"):
        yield {"what": f"{module}: {line}", "rests_on": "memory"}


def _weak_rows(specification: Companion) -> Iterator[dict[str, Any]]:
    """The rows of a companion specification of its own, counted by what they rest on."""
    own = (row for row in specification.objects if row.origin == specification.name)
    for rests_on, count in sorted(Counter(row.provenance for row in own).items()):
        if rests_on != "two-sources":
            what = f"companion specification {specification.name}, {count} of its rows"
            yield {"what": what, "rests_on": rests_on}


def _marked(folder: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every line of our own source that cites memory."""
    for entry in sorted(folder.iterdir(), key=lambda entry: str(entry.name)):
        if entry.is_dir() and not entry.name.startswith("_"):
            yield from _marked(entry, f"{name}.{entry.name}")
        elif entry.name.endswith(".py") and entry.name != "look_up.py":
            for line in entry.read_text(encoding="utf-8").splitlines():
                if _MARK.search(line):
                    yield f"{name}.{entry.name.removesuffix('.py')}", line.strip(" #\"'")


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    from ferraris.cli.output import json_text

    if as_json:
        typer.echo(json_text({"version": 1, "found": rows}))
        return
    widths: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            widths[name] = max(widths.get(name, 0), len(str(value)))
    for row in rows:
        cells = (str(value).ljust(widths[name]) for name, value in row.items())
        typer.echo("  ".join(cells).rstrip())
