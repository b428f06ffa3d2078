"""Operations on the store: how much there is, whether it is whole, a day's history.

What concerns all tenants at once - backup, restore, retention, the whole check - is done by who
can open the store: `ferraris headend check|backup|restore|retention`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain, islice
from typing import Final

from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.privacy import sealer_of
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.checking import examine
from ferraris.headend.store.opening import summary_of
from ferraris.headend.vee.columns_checking import check_finals

__all__ = ["StoreCheck", "StoreView", "VersionView", "check_store", "list_versions", "show_store"]

_MOST_FINDINGS: Final = 1000
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class StoreView:
    """How much a tenant has in the store; `octets` is the size of the whole store."""

    meters: int
    blocks: int
    intervals: int
    register_reads: int
    registers: int
    events: int
    sessions: int
    octets: int


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """How many faults there are in what is stored, and a sentence for each of the first ones."""

    intact: bool
    faults: int
    findings: list[str]


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a meter's day; `source` is pull, push or import."""

    version: int
    rows: int
    stored_at: datetime
    source: str
    channels: list[str]
    sealed: bool


@operation("GET /store", command="store show", right=Right.SEE_METERS)
def show_store(desk: Desk) -> StoreView:
    """Tell how much the store holds."""
    desk.demand_everywhere(Right.SEE_METERS)
    found = summary_of(desk.connection, desk.tenant)
    return StoreView(
        found.meters,
        found.blocks,
        found.intervals,
        found.register_reads,
        found.registers,
        found.events,
        found.sessions,
        found.octets,
    )


@operation("GET /store/check", command="store check", right=Right.MANAGE_ACCESS)
def check_store(desk: Desk) -> StoreCheck:
    """Verify all that is stored of the tenant's meters against its hash, its row and its totals.

    All faults are counted, and the first thousand told.
    """
    desk.demand_everywhere(Right.MANAGE_ACCESS)
    found = chain(
        examine(desk.connection, tenant=desk.tenant),
        check_finals(desk.connection, tenant=desk.tenant),
    )
    told = list(islice(found, _MOST_FINDINGS))
    faults = len(told) + sum(1 for _ in found)
    return StoreCheck(not faults, faults, told)


@operation("GET /meters/{meter}/versions", command="store versions", right=Right.SEE_METERS)
def list_versions(desk: Desk, meter: str, profile: str, day: date) -> list[VersionView]:
    """List what was stored of a meter's UTC day, oldest first: corrections are new versions."""
    row = desk.meter(meter, Right.SEE_METERS)
    archive = Archive(desk.house.engine, desk.tenant, sealer_of(desk))
    history = archive.versions(desk.connection, row.id, profile, day.toordinal() - _EPOCH)
    return [
        VersionView(
            each.version,
            each.rows,
            datetime.fromtimestamp(each.stored_s, UTC),
            each.source,
            [channel.name for channel in each.channels],
            each.sealed,
        )
        for each in history
    ]
