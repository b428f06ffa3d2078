"""Finding OBIS codes by words: what comes first, other words for it, and what it must never do."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.model.obis_names import name, search
from ferraris.model.obis_names.made import vocabulary
from ferraris.model.obis_names.names import pattern_of
from ferraris.model.obis_names.query import split
from ferraris.model.obis_names.tables import Pattern, medium, shared, synonyms

MEDIA = [row.numbers.start for row in shared("medium")]
FIRST_RESULTS = 5

BEST = {
    "active import": "1-0:1.8.0*255",
    "import active": "1-0:1.8.0*255",
    "energy export ACTIVE": "1-0:2.8.0*255",
    "+A": "1-0:1.8.0*255",
    "-A": "1-0:2.8.0*255",
    "+P": "1-0:1.7.0*255",
    "consumption": "1-0:1.8.0*255",
    "feed in": "1-0:2.8.0*255",
    "kWh import": "1-0:1.8.0*255",
    "consumption tariff 2 last month": "1-0:1.8.2*101",
    "active energy import rate 2": "1-0:1.8.2*255",
    "+a t1 phase 3": "1-0:61.8.1*255",
    "energy import billing period 12": "1-0:1.8.0*12",
    "active import last 3 months": "1-0:1.8.0*103",
    "active import last billing periods": "1-0:1.8.0*126",
    "voltage l2 instant": "1-0:52.7.0*255",
    "U L1": "1-0:32.7.0*255",
    "thd current l1": "1-0:31.7.124*255",
    "voltage harmonic 7 l1": "1-0:32.7.7*255",
    "sag l1 number": "1-0:32.32.0*255",
    "dips 30 to 60 l2 1 to 3": "1-0:52.32.23*255",
    "max demand": "1-0:1.6.0*255",
    "frequency": "1-0:14.7.0*255",
    "power factor": "1-0:13.7.0*255",
    "total energy import": "1-0:1.8.0*255",
    "net energy": "1-0:16.8.0*255",
    "maximum power last month": "1-0:1.6.0*101",
    "kvarh quadrant 4": "1-0:8.8.0*255",
    "power failures L2": "0-0:96.7.2*255",
    "angle voltage l1 current l1": "1-0:81.7.4*255",
    "DISCONNECT control": "0-0:96.3.10*255",
    "clock": "0-0:1.0.0*255",
    "serial number": "0-0:96.1.e*255",
    "load profile 3 recording period 2": "1-0:99.2.3*255",
    "event log 4": "0-0:99.98.4*255",
    "m-bus client channel 2": "0-2:24.1.0*255",
    "alarm filter 2": "0-0:97.98.11*255",
    "security setup": "0-0:43.0.e*255",
    "firmware update": "0-0:44.0.0*255",
    "gas volume": "7-0:3.0.0*255",
    "gas converted volume absolute meter": "7-0:3.2.0*255",
    "methane": "7-0:70.67.0*255",
    "cold water": "8-0:1.0.0*255",
    "warm water volume": "9-0:1.0.0*255",
    "heat energy last month": "6-0:1.0.0*101",
    "heat power": "6-0:8.0.0*255",
    "cooling energy": "5-0:1.0.0*255",
    "room temperature": "4-0:7.0.0*255",
    "hca rated": "4-0:2.0.0*255",
}


@pytest.mark.parametrize(("words", "pattern"), BEST.items())
def test_the_best_match_comes_first(words: str, pattern: str) -> None:
    assert search(words)[0].pattern == pattern


def test_a_code_in_any_spelling_finds_its_own_name() -> None:
    for spelling in ("1.8.0", "1-0:1.8.0*255", "0100010800FF", "1 0 1 8 0 255"):
        (found,) = search(spelling)
        assert found.name == "Active energy import (+A)"
        assert found.provenance == "two-sources"


def test_a_letter_stands_for_a_number_that_is_open() -> None:
    found = {each.pattern: each.name for each in search("active energy import")}
    assert found["1-0:1.8.e*255"] == "Active energy import (+A), rate e"


def test_nothing_and_limits() -> None:
    assert search("") == []
    assert search("zebra") == []
    assert search("the of and") == []
    assert search("active energy import zebra") == []
    assert len(search("energy", limit=3)) == 3
    assert not any("eactive" in item.name for item in search("active energy import"))


def some_codes(a: int, pattern: Pattern) -> list[Obis]:
    """First and last number of every group, and one between."""

    def ends(numbers: object) -> list[int]:
        listed = sorted(numbers)  # type: ignore[call-overload]
        return sorted({listed[0], listed[-1], listed[len(listed) // 2]})

    fs = [255] if pattern.f is None else ends(pattern.f.numbers)
    codes = [
        Obis.of(a, 0, c, d, e, f)
        for c in ends(pattern.c.numbers)
        for d in ends(pattern.d.numbers)
        for e in ends(pattern.e.numbers)
        for f in fs
    ]
    # Rows that stand before name some of them, and a group without a place in the name is told
    # by a number that is no word to search for.
    return [code for code in codes if pattern_of(code) is pattern and "=" not in name(code)]


@pytest.mark.parametrize(
    ("a", "pattern"),
    [
        pytest.param(a, pattern, id=f"{a} {pattern.c.least}.{pattern.d.least} {pattern.name[:30]}")
        for a in MEDIA
        for pattern in medium(a).patterns
    ],
)
def test_every_name_finds_its_code(a: int, pattern: Pattern) -> None:
    codes = some_codes(a, pattern)
    # Two for each row: the whole product would search tens of thousands of times.
    for code in {codes[0], codes[-1]}:
        # Media have some names in common, such as that of the local time.
        words = f"{medium(a).name} {name(code)}"
        found = [each.pattern for each in search(words, FIRST_RESULTS)]
        assert str(code) in found, words


@settings(max_examples=25)
@given(st.integers(1, 64), st.integers(0, 99) | st.integers(101, 126))
def test_channels_and_periods_are_found_by_their_words(b: int, f: int) -> None:
    code = Obis.of(1, b, 2, 8, 1, f)
    assert search(name(code), 1)[0].pattern == str(code)


def test_synonyms_lead_to_words_that_names_have() -> None:
    def is_said(word: str) -> bool:
        return word.isdigit() or word in vocabulary() or f"{word}s" in vocabulary()

    for words, ways in synonyms().items():
        assert any(all(map(is_said, split(way))) for way in ways), words


@settings(max_examples=40)
@given(st.text(max_size=60))
@example("١٢٣")
@example("{e}{n}")
@example("+ + + + - -")
@example("rate " + "9" * 60)
@example("max " * 80)
def test_garbage_raises_nothing(words: str) -> None:
    for found in search(words, 5):
        assert found.name


@given(st.binary(max_size=9))
def test_octets_that_are_no_code_are_a_usage_error(octets: bytes) -> None:
    if len(octets) == 6:
        assert name(octets)
        return
    with pytest.raises(UsageError):
        name(octets)
