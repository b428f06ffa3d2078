"""The shipment file that a maker would send with simulated meters: what each is, keys wrapped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from ferraris.crypto.wrap import wrap, wrap_padded
from ferraris.meter.fleet import Fleet, KeysLine

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
    "companion",
    "encryption_key",
    "authentication_key",
    "master_key",
    "password",
)


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
    all meters share, as `model`, `companion` or `node`. Meters that are not `called` call in: they
    have no address.
    """
    names = [*_COLUMNS, *(name for name in same if name not in _COLUMNS)]
    yield _line(names)
    for index, line in enumerate(lines):
        master_key = line.get("master_key") or _master_key(fleet, index).hex()
        cells = _cells(line, master_key, transport_key, called=called) | same
        yield _line(cells.get(name, "") for name in names)


def _cells(
    line: KeysLine, master_key: str, transport_key: bytes, *, called: bool
) -> dict[str, Any]:
    cells: dict[str, Any] = {
        "external_id": line["id"],
        "maker": line["id"][:3],
        "system_title": line["system_title"],
        "address": line["url"] if called else "",
        "contact": "called" if called else "calls in",
        "client": line["client"],
        "server": line["server"],
        "authentication": "gmac",
        "password": wrap_padded(transport_key, line["password"].encode()).hex(),
    }
    keys = {
        "encryption_key": line["encryption_key"],
        "authentication_key": line["authentication_key"],
        "master_key": master_key,
    }
    return cells | {
        kind: wrap(transport_key, bytes.fromhex(key)).hex() for kind, key in keys.items()
    }


def _master_key(fleet: Fleet, index: int) -> bytes:
    """What wraps new keys for a meter; lists of keys leave it out in suite 0."""
    known = fleet[index].pairs.master_key if fleet.memory.knows(index) else None
    return known or fleet.key(index, b"master")


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(list(cells))
    return text.getvalue()
