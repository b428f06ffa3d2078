from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis

ENERGY = bytes.fromhex("0100010800ff")


@pytest.mark.parametrize(
    "spelling",
    [
        "1-0:1.8.0*255", "1-0:1.8.0", "1-0:1.8.0&255", "1-0:1.8.0.255", " 1-0:1.8.0 ",
        "1.0.1.8.0.255", "1,0,1,8,0,255", "1-0-1-8-0-255", "1 0 1 8 0 255", "1.8.0", "1.8",
        "0100010800FF", "0100010800ff", "0x0100010800FF", "01 00 01 08 00 FF",
        "01-00-01-08-00-FF", "01:00:01:08:00:ff", ENERGY, bytearray(ENERGY), Obis(ENERGY),
    ],
)  # fmt: skip
def test_spellings(spelling: str | bytes) -> None:
    assert Obis.parse(spelling) == ENERGY


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("C.1.0", "0-0:96.1.0*255"),
        ("F.F", "0-0:97.97.0*255"),
        ("L.1.0*126", "0-0:98.1.0*126"),
        ("p.98.1", "0-0:99.98.1*255"),
        ("1.8.0*01", "1-0:1.8.0*1"),
        ("1.8.1&02", "1-0:1.8.1*2"),
        ("1-0:1.8.0*0", "1-0:1.8.0*0"),
        ("10 00 10 80 00 25", "10-0:10.80.0*25"),
    ],
)
def test_short_forms(spelling: str, code: str) -> None:
    assert str(Obis.parse(spelling)) == code


@pytest.mark.parametrize(
    "spelling",
    ["", "1", "1-0:1.8", "1-0:1.8.0*256", "a.b.c", "1.2.3.4", "0100010800", "1-0:1.8.0*255x",
     b"12345", "9999.1"],
)  # fmt: skip
def test_no_codes(spelling: str | bytes) -> None:
    with pytest.raises(UsageError):
        Obis.parse(spelling)


@given(st.binary(min_size=6, max_size=6))
def test_both_ways(octets: bytes) -> None:
    code = Obis(octets)
    assert Obis.parse(str(code)) == octets
    assert Obis.parse(code.dotted) == octets
    assert Obis.parse(octets.hex()) == octets
    assert Obis.of(code.a, code.b, code.c, code.d, code.e, code.f) == octets
    assert pickle.loads(pickle.dumps(code)) == code
    assert hash(code) == hash(octets)


def test_parts() -> None:
    code = Obis.parse("1-0:1.8.2*255")
    assert code.short == "1.8.2"
    assert code.with_groups(e=0, f=1).short == "1.8.0*1"
    assert repr(code) == "Obis('1-0:1.8.2*255')"
    assert not code.is_manufacturer_specific
    for text in ("1-128:1.8.0", "1-0:199.8.0", "1-0:240.8.0", "1-0:1.128.0", "1-0:1.8.254"):
        assert Obis.parse(text).is_manufacturer_specific
    with pytest.raises(UsageError):
        Obis(b"12345")
    with pytest.raises(UsageError):
        Obis.of(1, 0, 1, 8, 256)
