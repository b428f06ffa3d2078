"""Whole rows from what was sent: null-data filled from above, delta kinds added up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data.date_time import advance
from ferraris.data.kinds import Data, plain

if TYPE_CHECKING:
    from ferraris.data.layout import Layout

__all__ = ["Filling", "clocks", "complete", "row", "summed"]

_NULLS = (0, 255)
_WHERE = "profile rows"


class Filling(NamedTuple):
    """How gaps are filled: at all, and the clock column with its step in seconds (0: no step)."""

    fill: bool
    clock: int | None
    step: int


def complete(
    layout: Layout,
    batch: list[tuple[Any, ...]],
    above: tuple[Any, ...],
    filling: Filling,
    position: int,
) -> list[tuple[Any, ...]]:
    """Rows of one layout: nulls filled, deltas added, strings made."""
    width, many = len(layout.columns), len(batch)
    above = above if len(above) == width else (None,) * width
    stepping = filling.clock if filling.step else None
    if layout.leading_nulls and stepping not in layout.nulls:
        prefix = above[: layout.leading_nulls]
        return [prefix + row for row in batch]
    sent = iter(zip(*batch, strict=True))
    columns: list[Any] = []
    for n in range(width):
        if n in layout.nulls:
            steps = n == stepping
            columns.append(
                clocks(above[n], filling.step, many) if steps else repeat(above[n], many)
            )
        elif n in layout.converts:
            columns.append(map(layout.converts[n], next(sent)))
        elif filling.fill and n in layout.deltas:
            columns.append(summed(above[n], next(sent), position))
        else:
            columns.append(next(sent))
    return list(zip(*columns, strict=True))


def row(data: Data, above: tuple[Any, ...], filling: Filling, position: int) -> tuple[Any, ...]:
    """One row that was decoded on its own; what is no structure is a row of one column."""
    cells = data[1] if data[0] == 2 else [data]
    above = above if len(above) == len(cells) else (None,) * len(cells)
    values = []
    for n, cell in enumerate(cells):
        tag = cell[0]
        if not filling.fill or not (tag in _NULLS or 28 <= tag <= 33):
            values.append(_plain(cell, position))
        elif 28 <= tag <= 33:
            values.extend(summed(above[n], (cell[1],), position))
        elif n == filling.clock and filling.step:
            values.extend(clocks(above[n], filling.step, 1))
        else:
            values.append(above[n])
    return tuple(values)


def clocks(above: Any, step: int, many: int) -> list[Any]:
    """The raw date-times that follow the one above at equal steps of seconds."""
    if not isinstance(above, bytes):
        return [above] * many
    made: list[Any] = []
    for _ in range(many):
        above = advance(bytes(above), step)
        made.append(above)
    return made


def summed(above: Any, deltas: Sequence[int], position: int) -> list[int]:
    """Deltas added to the number above; `DecodeError` when there is none."""
    if type(above) is not int:
        raise DecodeError("a delta with no number above it", where=_WHERE, offset=position)
    return list(accumulate(deltas, initial=above))[1:]


def _plain(cell: Data, position: int) -> Any:
    try:
        return plain(cell)
    except DecodeError as error:
        error.offset = position  # what is wrong lies inside a compact-array of this row
        raise
