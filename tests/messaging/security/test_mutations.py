"""Whatever comes in: `DecodeError` or `SecurityError`, no floor raised, no plaintext let out."""

from __future__ import annotations

import random

import pytest

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.messaging.dlms.security import (
    CipherKeys,
    CounterLease,
    Opener,
    ReplayError,
    Sealer,
)

KEYS = CipherKeys(0, b"e" * 16, b"a" * 16, b"b" * 16)
TITLE = b"FER\x00\x00\x00\x00\x01"
INPUTS = 10_000


def mutate(octets: bytes, chance: random.Random) -> bytes:
    """One to four changes: a flipped bit, a new octet, a cut, a doubled or an inserted stretch."""
    changed = bytearray(octets)
    for _ in range(chance.randrange(1, 5)):
        place = chance.randrange(len(changed)) if changed else 0
        kind = chance.randrange(6)
        if kind == 0 and changed:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and changed:
            changed[place] = chance.randrange(256)
        elif kind == 2:
            del changed[place:]
        elif kind == 3:
            del changed[:place]
        elif kind == 4:
            changed += changed[:place]
        else:
            changed[place:place] = chance.randbytes(chance.randrange(8))
    return bytes(changed)


def test_mutated_apdus() -> None:
    chance = random.Random(5)
    sealer = Sealer(KEYS, TITLE, CounterLease(100, 500), CounterLease(100, 500))
    seeds = [
        sealer.seal(chance.randbytes(size), control)
        for size in (0, 1, 13, 200)
        for control in (0x10, 0x30, 0x70, 0x50, 0x20)
    ]
    opener = Opener(KEYS, TITLE, floor=99, broadcast_floor=99)
    refused = 0
    for _ in range(INPUTS):
        content = mutate(chance.choice(seeds), chance)
        if content in seeds:
            continue
        with pytest.raises((DecodeError, SecurityError)) as caught:
            opener.open(content)
        assert not isinstance(caught.value, ReplayError)
        assert "\n" not in str(caught.value)
        refused += 1
    assert refused > INPUTS * 0.9
    assert (opener.floor, opener.broadcast_floor) == (99, 99)


def test_mutated_apdus_without_any_policy() -> None:
    """Encryption alone lets forged octets pass: the floors and authenticated APDUs stay safe."""
    chance = random.Random(6)
    sealer = Sealer(KEYS, TITLE, CounterLease(100, 500))
    seeds = [sealer.seal(chance.randbytes(40), control) for control in (0x10, 0x20, 0x30)]
    opener = Opener(KEYS, TITLE, floor=99, minimum=0)
    for _ in range(INPUTS):
        content = mutate(chance.choice(seeds), chance)
        if content in seeds:
            continue
        try:
            opened = opener.open(content)
        except (DecodeError, SecurityError):
            continue
        assert not opened.authenticated
    assert (opener.floor, opener.broadcast_floor) == (99, -1)


def test_random_octets() -> None:
    chance = random.Random(7)
    opener = Opener(KEYS, TITLE)
    for _ in range(INPUTS):
        content = bytes((chance.choice((0x10, 0x20, 0x30, 0x70, 0xB0, 0x31)),))
        content += chance.randbytes(chance.randrange(60))
        with pytest.raises((DecodeError, SecurityError)):
            opener.open(content)
    assert opener.floor == -1


def test_mutated_tokens() -> None:
    chance = random.Random(8)
    token = Sealer(KEYS, TITLE, CounterLease(7, 8)).token(b"challenge")
    opener = Opener(KEYS, TITLE)
    for _ in range(INPUTS):
        changed = mutate(token, chance)
        if changed == token:
            continue
        with pytest.raises(SecurityError):
            opener.check_token(changed, b"challenge")
    assert opener.check_token(token, b"challenge") == 7
