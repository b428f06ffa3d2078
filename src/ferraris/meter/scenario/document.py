"""A document of mappings, lists and scalars that knows on which line everything stands.

Whoever reads it asks for what is wanted, and the error for anything else names the file, the line
and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from ferraris.core.errors import UsageError

__all__ = ["Node", "Value"]

Value = str | int | float | bool | None
"""What a scalar holds."""

_UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_TIME_OF_DAY = re.compile(r"(?:(\d+)\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?")


class Node:
    """One value of a document and its line, from 1.

    `value` is a mapping of names to nodes, a sequence of nodes, or a scalar.
    """

    __slots__ = ("file", "line", "value")

    def __init__(
        self, file: str, line: int, value: Mapping[str, Node] | Sequence[Node] | Value
    ) -> None:
        self.file = file
        self.line = line
        self.value = value

    def error(self, expected: str) -> UsageError:
        """An error that says where it is wrong and what was expected."""
        return UsageError(f"{self.file}:{self.line}: {expected}, not {self._shown()}")

    def _shown(self) -> str:
        if isinstance(self.value, Mapping):
            return "a mapping"
        if isinstance(self.value, Sequence) and not isinstance(self.value, str):
            return "a list"
        text = repr(self.value)
        return text if len(text) <= 60 else f"{text[:57]}..."

    # -- what it may be -----------------------------------------------------------------------

    def mapping(self, *names: str, other: bool = False) -> Mapping[str, Node]:
        """A mapping with none but these names, unless others are allowed."""
        if not isinstance(self.value, Mapping):
            raise self.error("a mapping was expected")
        if not other:
            for name, node in self.value.items():
                if name not in names:
                    near = get_close_matches(name, names, 1)
                    hint = f" (did you mean {near[0]!r}?)" if near else ""
                    listed = ", ".join(sorted(names))
                    raise UsageError(
                        f"{self.file}:{node.line}: there is no {name!r} here{hint}; known are "
                        f"{listed}"
                    )
        return self.value

    def items(self) -> Iterator[Node]:
        """The elements of a list."""
        if isinstance(self.value, Sequence) and not isinstance(self.value, str):
            return iter(self.value)
        raise self.error("a list was expected")

    def text(self) -> str:
        """A text, not empty."""
        if not isinstance(self.value, str) or not self.value:
            raise self.error("a text was expected")
        return self.value

    def number(self, least: float, most: float) -> float:
        """A number within bounds, both included."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.error("a number was expected")
        if not least <= self.value <= most:
            raise self.error(f"a number from {least:g} to {most:g} was expected")
        return self.value

    def whole(self, least: int, most: int) -> int:
        """A whole number within bounds, both included."""
        value = self.number(least, most)
        if not isinstance(value, int):
            raise self.error("a whole number was expected")
        return value

    def flag(self) -> bool:
        """Yes or no."""
        if not isinstance(self.value, bool):
            raise self.error("true or false was expected")
        return self.value

    def seconds(self) -> int:
        """A duration: a number of seconds, or with its unit as in `15 min`, `2 h`, `3 d`."""
        if isinstance(self.value, int) and not isinstance(self.value, bool) and self.value >= 0:
            return self.value
        found = _DURATION.fullmatch(self.value.strip()) if isinstance(self.value, str) else None
        unit = None if found is None else _UNITS_S.get(found[2])
        if found is None or unit is None:
            raise self.error("a duration as in 90 s, 15 min, 2 h or 3 d was expected")
        return round(float(found[1]) * unit)

    def instant(self, start: int, first_midnight: int) -> int:
        """UTC seconds.

        ISO 8601 with an offset; `+2 h` after `start`; or `06:30` of the first day, `2 06:30` of
        the second, where `first_midnight` is the local midnight before `start`.
        """
        text = self.value.strip() if isinstance(self.value, str) else ""
        if text.startswith("+"):
            return start + Node(self.file, self.line, text[1:].strip()).seconds()
        clock = _TIME_OF_DAY.fullmatch(text)
        if clock is not None:
            day, hour, minute, second = (int(part or 0) for part in clock.groups())
            if hour < 24 and minute < 60 and second < 60:
                days = max(day, 1) - 1
                return first_midnight + days * 86400 + hour * 3600 + minute * 60 + second
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise self.error(
                "a time was expected: +2 h, 06:30, 2 06:30 (the second day), or ISO 8601 with an "
                "offset"
            )
        return int(moment.timestamp())
