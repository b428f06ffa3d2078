"""What came of a shipment file: counts, and what is wrong in which row."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ferraris.core.errors import UsageError

__all__ = ["MOST_LISTED", "Findings", "Report", "RowError", "ShipmentError"]

MOST_LISTED = 100
"""How many errors a report repeats; all are counted."""

_NAMED = 5
_COLUMN_CHARACTERS = 40
# Names are repeated, but where columns are shifted a name may be a key.
_LIKE_A_KEY = re.compile(r"(?:[0-9A-Fa-f]{2}:?){12,}")


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong where, and what helps; `row` is a line of CSV or the number of a JSON object.

    Row 0 is the file as a whole. No secret is repeated here.
    """

    row: int
    column: str
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """`written` tells whether anything was changed: never when there are errors.

    `counted` says what rows are: lines, or objects of JSON. `keys` is how many secrets were put
    into the key store, `kept` how many meters have keys in use, which a file does not replace.
    """

    rows: int
    new: int
    changed: int
    unchanged: int
    keys: int
    kept: int
    errors: tuple[RowError, ...] = ()
    error_count: int = 0
    counted: str = "line"
    written: bool = False

    @property
    def problem(self) -> str:
        """The first errors in one text; empty when there are none."""
        texts = [_text(error, self.counted) for error in self.errors[:_NAMED]]
        if self.error_count > len(texts):
            texts.append(f"{self.error_count - len(texts)} more errors")
        return "; ".join(texts)


class ShipmentError(UsageError):
    """A shipment file that was not taken; `report` says why, row by row."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.problem, where="shipment")
        self.report = report


@dataclass(slots=True)
class Findings:
    """Errors as they are found, the first of them kept."""

    counted: str = "line"
    errors: list[RowError] = field(default_factory=list)
    count: int = 0
    rows: set[int] = field(default_factory=set)

    def add(self, row: int, column: str, what: str, remedy: str = "") -> None:
        """Note one."""
        self.count += 1
        self.rows.add(row)
        if len(self.errors) < MOST_LISTED:
            column, what, remedy = (_LIKE_A_KEY.sub("…", text) for text in (column, what, remedy))
            self.errors.append(RowError(row, column[:_COLUMN_CHARACTERS], what, remedy))

    def put_first(self, column: str, what: str, remedy: str) -> None:
        """Note what explains the others, about the file as a whole."""
        self.count += 1
        self.errors.insert(0, RowError(0, column, what, remedy))
        del self.errors[MOST_LISTED:]


def _text(error: RowError, counted: str) -> str:
    place = f"{counted} {error.row}, " if error.row else ""
    column = f"{error.column}: " if error.column else ""
    return f"{place}{column}{error.what}" + (f" ({error.remedy})" if error.remedy else "")
