"""Operations on the audit log: what was done, and whether the log is as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, select, tuple_

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.audit.anchors import newest_anchor
from ferraris.headend.audit.checking import check
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, page
from ferraris.headend.store.tables.access import AUDIT

__all__ = ["AuditCheck", "AuditLine", "check_audit", "list_audit"]


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line: `outcome` is done, refused or failed; `chain` and `sequence` are its place."""

    at: datetime
    principal: str
    action: str
    subject: str
    outcome: str
    detail: str
    chain: str
    sequence: int


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """What is wrong with the log, a sentence each; none when all is as it was written.

    `anchor` is the newest one: its hash, kept elsewhere, vouches for all that was written before.
    """

    intact: bool
    findings: list[str]
    anchor: int = 0
    anchor_hash: str = ""
    anchored_at: datetime | None = None


@operation("GET /audit", command="audit list", right=Right.SEE_AUDIT)
def list_audit(
    desk: Desk,
    principal: str = "",
    action: str = "",
    subject: str = "",
    outcome: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    after: str = "",
    limit: int = 100,
) -> Page[AuditLine]:
    """List what was done, the newest first."""
    desk.demand_everywhere(Right.SEE_AUDIT)
    wanted = select(AUDIT).where(AUDIT.c.tenant == desk.tenant)
    exact = {"principal": principal, "action": action, "subject": subject, "outcome": outcome}
    for name, value in exact.items():
        if value:
            wanted = wanted.where(AUDIT.c[name] == value)
    if since is not None:
        wanted = wanted.where(AUDIT.c.at_s >= since.timestamp())
    if until is not None:
        wanted = wanted.where(AUDIT.c.at_s < until.timestamp())
    place = tuple_(AUDIT.c.at_s, AUDIT.c.chain, AUDIT.c.sequence)
    if after:
        wanted = wanted.where(place < _place(after))
    order = AUDIT.c.at_s.desc(), AUDIT.c.chain.desc(), AUDIT.c.sequence.desc()
    rows = desk.connection.execute(wanted.order_by(*order).limit(checked_limit(limit) + 1)).all()
    return page(rows, limit, _line, lambda row: f"{row.at_s.hex()}/{row.chain}/{row.sequence}")


@operation("GET /audit/check", command="audit check", right=Right.SEE_AUDIT)
def check_audit(desk: Desk) -> AuditCheck:
    """Verify every line, every chain and every anchor of the audit log."""
    desk.demand_everywhere(Right.SEE_AUDIT)
    findings = check(desk.connection)
    newest = newest_anchor(desk.connection)
    if newest is None:
        return AuditCheck(not findings, findings)
    at = datetime.fromtimestamp(newest.at_s, UTC)
    return AuditCheck(not findings, findings, newest.sequence, newest.hash.hex(), at)


def _line(row: Row[Any]) -> AuditLine:
    return AuditLine(
        datetime.fromtimestamp(row.at_s, UTC),
        row.principal,
        row.action,
        row.subject,
        row.outcome,
        row.detail,
        row.chain,
        row.sequence,
    )


def _place(after: str) -> tuple[float, str, int]:
    try:
        moment, chain, sequence = after.split("/")
        return float.fromhex(moment), chain, int(sequence)
    except (ValueError, OverflowError):
        raise UsageError("after is what the page before said, nothing else") from None
