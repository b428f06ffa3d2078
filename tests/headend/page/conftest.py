from __future__ import annotations

import os
import shutil
import sys
import uuid
from pathlib import Path

import pytest
from litestar.testing import TestClient
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent))

import town
from front import Place, entered

CHROMIUM = os.environ.get("FERRARIS_CHROMIUM") or shutil.which("chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module", params=["sqlite"])
def place(request, tmp_path_factory):
    """Tests that ask for it by `both` see the same town in PostgreSQL, too."""
    if request.param == "sqlite":
        made = Place(str(tmp_path_factory.mktemp("town") / "store.sqlite"))
        yield made
        made.close()
        return
    server, schema = request.getfixturevalue("postgresql"), f"ferraris_{uuid.uuid4().hex}"
    with server.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    url = server.url.set(drivername="postgresql").render_as_string(hide_password=False)
    made = Place(f"{url}?options=-csearch_path%3D{schema}")
    yield made
    made.close()
    with server.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


@pytest.fixture
def visitor(place):
    """A browser without pictures."""
    place.clock.now = town.NOW
    with TestClient(place.app, base_url="https://headend.example") as client:
        yield client


@pytest.fixture
def enter(place, visitor):
    """Sign in with a role; returns the browser."""

    def with_role(role, **more):
        visitor.cookies.clear()
        assert entered(visitor, place.token(role, **more)).status_code == 303
        return visitor

    return with_role


@pytest.fixture(scope="module")
def chromium():
    """One browser for a module; what opens in it is closed by who opened it."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no chromium: set FERRARIS_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
