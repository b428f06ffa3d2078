"""Deleting what tells of a customer and lies under no key: totals, edits, events, results."""

from __future__ import annotations

from sqlalchemy import delete, or_, update

from ferraris.headend.privacy.edges import Case, theirs_in
from ferraris.headend.store.tables.collecting import COMMAND
from ferraris.headend.store.tables.readings import ALARM, DAY_TOTAL, EVENT
from ferraris.headend.store.tables.validated import HUMAN_EDIT

__all__ = ["drop_derived"]


def drop_derived(case: Case) -> dict[str, int]:
    """The rows of one meter in the customer's time; totals of a shared day go as well."""
    days = or_(*(DAY_TOTAL.c.day.between(first, last) for first, last in case.spans.day_ranges()))
    deletions = (
        (DAY_TOTAL, days),
        (HUMAN_EDIT, theirs_in(HUMAN_EDIT.c.end_s, case.spans)),
        (EVENT, theirs_in(EVENT.c.at_s, case.spans)),
        (ALARM, theirs_in(ALARM.c.raised_s, case.spans)),
    )
    counts = {
        table.name: case.connection.execute(
            delete(table).where(table.c.meter == case.meter, condition)
        ).rowcount
        for table, condition in deletions
    }
    emptied = case.connection.execute(
        update(COMMAND)
        .where(
            COMMAND.c.meter == case.meter,
            COMMAND.c.result != "",
            theirs_in(COMMAND.c.requested_s, case.spans),
        )
        .values(result="")
    )
    return counts | {"command": emptied.rowcount}
