"""CSV is exact text, long and wide; any reader of CSV reads it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.headend.export.conftest import DAILY, DAY, FIRST, LOAD, rows_of

from ferraris.data.date_time import DateTime
from ferraris.data.kinds import BitString
from ferraris.headend.export import Choice
from ferraris.headend.export.csv_text import csv_long, csv_wide
from ferraris.headend.export.exact import KINDS, scaled, spelled
from ferraris.headend.store.tables.inventory import METER


@pytest.fixture
def location(tmp_path):
    """How text is made does not depend on the back end; `test_columns` reads from both."""
    return str(tmp_path / "store.sqlite")


def read(chunks):
    text = b"".join(chunks).decode()
    assert "\r\n" in text
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(st.integers(), st.integers(-30, 30))
def test_scaled_text_is_exact(value, scaler):
    text = scaled(value, scaler)
    assert Decimal(text) == Decimal(value) * Decimal(10) ** scaler or len(str(value)) > 20
    assert text.lstrip("-").replace(".", "").isdigit()
    if scaler < 0:
        assert len(text.partition(".")[2]) == -scaler


def test_long(gathering):
    rows = read(csv_long(gathering()))
    assert len(rows) == 432
    first = rows[0]
    assert first == {
        "meter": "M1", "profile": LOAD, "channel": "1-0:1.8.0*255", "end": "2026-03-11T01:00:00Z",
        "value": "1492.553", "unit": "Wh", "status": "0", "quality": "2", "version": "1",
    }  # fmt: skip
    assert rows_of(1, FIRST)[1][0] == 1492553
    down = [row["value"] for row in rows if row["channel"] == "1-0:2.8.0*255"]
    assert down[:3] == ["0", "-10", "-20"]  # scaler 1


def test_long_with_odd_values_and_final_ones(gathering, validated):
    rows = read(csv_long(gathering(profiles=(DAILY,), registers=True)))
    assert [row["value"] for row in rows] == [
        "", str(1 << 64), 'a,"b"', "01ff", "1.5", "2.50", "true", '[1,[["octets","02"],null]]',
        "7.25",
    ]  # fmt: skip
    both = read(csv_long(gathering(validated, choice=Choice.BOTH)))
    assert len(both) == 432
    final = [row for row in both if row["final_quality"]]
    assert [
        (row["value"], row["final"], row["final_quality"], row["final_rule"]) for row in final[:2]
    ] == [
        ("", "0.005", "estimated", "interpolation"),
        (final[1]["value"], "", "missing", "nothing"),
    ]
    assert {row["final_version"] for row in final} == {"3"}


def test_wide(gathering, validated):
    rows = read(csv_wide(gathering()))
    assert len(rows) == 216
    assert rows[0] == {
        "meter": "M1", "end": "2026-03-11T01:00:00Z", "quality": "2",
        "1-0:1.8.0*255 [Wh]": "1492.553", "1-0:2.8.0*255 [Wh]": "0",
    }  # fmt: skip
    assert [row["meter"] for row in rows] == sorted(row["meter"] for row in rows)
    with_final = read(csv_wide(gathering(validated, choice=Choice.BOTH)))
    assert len(with_final) == 216
    changed = [
        (old["end"], new["1-0:1.8.0*255 [Wh]"])
        for old, new in zip(rows, with_final, strict=True) if old != new
    ]  # fmt: skip
    assert changed == [("2026-03-12T01:00:00Z", "0.005"), ("2026-03-12T02:00:00Z", "")]


def test_wide_has_the_columns_that_are_used_and_merges_profiles(gathering):
    one = select(METER.c.id).where(METER.c.external_id == "M1")
    rows = read(csv_wide(gathering(profiles=(), meters=one, until_s=(FIRST + 1) * DAY)))
    assert len(rows) == 24 + 8
    assert set(rows[0]) == {
        "meter", "end", "quality", "1-0:1.8.0*255 [Wh]", "1-0:2.8.0*255 [Wh]", "0-0:96.1.0*255",
    }  # fmt: skip
    other = select(METER.c.id).where(METER.c.external_id == "M3")
    assert "0-0:96.1.0*255" not in read(csv_wide(gathering(profiles=(), meters=other)))[0]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (5, "integer", None), (-(1 << 63), "integer", None), (1 << 63, "integer", str(1 << 63)),
        (BitString.from_text("1010"), "bits", "1010"), (BitString(0, b""), "bits", ""),
        (DateTime(b"\x07" * 12), "date-time", "07" * 12), ((1, "x"), "list", '[1,"x"]'),
    ],
)  # fmt: skip
def test_kinds(value, kind, text):
    place, told = spelled(value)
    assert (KINDS[place], told) == (kind, text)
