"""`python -m fuzz [TARGET] [--count N] [--seed N] [--atheris]`: a million mutations of each.

`--atheris` lets coverage guide the mutations of one target until it is interrupted.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence

from ferraris.core.errors import DecodeError
from fuzz.targets import TARGETS, Target

_SLOW_S = 1.0


def main() -> int:
    """Fuzz what the arguments name; 1 when something else than our own error came out."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true")
    chosen = parser.parse_args()
    if chosen.atheris:
        return _guided(TARGETS[chosen.target or "apdu"])
    failed = False
    for name in [chosen.target] if chosen.target else TARGETS:
        failed |= not fuzz(name, TARGETS[name], chosen.count, chosen.seed)
    return int(failed)


def fuzz(name: str, target: Target, count: int, seed: int) -> bool:
    """Whether `count` mutations brought nothing but `DecodeError`, each within a second."""
    begun = time.perf_counter()
    good = 0
    for octets in _mutated(target.seeds, count, seed):
        before = time.perf_counter()
        try:
            target.decode(octets)
            good += 1
        except DecodeError:
            pass
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}\n  {octets.hex()}")
            return False
        if time.perf_counter() - before > _SLOW_S:
            print(f"{name}: too slow\n  {octets.hex()}")
            return False
    spent = time.perf_counter() - begun
    print(f"{name}: {count} inputs, {good} decoded, {count / spent:,.0f} a second")
    return True


def _mutated(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Good octets with bits flipped, cut, spliced, repeated."""
    chance = random.Random(seed)
    for _ in range(count):
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(octets) + 1)
            kind = chance.randrange(6)
            if kind == 0:
                octets[at:at] = chance.randbytes(chance.randrange(1, 5))
            elif kind == 1:
                del octets[at : at + chance.randrange(1, 9)]
            elif kind == 2:
                octets[at:] = chance.choice(seeds)[at // 2 :]
            elif kind == 3:
                octets[at:at] = octets[max(0, at - 9) : at] * chance.choice((1, 2, 30))
            elif at < len(octets):
                octets[at] = chance.choice((0, 1, 2, 0x7F, 0x80, 0x84, 0xFF, chance.randrange(256)))
        yield bytes(octets)


def _guided(target: Target) -> int:
    try:
        import atheris
    except ImportError:
        print("atheris is missing: pip install 'ferraris[fuzz]'")
        return 2

    def one(octets: bytes) -> None:
        try:
            target.decode(octets)
        except DecodeError:
            return

    atheris.instrument_all()
    atheris.Setup(sys.argv[:1], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
