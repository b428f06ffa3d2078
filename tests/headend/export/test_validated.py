"""Final values as validation really keeps them come out of exports."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import insert
from tests.headend.export.conftest import DAY, FIRST, LOAD, rows_of

from ferraris.headend.export import Choice
from ferraris.headend.export.columns_files import table
from ferraris.headend.operations.columns_final import ValidatedValues
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.sealing import ErasedError, NoSealer
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.columns_versions import Versions, pack_versions

IMPORT = "1-0:1.8.0*255"


@pytest.fixture
def kept(engine, filled):
    """The second day of M1, a local one of Berlin, with two versions: the newest counts."""
    raw = np.array([rows_of(1, FIRST + 1)[1]], np.int64)
    shape = raw.shape
    for version in (1, 2):
        final, quality = raw + version, np.zeros(shape, np.int64)
        present = np.ones(shape, bool)
        quality[0, 0], quality[0, 1], present[0, 1] = 2, 4, False
        columns = Versions(
            raw, present, final, quality, quality * 0 + 3, quality * 0, quality * 0 + version
        )
        (body,) = pack_versions(columns)
        counts = dict.fromkeys(("suspect", "estimated", "edited", "missing", "findings"), 0)
        with engine.transaction() as connection:
            connection.execute(
                insert(FINAL).values(
                    tenant=filled.tenant, meter=filled.meters[0], profile=filled.profiles[LOAD],
                    channel=filled.channels[IMPORT], day=FIRST + 1, version=version,
                    zone="Europe/Berlin", start_s=(FIRST + 1) * DAY - 3600, period_s=3600,
                    intervals=24, rules="x", stored_s=0, seal=0, digest=digest(body), body=body,
                    **counts,
                )
            )  # fmt: skip
    return raw[0].tolist()


def test_final_values_of_a_local_day(gathering, kept):
    source = ValidatedValues(NoSealer())
    rows = table(gathering(source, choice=Choice.FINAL)).to_pylist()
    assert len(rows) == 24
    assert [row["value"] for row in rows] == [kept[0], None, *kept[2:]]
    assert [row["final"] for row in rows] == [kept[0] + 2, None, *(each + 2 for each in kept[2:])]
    assert [row["final_quality"] for row in rows[:3]] == ["estimated", "missing", "valid"]
    assert {row["final_rule"] for row in rows} == {"interpolation"}
    assert {row["final_version"] for row in rows} == {2}
    assert rows[0]["end"].timestamp() == (FIRST + 1) * DAY
    # The local day reaches into both UTC days; each hour is there once.
    both = table(gathering(source, choice=Choice.BOTH)).to_pylist()
    assert len(both) == len({(row["meter"], row["channel"], row["end"]) for row in both}) == 432
    later = table(gathering(source, choice=Choice.FINAL, since_s=(FIRST + 1) * DAY))
    assert later.num_rows == 23


def test_final_values_of_erased_customers_are_left_out(gathering, kept):
    class Erasing(NoSealer):
        def open(self, seal, octets, context):
            raise ErasedError

    assert table(gathering(ValidatedValues(Erasing()), choice=Choice.FINAL)).num_rows == 0
