"""Fleets: what idle meters take, and how long the consumption of a day takes for all of them.

`python -m bench fleet` makes a million meters of mixed templates in one process, touches none, and
prints what the process grew by; then the day of 100,000 meters as columns, 96 quarters of four
channels each, in processor time.
"""

from __future__ import annotations

import gc
import resource
import time

from ferraris.meter.columns_consumption import day_of_fleet
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import CHANNELS, FIRST_DAY, QUARTERS
from ferraris.meter.templates import names, template

IDLE = 1_000_000
METERS = 100_000
ROUNDS = 3
LIMIT_MB, LIMIT_S = 1024, 2.0


def main() -> None:
    """Print both."""
    kinds = [template(name) for name in names()]
    fleets = [Fleet(kind, IDLE // len(kinds), seed=place + 1) for place, kind in enumerate(kinds)]
    gc.collect()
    total = sum(len(fleet) for fleet in fleets)
    print(f"{total} idle meters of {len(kinds)} templates: {peak_mb():.0f} MB (limit {LIMIT_MB})")
    household = fleets[names().index("residential")]
    for index in range(100_000):
        household[index]
    print(f"100000 of them looked up: {peak_mb():.0f} MB")
    fleet = Fleet(template("residential"), METERS, seed=5)
    best = float("inf")
    for day in range(FIRST_DAY + 400, FIRST_DAY + 400 + ROUNDS):
        began = time.process_time()
        day_of_fleet(fleet, day)
        best = min(best, time.process_time() - began)
    values = METERS * CHANNELS * QUARTERS
    print(
        f"a day of {METERS} meters x {QUARTERS} x {CHANNELS}: {best:.2f} s (limit {LIMIT_S:g}),"
        f" {best / values * 1e9:.0f} ns a value"
    )


def peak_mb() -> float:
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
