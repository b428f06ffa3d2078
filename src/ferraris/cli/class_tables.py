"""`ferraris classes`: the interface classes as tables, and as JSON for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ferraris.core.errors import UsageError

__all__ = ["LAYOUT_NOT_KNOWN", "register"]

LAYOUT_NOT_KNOWN = "layout not known"
_WIDEST_TYPE = 88


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("classes")(classes)


def classes(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[ID[/VERSION]]", help="One class, by default all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of --json.")] = False,
) -> None:
    """List the interface classes, or show one with its attributes and methods."""
    from ferraris.cli.output import json_text
    from ferraris.model import export

    if schema:
        typer.echo(json_text(export.schema()))
        return
    shape = export.registry_shape()
    if wanted is not None:
        _keep(shape, *_parsed(wanted))
    if as_json:
        typer.echo(json_text(shape))
        return
    for line in _list(shape) if wanted is None else _details(shape):
        typer.echo(line)


def _parsed(wanted: str) -> tuple[int, int | None]:
    class_id, slash, version = wanted.partition("/")
    if not class_id.isdecimal() or (slash and not version.isdecimal()):
        raise UsageError(f"{wanted!r} is no class: give its number, or number/version as in 40/2")
    return int(class_id), int(version) if slash else None


def _keep(shape: dict[str, Any], class_id: int, version: int | None) -> None:
    """Leave nothing but one class, in one version where it is told."""
    for name in ("classes", "known_by_name", "later_versions"):
        shape[name] = [each for each in shape[name] if each["class_id"] == class_id]
    shape["groups"] = [each for each in shape["groups"] if class_id in each["class_ids"]]
    declared = [each["version"] for each in shape["classes"]]
    if not declared and not shape["known_by_name"]:
        raise UsageError(f"no class {class_id} is known; `ferraris classes` lists them")
    if version is None or not declared:
        return
    for name in ("classes", "later_versions"):
        shape[name] = [each for each in shape[name] if each["version"] == version]
    if not shape["classes"] and not shape["later_versions"]:
        there = ", ".join(map(str, declared))
        raise UsageError(f"no version {version} of class {class_id} is known, but {there}")


def _list(shape: dict[str, Any]) -> Iterator[str]:
    """All classes, group by group."""
    from ferraris.cli.output import aligned

    rows: list[dict[str, Any]] = []
    for group in shape["groups"]:
        for class_id in group["class_ids"]:
            found = [each for each in shape["classes"] if each["class_id"] == class_id]
            rows.append(
                {
                    "group": group["title"],
                    "id": class_id,
                    "versions": ", ".join(str(each["version"]) for each in found),
                    "words": found[-1]["words"],
                    "rests_on": _marks(found),
                }
            )
    for each in shape["known_by_name"]:
        row = {"group": each["group"], "id": each["class_id"], "versions": "-"}
        row |= {"words": each["name"], "rests_on": f"{each['provenance']}; {LAYOUT_NOT_KNOWN}"}
        rows.append(row)
    titles = [row.pop("group") for row in rows]
    before = ""
    for title, line in zip(titles, aligned(rows, right=("id",)), strict=True):
        if title != before:
            yield title if not before else f"\n{title}"
            before = title
        yield f"  {line}"


def _marks(found: list[dict[str, Any]]) -> str:
    """What the versions rest on: one mark, or each with its versions."""
    marks: dict[str, list[str]] = {}
    for each in found:
        marks.setdefault(each["provenance"], []).append(str(each["version"]))
    if len(marks) == 1:
        return next(iter(marks))
    return ", ".join(f"{mark} ({' '.join(versions)})" for mark, versions in marks.items())


def _details(shape: dict[str, Any]) -> Iterator[str]:
    """Every version of one class."""
    for each in shape["known_by_name"]:
        yield f"{each['name']} (class {each['class_id']})"
        yield f"{LAYOUT_NOT_KNOWN}; the name rests on {each['provenance']} [{each['source']}]"
        yield "its objects are read attribute by attribute, as plain data"
    for number, each in enumerate(shape["classes"]):
        if number:
            yield ""
        yield f"{each['words']} (class {each['class_id']}, version {each['version']})"
        yield from each["description"].splitlines()
        yield f"{each['group']}; rests on {each['provenance']} [{each['source']}]"
        yield from _members("attributes", each["attributes"])
        yield from _members("methods", each["methods"])
    for each in shape["later_versions"]:
        key = f"class {each['class_id']}, version {each['version']}"
        yield f"{key}: {LAYOUT_NOT_KNOWN}; that there is one rests on {each['provenance']}"


def _members(title: str, members: list[dict[str, Any]]) -> Iterator[str]:
    from ferraris.cli.output import aligned

    if not members:
        return
    yield f"  {title}"
    for line in aligned([_member(each) for each in members], right=("index",)):
        yield f"  {line}"


def _member(each: dict[str, Any]) -> dict[str, Any]:
    offset = each["short_name_offset"]
    if "words" in each:
        kind = "dynamic" if each["is_dynamic"] else "static" if each["is_static"] else ""
        words = each["words"]
    else:
        kind, words = "", each["parameter_words"]
        if each["returns_words"] is not None:
            words += f" -> {each['returns_words']}"
    if each["is_optional"]:
        kind = f"{kind} optional".strip()
    if not each["is_verified"]:
        kind = f"{kind} unverified".strip()
    if len(words) > _WIDEST_TYPE:
        words = f"{words[: _WIDEST_TYPE - 1]}…"
    return {
        "index": each["index"],
        "name": each["name"],
        "kind": kind,
        "offset": "" if offset is None else f"+0x{offset:02x}",
        "words": words,
    }
