"""Operations on meters that were tried in vain: the list by reason, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.troubles import Trouble, Where, trouble_counts, troubles
from ferraris.headend.inventory.tree import Tree
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit
from ferraris.headend.operations.segments import below

__all__ = ["BY", "TroublePart", "TroubleView", "count_troubles", "counted", "list_troubles"]

BY: Final = ("reason", "segment", "model", "firmware")
"""By what meters in trouble are counted."""


@dataclass(frozen=True, slots=True)
class TroubleView:
    """A meter that was tried in vain: waiting for its next try, held for a human, or trying now.

    `since` is when it came to this state.
    """

    meter: str
    segment: str
    model: str
    firmware: str
    state: str
    reason: str
    message: str
    tries: int
    since: datetime
    not_before: datetime | None
    heard: datetime | None


@dataclass(frozen=True, slots=True)
class TroublePart:
    """How many meters of a reason, segment, model or firmware are in trouble."""

    name: str
    meters: int


@operation("GET /troubles", command="troubles list", right=Right.SEE_METERS)
def list_troubles(
    desk: Desk,
    meter: str = "",
    reason: Annotated[str, "line, sequence, decode, security, refused, short, ..."] = "",
    segment: Annotated[str, "With all that hangs below it."] = "",
    model: str = "",
    firmware: str = "",
    order: Annotated[str, "silent, meter, segment, reason, next or tries."] = "silent",
    after: str = "",
    limit: int = 100,
) -> Page[TroubleView]:
    """List the meters that were tried in vain and why, the longest silent first."""
    where = Where(
        reason or None,
        below(desk, segment) if segment else None,
        model or None,
        firmware or None,
        desk.meter(meter, Right.SEE_METERS).id if meter else None,
    )
    among = desk.visible(Right.SEE_METERS)
    found, more = troubles(
        desk.connection,
        desk.tenant,
        among,
        where,
        order=order,
        after=after,
        limit=checked_limit(limit),
    )
    return Page([_view(each) for each in found], more)


@operation("GET /trouble-counts", command="troubles count", right=Right.SEE_METERS)
def count_troubles(
    desk: Desk, by: Annotated[str, "reason, segment, model or firmware."] = "reason"
) -> list[TroublePart]:
    """Count the meters that were tried in vain, the largest part first."""
    if by not in BY:
        raise UsageError(f"by is one of {', '.join(BY)}")
    return counted(desk)[by]


def counted(desk: Desk) -> Mapping[str, list[TroublePart]]:
    """The counts by each of `BY`; a segment counts all that hangs below it."""
    sums: dict[str, Counter[str]] = {by: Counter() for by in BY}
    tree = Tree.load(desk.connection, desk.tenant)
    for each in trouble_counts(desk.connection, desk.tenant, desk.visible(Right.SEE_METERS)):
        sums["reason"][each.reason] += each.meters
        sums["model"][each.model] += each.meters
        sums["firmware"][each.firmware] += each.meters
        names = [tree.nodes[number].name for number in tree.paths.get(each.node, ())]
        for name in names or [""]:
            sums["segment"][name] += each.meters
    return {
        by: [
            TroublePart(name, meters)
            for name, meters in sorted(counts.items(), key=lambda part: (-part[1], part[0]))
        ]
        for by, counts in sums.items()
    }


def _view(each: Trouble) -> TroubleView:
    later = each.state == "waiting" and each.not_before_s > 0
    return TroubleView(
        each.external_id,
        each.segment,
        each.model,
        each.firmware,
        each.state,
        each.reason,
        each.message,
        each.tries,
        _time(each.since_s),
        _time(each.not_before_s) if later else None,
        None if each.heard_s is None else _time(each.heard_s),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
