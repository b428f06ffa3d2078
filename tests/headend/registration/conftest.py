from __future__ import annotations

import pytest


@pytest.fixture
def location(request, tmp_path):
    """SQLite, unless a test asks for both: what is tested here is the same for both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return str(tmp_path / "store.sqlite")
    return request.getfixturevalue("postgresql_location")
