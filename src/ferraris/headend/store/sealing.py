"""What the store asks of whoever seals bodies: readings of a customer lie under that one's key.

A body is sealed before it is written and opened after it is read; its digest is that of the sealed
octets, which tells nothing about what is inside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlalchemy import Connection, select

from ferraris.core.errors import Error, UsageError
from ferraris.headend.store.tables.inventory import SERVICE_POINT_METER as ASSIGNMENT

__all__ = ["CLEAR", "SHREDDED", "ErasedError", "NoSealer", "Sealer", "seal_context"]

CLEAR: Final = 0
"""The seal of a body in the clear: on that day the meter measured for no customer."""

SHREDDED: Final = b"\x00"
"""What stands in the place of a body of an erased customer that does not lie under their key."""


_DAY_S: Final = 86_400
_WINDOW: Final = 500  # of meters in one statement


class ErasedError(Error):
    """These readings were erased: the key of their customer is destroyed, and nothing opens them.

    `erased_s` is when, as far as it is known.
    """

    def __init__(self, erased_s: float | None = None, *, where: str = "store") -> None:
        when = ""
        if erased_s is not None:
            when = f" on {datetime.fromtimestamp(erased_s, UTC):%Y-%m-%d}"
        super().__init__(f"erased{when}: the customer's key was destroyed", where=where)
        self.erased_s = erased_s


class Sealer(Protocol):
    """Seals bodies under the key of a customer, whose number is the seal."""

    def holders(
        self, connection: Connection, days: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], int]:
        """The seals for (meter, UTC day): whose readings these are. Days of nobody are left out."""

    def close(self, seal: int, octets: bytes, context: bytes) -> bytes:
        """The sealed octets; the same octets in the same context give the same ones.

        What arrives late for somebody who was erased is not kept: it becomes `SHREDDED`.
        """

    def open(self, seal: int, octets: bytes, context: bytes) -> bytes:
        """The plain octets; `ErasedError` when their customer was erased.

        Raises `SecurityError` for altered octets, another context or another customer's seal.
        """


class NoSealer:
    """Where there are no customers: everything is in the clear.

    It refuses readings of meters that measure for a customer, to be written and to be read.
    """

    def holders(
        self, connection: Connection, days: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], int]:
        """None; `UsageError` where a customer's readings are among them."""
        wanted: defaultdict[int, set[int]] = defaultdict(set)
        for meter, day in days:
            wanted[meter].add(day)
        meters = sorted(wanted)
        for at in range(0, len(meters), _WINDOW):
            assigned = connection.execute(
                select(ASSIGNMENT.c.meter, ASSIGNMENT.c.since_s, ASSIGNMENT.c.until_s).where(
                    ASSIGNMENT.c.meter.in_(meters[at : at + _WINDOW]),
                    ASSIGNMENT.c.customer.is_not(None),
                )
            )
            for meter, since_s, until_s in assigned:
                first, after = since_s // _DAY_S, None if until_s is None else -(-until_s // _DAY_S)
                if any(first <= day and (after is None or day < after) for day in wanted[meter]):
                    raise UsageError(
                        f"meter {meter} measures for a customer: open the key store", where="store"
                    )
        return {}

    def close(self, seal: int, octets: bytes, context: bytes) -> bytes:
        """The octets as they are; `UsageError` for a customer's."""
        self.open(seal, octets, context)
        return octets

    def open(self, seal: int, octets: bytes, context: bytes) -> bytes:
        """The octets as they are; `UsageError` for a customer's."""
        if seal != CLEAR:
            raise UsageError("sealed under a customer's key: open the key store", where="store")
        return octets


def seal_context(table: str, *key: int) -> bytes:
    """What binds a sealed body to its place: the table and the numbers of its primary key.

    So bodies cannot be exchanged between meters, days, profiles or versions. The numbers come in
    the order of the table's columns; of `undated` they are tenant, meter and profile.
    """
    return "\0".join((table, *map(str, key))).encode()
