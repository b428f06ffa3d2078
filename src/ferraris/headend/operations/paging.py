"""Lists in pages: whoever asks again with `after` gets on where the last page ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ferraris.core.errors import UsageError

__all__ = ["MOST", "Page", "checked_limit", "number_after", "page"]

Item = TypeVar("Item")
Row = TypeVar("Row")

MOST: Final = 1000
"""The longest page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, and what `after` gets the rest; empty when this was the end."""

    items: list[Item]
    next: str = ""


def checked_limit(limit: int) -> int:
    """A length of page that can be asked for; ask the store for one row more, then call `page`."""
    if not 1 <= limit <= MOST:
        raise UsageError(f"limit is 1 to {MOST}, not {limit}")
    return limit


def number_after(after: str) -> int:
    """The number that `after` holds where lists are in the order of numbers; 0 for none."""
    if not after:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) < 19):
        raise UsageError("after is what the page before said, nothing else")
    return int(after)


def page(
    rows: Sequence[Row], limit: int, made: Callable[[Row], Item], key: Callable[[Row], object]
) -> Page[Item]:
    """The page out of at most `limit + 1` rows; `key` is what the list is ordered by."""
    kept = rows[:limit]
    more = str(key(kept[-1])) if len(rows) > limit else ""
    return Page([made(row) for row in kept], more)
