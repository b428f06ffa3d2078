from __future__ import annotations

import html
import os
import re
import shutil
import sys
import time
import uuid
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from ferraris.headend.access.opening import Access
from ferraris.headend.observe.health import Health
from ferraris.headend.operations import House
from ferraris.headend.page.routes import Page
from ferraris.headend.page.site import PageSettings
from ferraris.headend.store.engine import Engine
from ferraris.keys import MemoryKeys

sys.path.insert(0, str(Path(__file__).parent))

import town

CHROMIUM = os.environ.get("FERRARIS_CHROMIUM") or shutil.which("chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


both = pytest.mark.parametrize(
    "place", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)


def plain(page):
    """The text that a page shows."""
    inside = re.sub(r"<(title|script|style)\b.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", inside)))


def section(page, name):
    return re.search(rf'<section class="sheet" id="part-{name}".*?</section>', page, re.S)[0]


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class Place:
    """A town with the page in front of it; `fill` makes what is in its store."""

    def __init__(self, location, fill=town.fill):
        self.engine = Engine(location)
        self.clock = Clock(town.NOW)
        fill(self.engine)
        self.health = Health(lambda: 0.0)
        self.keys = MemoryKeys()
        self.house = House(self.engine, self.keys, self.clock, {Health: self.health})
        self.access = Access(
            self.engine, self.house.journal.write, clock=self.clock, monotonic=time.monotonic
        )
        settings = PageSettings(zone=ZoneInfo(town.ZONE))
        self.page = Page(self.house, self.access, settings)
        self.app = Litestar(self.page.routes, openapi_config=None)
        self.tokens = {}

    def token(self, role, **more):
        key = (role, *sorted(more.items()))
        if key not in self.tokens:
            self.tokens[key] = town.token(self.engine, role, **more)
        return self.tokens[key]

    def close(self):
        self.engine.close()


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


def entered(visitor, token):
    """Sign in, and return the answer."""
    key = form_key(visitor.get("/login").text)
    return visitor.post(
        "/login", data={"token": token, "csrf": key, "next": "/"}, follow_redirects=False
    )


def form_key(html):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', html)[1]


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
