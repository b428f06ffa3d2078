"""Tables of a TOML file whose every key is accounted for, with errors that say where they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ferraris.core.errors import UsageError

__all__ = ["Table"]

T = TypeVar("T")

_MOST_INDEX = 127


class Table:
    """A table of the file `file` with the text `text`; keys that nobody asked for are errors.

    `path` is its place among the other tables, `block` the line that its own lines begin after.
    """

    def __init__(  # noqa: PLR0917 - a place in a file is all of these
        self,
        values: Mapping[str, Any],
        file: str,
        text: str,
        path: str = "",
        block: int = 0,
        key: str = "",
    ) -> None:
        self._values = dict(values)
        self._file = file
        self._text = text
        self._path = path
        self._block = block
        self._key = key

    @property
    def inner(self) -> bool:
        """Whether the table is the value of a key."""
        return bool(self._key)

    def error(self, key: str, expected: str) -> UsageError:
        """The error of a key: file, line, path and what was expected."""
        path = ".".join(filter(None, (self._path, key)))
        return UsageError(f"{self._file}, line {self._line(self._key or key)}: {path}: {expected}")

    def text(self, key: str, usual: str | None = None) -> str:
        """A text that is not empty."""
        found = self._take(key, usual)
        if not isinstance(found, str) or (not found and usual is None):
            raise self.error(key, f"a text expected, not {found!r:.40}")
        return found

    def texts(self, key: str, usual: list[str] | None) -> Any:
        """A list of texts, or a single one; the usual list may be None."""
        found = self._values.pop(key, usual)
        if found is usual:
            return usual
        listed = [found] if isinstance(found, str) else found
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise self.error(key, f"a list of texts expected, not {found!r:.40}")
        return listed

    def number(self, key: str, usual: int | None, low: int, high: int) -> int:
        """A whole number."""
        return self.whole(
            key, self._take(key, usual), low if usual is None else min(low, usual), high
        )

    def numbers(self, key: str, usual: Sequence[int], low: int, high: int) -> list[int]:
        """A list of whole numbers, or a single one."""
        found = self._values.pop(key, list(usual))
        listed = found if isinstance(found, list) else [found]
        return [self.whole(key, each, low, high) for each in listed]

    def whole(self, key: str, found: Any, low: int, high: int) -> int:
        """A whole number within a list or table of a key."""
        if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
            raise self.error(key, f"a whole number {low}..{high} expected, not {found!r:.40}")
        return found

    def flag(self, key: str, usual: bool) -> bool:
        """True or false."""
        found = self._values.pop(key, usual)
        if not isinstance(found, bool):
            raise self.error(key, f"true or false expected, not {found!r:.40}")
        return found

    def table(self, key: str) -> Table:
        """The table that a key holds, empty when there is none."""
        found = self._values.pop(key, {})
        if not isinstance(found, dict):
            raise self.error(key, f"a table expected, not {found!r:.40}")
        path = ".".join(filter(None, (self._path, key)))
        return Table(found, self._file, self._text, path, self._block, key)

    def tables(self, key: str) -> Iterator[Table]:
        """The tables under headers in double brackets."""
        found = self._values.pop(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.error(key, f"tables under [[{key}]] expected")
        headers = [
            number
            for number, line in enumerate(self._text.splitlines(), 1)
            if re.match(rf"\s*\[\[\s*{key}\s*\]\]", line)
        ]
        for place, each in enumerate(found):
            block = headers[place] if place < len(headers) else 0
            path = f"{key}[{place + 1}]"
            yield Table(each, self._file, self._text, path, block)

    def by_index(self, key: str, kinds: tuple[type, ...]) -> Iterator[tuple[int, Any]]:
        """The table of a key whose keys are indices of attributes, negative ones of a maker."""
        table = self.table(key)
        for index, value in table._values.items():
            if not re.fullmatch(r"-?\d{1,3}", index) or not -128 <= int(index) <= _MOST_INDEX:
                raise self.error(key, f"the index of an attribute expected, not {index!r:.40}")
            if not isinstance(value, kinds):
                raise self.error(key, f"attribute {index} cannot be {value!r:.40}")
            yield int(index), value

    def reading(self, key: str, read: Callable[[str], T]) -> Callable[[str], T]:
        """`read`, whose errors tell the place of the key."""

        def at_the_key(text: str) -> T:
            if not isinstance(text, str):
                raise self.error(key, f"a text expected, not {text!r:.40}")
            try:
                return read(text)
            except UsageError as error:
                raise self.error(key, error.message) from error

        return at_the_key

    def unread(self) -> list[str]:
        """The keys that nobody has asked for yet."""
        return list(self._values)

    def finish(self) -> None:
        """`UsageError` for a key that means nothing here."""
        for key in self._values:
            raise self.error(key, "this key means nothing here")

    def _take(self, key: str, usual: Any) -> Any:
        if key not in self._values and usual is None:
            raise self.error(key, "missing")
        return self._values.pop(key, usual)

    def _line(self, key: str) -> int:
        """The line of a key in this table's own lines, else the line of its header."""
        lines = self._text.splitlines()
        for number, line in enumerate(lines[self._block :], self._block + 1):
            if re.match(rf"\s*{re.escape(key)}(\.\S+)?\s*=", line):
                return number
            if line.lstrip().startswith("[") and "=" not in line:
                break
        return max(1, self._block)
