"""What somebody looks for: words, the other ways to say them, and groups B and F said in words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from ferraris.data.obis import Obis
from ferraris.model.obis_names.names import name
from ferraris.model.obis_names.tables import synonyms

__all__ = ["Asked", "readings", "split"]

_LONGEST = 300
_MOST_WORDS = 30
_MOST_WAYS = 24
_LONGEST_PHRASE = 3
_WORD = re.compile(r"[+-]?[^\W_]+(?:[-'][^\W_]+)*[+-]?|\+")
_FILLERS = frozenset(("the", "a", "an", "of", "in", "for", "to", "at", "is", "what", "and", "per"))
_PERIODS = re.compile(
    r"\b(?:(?P<last>(?:last|previous) (?:billing period|month))(?!s)"
    r"|last (?P<several>\d{1,2}) (?:billing periods|months)"
    r"|billing period (?P<counter>\d{1,2})(?! of)"
    r"|last (?P<unsaid>billing periods|months))\b"
)
_CHANNEL = re.compile(r"\bchannel (\d{1,2})\b")
_CHANNELS = range(1, 65)
_NO_MEDIUM = 255


class Asked(NamedTuple):
    """One way to understand what is looked for.

    `unlike` counts how far its words are from those that were given. `b` and `f` are the groups
    that words have set, `suffix` what a name says of them.
    """

    words: tuple[str, ...]
    unlike: int
    b: int
    f: int | None
    suffix: str


def readings(words: str) -> Iterator[Asked]:
    """The words as they are, then with what they say of a channel or a billing period taken out."""
    text = " ".join(words[:_LONGEST].lower().split())
    yield from _ways(text, 0, None)
    rest, b, f = text, 0, None
    if (found := _CHANNEL.search(rest)) and int(found[1]) in _CHANNELS:
        b = int(found[1])
        rest = rest[: found.start()] + rest[found.end() :]
    if found := _PERIODS.search(rest):
        f = _period(found)
        rest = rest[: found.start()] + rest[found.end() :]
    if b or f is not None:
        yield from _ways(rest, b, f)


def split(text: str) -> list[str]:
    """The words of a text or a name, signs and inner hyphens kept: `+a`, `l1`, `m-bus`."""
    return _WORD.findall(text.lower())


def _ways(text: str, b: int, f: int | None) -> Iterator[Asked]:
    """Every way to say it in words of names, the given words first."""
    terms = _terms(text)
    suffix = _suffix(b, f)
    for ways in itertools.islice(itertools.product(*terms), _MOST_WAYS):
        words = tuple(word for way in ways for word in way)
        unlike = sum(said.index(way) for way, said in zip(ways, terms, strict=True))
        if words:
            yield Asked(words, unlike, b, f, suffix)


def _suffix(b: int, f: int | None) -> str:
    plain = Obis.of(_NO_MEDIUM, 0, 0, 0, 0)
    return name(plain.with_groups(b=b, f=f)).removeprefix(name(plain))


def _period(found: re.Match[str]) -> int:
    """Group F for words about billing periods."""
    if found["several"]:
        return min(125, 100 + max(1, int(found["several"])))
    if found["counter"]:
        return int(found["counter"])
    return 126 if found["unsaid"] else 101


def _terms(text: str) -> list[list[tuple[str, ...]]]:
    """Each wanted word or phrase with the ways to say it."""
    words = split(text)[:_MOST_WORDS]
    terms: list[list[tuple[str, ...]]] = []
    while words:
        length, said = _phrase(words)
        if not said and words[0] in _FILLERS:
            del words[0]
            continue
        itself = tuple(words[:length])
        terms.append(list(dict.fromkeys([itself, *said] if length == 1 else [*said, itself])))
        del words[:length]
    return terms


def _phrase(words: list[str]) -> tuple[int, tuple[tuple[str, ...], ...]]:
    """How many of the first words have other ways to be said, and those; the longest that has."""
    for length in range(min(_LONGEST_PHRASE, len(words)), 0, -1):
        said = synonyms().get(" ".join(words[:length]))
        if said is not None:
            return length, tuple(tuple(split(each)) for each in said)
    return 1, ()
