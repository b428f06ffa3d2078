"""Processor time to protect and unprotect APDUs: `python bench/protect.py`.

The peer in the same run is the way that the cryptography library documents for 12-octet tags, one
cipher object for each APDU, without any framing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

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


def plain_seal(plain: bytes) -> Callable[[], None]:
    """The documented way: encryption and tag."""

    def work() -> None:
        for counter in range(REPEATS):
            mode = modes.GCM(TITLE + counter.to_bytes(4, "big"))
            encryptor = Cipher(algorithms.AES(KEYS.encryption_key), mode).encryptor()
            encryptor.authenticate_additional_data(b"\x30" + KEYS.authentication_key)
            _ = encryptor.update(plain) + encryptor.finalize() + encryptor.tag[:12]

    return work


def plain_open(plain: bytes) -> Callable[[], None]:
    """The documented way: decryption, refused when the tag differs."""
    sealer = Sealer(KEYS, TITLE, CounterLease(0, REPEATS))
    contents = [sealer.seal(plain, 0x30) for _ in range(REPEATS)]

    def work() -> None:
        for content in contents:
            mode = modes.GCM(TITLE + content[1:5], content[-12:], 12)
            decryptor = Cipher(algorithms.AES(KEYS.encryption_key), mode).decryptor()
            decryptor.authenticate_additional_data(b"\x30" + KEYS.authentication_key)
            _ = decryptor.update(content[5:-12]) + decryptor.finalize()

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
    plain = bytes(1000)
    peer_seal, peer_open = best_us(plain_seal(plain)), best_us(plain_open(plain))
    seal_us, open_us = best_us(seal_work(plain, 0x30)), best_us(open_work(plain, 0x30))
    print(f"documented way, 1000 octets: {peer_seal:.2f} / {peer_open:.2f} us")
    print(f"ratio: {peer_seal / seal_us:.1f}x / {peer_open / open_us:.1f}x")


if __name__ == "__main__":
    main()
