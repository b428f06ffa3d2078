"""Strangers are counted, and never fill anything."""

from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import select

from ferraris.headend.audit import Journal, check
from ferraris.headend.registration import Bounds, Reason, Strangers
from ferraris.headend.registration.strangers import OTHERS
from ferraris.headend.store import StoreError
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.access import AUDIT

NOON = 1_795_003_200.0

BOTH = pytest.mark.parametrize(
    "location", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)


def few(colony, **bounds):
    return Strangers(colony.engine, colony.clock, Bounds(**bounds))


@BOTH
def test_the_same_one_is_one_row_that_counts(colony):
    strangers = colony.strangers
    for number in range(5):
        colony.clock.now = NOON + number
        strangers.take_note(colony.tenant, "ab", Reason.UNKNOWN, peer=f"udp://192.0.2.1:{number}")
        if number % 2:
            strangers.flush()
    strangers.take_note(colony.tenant, "ab", Reason.REPLAY)
    one, other = colony.quarantined()
    assert (one.identity, one.reason, one.times) == ("ab", "unknown", 5)
    assert (one.first_s, one.last_s) == (NOON, NOON + 4)
    assert one.peer == "udp://192.0.2.1:4"
    assert (other.reason, other.times) == ("replay", 1)
    assert [row.subject for row in colony.told("stranger")] == ["ab", "ab"]  # told once each


@BOTH
def test_each_row_has_a_line_in_the_audit_log_and_a_flood_has_no_more(colony):
    journal = Journal()
    strangers = Strangers(colony.engine, colony.clock, Bounds(of_a_host=10), journal=journal.write)
    message = "its certificate was revoked"
    for number in range(1000):
        peer = f"udp://192.0.2.7:{number}"
        strangers.take_note(
            colony.tenant, f"{number:016x}", Reason.CERTIFICATE, peer=peer, message=message
        )
        if number % 300 == 0:
            strangers.flush()
    rows = colony.quarantined()
    strangers.flush()
    with colony.engine.reading() as connection:
        lines = connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).all()
        assert list(check(connection)) == []
    assert len(lines) == 11
    assert {row.identity for row in rows} == {line.subject for line in lines}
    assert {(line.action, line.outcome, line.tenant) for line in lines} == {
        ("stranger: turn away", "refused", colony.tenant)
    }
    assert json.loads(lines[0].detail) == {
        "reason": "certificate",
        "peer": "udp://192.0.2.7:0",
        "message": message,
    }


def test_one_host_with_many_names_gets_few_rows(colony):
    strangers = few(colony, of_a_host=10)
    for number in range(10_000):
        peer = f"udp://[2001:db8::7]:{number % 60_000}"
        strangers.take_note(colony.tenant, f"{number:016x}", Reason.UNKNOWN, peer=peer)
    strangers.take_note(colony.tenant, "else", Reason.UNKNOWN, peer="udp://192.0.2.9:1")
    strangers.flush()
    rows = colony.quarantined()
    assert len(rows) == 12
    (others,) = (row for row in rows if row.identity == OTHERS)
    assert others.times == 9990
    assert sum(row.times for row in rows) == strangers.total == 10_001


def test_many_hosts_fill_neither_memory_nor_table(colony):
    strangers = few(colony, waiting=20, rows=30, hosts=50)
    for number in range(500):
        peer = f"udp://10.0.{number // 250}.{number % 250}:9"
        strangers.take_note(colony.tenant, f"{number:016x}", Reason.UNKNOWN, peer=peer)
        if number % 100 == 99:
            assert len(strangers._seen) <= 21
            strangers.flush()
    rows = colony.quarantined()
    assert len(rows) <= 31
    assert sum(row.times for row in rows) == 500
    assert len(strangers._of_host) <= 50


def test_what_could_not_be_written_is_counted_later(colony, monkeypatch):
    colony.strangers.take_note(colony.tenant, "ab", Reason.UNKNOWN)

    def away(engine):
        raise StoreError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "transaction", away)
        with pytest.raises(StoreError):
            colony.strangers.flush()
    colony.clock.now += 60
    colony.strangers.take_note(colony.tenant, "ab", Reason.UNKNOWN)
    (row,) = colony.quarantined()
    assert (row.times, row.first_s, row.last_s) == (2, NOON, NOON + 60)


@BOTH
def test_two_heads_count_together(colony):
    def head():
        strangers = few(colony)
        for number in range(20):
            strangers.take_note(colony.tenant, f"{number % 4}", Reason.UNKNOWN)
            strangers.flush()

    heads = [threading.Thread(target=head) for _ in range(2)]
    for each in heads:
        each.start()
    for each in heads:
        each.join()
    rows = colony.quarantined()
    assert [row.times for row in rows] == [10] * 4


def test_what_they_say_is_bounded_and_printable(colony):
    colony.strangers.take_note(
        colony.tenant, "x" * 5000, Reason.GARBAGE, peer="p" * 5000, message="\x1b[31m" + "m" * 5000
    )
    (row,) = colony.quarantined()
    assert max(len(row.identity), len(row.peer), len(row.message)) <= 200
    assert row.message.isprintable()
