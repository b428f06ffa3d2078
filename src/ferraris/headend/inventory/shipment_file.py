"""Reading shipment files: CSV and JSON into rows of cells, whatever the octets, in bounded memory.

A row of CSV is one line, UTF-8, with commas, semicolons or tabs; the first line names the columns.
JSON is a list of objects, or an object whose `meters` is that list; its labels may be an object.
Rows are counted by lines, or by objects from 1.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from io import BytesIO
from typing import Any, BinaryIO, Final, NamedTuple

from ferraris.headend.inventory.shipment_report import Findings

__all__ = ["LABEL_COLUMN", "Row", "read_rows"]

LABEL_COLUMN: Final = "label."

_MOST_ROWS = 100_000
_LINE_OCTETS = 1 << 16
_JSON_OCTETS = 1 << 26
_FILE_OCTETS = 1 << 28
_DELIMITERS = ",;\t"
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = "save it as UTF-8"


class Row(NamedTuple):
    """Cells by column; those that a row leaves out are not there."""

    number: int
    cells: dict[str, str]


def read_rows(source: BinaryIO | bytes, known: frozenset[str], findings: Findings) -> list[Row]:
    """The rows of a file whose columns are `known` ones and labels; what is wrong is noted."""
    stream = BytesIO(source) if isinstance(source, bytes) else source
    first = stream.readline(_LINE_OCTETS + 1)
    if first.startswith(_UTF_16) or first[1:2] == b"\x00":
        findings.add(0, "", "the file is UTF-16", _SAVE_AS)
        return []
    first = first.removeprefix(_BOM)
    while first and not first.strip() and len(first) <= _LINE_OCTETS:
        first = stream.readline(_LINE_OCTETS + 1)
    if first.lstrip()[:1] in (b"{", b"["):
        findings.counted = "meter"
        return _json_rows(first, stream, known, findings)
    return _csv_rows(first, stream, known, findings)


def _csv_rows(
    first: bytes, stream: BinaryIO, known: frozenset[str], findings: Findings
) -> list[Row]:
    if not first:
        findings.add(0, "", "the file is empty", "the first line names the columns")
        return []
    delimiter, columns = _header(first, known, findings)
    if not columns:
        return []
    rows: list[Row] = []
    for number, text in _lines(stream, findings):
        if len(rows) == _MOST_ROWS:
            findings.add(number, "", f"more than {_MOST_ROWS} rows", "split the file")
            break
        try:
            (cells,) = csv.reader((text,), delimiter=delimiter, strict=True)
        except (csv.Error, ValueError):
            findings.add(
                number, "", "quotes are broken", "quotes begin and end a cell, a row is one line"
            )
            continue
        if len(cells) != len(columns):
            what = f"{len(cells)} cells, but {len(columns)} columns"
            findings.add(number, "", what, "put cells with a delimiter in them in quotes")
            continue
        kept = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
        rows.append(Row(number, kept))
    return rows


def _header(
    line: bytes, known: frozenset[str], findings: Findings
) -> tuple[str, list[str]]:  # fmt: skip
    text = _decoded(line, 1, findings)
    if text is None:
        return "", []
    delimiter = max(_DELIMITERS, key=text.count)
    try:
        (cells,) = csv.reader((text,), delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        findings.add(1, "", "the quotes of the first line are broken", "it names the columns")
        return "", []
    columns = [cell.strip() for cell in cells]
    if "external_id" not in columns:  # perhaps no names at all, but keys: repeat nothing
        findings.add(1, "external_id", "the column is missing", "the first line names the columns")
        return delimiter, []
    return delimiter, columns if _check_columns(1, columns, known, findings) else []


def _check_columns(
    row: int, columns: list[str], known: frozenset[str], findings: Findings
) -> bool:  # fmt: skip
    before = findings.count
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            findings.add(row, column, "the column comes twice")
        seen.add(column)
        if column not in known and not column.startswith(LABEL_COLUMN):
            close = get_close_matches(column[:40], known, 1)
            remedy = f"{close[0]} is meant?" if close else "labels are label.NAME"
            findings.add(row, column, "there is no such column", remedy)
            if findings.count - before > 10:
                break
    return findings.count == before


def _lines(stream: BinaryIO, findings: Findings) -> Iterator[tuple[int, str]]:
    """Lines from the second on that can be read, with their numbers."""
    number, octets = 1, 0
    while line := stream.readline(_LINE_OCTETS + 1):
        number += 1
        octets += len(line)
        if len(line) > _LINE_OCTETS:
            findings.add(number, "", f"longer than {_LINE_OCTETS} octets", "no CSV?")
            while line and not line.endswith(b"\n"):
                line = stream.readline(_LINE_OCTETS)
                octets += len(line)
                if octets > _FILE_OCTETS:
                    break
        elif line.strip():
            text = _decoded(line, number, findings)
            if text is not None:
                yield number, text
        if octets > _FILE_OCTETS:
            findings.add(0, "", f"more than {_FILE_OCTETS} octets", "split the file")
            return


def _decoded(line: bytes, number: int, findings: Findings) -> str | None:
    if len(line) > _LINE_OCTETS:
        findings.add(number, "", f"longer than {_LINE_OCTETS} octets", "no CSV?")
        return None
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        findings.add(number, "", f"not UTF-8 at octet {error.start + 1}", _SAVE_AS)
        return None
    if "\x00" in text or "\r" in text:
        findings.add(number, "", "control characters in the text", "no CSV?")
        return None
    return text


class _Object(dict[str, Any]):
    """An object of JSON that remembers a name that came twice."""

    twice: str | None = None

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> _Object:
        made = cls(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            made.twice = next(name for name in names if names.count(name) > 1)
        return made


def _json_rows(
    first: bytes, stream: BinaryIO, known: frozenset[str], findings: Findings
) -> list[Row]:
    octets = first + stream.read(_JSON_OCTETS + 1)
    if len(octets) > _JSON_OCTETS:
        what = f"more than {_JSON_OCTETS} octets of JSON"
        findings.add(0, "", what, "split the file, or use CSV")
        return []
    try:
        document = json.loads(octets.decode(), object_pairs_hook=_Object.of)
    except UnicodeDecodeError as error:
        findings.add(0, "", f"not UTF-8 at octet {error.start + 1}", _SAVE_AS)
        return []
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}"
        findings.add(0, "", f"no JSON: {error.msg} at {place}")
        return []
    except (ValueError, RecursionError):
        findings.add(0, "", "no JSON: nested too deep, or a number too long")
        return []
    meters = document.get("meters") if isinstance(document, dict) else document
    if not isinstance(meters, list) or (
        isinstance(document, dict) and document.keys() != {"meters"}
    ):
        findings.add(0, "", 'neither a list of meters nor an object with "meters" alone')
        return []
    if len(meters) > _MOST_ROWS:
        findings.add(0, "", f"more than {_MOST_ROWS} meters", "split the file")
        return []
    rows = [_json_row(number, each, known, findings) for number, each in enumerate(meters, 1)]
    return [row for row in rows if row is not None]


def _json_row(
    number: int, meter: object, known: frozenset[str], findings: Findings
) -> Row | None:  # fmt: skip
    if not isinstance(meter, _Object):
        findings.add(number, "", "a meter is an object")
        return None
    fields = dict(meter)
    twice = meter.twice
    labels = fields.pop("labels", None)
    if isinstance(labels, _Object):
        twice = twice or labels.twice
        fields |= {f"{LABEL_COLUMN}{name}": value for name, value in labels.items()}
    elif labels is not None:
        findings.add(number, "labels", "an object of names and values")
        return None
    if twice is not None:
        findings.add(number, twice, "the name comes twice")
        return None
    if not _check_columns(number, list(fields), known, findings):
        return None
    if "external_id" not in fields:
        findings.add(number, "external_id", "is missing")
        return None
    return Row(number, cells) if (cells := _cells(number, fields, findings)) is not None else None


def _cells(number: int, fields: Mapping[str, Any], findings: Findings) -> dict[str, str] | None:
    cells: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, str):
            cells[name] = value.strip()
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
            cells[name] = str(value)
        elif value is None:
            cells[name] = ""
        else:
            findings.add(number, name, "a text or a whole number")
            return None
    return cells
