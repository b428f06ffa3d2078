"""Queries as people write them: `state=active and (model=FRR-1 or not below=Cell-7)`.

    query     = all-of { "or" all-of }
    all-of    = part { "and" part }
    part      = "not" part | "(" query ")" | "all" | "none" | condition
    condition = field ( "=" | "!=" ) value { "," value }
    value     = word [ "*" ] | '"' text '"' [ "*" ]

A star behind a value stands for whatever follows. In quotes, `\\"` and `\\\\` stand for themselves.
"""

from __future__ import annotations

import re
from typing import Final

from ferraris.headend.inventory.query import (
    EVERY,
    MOST_DEPTH,
    AllOf,
    AnyOf,
    Condition,
    Not,
    Query,
    QueryError,
    Value,
    check_condition,
    check_size,
    together,
)

__all__ = ["parse_query", "query_text"]

_MOST_CHARACTERS = 10_000
_BLANKS = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORD = re.compile(r"""[^\s(),="'*]+""")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')
_PLAIN = re.compile(r"[A-Za-z0-9_.:+/#@-]+")
_NONE: Final = AnyOf(())
_KEYWORDS = ("and", "or", "not", "all", "none")


def parse_query(text: str) -> Query:
    """Read a query; `QueryError` says at which character it stops making sense.

    An empty text is every meter.
    """
    if len(text) > _MOST_CHARACTERS:
        raise QueryError(f"at most {_MOST_CHARACTERS} characters")
    reader = _Reader(text)
    if reader.at_end():
        return EVERY
    query = reader.query(1)
    if not reader.at_end():
        raise reader.error("'and', 'or' or the end")
    return check_size(query)


def query_text(query: Query) -> str:
    """The query as `parse_query` reads it back."""
    if isinstance(query, Condition):
        return _condition_text(query, "=")
    if isinstance(query, Not):
        if isinstance(query.part, Condition):
            return _condition_text(query.part, "!=")
        return f"not {_part_text(query.part)}"
    if not query.parts:
        return "all" if isinstance(query, AllOf) else "none"
    word = " and " if isinstance(query, AllOf) else " or "
    return word.join(_part_text(part) for part in query.parts)


def _part_text(query: Query) -> str:
    text = query_text(query)
    return f"({text})" if isinstance(query, AllOf | AnyOf) and query.parts else text


def _condition_text(condition: Condition, sign: str) -> str:
    return f"{condition.field}{sign}{','.join(map(_value_text, condition.values))}"


def _value_text(value: Value) -> str:
    text = value.text
    if not _PLAIN.fullmatch(text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        text = f'"{escaped}"'
    return f"{text}*" if value.prefix else text


class _Reader:
    """A place in the text, and what may stand there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def at_end(self) -> bool:
        self._skip()
        return self._place == len(self._text)

    def error(self, wanted: str) -> QueryError:
        self._skip()
        rest = self._text[self._place :]
        found = repr(rest[:20] + ("…" if len(rest) > 20 else "")) if rest else "the end"
        return QueryError(f"{wanted} is needed, but there is {found}", self._place + 1)

    def query(self, depth: int) -> Query:
        parts = [self._all_of(depth)]
        while self._keyword("or"):
            parts.append(self._all_of(depth))
        return together(AnyOf, tuple(parts))

    def _all_of(self, depth: int) -> Query:
        parts = [self._part(depth)]
        while self._keyword("and"):
            parts.append(self._part(depth))
        return together(AllOf, tuple(parts))

    def _part(self, depth: int) -> Query:
        if depth > MOST_DEPTH:
            raise QueryError(f"nested at most {MOST_DEPTH} deep", self._place + 1)
        if self._keyword("not"):
            return Not(self._part(depth + 1))
        if self._sign("("):
            query = self.query(depth + 1)
            if not self._sign(")"):
                raise self.error("')'")
            return query
        if self._keyword("all"):
            return EVERY
        if self._keyword("none"):
            return _NONE
        return self._condition()

    def _condition(self) -> Query:
        self._skip()
        start = self._place
        found = _NAME.match(self._text, start)
        if found is None or found[0] in _KEYWORDS:
            raise self.error("a condition, as in state=active,")
        self._place = found.end()
        differs = self._sign("!=")
        if not differs and not self._sign("="):
            raise self.error(f"= or != behind {found[0]}")
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        try:
            condition = check_condition(found[0], tuple(values))
        except QueryError as error:
            raise QueryError(error.message, start + 1) from None
        return Not(condition) if differs else condition

    def _value(self) -> Value:
        self._skip()
        text = ""
        quoted = _QUOTED.match(self._text, self._place)
        found = quoted or _WORD.match(self._text, self._place)
        if found is not None:
            text = _ESCAPED.sub(r"\1", quoted[1]) if quoted else found[0]
            self._place = found.end()
        prefix = self._text.startswith("*", self._place)
        if found is None and not prefix:
            raise self.error("a value")
        self._place += prefix
        return Value(text, prefix)

    def _keyword(self, word: str) -> bool:
        self._skip()
        found = _NAME.match(self._text, self._place)
        if found is None or found[0] != word or self._followed_by_sign(found.end()):
            return False
        self._place = found.end()
        return True

    def _followed_by_sign(self, place: int) -> bool:
        blanks = _BLANKS.match(self._text, place)
        return self._text.startswith(("=", "!="), blanks.end() if blanks else place)

    def _sign(self, sign: str) -> bool:
        self._skip()
        if not self._text.startswith(sign, self._place):
            return False
        self._place += len(sign)
        return True

    def _skip(self) -> None:
        blanks = _BLANKS.match(self._text, self._place)
        if blanks is not None:
            self._place = blanks.end()
