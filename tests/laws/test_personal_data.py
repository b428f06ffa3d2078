"""Nobody adds a table without saying what it tells about customers."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy")

from ferraris.headend.privacy.personal import PERSONAL_DATA, Fate
from ferraris.headend.store.tables import METADATA


def test_every_table_is_classified():
    assert set(PERSONAL_DATA) == set(METADATA.tables), (
        "say in ferraris/headend/privacy/personal.py what the table tells about customers, and "
        "let an erasure do it"
    )
    assert all(treatment.told for treatment in PERSONAL_DATA.values())


def test_whatever_can_be_sealed_goes_with_the_key():
    sealed = {name for name, table in METADATA.tables.items() if "seal" in table.columns}
    assert sealed == {name for name, told in PERSONAL_DATA.items() if told.fate is Fate.KEY}
