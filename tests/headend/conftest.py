from __future__ import annotations

import pytest

from ferraris.headend.store import Store


@pytest.fixture
def store():
    with Store.open(":memory:") as opened:
        yield opened
