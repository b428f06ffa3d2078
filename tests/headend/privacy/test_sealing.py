"""Readings of a customer open by the key of that customer, in their place, and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from ferraris.core.errors import SecurityError, UsageError
from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.privacy.holding import Assigned, Spans, holder_of, spans_of
from ferraris.headend.privacy.sealed_body import CustomerKey
from ferraris.headend.store.sealing import ErasedError, NoSealer, seal_context
from ferraris.headend.store.tables.inventory import CUSTOMER
from ferraris.keys import KeyStore, MemoryKeys

DAY = 86_400


@given(st.binary(max_size=300), st.binary(max_size=40), st.data())
def test_a_body_opens_in_its_place_only(octets, context, data):
    key = CustomerKey(bytes(range(32)))
    sealed = key.close(octets, context)
    assert key.open(sealed, context) == octets
    assert key.close(octets, context) == sealed
    assert len(sealed) == len(octets) + 33
    with pytest.raises(SecurityError):
        key.open(sealed, context + b"\0")
    at = data.draw(st.integers(0, len(sealed) - 1))
    altered = bytearray(sealed)
    altered[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SecurityError):
        key.open(bytes(altered), context)
    with pytest.raises(SecurityError):
        key.open(sealed[:at], context)


def test_nonces_differ_with_body_context_and_key():
    key, other = CustomerKey(bytes(32)), CustomerKey(b"\1" * 32)
    sealed = {
        made[5:17]
        for made in (
            key.close(b"ab", b"c"), key.close(b"b", b"ca"), key.close(b"", b"cab"),
            key.close(b"ab", b"d"), other.close(b"ab", b"c"),
        )
    }  # fmt: skip
    assert len(sealed) == 5
    with pytest.raises(SecurityError, match="a key that is not kept here"):
        other.open(key.close(b"ab", b"c"), b"c")
    assert repr(key) == "CustomerKey(…)"


def test_a_place_is_told_by_all_its_numbers():
    assert seal_context("block", 1, 23) != seal_context("block", 12, 3)
    assert seal_context("block", 1) != seal_context("register_read", 1)


def test_the_holder_of_a_day(engine, town, sealer):
    with engine.transaction() as connection:
        held = sealer.holders(connection, [(m, d) for m in (town.a, town.b) for d in range(8, 15)])
    # Day 10: nobody at its start, then ann; day 12: ann at its start.
    assert held == {(town.a, d): town.ann for d in (10, 11, 12)} | {
        (town.a, d): town.bob for d in (13, 14)
    }


def test_holders_of_many_meters_take_few_statements_and_one_lease_of_keys(engine, town):
    class Counting(MemoryKeys):
        calls = 0

        def make_missing(self, *given, **named):
            Counting.calls += 1
            return super().make_missing(*given, **named)

    sealer = CustomerSealer(engine, Counting())
    with engine.transaction() as connection:
        made = town.town(connection, "south")
        meters = [made.meter(f"M{n}") for n in range(1200)]
        customers = [made.customer(f"C{n}") for n in range(1200)]
        for meter, customer in zip(meters, customers, strict=True):
            made.assign(meter, customer, 0)
        held = sealer.holders(connection, [(meter, 3) for meter in meters])
        assert sealer.holders(connection, [(meter, 4) for meter in meters])
    assert held == {(m, 3): c for m, c in zip(meters, customers, strict=True)}
    assert Counting.calls == 1
    assert len({sealer.close(c, b"x", b"") for c in customers}) == 1200


def test_what_one_process_seals_another_opens(engine, town, tmp_path):
    path = tmp_path / "keys.db"
    with KeyStore.create(path, "p", cost=2) as first, KeyStore.open(path, "p") as second:
        first.create_tenant("main")
        one, other = CustomerSealer(engine, first), CustomerSealer(engine, second)
        sealed = one.close(town.ann, b"reading", b"place")
        assert sealed == other.close(town.ann, b"reading", b"place")
        assert other.open(town.ann, sealed, b"place") == b"reading"
        with pytest.raises(SecurityError):
            other.open(town.bob, sealed, b"place")
        with engine.transaction() as connection:
            one.destroy(connection, town.ann, 1_773_187_200.5)
        for sealer in (one, other, CustomerSealer(engine, second)):
            with pytest.raises(ErasedError, match="erased on 2026-03-11") as caught:
                sealer.open(town.ann, sealed, b"place")
            assert caught.value.erased_s == 1_773_187_200.5
            # What arrives late can be put away, and nobody reads it.
            with pytest.raises(ErasedError):
                sealer.open(town.ann, sealer.close(town.ann, b"late", b"place"), b"place")
            assert sealer.erased_s(town.ann) == 1_773_187_200.5
            assert sealer.erased_s(town.bob) is None
        with engine.transaction() as connection:
            other.destroy(connection, town.ann, 1_900_000_000.0)  # once is for ever
        assert one.erased_s(town.ann) == 1_773_187_200.5


def test_the_database_alone_can_say_that_somebody_is_erased(engine, town, keys, sealer):
    """A key store that was put back from before the erasure opens nothing that is erased."""
    sealed = sealer.close(town.ann, b"reading", b"place")
    with engine.transaction() as connection:
        connection.execute(update(CUSTOMER).values(erased_s=5.0))
    fresh = CustomerSealer(engine, keys)
    for _ in range(2):
        with pytest.raises(ErasedError, match="1970-01-01"):
            fresh.open(town.ann, sealed, b"place")
        assert sealed not in (fresh.close(town.ann, b"reading", b"place"), b"")
        keys.destroy("other", "customer_key", b"")  # what is remembered of keys is forgotten


def test_a_key_that_is_lost_is_not_made_anew_for_reading(engine, town, sealer):
    with pytest.raises(SecurityError, match="not in the key store"):
        sealer.open(town.ann, b"\1" * 60, b"")
    with pytest.raises(SecurityError, match="no customer 999"):
        sealer.open(999, b"\1" * 60, b"")
    with engine.reading() as connection:
        assert connection.execute(select(CUSTOMER.c.erased_s)).scalars().all() == [None, None]


def test_the_clear_stays_clear(engine, sealer):
    for one in (sealer, NoSealer()):
        assert one.close(0, b"x", b"") == one.open(0, b"x", b"") == b"x"
    with engine.reading() as connection:
        assert NoSealer().holders(connection, [(1, 1)]) == {}
    with pytest.raises(UsageError, match="key store"):
        NoSealer().open(3, b"x", b"")


def test_spans_and_holders_in_the_small():
    assigned = [Assigned(0, DAY, 1), Assigned(DAY, 2 * DAY, 1), Assigned(5 * DAY + 1, 1 << 62, 1)]
    spans = spans_of({7: [*assigned, Assigned(3 * DAY, 4 * DAY, 2)]}, 1)[7]
    assert spans == Spans(((0, 2 * DAY), (5 * DAY + 1, 1 << 62)))
    assert [end for end in (0, 1, DAY, 2 * DAY, 2 * DAY + 1, 5 * DAY + 1) if spans.has(end)] == [
        1, DAY, 2 * DAY,
    ]  # fmt: skip
    assert spans.edge_days() == {5}
    assert spans.covers(0, DAY)
    assert not spans.covers(2 * DAY - 1, 2 * DAY + 1)
    assert spans.touches(5 * DAY, 6 * DAY)
    assert not spans.touches(2 * DAY, 5 * DAY)
    # Two at once: the later one; passed over: the other.
    both = [Assigned(0, 9 * DAY, 1), Assigned(DAY, 9 * DAY, 2)]
    assert [holder_of(both, day) for day in (0, 1, 8, 9)] == [1, 2, 2, 0]
    assert [holder_of(both, day, but=2) for day in (0, 1, 8, 9)] == [1, 1, 1, 0]
    assert holder_of([Assigned(5, 6, 1), Assigned(7, 8, 2)], 0) == 1
