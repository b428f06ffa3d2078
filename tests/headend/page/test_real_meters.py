"""From the meter to the eye: a night of the head-end's own service, looked at in Chromium."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ferraris.headend.demo.night import Night, NightSettings

pytestmark = pytest.mark.services

METERS = 12
PARTS = ("clock", "http", "collection", "validation")


class Town:
    """A night up to its first round, and then the service, in a thread beside the browser's."""

    def __init__(self, folder):
        self.settings = NightSettings(folder / "store.sqlite", folder / "keys", meters=METERS)
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.work()))
        self.fault = None

    async def work(self):
        try:
            async with Night(self.settings) as night:
                await self.serve(night)
        except BaseException as error:
            self.fault = error
            raise
        finally:
            self.ready.set()

    async def serve(self, night):
        night.deliver()
        await night.commission()
        await night.first_round()
        self.token = night.administrator()
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        self.name = night.neighbourhood.names([night.neighbourhood.fleets[0][0]])[0]
        parts = [asyncio.create_task(night.whole.parts[name]()) for name in PARTS]
        while "http" not in night.whole.ports:
            await asyncio.sleep(0.05)
        self.origin = night.url
        self.ready.set()
        await self.over.wait()
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(60)
        if self.fault:
            raise self.fault
        return self

    def __exit__(self, *_):
        if not self.fault:
            self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(30)


def test_an_operator_opens_the_page_in_the_morning(chromium, tmp_path):
    with Town(tmp_path) as town:
        context = chromium.new_context(locale="en-GB", base_url=town.origin)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto("/")
        page.fill("#token", town.token)
        page.click("button.main")
        page.wait_for_selector("#pulse.good")
        today = page.inner_text("#part-today")
        assert f"{METERS}\ndue" in today or f"due\n{METERS}" in today
        assert "missing" in today
        assert page.locator("#part-reasons tbody tr").count() > 0
        assert page.locator("#part-missing tbody tr").count() > 0
        page.click("nav >> text=Meters")
        page.click(f"text={town.name}")
        assert "Load profile" in page.inner_text("#part-curve")
        assert page.locator("#part-curve tbody tr").count() == 96
        assert "Active, keys renewed" in page.inner_text("#part-registration")
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
