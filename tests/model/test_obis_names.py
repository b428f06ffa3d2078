"""Names of OBIS codes: composition, fallbacks, and search."""

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.model import obis_names
from ferraris.model.obis_names import classes, is_known, name, search

NAMES = {
    "1-0:1.8.0*255": "Active energy import (+A)",
    "1-0:1.8.2*255": "Active energy import (+A), rate 2",
    "1-0:2.8.0*255": "Active energy export (-A)",
    "1-0:5.8.0*255": "Reactive energy quadrant I",
    "1-0:41.8.0*255": "Active energy import (+A), phase L2",
    "1-0:1.7.0*255": "Active power import (+P), instantaneous value",
    "1-0:1.6.1*255": "Active power import (+P), maximum 1, rate 1",
    "1-0:1.6.0*101": "Active power import (+P), maximum 1, last billing period",
    "1-0:1.8.0*102": "Active energy import (+A), last 2 billing periods",
    "1-0:1.8.0*3": "Active energy import (+A), billing period 3",
    "1-0:1.8.0*126": "Active energy import (+A), last billing periods",
    "1-0:1.8.0*200": "Active energy import (+A), F=200",
    "1-0:31.7.0*255": "Current, phase L1, instantaneous value",
    "1-0:72.7.0*255": "Voltage, phase L3, instantaneous value",
    "1-0:14.7.0*255": "Frequency, instantaneous value",
    "1-0:31.7.5*255": "Current, phase L1, instantaneous value, harmonic 5",
    "1-0:32.7.124*255": "Voltage, phase L1, instantaneous value, total harmonic distortion",
    "1-0:12.8.0*255": "Voltage, time integral 1",
    "1-0:81.7.4*255": "Angle from voltage L1 to current L1",
    "1-0:81.7.1*255": "Angle from voltage L1 to voltage L2",
    "1-0:0.2.0*255": "Active firmware identifier",
    "1-0:99.1.0*255": "Load profile 0, recording period 1",
    "1-1:99.98.4*255": "Event log 4, channel 1",
    "0-0:1.0.0*255": "Clock",
    "0-0:40.0.0*255": "Current association",
    "0-0:40.0.1*255": "Association 1",
    "0-0:42.0.0*255": "COSEM logical device name",
    "0-0:96.1.0*255": "Device ID 1",
    "0-0:96.3.10*255": "Disconnect control",
    "0-2:24.2.1*255": "M-Bus master value 1, channel 2",
    "0-0:97.98.10*255": "Alarm filter 1",
    "0-0:99.98.0*255": "Event log 0",
    "7-0:96.1.0*255": "Device ID 1",
    "0-0:128.1.1*255": "Abstract, manufacturer-specific 128.1.1",
    "1-0:94.7.0*255": "Electricity, country-specific (7) 94.7.0",
    "1-0:93.7.0*255": "Electricity, consortium-specific 93.7.0",
    "7-0:3.0.0*255": "Gas, object 3.0.0",
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


def test_known_or_not() -> None:
    assert is_known(Obis.parse("1-0:1.8.0*255"))
    assert not is_known(Obis.parse("1-0:94.7.0*255"))


def test_classes() -> None:
    assert classes(Obis.parse("0-0:1.0.0*255")) == (8,)
    assert classes(Obis.parse("1-0:1.8.0*255")) == (3, 4)
    assert classes(Obis.parse("1-0:1.6.0*255")) == (4, 3)
    assert classes(Obis.parse("1-0:94.7.0*255")) == ()
    assert classes(Obis.parse("7-0:3.0.0*255")) == ()


def test_search() -> None:
    found = search("active energy import")
    assert found[0].pattern == "1-0:1.8.0*255"
    assert not any("eactive" in item.name for item in found)
    assert search("DISCONNECT control")[0].pattern == "0-b:96.3.10*255"
    assert search("voltage l2 instant")[0].pattern == "1-0:52.7.0*255"
    assert [item.name for item in search("1.8.0")] == ["Active energy import (+A)"]
    assert search("") == []
    assert search("zebra") == []
    assert len(search("energy", limit=3)) == 3


def test_every_code_has_a_name() -> None:
    for c in range(0, 256, 3):
        for d in range(0, 256, 5):
            for a in (0, 1, 7):
                assert name(bytes((a, 0, c, d, 1, 255)))


def test_rows_that_no_other_row_hides() -> None:
    tables = obis_names._tables()
    for medium, by_c in tables.objects.items():
        for c, rows in by_c.items():
            for row in rows:
                code = Obis(bytes((medium, 0, c, row.d[0], row.e[0], 255)))
                assert obis_names._row(code) is row or obis_names._row(code) in rows
