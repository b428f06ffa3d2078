"""Columns hold exactly what was stored, in both back ends."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.headend.export.conftest import DAILY, DAY, FIRST, LOAD, ODD_VALUES, rows_of
from tests.headend.export.expecting import at, expected, shown

from ferraris.core.errors import UsageError
from ferraris.headend.export import Choice, Selection, selection
from ferraris.headend.export.columns_files import (
    frame,
    table,
)
from ferraris.headend.store.tables.inventory import METER


def test_every_value_is_there_once_and_exact(gathering):
    whole = table(gathering())
    assert whole.num_rows == len(expected())
    rows = whole.to_pylist()
    assert shown(rows) == expected()
    assert {row["unit"] for row in rows} == {"Wh"}
    assert {row["kind"] for row in rows} == {"integer"}
    assert {row["profile"] for row in rows} == {LOAD}
    first = next(row for row in rows if row["meter"] == "M1")
    assert (first["quality"], first["status"], first["text"]) == (2, 0, None)
    assert (first["class_id"], first["attribute"], first["element"]) == (3, 2, 0)
    assert first["stored"] == at(FIRST * DAY)
    assert "final" not in whole.column_names


def test_a_selection_is_of_meters_channels_and_times(gathering, filled):
    of_one = select(METER.c.id).where(METER.c.external_id.in_(["M2", "X"]))
    begin = FIRST * DAY + 20 * 3600
    rows = table(
        gathering(meters=of_one, channels=("1.8.0",), since_s=begin, until_s=begin + 8 * 3600)
    ).to_pylist()
    want = {
        key: value
        for key, value in expected().items()
        if key[0] == "M2" and key[1] == "1-0:1.8.0*255"
        and at(begin) < key[2] <= at(begin + 8 * 3600)
    }  # fmt: skip
    assert len(want) == 8
    assert shown(rows) == want
    empty = table(gathering(profiles=("1-0:99.3.0*255",)))
    assert empty.num_rows == 0
    with pytest.raises(UsageError, match="ends after"):
        Selection(filled.tenant, 5, 5)
    with pytest.raises(UsageError, match="at most"):
        Selection(filled.tenant, 0, 1 << 40)


def test_values_of_every_kind_are_told_exactly(gathering):
    rows = table(gathering(profiles=(DAILY,), registers=True)).to_pylist()
    odd = [row for row in rows if row["profile"] == DAILY]
    assert len(odd) == len(ODD_VALUES)
    assert [(row["kind"], row["text"]) for row in odd] == [
        ("none", None), ("integer", str(1 << 64)), ("text", 'a,"b"'), ("octets", "01ff"),
        ("float", "1.5"), ("decimal", "2.50"), ("boolean", "true"),
        ("list", '[1,[["octets","02"],null]]'),
    ]  # fmt: skip
    assert {row["value"] for row in odd} == {None}
    (register,) = (row for row in rows if row["profile"] is None)
    assert register["channel"] == "1-0:1.8.1*255"
    assert (register["value"], register["scaler"]) == (725, -2)
    assert register["end"] == at(FIRST * DAY + 60)


def test_final_values_and_both(gathering, validated):
    final = table(gathering(validated, choice=Choice.FINAL)).to_pylist()
    assert len(final) == 24
    assert [(row["value"], row["final"], row["final_quality"], row["final_rule"], row["findings"])
            for row in final[:3]] == [
        (None, 5, "estimated", "interpolation", 1),
        (final[1]["value"], None, "missing", "nothing", 0),
        (final[2]["value"], final[2]["value"], "valid", "measured", 0),
    ]  # fmt: skip
    assert [row["value"] for row in final[1:]] == rows_of(1, FIRST + 1)[1][1:]
    assert {row["final_version"] for row in final} == {3}
    assert final[0]["kind"] == "none"
    both = table(gathering(validated, choice=Choice.BOTH))
    assert both.num_rows == len(expected())  # each value once
    rows = both.to_pylist()
    assert sum(row["final_quality"] is not None for row in rows) == 24
    raw = {key: value for key, value in expected().items()
           if not (key[0] == "M1" and key[1] == "1-0:1.8.0*255"
                   and at((FIRST + 1) * DAY) < key[2] <= at((FIRST + 2) * DAY))}  # fmt: skip
    assert shown(row for row in rows if row["final_quality"] is None) == raw
    # Half of a validated day.
    half = table(gathering(validated, choice=Choice.FINAL, until_s=(FIRST + 1) * DAY + 7200))
    assert half.num_rows == 2


def test_portions_are_bounded_and_make_the_same(gathering, monkeypatch):
    given = table(gathering()).to_pylist()
    monkeypatch.setattr(selection, "PORTION", 2)
    cut = gathering()
    assert [(len(one.meters), one.first_day, one.last_day) for one in cut.portions()] == [
        (width, day, day) for day in range(FIRST, FIRST + 3) for width in (2, 1)
    ]
    assert shown(table(cut).to_pylist()) == shown(given)
    few = gathering(meters=select(METER.c.id).where(METER.c.external_id == "M1"))
    assert [one.last_day - one.first_day for one in few.portions()] == [1, 0]
    assert len(few.portions(by_day=True)) == 3


def test_scaled_values_of_a_frame_are_exact(gathering):
    data = frame(gathering(channels=("1-0:1.8.0*255",)))
    pairs = zip(data["value"].tolist(), data["scaler"].tolist(), strict=True)
    exact = [Decimal(value).scaleb(scaler) for value, scaler in pairs]
    assert min(exact) == Decimal("0.099")
    assert max(exact) == Decimal(rows_of(3, FIRST + 2)[1][-1]).scaleb(-3)
