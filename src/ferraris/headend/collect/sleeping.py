"""Meters that can be called at some hours only: when they sleep, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from ferraris.headend.collect.target import Target
from ferraris.headend.collect.windows import Window, next_opening, opening_at
from ferraris.headend.inventory.awake import hours_of

__all__ = ["sleeps", "sleeps_until"]

_MINUTE_S = 60


def sleeps(target: Target, now: float) -> bool:
    """Whether a meter cannot be called at a moment."""
    return bool(target.hours[0]) and sleeps_until(target, now) is not None


def sleeps_until(target: Target, now: float) -> datetime | None:
    """When it is awake again; None when it is awake now."""
    text, zone = target.hours
    until_s = _until(text, zone, int(now) // _MINUTE_S) if text else 0
    return datetime.fromtimestamp(until_s, UTC) if until_s else None


@lru_cache(maxsize=4096)
def _until(text: str, zone: str, minute: int) -> int:
    """Hours begin and end with whole minutes, so meters with the same ones are one question."""
    now = float(minute * _MINUTE_S)
    windows = [Window(*each) for each in hours_of(text)]
    if any(opening_at(window, zone, now) is not None for window in windows):
        return 0
    return min(next_opening(window, zone, now).start_s for window in windows)
