"""A customer's data as an archive for them: what is kept of their time with each meter.

A zip of CSV for people and their spreadsheets, JSON for programs, and what it all means in English
and German. Rows are those of the customer's time to the second, whoever's key they lie under.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final

from sqlalchemy import Connection, select

from ferraris.headend.privacy.erasing import customer_row, spans_of_customer
from ferraris.headend.privacy.explaining import EXPLANATIONS
from ferraris.headend.privacy.gathering import Theirs, Value
from ferraris.headend.privacy.holding import FOREVER_S
from ferraris.headend.privacy.records_of import TABLES
from ferraris.headend.store.finals import Finals
from ferraris.headend.store.sealing import ErasedError, Sealer
from ferraris.headend.store.tables.inventory import (
    METER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
    TENANT,
)

__all__ = ["Handed", "hand_out"]

_VALUES: Final = (
    "meter", "profile", "channel", "time", "value", "unit", "status", "quality", "version",
)  # fmt: skip
_FINAL: Final = ("final_quality", "final_rule")


@dataclass(frozen=True, slots=True)
class Handed:
    """What an archive holds: how many values, and from when to when of which meters."""

    customer: str
    times: Mapping[str, tuple[int, int]]
    values: int


def hand_out(
    connection: Connection,
    sealer: Sealer,
    tenant: int,
    name: str,
    target: IO[bytes],
    *,
    at_s: float,
    finals: Finals | None = None,
) -> Handed:
    """Write the archive of a customer to `target`, which need not be able to seek.

    Raises `NotFoundError` for an unknown customer, `ErasedError` for one who was erased.
    """
    row = customer_row(connection, tenant, name)
    if row["erased_s"] is not None:
        raise ErasedError(row["erased_s"], where="privacy")
    spans = spans_of_customer(connection, row["id"])
    theirs = Theirs(connection, sealer, tenant, spans)
    utility = str(connection.execute(select(TENANT.c.name).where(TENANT.c.id == tenant)).scalar())
    assigned = _assignments(connection, row["id"])
    about: dict[str, Any] = {
        "customer": name,
        "utility": utility,
        "made": _time(at_s),
        "assignments": assigned,
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        put = _Putter(archive, at_s)
        for language, text in EXPLANATIONS.items():
            put.text(f"README.{language}.txt", text.format(customer=name, made=_time(at_s)))
        put.text("customer.json", json.dumps(about, indent=1, ensure_ascii=False))
        put.table("assignments.csv", _ASSIGNMENT, (list(one.values()) for one in assigned))
        values = put.table("readings.csv", _VALUES, map(_line, theirs.readings()))
        put.json_list("readings.json", theirs.readings(), _object)
        if finals is not None:
            named = (*_VALUES, *_FINAL)
            put.table("validated.csv", named, map(_final_line, theirs.finals(finals)))
        for file, (columns, rows) in TABLES.items():
            put.table(file, columns, _rows_of(rows, connection, tenant, theirs))
    times = {theirs.names[meter]: each.whole for meter, each in spans.items()}
    return Handed(name, times, values)


_ASSIGNMENT: Final = ("service_point", "meter", "since", "until")


class _Putter:
    """Files of a zip, one after the other, none of them wholly in memory."""

    def __init__(self, archive: zipfile.ZipFile, at_s: float) -> None:
        self._archive = archive
        moment = datetime.fromtimestamp(max(at_s, 315_532_800), UTC)  # a zip begins with 1980
        self._when = moment.timetuple()[:6]

    def text(self, name: str, text: str) -> None:
        with self._file(name) as file:
            file.write(text.encode())

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        count = 0
        with self._file(name) as file:
            wrapped = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
            writer = csv.writer(wrapped)
            writer.writerow(columns)
            for row in rows:
                writer.writerow(row)
                count += 1
            wrapped.detach()
        return count

    def json_list(
        self, name: str, items: Iterable[Value], made: Callable[[Value], Mapping[str, Any]]
    ) -> None:
        with self._file(name) as file:
            before = b"[\n"
            for item in items:
                file.write(before + json.dumps(made(item), ensure_ascii=False).encode())
                before = b",\n"
            file.write(b"\n]\n" if before != b"[\n" else b"[]\n")

    @contextmanager
    def _file(self, name: str) -> Iterator[IO[bytes]]:
        info = zipfile.ZipInfo(name, self._when)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._archive.open(info, "w", force_zip64=True) as file:
            yield file


def _line(value: Value) -> Sequence[Any]:
    return (
        value.meter, value.profile, value.channel, _time(value.at_s), value.text, value.unit,
        value.status, value.quality, value.version,
    )  # fmt: skip


def _final_line(value: Value) -> Sequence[Any]:
    return (*_line(value), value.final_quality, value.final_rule)


def _object(value: Value) -> dict[str, Any]:
    return {
        "meter": value.meter,
        "profile": value.profile or None,
        "channel": value.channel,
        "time": _time(value.at_s),
        "value": value.text or None,
        "unit": value.unit or None,
        "status": value.status or None,
        "quality": value.quality,
        "version": value.version,
    }


def _rows_of(
    rows: Callable[..., Iterable[Sequence[Any]]],
    connection: Connection,
    tenant: int,
    theirs: Theirs,
) -> Iterator[Sequence[Any]]:
    for meter, spans in theirs.spans.items():
        for row in rows(connection, tenant, meter, theirs.names[meter], spans):
            yield [_time(cell) if isinstance(cell, float) else cell for cell in row]


def _assignments(connection: Connection, customer: int) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(
            SERVICE_POINT.c.name.label("service_point"),
            METER.c.external_id.label("meter"),
            SERVICE_POINT_METER.c.since_s,
            SERVICE_POINT_METER.c.until_s,
        )
        .join(SERVICE_POINT, SERVICE_POINT.c.id == SERVICE_POINT_METER.c.service_point)
        .join(METER, METER.c.id == SERVICE_POINT_METER.c.meter)
        .where(SERVICE_POINT_METER.c.customer == customer)
        .order_by(SERVICE_POINT_METER.c.since_s, SERVICE_POINT.c.name)
    )
    return [
        {
            "service_point": row.service_point,
            "meter": row.meter,
            "since": _time(row.since_s),
            "until": None if row.until_s is None else _time(row.until_s),
        }
        for row in rows
    ]


def _time(at_s: float) -> str:
    """UTC; what has no end, and what no calendar has, is empty."""
    if not -62_135_596_800 <= at_s < min(FOREVER_S, 253_402_300_800):
        return ""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
