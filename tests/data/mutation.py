"""Mutated octets: flips, cuts, insertions and splices of good ones, from a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from ferraris.core.errors import DecodeError


def mutated(seeds: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    chance = random.Random(seed)
    for _ in range(count):
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(octets) + 1)
            match chance.randrange(6):
                case 0:
                    del octets[place:]
                case 1:
                    octets[place:place] = chance.randbytes(chance.randint(1, 4))
                case 2:
                    other = chance.choice(seeds)
                    octets[place:] = other[chance.randrange(len(other) + 1) :]
                case 3:
                    del octets[place : place + chance.randint(1, 4)]
                case _:
                    if place < len(octets):
                        octets[place] = chance.choice((0, 1, 0x7F, 0x80, 0x84, 0xFF, place & 0xFF))
        yield bytes(octets)


def survive(
    decoder: Callable[[bytes], object], seeds: Sequence[bytes], count: int = 10_000
) -> tuple[int, int]:
    """Run a decoder over mutated octets; anything but `DecodeError` fails the test."""
    good = bad = 0
    for octets in mutated(seeds, count):
        try:
            decoder(octets)
            good += 1
        except DecodeError as error:
            if not 0 <= error.offset <= len(octets) or len(str(error)) > 300:
                raise AssertionError(octets.hex()) from error
            bad += 1
    assert good
    assert bad
    return good, bad
