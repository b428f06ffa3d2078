"""What has outlived its time goes, nothing else, and never the newest version alone."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

from dataclasses import fields

import pytest
from sqlalchemy import func, insert, select, text

from ferraris.core.errors import UsageError
from ferraris.data.readings import Reading
from ferraris.headend.audit import Journal, anchor
from ferraris.headend.audit.checking import check as check_audit
from ferraris.headend.store.changes import note
from ferraris.headend.store.checking import check
from ferraris.headend.store.exchange import pack_readings
from ferraris.headend.store.partitions import ensure_partitions, month_of, months_of
from ferraris.headend.store.records import Brought
from ferraris.headend.store.retention import Retention, apply
from ferraris.headend.store.tables.access import AUDIT, CHANGE, IDEMPOTENCY, PRINCIPAL
from ferraris.headend.store.tables.collecting import COMMAND, PLAN, READ_SUCCESS, SESSION
from ferraris.headend.store.tables.inventory import STRANGER
from ferraris.headend.store.tables.readings import (
    ALARM,
    BLOCK,
    CHANNEL,
    EVENT,
    PROFILE,
    REGISTER_READ,
)
from ferraris.headend.store.tables.validated import FINAL

from ..neighbourhood import DAY, DAY_S, NOW, series
from .test_archive import END, START, archive, brought, put, shown, totals

__all__ = ["archive"]


def days_of(archive, table=BLOCK):
    with archive.engine.reading() as connection:
        return sorted(set(connection.execute(select(table.c.day)).scalars()))


def count(archive, table):
    with archive.engine.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


@pytest.fixture
def old(archive):
    """Seventy days of two meters: in PostgreSQL two whole months and the beginning of a third."""
    given = series(7, START - 69 * DAY_S, END)
    put(archive, *[(meter, brought(given, since=0)) for meter in (1, 2)])
    reads = [pack_readings(DAY - n, int(NOW) - n * DAY_S, [Reading("", "x", n)]) for n in range(70)]
    put(archive, (1, Brought(reads=reads)))
    return archive


def test_old_days_go_and_young_ones_stay(old):
    (blocks,) = apply(old.engine, Retention(blocks=10), NOW)
    assert (blocks.kind, blocks.rows) == ("blocks", 2 * 60)
    assert days_of(old) == list(range(DAY - 9, DAY + 1))
    assert days_of(old, REGISTER_READ) == list(range(DAY - 69, DAY + 1))
    assert len(totals(old)) == 70 * 4
    assert len(shown(old, since=0)) == 10 * 24
    if old.engine.is_postgresql:
        assert blocks.months == ("2024-07", "2024-08")
        with old.engine.reading() as connection:
            assert months_of(connection, "block") == [(2024, 9), (2024, 10), (2024, 11)]
            assert len(months_of(connection, "register_read")) == 5
    assert list(check(old.engine)) == []
    assert apply(old.engine, Retention(blocks=10), NOW) == []
    # A day of a month that is gone may come again.
    put(old, (1, brought(series(7, START - 69 * DAY_S, START - 68 * DAY_S), since=0)))
    assert days_of(old)[0] == DAY - 69
    assert apply(old.engine, Retention(blocks=10, totals=10, registers=5), NOW)
    assert days_of(old, REGISTER_READ) == list(range(DAY - 4, DAY + 1))
    assert len(totals(old)) == 10 * 4
    assert list(check(old.engine)) == []


def test_superseded_versions_go_and_the_newest_stays(archive):
    for day in range(3):
        for hours in (8, 16, 24):
            at = START - day * DAY_S
            put(archive, (1, brought(series(7, at, at + hours * 3600))))
    assert count(archive, BLOCK) == 9
    before = list(shown(archive, since=0).rows())
    (gone,) = apply(archive.engine, Retention(versions=1), NOW)
    assert (gone.kind, gone.rows) == ("versions", 4)
    assert list(shown(archive, since=0).rows()) == before
    with archive.engine.reading() as connection:
        kept = connection.execute(select(BLOCK.c.day, BLOCK.c.version)).all()
    assert sorted(map(tuple, kept)) == [
        (DAY - 2, 3), (DAY - 1, 3), (DAY, 1), (DAY, 2), (DAY, 3),
    ]  # fmt: skip
    assert list(check(archive.engine)) == []


def test_what_is_not_over_stays_however_old(archive):
    with archive.engine.transaction() as connection:
        for age, ended in ((10, NOW - 9 * DAY_S), (10, None), (1, NOW)):
            at = NOW - age * DAY_S
            shared = {"tenant": archive.tenant, "meter": 1}
            connection.execute(
                insert(ALARM).values(
                    name="a", source="push", raised_s=at, last_s=at, times=1, cleared_s=ended,
                    **shared,
                )
            )  # fmt: skip
            connection.execute(
                insert(COMMAND).values(
                    kind="read", parameters="{}", priority=4, state="done", requested_by="x",
                    requested_s=at, ended_s=ended, **shared,
                )
            )  # fmt: skip
            connection.execute(
                insert(SESSION).values(
                    started_s=at, ended_s=at, occasion="plan", outcome="done", message="",
                    intervals=0, registers=0, events=0, **shared,
                )
            )  # fmt: skip
            note(connection, archive.tenant, "meter", "m", at_s=at)
    kept = Retention(alarms=5, commands=5, sessions=5, changes=5)
    found = {one.kind: one.rows for one in apply(archive.engine, kept, NOW)}
    assert found == {"alarms": 1, "commands": 1, "sessions": 2, "changes": 2}
    assert [count(archive, table) for table in (ALARM, COMMAND, SESSION, CHANGE)] == [2, 2, 1, 1]


def test_the_audit_log_still_proves_itself(archive):
    journal = Journal("a")
    for age in (30, 20, 10, 1):
        with archive.engine.transaction() as connection:
            at = NOW - age * DAY_S
            journal.write(connection, tenant=1, principal="p", action="a", subject="s", at_s=at)
        with archive.engine.transaction() as connection:
            if age != 10:
                anchor(connection, at_s=at)
    (gone,) = apply(archive.engine, Retention(audit=15), NOW)
    assert (gone.kind, gone.rows) == ("audit", 2)
    with archive.engine.reading() as connection:
        assert check_audit(connection) == []
    with archive.engine.transaction() as connection:
        connection.execute(text("DELETE FROM audit WHERE sequence = 3"))
    with archive.engine.reading() as connection:
        assert check_audit(connection) != []
    assert count(archive, AUDIT) == 1


def test_what_cannot_be_meant_is_refused():
    assert Retention.of({"blocks": 800, "totals": 4000}).blocks == 800
    with pytest.raises(UsageError, match="nothing is kept under block, only blocks"):
        Retention.of({"block": 5})
    with pytest.raises(UsageError, match="at least a day"):
        Retention(events=0)
    for wrong in ({"totals": 5}, {"blocks": 10, "totals": 5}):
        with pytest.raises(UsageError, match="as long as"):
            Retention.of(wrong)


def test_every_day_has_a_month_or_none():
    assert month_of(DAY) == (2024, 10)
    assert month_of(-1) == (1969, 12)
    assert month_of(1 << 40) is None


def test_every_kind_has_its_days(old):
    """Of each kind what is older than a year goes, and nothing else."""
    engine, shared = old.engine, {"tenant": old.tenant}
    ages = 400, 300
    with engine.transaction() as connection:
        plan = insert(PLAN).values(name="p", changed_s=0, **shared).returning(PLAN.c.id)
        who = insert(PRINCIPAL).values(name="w", created_s=0, **shared).returning(PRINCIPAL.c.id)
        number, principal = (connection.execute(each).scalar_one() for each in (plan, who))
        channel = connection.execute(select(CHANNEL.c.id).limit(1)).scalar_one()
        profile = connection.execute(select(PROFILE.c.id).limit(1)).scalar_one()
        for age in ages:
            at, day = NOW - age * DAY_S, DAY - age
            ensure_partitions(connection, {day})
            rows = {
                EVENT: {"meter": 1, "log": "l", "at_s": int(at), "turn": 0, "code": 1,
                        "stamp": b"", "stored_s": int(at)},
                STRANGER: {"identity": str(age), "peer": "", "reason": "unknown", "message": "",
                           "first_s": at, "last_s": at, "times": 1},
                READ_SUCCESS: {"plan": number, "day": day, "node": 0, "model": "", "firmware": "",
                               "due": 1, "in_time": 1, "late": 0, "deadline_s": at,
                               "counted_s": at, "final": 1},
                IDEMPOTENCY: {"principal": principal, "key": str(age), "request": b"",
                              "status": 200, "media_type": "", "response": b"", "until_s": at},
                FINAL: {"meter": 1, "profile": profile, "channel": channel, "day": day,
                        "version": 1, "zone": "UTC", "start_s": day * DAY_S, "period_s": 900,
                        "intervals": 0, "suspect": 0, "estimated": 0, "edited": 0, "missing": 0,
                        "findings": 0, "rules": "", "stored_s": int(at), "digest": b"",
                        "body": b""},
            }  # fmt: skip
            for table, values in rows.items():
                connection.execute(insert(table).values(shared | values))
    kinds = {"events": EVENT, "strangers": STRANGER, "success": READ_SUCCESS,
             "answers": IDEMPOTENCY, "finals": FINAL}  # fmt: skip
    for kind, table in kinds.items():
        kept = Retention(**({"answers": None, "changes": None} | {kind: 365}))
        (gone,) = apply(engine, kept, NOW)
        assert (gone.kind, gone.rows, count(old, table)) == (kind, 1, 1)
    assert len(days_of(old)) == 70
    tested = {"blocks", "versions", "registers", "totals", "alarms", "sessions", "commands",
              "changes", "audit"}  # fmt: skip
    assert tested | set(kinds) == {each.name for each in fields(Retention)}
