"""From the meter to the eye: simulated meters, the collector, validation, the API, and Chromium."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
import uvicorn

from ferraris.headend.access import principals, tokens
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.opening import Access
from ferraris.headend.api.application import application
from ferraris.headend.collect import Collection, CollectionSettings
from ferraris.headend.demo import Demo, DemoSettings
from ferraris.headend.inventory import group_selection
from ferraris.headend.operations import House
from ferraris.headend.page.routes import Page
from ferraris.headend.vee.rounds import Rounds
from ferraris.keys import MemoryKeys

pytestmark = pytest.mark.services

METERS = 4


class HeadEnd:
    """Everything in one event loop, in a thread beside the browser's."""

    def __init__(self, folder):
        self.settings = DemoSettings(folder / "store.sqlite", folder / "keys", meters=METERS)
        self.ready = threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=lambda: asyncio.run(self.work()))
        self.fault = None

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    async def work(self):
        try:
            async with Demo(self.settings) as demo:
                await self.serve(demo)
        except BaseException as error:
            self.fault = error
            raise
        finally:
            self.ready.set()

    async def serve(self, demo):
        await demo.collect()
        Rounds(demo.engine).all(time.time())
        house = House(demo.engine, MemoryKeys(), time.time)
        self.token = self.operator(demo)
        access = Access(demo.engine, house.journal.write, clock=time.time, monotonic=time.monotonic)
        page = Page(house, access)
        config = uvicorn.Config(
            application(house, page.routes), log_config=None, timeout_graceful_shutdown=2
        )
        self.server = uvicorn.Server(config)
        collection = Collection(
            demo.archive,
            demo._meters.open,
            settings=CollectionSettings(concurrency=8),
            members=group_selection,
            prepare=demo._meters.prepare,
        )
        collecting = asyncio.create_task(collection.run())
        self.meters = sorted(demo.targets)
        self.stop = page.close
        self.loop = asyncio.get_running_loop()
        self.ready.set()
        try:
            await self.server.serve(sockets=[self.listening])
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)

    def operator(self, demo):
        with demo.engine.transaction() as connection:
            number = principals.create(connection, demo.tenant, "olga", at_s=time.time())
            principals.grant(connection, demo.tenant, number, Grant("operator"))
            _, secret = tokens.issue(connection, demo.tenant, number, "browser", at_s=time.time())
        return secret

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(60)
        if self.fault:
            raise self.fault
        return self

    def __exit__(self, *_):
        if not self.fault:
            self.loop.call_soon_threadsafe(self.stop)
            self.server.should_exit = True
        self.thread.join(30)
        self.listening.close()


def test_an_operator_opens_the_page_in_the_morning(chromium, tmp_path):
    with HeadEnd(tmp_path) as headend:
        context = chromium.new_context(locale="en-GB", base_url=headend.origin)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto("/")
        page.fill("#token", headend.token)
        page.click("button.main")
        page.wait_for_selector("#pulse.good")
        today = page.inner_text("#part-today")
        assert f"{METERS}\ndue" in today or f"due\n{METERS}" in today
        assert "100.0%" in today
        assert "Nothing is missing." in page.inner_text("#part-reasons")
        page.click("nav >> text=Meters")
        page.click(f"text={headend.meters[0]}")
        assert "Load profile" in page.inner_text("#part-curve")
        assert page.locator("#part-curve tbody tr").count() == 96
        assert "not validated yet" not in page.inner_text("#part-curve")
        page.wait_for_selector("#pulse.good")
        page.evaluate("window.here = true")
        page.click("text=Read now")
        page.wait_for_selector("#part-now .mark.good")
        now = page.inner_text("#part-now")
        assert "Done" in now
        assert "1-0:1.8.0" in now
        assert "Wh" in now
        page.wait_for_selector("#part-sessions >> text=operator")
        assert page.evaluate("window.here"), "the page was not left"
        problem = page.request.get("/v1/meters")
        assert problem.status == 401
        assert "problem+json" in problem.headers["content-type"]
        assert page.goto("/no/such/page").status == 404
        assert "There is nothing here" in page.inner_text("h1")
        context.close()
