"""Final values out of the store for exports and archives: what validation wrote, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from ferraris.headend.store.finals import FinalDay
from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.sealing import ErasedError, Sealer, seal_context
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.columns_versions import unpack_versions
from ferraris.headend.vee.quality import Made, Quality

__all__ = ["ValidatedValues"]

_DAY_S: Final = 86_400
_WINDOW: Final = 256


class ValidatedValues:
    """`Finals` of an export and of a customer's archive."""

    qualities = tuple(each.name.lower() for each in Quality)
    rules = tuple(each.name.lower().replace("_", " ") for each in Made)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def days(
        self, connection: Connection, tenant: int, meters: Sequence[int], since_s: int, until_s: int
    ) -> Iterator[FinalDay]:
        """The newest versions with an interval in the time; those of erased customers left out."""
        for at in range(0, len(meters), _WINDOW):
            wanted = _newest(tenant, meters[at : at + _WINDOW], since_s, until_s)
            for row in connection.execute(wanted).all():
                ends_s = row.start_s + row.period_s * row.intervals
                if row.start_s < until_s and ends_s > since_s:
                    yield from self._opened(row)

    def _opened(self, row: Row[Any]) -> Iterator[FinalDay]:
        key = (getattr(row, column.name) for column in FINAL.primary_key)
        try:
            body = self._sealer.open(row.seal, row.body, seal_context("final", *key))
        except ErasedError:
            return
        found = unpack_versions([body], row.intervals)
        missing = (found.quality[0] == Quality.MISSING).tolist()
        present = found.present[0].tolist()
        yield FinalDay(
            row.meter,
            row.profile,
            row.channel,
            row.start_s,
            row.period_s,
            [
                None if gone else value
                for value, gone in zip(found.final[0].tolist(), missing, strict=True)
            ],
            [
                value if there else None
                for value, there in zip(found.raw[0].tolist(), present, strict=True)
            ],
            found.quality[0].tolist(),
            found.rule[0].tolist(),
            found.findings[0].tolist(),
            found.version[0].tolist(),
        )


def _newest(tenant: int, meters: Sequence[int], since_s: int, until_s: int) -> Any:
    # A local day begins or ends less than a day away from the UTC day of its number.
    days = since_s // _DAY_S - 1, until_s // _DAY_S + 1
    return (
        select(FINAL)
        .where(
            FINAL.c.tenant == tenant,
            FINAL.c.meter.in_(meters),
            FINAL.c.day.between(*days),
            FINAL.c.intervals > 0,
            is_newest(FINAL, days),
        )
        .order_by(FINAL.c.meter, FINAL.c.profile, FINAL.c.channel, FINAL.c.day)
    )
