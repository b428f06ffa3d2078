"""Which meters a line of the audit log means when it means many at once.

The line has a hash of them, which the chain covers; they themselves are kept beside it, once for
all lines that mean the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, select

from ferraris.headend.store.columns_codec import pack_column, unpack_column
from ferraris.headend.store.tables.access import LOOKED_AT
from ferraris.headend.store.upsert import upsert

__all__ = ["AMONG", "keep_meters", "kept_meters", "means"]

AMONG: Final = "among"
"""Where the detail of a line has the hash."""

_COUNT_OCTETS: Final = 4
_MOST: Final = 1 << 20  # meters in one packed column


def keep_meters(
    connection: Connection, tenant: int, meters: Collection[int], *, at_s: float
) -> dict[str, Any]:
    """Keep which meters are meant, by their numbers; returns what goes into the line's detail."""
    packed = _packed(meters)
    among = sha256(packed).hexdigest()
    row = {"tenant": tenant, "among": among, "meters": packed, "last_s": at_s}
    upsert(connection, LOOKED_AT, [row], update=["last_s"])
    return {"meters": len(meters), AMONG: among}


def means(connection: Connection, tenant: int, among: str, meter: int) -> bool:
    """Whether a meter is one of those of a hash; not if nobody knows any more which they were."""
    key = LOOKED_AT.c.tenant == tenant, LOOKED_AT.c.among == among
    packed = connection.execute(select(LOOKED_AT.c.meters).where(*key)).scalar()
    return packed is not None and meter in _unpacked(bytes(packed))


def kept_meters(connection: Connection) -> Iterator[tuple[tuple[int, str], bool]]:
    """Tenant and hash of all that is kept, and whether it is what the hash says."""
    for row in connection.execute(select(LOOKED_AT)):
        whole = sha256(bytes(row.meters)).hexdigest() == row.among
        yield (row.tenant, row.among), whole


def _packed(meters: Collection[int]) -> bytes:
    ordered = sorted(set(meters))
    parts = [ordered[at : at + _MOST] for at in range(0, len(ordered), _MOST)]
    return b"".join(len(part).to_bytes(_COUNT_OCTETS, "big") + pack_column(part) for part in parts)


def _unpacked(packed: bytes) -> set[int]:
    found: set[int] = set()
    at = 0
    while at < len(packed):
        count = int.from_bytes(packed[at : at + _COUNT_OCTETS], "big")
        column, at = unpack_column(packed, at + _COUNT_OCTETS, count)
        found.update(column)
    return found
