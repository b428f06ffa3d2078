"""`ferraris obis`: what a code means group by group, and codes by words."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ferraris.core.errors import UsageError

__all__ = ["register"]

_USUALLY_SHOWN = 25


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("obis")(obis)


def obis(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE|WORD...]", help="Codes, or words.")
    ] = None,
    wanted: Annotated[
        str | None, typer.Option("--search", metavar="WORDS", help="Find codes by these words.")
    ] = None,
    most: Annotated[
        int, typer.Option("--most", metavar="N", min=1, max=1000, help="Show so many results.")
    ] = _USUALLY_SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Say what OBIS codes mean, in any spelling, or find codes by words, the best match first."""
    asked = list(words or ())
    if wanted is None and not asked:
        raise UsageError("which code? for example 1-0:1.8.2*255, or --search 'active import'")
    codes = _codes(asked) if wanted is None else None
    if codes is not None:
        _show_codes(codes, as_json=as_json)
    else:
        _show_found(" ".join([*asked, wanted or ""]).strip(), most, as_json=as_json)


def _codes(words: list[str]) -> list[bytes] | None:
    """The codes that the words are, each of them or all of them one; None for other words."""
    from ferraris.data.obis import Obis

    try:
        return [Obis.parse(word) for word in words]
    except UsageError:
        if len(words) == 1 and words[0][:1].isdigit() and "." in words[0]:
            raise
    try:
        return [Obis.parse(" ".join(words))]
    except UsageError:
        return None


def _show_codes(codes: list[bytes], *, as_json: bool) -> None:
    if as_json:
        _print_json([_shape(code) for code in codes])
        return
    for position, code in enumerate(codes):
        if position:
            typer.echo()
        for line in _lines(_shape(code)):
            typer.echo(line)


def _shape(code: bytes) -> dict[str, Any]:
    from ferraris.model import obis_names

    return {
        "obis": str(code),
        "name": obis_names.name(code),
        "groups": [group._asdict() for group in obis_names.groups(code)],
        "classes": _classes(obis_names.classes(code)),
        "provenance": obis_names.provenance(code),
    }


def _classes(numbers: tuple[int, ...]) -> list[dict[str, Any]]:
    from ferraris.model import registry

    return [{"class_id": number, "name": registry.name(number)} for number in numbers]


def _lines(shape: dict[str, Any]) -> list[str]:
    lines = [f"{shape['obis']}  {shape['name']}", ""]
    for each in shape["groups"]:
        lines.append(f"  {each['group']}  {each['number']:>3}  {each['meaning'] or '-'}")
    classes = ", ".join(f"{each['class_id']} {each['name']}".strip() for each in shape["classes"])
    return [
        *lines,
        "",
        f"  usual classes  {classes or '-'}",
        f"  rests on       {shape['provenance'] or '-'}",
    ]


def _show_found(words: str, most: int, *, as_json: bool) -> None:
    from ferraris.model import obis_names

    found = obis_names.search(words, most + 1)
    if not found:
        raise UsageError(f"no name has {words[:80]!r} in it")
    shown = found[:most]
    if as_json:
        rows = [
            {
                "obis": hit.pattern,
                "name": hit.name,
                "classes": _classes(hit.classes),
                "provenance": hit.provenance,
            }
            for hit in shown
        ]
        _print_json(rows)
        return
    width = max(len(hit.pattern) for hit in shown)
    for hit in shown:
        typer.echo(f"{hit.pattern.ljust(width)}  {hit.name}")
    if len(found) > most:
        typer.echo(f"... and more: add a word, or --most {most * 4}", err=True)


def _print_json(rows: list[dict[str, Any]]) -> None:
    from ferraris.cli.output import json_text

    typer.echo(json_text({"version": 1, "found": rows}))
