from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.data.units import UNITS, Unit, find, scale, text, unit


def test_table_is_complete() -> None:
    known = {*range(1, 58), *range(60, 68), 70, 71, 72, *range(128, 175), 254, 255}
    assert set(UNITS) == known
    assert all(code == entry.code and entry.name for code, entry in UNITS.items())


@pytest.mark.parametrize(("code", "symbol"), [(30, "Wh"), (13, "m³"), (27, "W"), (255, "")])
def test_symbols(code: int, symbol: str) -> None:
    assert str(unit(code)) == symbol
    assert find(symbol).code == code


def test_unknown() -> None:
    assert unit(99) == Unit(99, "unit 99", "unknown", "", "memory")
    with pytest.raises(UsageError):
        find("furlong")


@given(st.integers(-(2**64), 2**64), st.integers(-128, 127))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_scaling_is_exact(value: int, scaler: int) -> None:
    scaled = scale(value, scaler)
    assert isinstance(scaled, int if scaler >= 0 else Decimal)
    assert Fraction(scaled) == value * Fraction(10) ** scaler


def test_other_numbers() -> None:
    assert str(scale(1500, -3)) == "1.500"
    assert scale(True, 1) == 10
    assert scale(1.5, -1) == Decimal("0.15")
    assert scale(Decimal("-1.25"), 2) == Decimal(-125)
    long = Decimal("1." + "1" * 60)
    assert scale(long, -1) == Decimal("0.1" + "1" * 60)
    for value, scaler in ((1, 128), (1, -129), (float("nan"), 0), (Decimal("inf"), 0)):
        with pytest.raises(UsageError):
            scale(value, scaler)


def test_text() -> None:
    assert text(54321, -3, 13) == "54.321 m³"
    assert text(5, 3, 30) == "5000 Wh"
    assert text(7, 0) == "7"
    assert text(1, -9, 27) == "0.000000001 W"
