"""A town with the page in front of it, and how tests enter and read that page."""

from __future__ import annotations

import html
import re
import time
from zoneinfo import ZoneInfo

import pytest
import town
from litestar import Litestar

from ferraris.headend.access.opening import Access
from ferraris.headend.observe.health import Health
from ferraris.headend.operations import House
from ferraris.headend.page.routes import Page
from ferraris.headend.page.site import PageSettings
from ferraris.headend.store.engine import Engine
from ferraris.keys import MemoryKeys

__all__ = ["Place", "both", "entered", "form_key", "plain", "section"]

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


def entered(visitor, token):
    """Sign in, and return the answer."""
    key = form_key(visitor.get("/login").text)
    return visitor.post(
        "/login", data={"token": token, "csrf": key, "next": "/"}, follow_redirects=False
    )


def form_key(html):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', html)[1]
