"""Names of OBIS codes: what an object means, in words, and which codes answer to given words.

The table is the text file beside this module and is read at the first look-up. Abstract objects
and electricity are named in full; other media by their medium and groups.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis

__all__ = ["Found", "classes", "is_known", "name", "search"]

_FILE = "obis_names.txt"
_ABSTRACT = 0
_ELECTRICITY = 1
_CURRENT = 255  # group F: the current value, or not used
_PHASES = {0: "", 20: ", phase L1", 40: ", phase L2", 60: ", phase L3"}  # [facts-g] C = base + 20 n
_BY_PHASE = range(1, 81)
_ANGLE = 81
_TOTAL_HARMONICS = frozenset((7, 24, 56))  # D of values that may be split by harmonic [facts-g]
_WITH_HARMONICS = frozenset((11, 12, 15, 90, 91, 92))
_WITH_HARMONICS_BY_PHASE = frozenset((1, 2, 5))  # C = 21, 22, 25, 31, 32, 35 … are these and 11 …
_LAST_PERIOD = 101  # [facts-g] F 101: last, 102..125: before it
_UNSPECIFIED_PERIODS = 126
_RATES = range(1, 64)
_SEARCHED_RATES = range(5)


class Found(NamedTuple):
    """One result of a search; letters in `pattern` stand for any number."""

    pattern: str
    name: str
    classes: tuple[int, ...]


@lru_cache(4096)
def name(obis: bytes) -> str:
    """What the object is, in words, for example `Active energy import (+A), rate 2`.

    Unknown codes are named by who assigned them and their groups; `UsageError` unless six octets.
    """
    code = _code(obis)
    words = _known(code) or _unknown(code)
    return words + _channel(code) + _period(code)


def is_known(obis: bytes) -> bool:
    """Whether the table names the object."""
    return bool(_known(_code(obis)))


def classes(obis: bytes) -> tuple[int, ...]:
    """The interface classes that usually carry the object; empty when not known."""
    code = _code(obis)
    row = _row(code)
    if row is not None:
        return row.classes
    if code.a != _ELECTRICITY or not _measurement(code.c, code.d, code.e):
        return ()
    return _CLASSES_OF_DEMAND if code.d in _MAXIMA else _CLASSES_OF_VALUE


_CLASSES_OF_VALUE = (3, 4)
_CLASSES_OF_DEMAND = (4, 3)
_MAXIMA = frozenset((6, 16, 26))


def search(words: str, limit: int = 50) -> list[Found]:
    """Objects whose name has words that begin like all of these, the closest first.

    An OBIS code instead of words finds its own name.
    """
    try:
        obis = Obis.parse(words)
    except UsageError:
        pass
    else:
        return [Found(str(obis), name(obis), classes(obis))]
    wanted = [f" {word}" for word in words.lower().split()]
    if not wanted:
        return []
    hits = [
        (len(lower), index, found)
        for index, (lower, found) in enumerate(_catalogue())
        if all(word in lower for word in wanted)
    ]
    hits.sort(key=lambda hit: hit[:2])
    return [found for _, _, found in hits[:limit]]


class _Row(NamedTuple):
    c: range
    d: range
    e: range
    classes: tuple[int, ...]
    words: str
    groups: str


class _Process(NamedTuple):
    words: str
    integral: bool
    rates: bool


class _Tables(NamedTuple):
    media: dict[int, str]
    objects: dict[int, dict[int, list[_Row]]]
    quantities: dict[int, tuple[str, str]]
    processing: dict[int, _Process]
    angles: dict[int, str]
    harmonics: dict[int, str]


@cache
def _tables() -> _Tables:
    text = files(__package__).joinpath(_FILE).read_text("utf-8")
    tables = _Tables({}, {}, {}, {}, {}, {})
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        elif line and not line.startswith("#"):
            fields = [field.strip() for field in line.split("|")]
            _add(tables, section, fields)
    return tables


def _add(tables: _Tables, section: str, fields: list[str]) -> None:
    kind, _, medium = section.partition(" ")
    if kind == "objects":
        row = _parse_row(fields)
        by_c = tables.objects.setdefault(int(medium), {})
        for c in row.c:
            by_c.setdefault(c, []).append(row)
        return
    number = int(fields[0])
    if kind == "quantities":
        tables.quantities[number] = (fields[1], fields[2] if len(fields) > 2 else "")
    elif kind == "processing":
        tables.processing[number] = _Process(fields[1], "integral" in fields, "rates" in fields)
    else:
        simple = {"media": tables.media, "angle": tables.angles, "harmonic": tables.harmonics}
        simple[kind][number] = fields[1]


def _parse_row(fields: list[str]) -> _Row:
    c, d, e = (_span(group) for group in fields[0].split("."))
    carried = tuple(int(number) for number in fields[1].split(","))
    return _Row(c, d, e, carried, fields[2], fields[0])


def _span(group: str) -> range:
    if group == "*":
        return range(256)
    low, _, high = group.partition("-")
    return range(int(low), int(high or low) + 1)


def _code(obis: bytes) -> Obis:
    return obis if isinstance(obis, Obis) else Obis(obis)


def _known(code: Obis) -> str:
    row = _row(code)
    if row is not None:
        return _filled(row, code)
    if code.a == _ELECTRICITY:
        return _measurement(code.c, code.d, code.e)
    return ""


def _row(code: Obis) -> _Row | None:
    objects = _tables().objects
    row = _fitting(objects.get(code.a, {}).get(code.c), code)
    # Media share the abstract objects of service, lists and profiles [memory].
    if row is None and code.a != _ABSTRACT and code.c >= 96:
        row = _fitting(objects[_ABSTRACT].get(code.c), code)
    return row


def _fitting(rows: list[_Row] | None, code: Obis) -> _Row | None:
    for row in rows or ():
        if code.d in row.d and code.e in row.e:
            return row
    return None


_PLACE = re.compile(r"\{([cde])([+-]\d+)?\}")


def _filled(row: _Row, code: Obis) -> str:
    if "{" not in row.words:
        return row.words
    return _PLACE.sub(lambda place: str(getattr(code, place[1]) + int(place[2] or 0)), row.words)


def _measurement(c: int, d: int, e: int) -> str:
    """Electricity: quantity and phase from C, processing from D, rate or harmonic from E."""
    tables = _tables()
    process = tables.processing.get(d)
    phase = 20 * ((c - 1) // 20) if c in _BY_PHASE else 0
    quantity = tables.quantities.get(c - phase)
    if process is None or quantity is None or c == 0:
        return ""
    if c == _ANGLE:
        return _angle(d, e)
    momentary, integral = quantity
    words = (integral if process.integral and integral else momentary) + _PHASES[phase]
    if process.words or not integral:
        words += ", " + (process.words or "time integral 1")
    split = _split(c, d, e, process)
    return words + split if split is not None else ""


def _split(c: int, d: int, e: int, process: _Process) -> str | None:
    """Words of group E, None when it means nothing here."""
    if e == 0:
        return ""
    if _has_harmonics(c) and d in _TOTAL_HARMONICS:
        words = _tables().harmonics.get(e)
        if words is not None:
            return f", {words}"
        return f", harmonic {e}" if e <= 120 else None
    if e in _RATES and (process.integral or process.rates):
        return f", rate {e}"
    return None


def _has_harmonics(c: int) -> bool:
    base = (c - 1) % 20 + 1 if c in _BY_PHASE else c
    by_phase = c in _BY_PHASE and c > 20
    return base in _WITH_HARMONICS or (by_phase and base in _WITH_HARMONICS_BY_PHASE)


def _angle(d: int, e: int) -> str:
    angles = _tables().angles
    measured, reference = angles.get(e % 10), angles.get(e // 10)
    if d != 7 or measured is None or reference is None:
        return ""
    return f"Angle from {reference} to {measured}"


def _channel(code: Obis) -> str:
    return f", channel {code.b}" if 0 < code.b <= 64 else ""


def _period(code: Obis) -> str:
    f = code.f
    if f == _CURRENT:
        return ""
    if f < 100:
        return f", billing period {f}"
    if f == _LAST_PERIOD:
        return ", last billing period"
    if _LAST_PERIOD < f < _UNSPECIFIED_PERIODS:
        return f", last {f - _LAST_PERIOD + 1} billing periods"
    if f == _UNSPECIFIED_PERIODS:
        return ", last billing periods"
    return f", F={f}"


def _unknown(code: Obis) -> str:
    medium = _tables().media.get(code.a, f"Medium {code.a}")
    if code.is_manufacturer_specific:
        owner = "manufacturer-specific"
    elif code.c == 94:
        owner = f"country-specific ({code.d})"
    elif code.c == 93:
        owner = "consortium-specific"
    else:
        owner = "object"
    return f"{medium}, {owner} {code.c}.{code.d}.{code.e}"


@cache
def _catalogue() -> list[tuple[str, Found]]:
    """Everything that can be searched: each row once, electricity by its usual rates."""
    tables = _tables()
    found: list[Found] = []
    for medium, by_c in tables.objects.items():
        listed: set[str] = set()
        for rows in by_c.values():
            for row in rows:
                if row.groups not in listed:
                    listed.add(row.groups)
                    words = _PLACE.sub(lambda place: place[1], row.words)
                    pattern = f"{medium}-b:{row.groups.replace('*', 'e')}*255"
                    found.append(Found(pattern, words, row.classes))
    for c in range(1, 93):
        for d, process in tables.processing.items():
            for e in _SEARCHED_RATES if process.integral or process.rates else range(1):
                words = _measurement(c, d, e)
                if words:
                    code = Obis(bytes((_ELECTRICITY, 0, c, d, e, _CURRENT)))
                    found.append(Found(str(code), words, classes(code)))
    return [(" " + item.name.lower().replace("(", ""), item) for item in found]
