"""The audit log: what commits is in it, what does not is not, and nothing is altered unseen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, insert, select, update

from ferraris.headend.audit import Journal, anchor, check
from ferraris.headend.store.changes import changes_after
from ferraris.headend.store.tables.access import ANCHOR, AUDIT, CHAIN
from ferraris.headend.store.tables.inventory import TENANT

NOW = 1_700_000_000.125


@pytest.fixture
def tenant(engine):
    with engine.transaction() as connection:
        connection.execute(insert(TENANT).values(id=1, name="default"))
    return 1


def write(journal, connection, subject, **others):
    journal.write(
        connection,
        tenant=1,
        principal="ada",
        action="change_meter",
        subject=subject,
        at_s=NOW,
        **others,
    )


def lines(engine):
    with engine.reading() as connection:
        rows = connection.execute(select(AUDIT).order_by(AUDIT.c.chain, AUDIT.c.sequence)).all()
    return [(row.chain, row.sequence, row.subject) for row in rows]


def checked(engine):
    with engine.reading() as connection:
        return check(connection)


@pytest.fixture
def written(engine, tenant):
    """Two chains of five lines with an anchor after three, and one at the end."""
    journals = [Journal("one"), Journal("two")]
    for number in range(5):
        for journal in journals:
            with engine.transaction() as connection:
                write(journal, connection, f"m{number}", detail={"n": number, "ü": "€"})
        if number in (2, 4):
            with engine.transaction() as connection:
                anchor(connection, at_s=NOW + number)
    assert checked(engine) == []
    return journals


def test_what_is_rolled_back_leaves_no_line_and_no_gap(engine, tenant) -> None:
    journal = Journal("one")
    with engine.transaction() as connection:
        write(journal, connection, "a")
        write(journal, connection, "b", outcome="refused")
    with pytest.raises(ZeroDivisionError), engine.transaction() as connection:
        write(journal, connection, "lost")
        raise ZeroDivisionError
    with engine.transaction() as connection:
        with pytest.raises(ZeroDivisionError), connection.begin_nested():
            write(journal, connection, "lost, too")
            raise ZeroDivisionError
        write(journal, connection, "c")
        with pytest.raises(ZeroDivisionError), connection.begin_nested():
            write(journal, connection, "also lost")
            raise ZeroDivisionError
        with connection.begin_nested():
            write(journal, connection, "d")
    assert lines(engine) == [("one", n, s) for n, s in enumerate("abcd", 1)]
    assert checked(engine) == []
    with engine.reading() as connection:
        told = changes_after(connection, 1, 0)
    assert [(change.kind, change.detail["subject"]) for change in told] == [
        ("audit", subject) for subject in "abcd"
    ]


def test_threads_of_a_process_share_a_chain(engine, tenant) -> None:
    journal = Journal("one")

    def work(worker):
        for turn in range(6):
            try:
                with engine.transaction() as connection:
                    write(journal, connection, f"{worker}.{turn}")
                    if turn % 3 == 2:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    kept = lines(engine)
    assert [sequence for _, sequence, _ in kept] == list(range(1, 17))
    assert {subject for _, _, subject in kept} == {
        f"{w}.{t}" for w in range(4) for t in (0, 1, 3, 4)
    }
    assert checked(engine) == []


def after(engine, *statements):
    """What is found after an alteration, which is then taken back."""
    with engine.sqlalchemy.connect() as connection, connection.begin() as transaction:
        for statement in statements:
            connection.execute(statement)
        found = check(connection)
        transaction.rollback()
    return found


def test_an_altered_line_is_named(engine, written) -> None:
    line = (AUDIT.c.chain == "one") & (AUDIT.c.sequence == 2)
    alterations = {
        "tenant": 2,
        "at_s": NOW + 0.001,
        "principal": "eve",
        "action": "see_meter",
        "subject": "m9",
        "outcome": "refused",
        "detail": "{}",
        "hash": bytes(32),
    }
    for column, value in alterations.items():
        found = after(engine, update(AUDIT).where(line).values({column: value}))
        assert "audit chain one: line 2 is altered" in found, column
        assert all("one: line" in each for each in found), column


def test_lines_cut_out_swapped_or_cut_off_are_named(engine, written) -> None:
    one = AUDIT.c.chain == "one"

    def alter(*statements):
        return after(engine, *statements)

    def renumber(before, after):
        return update(AUDIT).where(one & (AUDIT.c.sequence == before)).values(sequence=after)

    assert alter(delete(AUDIT).where(one & (AUDIT.c.sequence.in_((1, 2))))) == [
        "audit chain one: lines 1 to 2 are missing"
    ]
    swapped = alter(renumber(2, 99), renumber(3, 2), renumber(99, 3))
    assert "audit chain one: line 2 is altered" in swapped
    cut = alter(delete(AUDIT).where(one & (AUDIT.c.sequence > 3)))
    assert cut == [
        "audit chain one: lines 4 to 5 are missing at its end",
        "audit chain one: is cut, anchor 2 saw its line 5",
    ]
    # One who also puts the head back still meets the anchor, ...
    back = select(AUDIT.c.hash).where(one & (AUDIT.c.sequence == 3)).scalar_subquery()
    head = update(CHAIN).where(CHAIN.c.chain == "one").values(sequence=3, hash=back, anchored=3)
    assert alter(delete(AUDIT).where(one & (AUDIT.c.sequence > 3)), head) == [
        "audit chain one: is cut, anchor 2 saw its line 5"
    ]
    # ... and one who removes the whole chain, too,
    gone = alter(delete(AUDIT).where(one), delete(CHAIN).where(CHAIN.c.chain == "one"))
    assert "audit chain one: is missing, anchor 1 saw its line 3" in gone
    # ... or the anchor.
    last = ANCHOR.c.sequence == 2
    assert "audit chain one: the anchor that saw its line 5 is missing" in alter(
        delete(ANCHOR).where(last)
    )
    assert alter(update(ANCHOR).where(last).values(heads="{}")) != []
    assert "audit anchors 1 to 1 are missing" in alter(delete(ANCHOR).where(ANCHOR.c.sequence == 1))


def test_an_anchor_is_written_only_when_something_grew(engine, written) -> None:
    with engine.transaction() as connection:
        again = anchor(connection, at_s=NOW + 99)
    assert again is not None
    assert (again.sequence, again.at_s) == (2, NOW + 4)


def test_names_from_outside_cannot_break_the_log(engine, tenant) -> None:
    with engine.transaction() as connection:
        write(Journal("one"), connection, "a\0b\ud800" + "x" * 10_000, detail={"k": "\0\ud800"})
    assert checked(engine) == []
    assert lines(engine)[0][2].startswith("a\N{REPLACEMENT CHARACTER}b?xxx")
