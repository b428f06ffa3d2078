"""What an operation answers, for people and for programs; the same from here and from afar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import typer

from ferraris.cli.failures import DONE, REFUSED
from ferraris.cli.output import aligned, indented, json_text
from ferraris.headend.operations.streams import Stream

__all__ = ["show", "table"]

_WIDEST = 60


def show(answer: Any, *, as_json: bool, out: str | None) -> int:
    """Print it, or write it to a file; 0, or 1 for a check that found something (`intact`).

    What is no JSON, as columns are, goes to a file where JSON is wanted: that tells of the file.
    """
    if isinstance(answer, Stream):
        return _poured(answer, as_json=as_json, out=out)
    plain = msgspec.to_builtins(answer)
    if out is not None:
        Path(out).write_text(json_text(plain) + "\n", encoding="utf-8")
    elif as_json:
        typer.echo(json_text(plain))
    else:
        for line in _lines(plain):
            typer.echo(line)
    return REFUSED if isinstance(plain, dict) and plain.get("intact") is False else DONE


def _poured(stream: Stream, *, as_json: bool, out: str | None) -> int:
    with closing(stream):
        if out is not None:
            with Path(out).open("wb") as file:
                file.writelines(stream.chunks)
                octets = file.tell()
            if as_json:
                told = {"file": out, "media_type": stream.media_type, "octets": octets}
                typer.echo(json_text(told))
            return DONE
        for chunk in stream.chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    return DONE


def _lines(plain: Any) -> Iterator[str]:
    if plain is None:
        return
    if isinstance(plain, dict) and set(plain) == {"items", "next"}:
        yield from table(plain["items"])
        if plain["next"]:
            typer.echo(f"there is more: --after {plain['next']}", err=True)
    elif isinstance(plain, list):
        yield from table(plain)
    else:
        yield from indented(plain)


def table(rows: Sequence[Any]) -> Iterator[str]:
    """Rows under the names of their fields, aligned; columns without anything are left out."""
    if not rows:
        return
    if not all(isinstance(row, dict) for row in rows):
        yield from (_cell(row) for row in rows)
        return
    names = [name for name in rows[0] if any(row.get(name) not in (None, "") for row in rows)]
    numbers = [name for name in names if all(_number(row.get(name)) for row in rows)]
    heads = {name: name.replace("_", " ") for name in names}
    cells = [{name: _cell(row.get(name)) for name in names} for row in rows]
    yield from aligned([heads, *cells], right=numbers)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        text = ", ".join(map(str, value))
    elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
        text = "; ".join(" ".join(str(v) for v in each.values() if v != "") for each in value)
    elif isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    text = "".join(c if c.isprintable() else "·" for c in text)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
