"""Finding codes by words: any order, beginnings of words, and what people call things.

Every wanted word must be in the name, or words that say the same. The best match comes first: names
that have little besides what was wanted, words in the order asked for, and what is met often.
Numbers may stand for groups of a code, so `load profile 3` finds the third, and `last month` or
`channel 2` ask for other groups F and B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.model.obis_names.made import (
    Made,
    Part,
    Place,
    Token,
    called,
    own_tokens,
    parts,
    vocabulary,
)
from ferraris.model.obis_names.names import classes, name, pattern_of, provenance
from ferraris.model.obis_names.query import Asked, readings
from ferraris.model.obis_names.tables import ELECTRICITY, Medium, Pattern, frequent, medium, shared

if TYPE_CHECKING:
    from ferraris.model.interface_class import Provenance

__all__ = ["Found", "search"]

_MOMENTARY, _INTEGRAL = 7, 8


class Found(NamedTuple):
    """One result of a search; letters in `pattern` stand for any number."""

    pattern: str
    name: str
    classes: tuple[int, ...]
    provenance: Provenance


def search(words: str, limit: int = 50) -> list[Found]:
    """Objects whose name says all of these words or the same by other words, the best first.

    An OBIS code instead of words finds its own name. Nothing is found for no words.
    """
    try:
        code = Obis.parse(words)
    except UsageError:
        pass
    else:
        return [Found(str(code), name(code), classes(code), provenance(code) or "memory")]
    best: dict[str, Found] = {}
    memo = _Memo()
    hits = (hit for asked in readings(words) for hit in _hits(asked, memo))
    for hit in sorted(hits, key=_rank):
        if len(best) == limit:
            break
        # A row that stands before this one may name the code.
        if pattern_of(hit.made.code(hit.bound)) is hit.made.pattern:
            found = _found(hit)
            best.setdefault(found.pattern, found)
    return list(best.values())


class _Hit(NamedTuple):
    """A name that says all words, and the numbers of groups that words have set."""

    score: float
    asked: Asked
    made: Made
    bound: dict[str, int]


def _rank(hit: _Hit) -> tuple[float, bytes]:
    return -round(hit.score, 3), hit.made.code(hit.bound)


def _found(hit: _Hit) -> Found:
    made, asked = hit.made, hit.asked
    shown = made.shown(hit.bound)
    if asked.f is not None:
        shown["f"] = str(asked.f)
    pattern = "{a}-{b}:{c}.{d}.{e}*{f}".format(a=made.tables.number, b=asked.b, **shown)
    return Found(pattern, made.words(shown) + asked.suffix, made.pattern.classes, made.mark)


class _Memo:
    """What one search knows already of words and tokens."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, int], bool] = {}
        self._fitting: dict[str, frozenset[str]] = {}

    def said(self, word: str, tokens: tuple[Token, ...]) -> bool:
        """Whether a word is among tokens that stay as long as this does."""
        key = word, id(tokens)
        said = self._said.get(key)
        if said is None:
            fitting = self._fitting.get(word)
            if fitting is None:
                known = vocabulary()
                fitting = frozenset(each for each in known if _fits(word, each))
                self._fitting[word] = fitting
            said = not fitting.isdisjoint(tokens) or any(
                token.holds(word) is not None for token in tokens if isinstance(token, Place)
            )
            self._said[key] = said
        return said


def _hits(asked: Asked, memo: _Memo) -> Iterator[_Hit]:
    for row in shared("medium"):
        tables = medium(row.numbers.start)
        named = _said(asked, called(tables.number), memo)
        for pattern in tables.patterns:
            if pattern.f is not None and asked.f is not None:
                continue
            own = named | _said(asked, own_tokens(tables.name, pattern), memo)
            for made in _choices(asked, tables, pattern, own, memo):
                if (hit := _scored(asked, made)) is not None:
                    yield hit


def _choices(
    asked: Asked, tables: Medium, pattern: Pattern, own: int, memo: _Memo
) -> Iterator[Made]:
    """Names that say all words, found by putting only such parts together as may."""
    wanted = (1 << len(asked.words)) - 1
    if own != wanted and not (pattern.c.table or pattern.d.table or pattern.e.table):
        return
    of_c, of_d, of_e = (
        [(part, _said(asked, part.tokens, memo)) for part in parts(pattern, letter)]
        for letter in "cde"
    )
    most = own | _all_of(of_d) | _all_of(of_e)
    for c, said_by_c in of_c:
        if said_by_c | most != wanted:
            continue
        for d, said_by_d in of_d:
            said = own | said_by_c | said_by_d
            for e, said_by_e in of_e:
                if said | said_by_e == wanted:
                    yield Made(tables, pattern, c, d, e)


def _all_of(choices: list[tuple[Part, int]]) -> int:
    bits = 0
    for _, said in choices:
        bits |= said
    return bits


def _said(asked: Asked, tokens: tuple[Token, ...], memo: _Memo) -> int:
    """Which of the words are among these tokens, as bits."""
    bits = 0
    for position, word in enumerate(asked.words):
        if memo.said(word, tokens):
            bits |= 1 << position
    return bits


def _fits(word: str, token: Token) -> float:
    """How well a wanted word is said by a word of a name: 1 exactly, 0 not at all."""
    if isinstance(token, Place):
        return 0.9 if token.holds(word) is not None else 0
    if word == token:
        return 1
    if len(word) < 2 or word.isdigit():
        return 0
    if token == f"{word}s" or word == f"{token}s":
        return 0.95
    if token.startswith(word):
        return 0.5 + 0.4 * len(word) / len(token)
    return 0


def _scored(asked: Asked, made: Made) -> _Hit | None:
    """Each word takes a word of the name for itself; the next one in the row fits best."""
    tokens = made.tokens()
    free = set(range(len(tokens)))
    bound: dict[str, int] = {}
    total, last = 0.0, -1
    for word in asked.words:
        position, fit = _best(word, tokens, free, last)
        if position is None:
            if not any(_fits(word, token) for token in called(made.tables.number)):
                return None
            total += 0.6
            continue
        token = tokens[position]
        if isinstance(token, Place):
            bound[token.letter] = token.holds(word) or 0
        free.discard(position)
        total += fit
        last = position
    covered = 1 - len(free) / max(1, len(tokens))
    score = total / len(asked.words) + 2 * covered - 0.1 * asked.unlike
    return _Hit(score + _usual(made), asked, made, bound)


def _best(word: str, tokens: list[Token], free: set[int], last: int) -> tuple[int | None, float]:
    best: int | None = None
    worth = 0.0
    for position in sorted(free):
        fit = _fits(word, tokens[position])
        if fit and position == last + 1:
            fit += 0.3
        if fit > worth:
            best, worth = position, fit
    return best, worth


def _usual(made: Made) -> float:
    """A little for what is met often, so that it comes before what is met seldom."""
    a, c, d, e = made.tables.number, made.c.number, made.d.number, made.e.number
    usual = 0.05 if e == 0 else 0.0
    if a == ELECTRICITY:
        usual += {_INTEGRAL: 0.3, _MOMENTARY: 0.2}.get(d, 0.0)
    if (a, c, d) in frequent():
        usual += 0.5
    return usual + {"two-sources": 0.1, "memory": -0.1}.get(made.mark, 0.0)
