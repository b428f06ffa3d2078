"""A meter's newest blocks in one round trip, as PostgreSQL answers quickest: in binary form, by
one walk backwards along the primary key, where general SQL looks for newer versions block by block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from ferraris.headend.store.postgresql_copy import driver_error, wrapped

__all__ = ["Found", "newest_blocks"]

_QUESTION: Final = """
SELECT meter.external_id,
    EXISTS (SELECT 1 FROM undated WHERE tenant = %(tenant)s AND undated.meter = %(meter)s
        AND profile = %(profile)s),
    found.day, found.layout, found.version, found.seal, found.body
FROM meter LEFT JOIN (
    SELECT DISTINCT ON (day, layout) day, layout, version, seal, body FROM block
    WHERE tenant = %(tenant)s AND block.meter = %(meter)s AND profile = %(profile)s
        AND day >= %(first)s AND day <= %(last)s {as_of}
    ORDER BY day DESC, layout DESC, version DESC
) found ON true
WHERE meter.tenant = %(tenant)s AND meter.id = %(meter)s
"""
_NEWEST: Final = _QUESTION.format(as_of="")
_AS_OF: Final = _QUESTION.format(as_of="AND stored_s <= %(as_of)s")


class Found(NamedTuple):
    """A meter's name, whether it has rows without an instant, and its blocks in order: day, layout,
    version, seal, body."""

    external_id: str
    undated: bool
    blocks: list[tuple[int, int, int, int, bytes]]


def newest_blocks(connection: Connection, wanted: Mapping[str, Any]) -> Found | None:
    """The newest blocks of tenant, meter and profile from day `first` to `last`; with `as_of` those
    that were stored by then. None when there is no such meter."""
    raw: Any = connection.connection.dbapi_connection
    try:
        with raw.cursor(binary=True) as cursor:
            cursor.execute(_AS_OF if "as_of" in wanted else _NEWEST, wanted)
            rows = cursor.fetchall()
    except driver_error(connection) as error:
        raise wrapped(connection, error) from error
    if not rows:
        return None
    blocks = [row[2:] for row in reversed(rows)] if rows[0][2] is not None else []
    return Found(rows[0][0], rows[0][1], blocks)
