"""The shipment file that a maker would send with simulated meters: what each is, keys wrapped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from ferraris.client.security import MECHANISMS
from ferraris.crypto.wrap import wrap, wrap_padded
from ferraris.meter.fleet import Fleet, KeysLine
from ferraris.model.companion import names as companions

__all__ = ["shipment_lines"]

_COLUMNS = (
    "external_id",
    "maker",
    "model",
    "system_title",
    "address",
    "contact",
    "client",
    "server",
    "authentication",
    "suite",
    "companion",
    "template",
    "encryption_key",
    "authentication_key",
    "master_key",
    "password",
)
_CERTIFICATES = ("signing_certificate", "agreement_certificate")


def shipment_lines(
    fleet: Fleet,
    lines: Iterable[KeysLine],
    transport_key: bytes,
    *,
    called: bool = True,
    **same: str,
) -> Iterator[str]:
    """Lines of CSV, the first with the names of the columns; secrets wrapped under a key.

    `lines` are those of the meters of a fleet, all of them or the first. `same` are columns that
    all meters share, as `node` or `zone`. Meters that are not `called` call in: they have no
    address. Those of suites 1 and 2 come with their certificates.
    """
    name = fleet.template.name
    kind, _, _ = name.partition(":")
    usual = {"model": name, "template": name, "companion": kind if kind in companions() else ""}
    columns = [*_COLUMNS, *(_CERTIFICATES if fleet.template.suite else ())]
    names = [*columns, *(column for column in same if column not in columns)]
    yield _line(names)
    for index, line in enumerate(lines):
        cells = usual | _cells(line, transport_key, called=called) | same
        cells["master_key"] = wrap(transport_key, _master_key(fleet, index)).hex()
        yield _line(cells.get(column, "") for column in names)


def _cells(line: KeysLine, transport_key: bytes, *, called: bool) -> dict[str, Any]:
    contact, suite = "called" if called else "calls in", line.get("suite", 0)
    cells: dict[str, Any] = {
        "external_id": line["id"],
        "maker": line["id"][:3],
        "system_title": line["system_title"],
        "address": line["url"] if called else "",
        "contact": "sleepy" if "awake" in line else contact,
        "client": line["client"],
        "server": line["server"],
        "authentication": MECHANISMS[line.get("mechanism", 7 if suite else 5)],
        "suite": suite,
        "password": wrap_padded(transport_key, line["password"].encode()).hex(),
    }
    for kind in ("encryption_key", "authentication_key"):
        key = bytes.fromhex(line[kind])
        cells[kind] = wrap(transport_key, key).hex()
    for column in _CERTIFICATES:
        cells[column] = line.get(column, "")
    return cells


def _master_key(fleet: Fleet, index: int) -> bytes:
    """What wraps new keys for a meter; lists of keys leave it out in suite 0."""
    known = fleet[index].pairs.master_key if fleet.memory.knows(index) else None
    return known or fleet.key(index, b"master")


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(list(cells))
    return text.getvalue()
