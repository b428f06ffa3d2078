"""The mark beside a store: how an older copy of the file gives itself away.

Every lease raises a number in the file and then in a small second file beside it. A file whose
number is behind that of its mark is an older copy: its counters were used since. Who copies back
both files at once, a whole disk say, is not noticed; keep the mark on another disk for that.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from ferraris.core.errors import UsageError

__all__ = ["Mark", "mark_place", "read_mark", "write_mark"]

_FORM = re.compile(rb"([0-9a-f]{32}) ([0-9]{20}) ([0-9]{20})\n")
_AS_IT_IS = getattr(os, "O_BINARY", 0)  # Windows would write line breaks of its own
_TRIES = 100  # a reader may see half of what a writer writes: both numbers are then not the same


class Mark(NamedTuple):
    """Of which store, and how far it has come."""

    store: str
    generation: int


def mark_place(place: Path) -> Path:
    """Where the mark of a store lies unless told otherwise."""
    return place.with_name(place.name + ".mark")


def read_mark(place: Path) -> Mark | None:
    """The mark, None when there is none or it is damaged."""
    for _ in range(_TRIES):
        try:
            octets = place.read_bytes()
        except OSError:
            return None
        found = _FORM.fullmatch(octets)
        if found is not None and found[2] == found[3]:
            return Mark(found[1].decode(), int(found[2]))
    return None


def write_mark(place: Path, mark: Mark) -> None:
    """Write it in place; the system's cache is enough, a lost one is only less to compare with."""
    number = f"{mark.generation:020d}"
    octets = f"{mark.store} {number} {number}\n".encode()
    try:
        file = os.open(place, os.O_WRONLY | os.O_CREAT | _AS_IT_IS, 0o600)
        try:
            os.write(file, octets)
            os.ftruncate(file, len(octets))
        finally:
            os.close(file)
    except OSError as error:
        raise UsageError(f"mark of the key store {place}: {error.strerror}") from None
