"""A counter value is handed out once: properties of leases and of sealers."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import SecurityError, UsageError
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Sealer, counters

KEYS = CipherKeys(0, bytes(16), bytes(16), b"b" * 16)


def test_values_rise_and_end() -> None:
    lease = CounterLease(5, 8)
    assert (lease.left, lease.last) == (3, None)
    assert [lease.take() for _ in range(3)] == [5, 6, 7]
    assert (lease.left, lease.last) == (0, 7)
    for _ in range(2):
        with pytest.raises(SecurityError, match="spent"):
            lease.take()
    lease.extend(range(10, 12))
    assert [lease.take(), lease.take(), lease.last] == [10, 11, 11]


def test_ranges_are_checked() -> None:
    for start, stop in [(-1, 5), (5, 4), (0, 2**32 + 1)]:
        with pytest.raises(UsageError):
            CounterLease(start, stop)
    lease = CounterLease(5, 8)
    for values in (range(7, 9), range(8, 20, 2), range(9, 2**33)):
        with pytest.raises(UsageError):
            lease.extend(values)
    with pytest.raises(UsageError):
        CounterLease.of(range(1, 9, 2))
    last = CounterLease.of(range(2**32 - 1, 2**32))
    assert last.take() == 0xFFFFFFFF
    with pytest.raises(SecurityError):
        last.take()


def test_threads_never_share_a_value() -> None:
    lease = CounterLease(0, 8000)
    taken: list[list[int]] = [[] for _ in range(4)]

    def work(values: list[int]) -> None:
        values.extend(lease.take() for _ in range(2000))

    threads = [threading.Thread(target=work, args=(values,)) for values in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [value for values in taken for value in values]
    assert len(everything) == len(set(everything)) == 8000


def test_a_fork_finds_its_leases_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    lease = CounterLease(0, 10)
    monkeypatch.setattr(counters, "_process", counters._process)
    counters.disown_leases()
    with pytest.raises(SecurityError, match="fork"):
        lease.take()
    assert CounterLease(0, 10).take() == 0


STEPS = st.lists(
    st.one_of(
        st.sampled_from([0x10, 0x20, 0x30, 0x50, 0x60, 0x70, 0x00, 0x31, 0xB0]),
        st.just("token"),
        st.integers(0, 3).map(lambda n: ("extend", n)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 2**32 - 10), st.integers(0, 4))
def test_no_nonce_is_used_twice(steps: list[object], start: int, count: int) -> None:
    """Whatever is asked of a sealer, (key, title, counter) never comes twice."""
    lease, broadcast = CounterLease(start, start + count), CounterLease(7, 12)
    sealing = Sealer(KEYS, b"ABC00001", lease, broadcast)
    top = start + count
    seen: set[tuple[bool, bytes]] = set()
    for step in steps:
        try:
            if isinstance(step, tuple):
                lease.extend(range(top, top + step[1]))
                top += step[1]
                continue
            made = sealing.token(b"challenge") if step == "token" else sealing.seal(b"x", step)  # type: ignore[arg-type]  # drawn
        except (SecurityError, UsageError):
            continue
        nonce = (bool(made[0] & 0x40), made[1:5])
        assert nonce not in seen
        seen.add(nonce)
