"""Names of OBIS codes: all media group by group, who assigned a code, what a name rests on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.model.obis_names import classes, groups, is_known, name, provenance
from ferraris.model.obis_names.names import pattern_of
from ferraris.model.obis_names.tables import Pattern, medium, shared

MEDIA = [row.numbers.start for row in shared("medium")]

NAMES = {
    "1-0:1.8.0*255": "Active energy import (+A)",
    "1-0:1.8.2*255": "Active energy import (+A), rate 2",
    "1-0:2.8.63*255": "Active energy export (-A), rate 63",
    "1-0:5.8.0*255": "Reactive energy quadrant I",
    "1-0:41.8.0*255": "Active energy import (+A), phase L2",
    "1-0:1.7.0*255": "Active power import (+P), instantaneous value",
    "1-0:1.6.1*255": "Active power import (+P), maximum 1, rate 1",
    "1-0:1.6.0*101": "Active power import (+P), maximum 1, last billing period",
    "1-0:1.8.0*102": "Active energy import (+A), last 2 billing periods",
    "1-0:1.8.0*125": "Active energy import (+A), last 25 billing periods",
    "1-0:1.8.0*3": "Active energy import (+A), billing period 3",
    "1-0:1.8.0*126": "Active energy import (+A), last billing periods",
    "1-0:1.8.0*200": "Active energy import (+A), F=200",
    "1-0:31.7.0*255": "Current, phase L1, instantaneous value",
    "1-0:72.7.0*255": "Voltage, phase L3, instantaneous value",
    "1-0:14.7.0*255": "Frequency, instantaneous value",
    "1-0:31.7.5*255": "Current, phase L1, instantaneous value, harmonic 5",
    "1-0:32.7.124*255": "Voltage, phase L1, instantaneous value, total harmonic distortion",
    "1-0:31.35.124*255": "Current, phase L1, over limit, threshold, total harmonic distortion",
    "1-0:1.35.0*255": "Active power import (+P), over limit, threshold",
    "1-0:1.35.0*2": "Active power import (+P), over limit, threshold, threshold 2",
    "1-0:32.32.0*255": "Voltage, phase L1, sags (under limit), number",
    "1-0:52.36.0*255": "Voltage, phase L2, swells (over limit), number",
    "1-0:12.32.11*255": "Voltage, number of dips, 15 to 30 %, 0.1 to 0.5 s",
    "1-0:12.8.0*255": "Voltage, time integral 1",
    "1-0:81.7.4*255": "Angle from voltage L1 to current L1",
    "1-0:81.7.1*255": "Angle from voltage L1 to voltage L2",
    "1-0:83.8.31*255": "Active line losses import, phase L1, time integral 1",
    "1-0:0.2.0*255": "Active firmware identifier",
    "1-0:0.5.1*2": "Demand limit 2",
    "1-0:99.1.0*255": "Load profile 0, recording period 1",
    "1-1:99.98.4*255": "Event log 4, channel 1",
    "0-0:1.0.0*255": "Clock",
    "0-0:1.0.2*255": "Clock, E=2",
    "0-0:10.3.106*255": "Script table, disconnector, D=3",
    "0-0:40.0.0*255": "Current association",
    "0-0:40.0.1*255": "Association 1",
    "0-0:42.0.0*255": "COSEM logical device name",
    "0-0:96.1.0*255": "Device ID 1",
    "0-0:96.3.10*255": "Disconnect control",
    "0-2:24.2.1*255": "M-Bus master value 1, channel 2",
    "0-0:97.98.10*255": "Alarm filter 1",
    "0-0:99.98.0*255": "Event log 0",
    "0-0:94.91.10*255": "Nameplate profile (India)",
    "7-0:96.1.0*255": "Device ID 1",
    "7-0:3.0.0*255": "Gas meter volume, forward absolute, at metering conditions",
    "7-0:13.2.0*255": "Gas converter volume, forward absolute, at base conditions (converted)",
    "7-0:13.26.1*101": (
        "Gas converter volume, forward absolute, value at the end of billing period 1, "
        "at base conditions, rate 1, last billing period"
    ),
    "7-0:43.15.0*255": (
        "Gas flow rate, current average of averaging period 1, at metering conditions"
    ),
    "7-0:42.13.0*255": "Gas pressure, absolute, instantaneous value at standard conditions",
    "7-0:54.0.12*255": (
        "Gas superior calorific value, at metering conditions, "
        "average in the last averaging period 1"
    ),
    "7-0:70.67.0*255": "Natural gas analysis, methane",
    "6-0:1.0.0*255": "Heat energy",
    "6-0:1.2.0*255": "Heat energy, set date value",
    "5-0:8.5.0*255": "Cooling power, maximum 1",
    "8-0:1.0.0*255": "Cold water, accumulated volume",
    "9-0:1.0.1*255": "Hot water, accumulated volume, rate 1",
    "4-0:2.2.0*255": "Heat cost, rated integral, set date value",
    "0-0:128.1.1*255": "Abstract, manufacturer-specific 128.1.1",
    "0-0:96.50.1*255": "Abstract, manufacturer-specific 96.50.1",
    "1-130:1.8.0*255": "Electricity, manufacturer-specific 1.8.0, B=130",
    "1-70:1.8.0*255": "Electricity, utility-specific 1.8.0, B=70",
    "1-0:94.7.0*255": "Electricity, specific to Russia 94.7.0",
    "1-0:94.99.0*255": "Electricity, country-specific 94.99.0",
    "1-0:93.7.0*255": "Electricity, consortium-specific 93.7.0",
    "77-0:3.0.0*255": "Medium 77, object 3.0.0",
    "1-0:81.8.4*255": "Electricity, object 81.8.4",
    "1-0:13.7.9*255": "Electricity, object 13.7.9",
}


@pytest.mark.parametrize(("code", "words"), NAMES.items())
def test_names(code: str, words: str) -> None:
    assert name(Obis.parse(code)) == words


def test_plain_octets_will_do() -> None:
    assert name(bytes.fromhex("0100010800ff")) == "Active energy import (+A)"
    with pytest.raises(UsageError):
        name(b"12345")


@pytest.mark.parametrize("code", ["1-0:94.7.0", "1-70:1.8.0", "1-0:128.8.0", "77-0:1.0.0"])
def test_codes_that_others_assign_are_not_known(code: str) -> None:
    assert not is_known(Obis.parse(code))
    assert provenance(Obis.parse(code)) is None
    assert classes(Obis.parse(code)) == ()


def test_known() -> None:
    assert is_known(Obis.parse("1-0:1.8.0*255"))
    assert is_known(Obis.parse("7-0:3.0.0*255"))


def test_classes() -> None:
    assert classes(Obis.parse("0-0:1.0.0*255")) == (8,)
    assert classes(Obis.parse("1-0:1.8.0*255")) == (3, 4)
    assert classes(Obis.parse("1-0:1.6.0*255")) == (4, 3)
    assert classes(Obis.parse("1-0:1.4.0*255")) == (5, 3, 4)
    assert classes(Obis.parse("7-0:3.0.0*255")) == (3, 4, 7)


@pytest.mark.parametrize(
    ("code", "rests_on"),
    {
        "1-0:1.8.2": "two-sources",
        "1-0:5.8.0": "one-source",  # the quadrant is in one source only
        "1-0:1.9.0": "memory",  # what time integral 2 is we only remember
        "1-0:32.36.0": "two-sources",
        "7-0:3.0.0": "one-source",
        "7-0:31.0.0": "memory",
        "6-0:1.0.0": "one-source",
        "6-0:3.0.0": "memory",
        "4-0:1.0.0": "one-source",
        "4-0:1.1.0": "memory",
        "8-0:1.0.12": "memory",
        "8-0:96.1.0": "memory",  # taken over from the abstract objects
        "0-0:96.1.0": "two-sources",
    }.items(),
)
def test_a_name_rests_on_the_weakest_of_its_parts(code: str, rests_on: str) -> None:
    assert provenance(Obis.parse(code)) == rests_on


GROUPS = {
    "1-0:1.8.2*255": (
        "electricity",
        "no channel, or the only one",
        "Active energy import (+A)",
        "time integral 1: from the start of measurement until now",
        "rate 2",
        "current value, or not used",
    ),
    "1-2:32.7.124*101": (
        "electricity",
        "channel 2",
        "Voltage, phase L1",
        "instantaneous value",
        "total harmonic distortion",
        "last billing period",
    ),
    "1-0:81.7.4*255": (
        "electricity",
        "no channel, or the only one",
        "angles",
        "instantaneous value",
        "from voltage L1 to current L1",
        "current value, or not used",
    ),
    "7-0:13.0.0*0": (
        "gas",
        "no channel, or the only one",
        "Gas converter volume, forward absolute",
        "at metering conditions",
        "total",
        "billing period 0 by the counter, modulo 100",
    ),
    "0-0:96.3.10*255": (
        "abstract objects",
        "no channel, or the only one",
        "service entries",
        "inputs and outputs, disconnection",
        "Disconnect control",
        "current value, or not used",
    ),
    "15-80:94.31.200*130": (
        "other medium",
        "utility-specific",
        "country-specific",
        "the Netherlands",
        "manufacturer-specific",
        "manufacturer-specific",
    ),
    "1-200:1.99.0*1": (
        "electricity",
        "reserved",
        "Active energy import (+A)",
        "",
        "",
        "billing period 1 by the counter, modulo 100",
    ),
    "1-0:0.5.1*2": (
        "electricity",
        "no channel, or the only one",
        "general purpose: identifiers, billing periods, constants, time",
        "demand limits",
        "Demand limit 2",
        "number of the threshold or limit",
    ),
}


@pytest.mark.parametrize(("code", "meanings"), GROUPS.items())
def test_every_group_says_what_it_means(code: str, meanings: tuple[str, ...]) -> None:
    told = groups(Obis.parse(code))
    assert tuple(each.meaning for each in told) == meanings
    assert "".join(each.group for each in told) == "ABCDEF"
    assert bytes(each.number for each in told) == Obis.parse(code)


def codes_of(a: int, pattern: Pattern) -> Iterator[Obis]:
    """Codes of a pattern: all of C and D, the ends and the middle of E and F."""
    last = sorted(pattern.e.numbers)
    some = sorted({*last[:3], *last[-3:], last[len(last) // 2]})
    f = 255 if pattern.f is None else pattern.f.least
    for c in pattern.c.numbers:
        for d in pattern.d.numbers if len(pattern.d.numbers) < 120 else (0, 1, 127, 200, 255):
            for e in some:
                yield Obis.of(a, 0, c, d, e, f)


@pytest.mark.parametrize("a", MEDIA)
def test_distinct_codes_have_distinct_names(a: int) -> None:
    patterns = [*medium(a).patterns, *(p for p in medium(0).patterns if p.c.least >= 96)]
    codes = {code for pattern in patterns for code in codes_of(a, pattern)}
    seen: dict[str, Obis] = {}
    for code in codes:
        assert seen.setdefault(name.__wrapped__(code), code) == code
    assert len(seen) == len(codes) > 100


@pytest.mark.parametrize("a", MEDIA)
def test_no_row_hides_another(a: int) -> None:
    for pattern in medium(a).patterns:
        assert any(pattern_of(code) is pattern for code in codes_of(a, pattern)), pattern.name


@pytest.mark.parametrize("a", MEDIA)
def test_every_word_of_a_table_is_used(a: int) -> None:
    tables = medium(a)
    used = {
        row
        for pattern in tables.patterns
        for group in (pattern.c, pattern.d, pattern.e)
        for row in group.table or ()
    }
    assert [row for table in tables.tables.values() for row in table if row not in used] == []


@given(st.binary(min_size=6, max_size=6))
def test_every_code_has_a_name_and_meanings(octets: bytes) -> None:
    assert name(octets)
    assert len(groups(octets)) == 6
    assert is_known(octets) == (provenance(octets) is not None)


@given(st.tuples(st.integers(0, 255), st.integers(0, 255)))
def test_channels_and_periods_are_told_apart(groups_b_and_f: tuple[int, int]) -> None:
    b, f = groups_b_and_f
    code = Obis.of(1, b, 1, 8, 0, f)
    assert (name(code) == name(Obis.of(1, 0, 1, 8, 0))) == (code == Obis.of(1, 0, 1, 8, 0))


def test_nothing_is_read_at_import() -> None:
    script = (
        "from ferraris.model.obis_names import name, tables;"
        "assert tables._read.cache_info().currsize == 0;"
        "name(bytes.fromhex('0100010800ff'));"
        "assert tables._read.cache_info().currsize == 2"  # what is shared, and electricity
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
