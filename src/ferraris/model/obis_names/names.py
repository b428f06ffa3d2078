"""What an OBIS code means in words: its name, its usual classes, and each of its groups."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data.obis import Obis
from ferraris.model.obis_names.tables import (
    ABSTRACT,
    Group,
    Medium,
    Pattern,
    Words,
    medium,
    tabled,
    weakest,
)

if TYPE_CHECKING:
    from ferraris.model.interface_class import Provenance

__all__ = [
    "GroupMeaning",
    "classes",
    "groups",
    "is_known",
    "name",
    "pattern_of",
    "provenance",
    "rests_on",
]

_CURRENT = 255  # group F: the current value, or not used
_CHANNELS = range(1, 65)
_UTILITY = range(65, 128)  # [facts-g]
_MAKER = range(128, 200)
_CONSORTIUM, _COUNTRY = 93, 94
_SERVICE = 96
_SERVICE_OF_MAKER = range(50, 100)  # D of C = 96 [facts-g]
_PLACE = re.compile(r"\{([a-f])([+-]\d+)?\}")


class GroupMeaning(NamedTuple):
    """One group of a code: its letter, its number, and what that number means there."""

    group: str
    number: int
    meaning: str


@lru_cache(4096)
def name(obis: bytes) -> str:
    """What the object is, in words, for example `Active energy import (+A), rate 2`.

    Unknown codes are named by who assigned them and their groups; `UsageError` unless six octets.
    """
    code = _code(obis)
    pattern = pattern_of(code)
    if pattern is None:
        return _unknown(code) + _channel(code) + _period(code)
    period = _period(code) if pattern.f is None else ""
    return _filled(pattern, code) + _channel(code) + period


def is_known(obis: bytes) -> bool:
    """Whether the tables name the object."""
    return pattern_of(_code(obis)) is not None


def classes(obis: bytes) -> tuple[int, ...]:
    """The interface classes that usually carry the object; empty when not known."""
    pattern = pattern_of(_code(obis))
    return pattern.classes if pattern is not None else ()


def provenance(obis: bytes) -> Provenance | None:
    """What the name rests on: the weakest of its parts; None when there is no name."""
    code = _code(obis)
    pattern = pattern_of(code)
    if pattern is None:
        return None
    own = rests_on(pattern, *(group.words(number) for group, number in _of(pattern, code)))
    if code.a != ABSTRACT and pattern not in medium(code.a).by_c.get(code.c, ()):
        return "memory"  # other media share the abstract objects: remembered, not read
    return own


def rests_on(pattern: Pattern, *rows: Words | None) -> Provenance:
    """What a name rests on that a pattern and rows of its tables make."""
    parts = [row.provenance for row in rows if row is not None]
    own: Provenance = pattern.provenance
    if parts and own == "one-source" and not _own_words(pattern):
        own = "two-sources"  # all its words come from tables, which say what they rest on
    return weakest(own, *parts)


def groups(obis: bytes) -> tuple[GroupMeaning, ...]:
    """What each of the six groups A to F means in this code; empty where nothing is known."""
    code = _code(obis)
    pattern = pattern_of(code)
    meanings = (
        _alone_a(code),
        _alone_b(code),
        *_alone_c_d_e(code, pattern),
        _alone_f(code, pattern),
    )
    return tuple(
        GroupMeaning(letter, number, meaning)
        for letter, number, meaning in zip("ABCDEF", code, meanings, strict=True)
    )


def pattern_of(code: Obis) -> Pattern | None:
    """The row of the tables that names a code."""
    if code.b > _CHANNELS[-1] and code.b != _CURRENT:  # others than the standard assign those
        return None
    found = _fitting(medium(code.a), code)
    if found is None and code.a != ABSTRACT and code.c >= _SERVICE:
        found = _fitting(medium(ABSTRACT), code)
    return found


def _fitting(tables: Medium, code: Obis) -> Pattern | None:
    for pattern in tables.by_c.get(code.c, ()):
        if pattern.fits(code.d, code.e, code.f):
            return pattern
    return None


def _code(obis: bytes) -> Obis:
    return obis if isinstance(obis, Obis) else Obis(obis)


def _of(pattern: Pattern, code: Obis) -> tuple[tuple[Group, int], ...]:
    return (pattern.c, code.c), (pattern.d, code.d), (pattern.e, code.e)


def _filled(pattern: Pattern, code: Obis) -> str:
    def part(place: re.Match[str]) -> str:
        letter = place[1]
        if letter == "a":
            return medium(code.a).name
        number: int = getattr(code, letter)
        group: Group | None = getattr(pattern, letter)
        row = group.words(number) if group is not None else None
        if row is not None and not place[2]:
            return row.filled(number)
        return str(number + int(place[2] or 0))

    words = _PLACE.sub(part, pattern.name) if "{" in pattern.name else pattern.name
    words = ", ".join(each for each in words.split(", ") if each)
    return words + _untold(pattern, code)


def _untold(pattern: Pattern, code: Obis) -> str:
    """Groups that may have several numbers but no place in the name, unless they have the least."""
    told = ""
    for letter in "de":
        group: Group = getattr(pattern, letter)
        number: int = getattr(code, letter)
        if not group.single and f"{{{letter}" not in pattern.name and number != group.least:
            told += f", {letter.upper()}={number}"
    return told


def _channel(code: Obis) -> str:
    if code.b == 0:
        return ""
    return f", channel {code.b}" if code.b in _CHANNELS else f", B={code.b}"


def _period(code: Obis) -> str:
    if code.f == _CURRENT:
        return ""
    row = tabled("period", code.f)
    return f", {row.filled(code.f)}" if row is not None else f", F={code.f}"


def _unknown(code: Obis) -> str:
    return f"{medium(code.a).name}, {_owner(code)} {code.c}.{code.d}.{code.e}"


def _owner(code: Obis) -> str:
    """Who gives the code its meaning when the standard does not."""
    if code.is_manufacturer_specific:
        return "manufacturer-specific"
    if code.b in _UTILITY:
        return "utility-specific"
    if code.c == _COUNTRY:
        country = tabled("country", code.d)
        return f"specific to {country.words}" if country is not None else "country-specific"
    if code.c == _CONSORTIUM:
        return "consortium-specific"
    if code.c == _SERVICE and code.d in _SERVICE_OF_MAKER:
        return "manufacturer-specific"
    return "object"


def _alone_a(code: Obis) -> str:
    row = tabled("medium", code.a)
    return row.alone if row is not None else ""


def _alone_b(code: Obis) -> str:
    if code.b == 0:
        return "no channel, or the only one"
    if code.b in _CHANNELS:
        return f"channel {code.b}"
    if code.b in _UTILITY:
        return "utility-specific"
    return "manufacturer-specific" if code.b in _MAKER else "reserved"


def _alone_c_d_e(code: Obis, pattern: Pattern | None) -> tuple[str, str, str]:
    c, d = _heading(code, f"{code.c}"), _heading(code, f"{code.c}.{code.d}")
    if pattern is None:
        return (
            c or _first_words(code, "c", code.c) or _reserved(code.c),
            d or _first_words(code, "d", code.d) or _reserved(code.d),
            _reserved(code.e),
        )
    rows = [(group.words(number), number) for group, number in _of(pattern, code)]
    told = [row.filled(number, alone=True) if row is not None else "" for row, number in rows]
    if not any(told):
        return c, d, _filled(pattern, code)
    fixed = _fixed(pattern, "d")
    return told[0] or c, told[1] or d or fixed, told[2] or ("total" if code.e == 0 else fixed)


def _heading(code: Obis, key: str) -> str:
    """What the objects of a group C, or of C and D, are about; the same in all media from 93 on."""
    if code.c == _COUNTRY and key != f"{code.c}":
        country = tabled("country", code.d)
        return country.alone if country is not None else ""
    if code.c == _SERVICE and code.d in _SERVICE_OF_MAKER and key != f"{code.c}":
        return "manufacturer-specific"
    heading = medium(code.a).headings.get(key, "")
    return heading or (medium(ABSTRACT).headings.get(key, "") if code.c >= _CONSORTIUM else "")


def _fixed(pattern: Pattern, letter: str) -> str:
    """The words of a name that come from no table, when the group has one number only."""
    return _own_words(pattern) if getattr(pattern, letter).single else ""


def _own_words(pattern: Pattern) -> str:
    return ", ".join(part for part in pattern.name.split(", ") if not _PLACE.search(part))


def _first_words(code: Obis, letter: str, number: int) -> str:
    """What a number of a group means in some pattern of its medium, when the whole has none."""
    tables = medium(code.a)
    chosen = tables.patterns if letter == "c" else tables.by_c.get(code.c, ())
    for pattern in chosen:
        row: Words | None = getattr(pattern, letter).words(number)
        if row is not None:
            return row.filled(number, alone=True)
    return ""


def _reserved(number: int) -> str:
    return "manufacturer-specific" if 128 <= number <= 254 else ""


def _alone_f(code: Obis, pattern: Pattern | None) -> str:
    if pattern is not None and pattern.f is not None:
        return "number of the threshold or limit"
    row = tabled("period", code.f)
    return row.filled(code.f, alone=True) if row is not None else _reserved(code.f)
