"""What the export of the three days must hold."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.headend.export.conftest import DAY, FIRST, rows_of


def at(end):
    return datetime.fromtimestamp(end, UTC)


def expected():
    """(meter, channel, end) to value, scaler and version, of all three days."""
    found = {}
    for number in (1, 2, 3):
        for day in range(FIRST, FIRST + 3):
            ends, imported, exported = rows_of(number, day)
            version = 2 if (number, day) == (2, FIRST) else 1
            for end, one, other in zip(ends, imported, exported, strict=True):
                found[f"M{number}", "1-0:1.8.0*255", at(end)] = (one, -3, version)
                found[f"M{number}", "1-0:2.8.0*255", at(end)] = (other, 1, version)
    found["M2", "1-0:1.8.0*255", at(FIRST * DAY + 3600)] = (99, -3, 2)
    found["M2", "1-0:2.8.0*255", at(FIRST * DAY + 3600)] = (98, 1, 2)
    return found


def shown(rows):
    return {
        (row["meter"], row["channel"], row["end"]): (row["value"], row["scaler"], row["version"])
        for row in rows
    }
