"""Processor time to protect and unprotect APDUs: `python bench/protect.py`."""

from __future__ import annotations

import time
from collections.abc import Callable

from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener, Sealer

ROUNDS, REPEATS = 15, 2000
TITLE = b"FER\x00\x00\x00\x00\x01"
KEYS = CipherKeys(0, bytes(range(16)), bytes(range(16, 32)))
MINIMUM_US = {"seal": 5.0, "open": 8.0}
TARGET_US = {"seal": 3.0, "open": 4.5}


def best_us(work: Callable[[], None]) -> float:
    """Best of the rounds, microseconds of thread time for one of `REPEATS` operations."""
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.thread_time_ns()
        work()
        best = min(best, time.thread_time_ns() - begin)
    return best / REPEATS / 1000


def seal_work(plain: bytes, control: int) -> Callable[[], None]:
    """A round of sealing; the lease is part of it."""
    sealer = Sealer(KEYS, TITLE, CounterLease(0, 1 << 31))

    def work() -> None:
        seal = sealer.seal
        for _ in range(REPEATS):
            seal(plain, control)

    return work


def open_work(plain: bytes, control: int) -> Callable[[], None]:
    """A round of opening messages with rising counters."""
    sealer = Sealer(KEYS, TITLE, CounterLease(0, REPEATS))
    contents = [sealer.seal(plain, control) for _ in range(REPEATS)]

    def work() -> None:
        take = Opener(KEYS, TITLE, minimum=0).open
        for content in contents:
            take(content)

    return work


def main() -> None:
    """Print one line for each size and protection."""
    print(f"{'octets':>6} {'control':>7} {'seal us':>8} {'open us':>8}")
    for size in (16, 100, 1000, 2000):
        for control in (0x10, 0x20, 0x30):
            plain = bytes(size)
            seal_us = best_us(seal_work(plain, control))
            open_us = best_us(open_work(plain, control))
            print(f"{size:>6} {control:>7x} {seal_us:>8.2f} {open_us:>8.2f}")
    print(f"1000 octets: minimum {MINIMUM_US}, target {TARGET_US}")


if __name__ == "__main__":
    main()
