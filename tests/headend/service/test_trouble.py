"""A service whose database goes away and comes back: told, waited for, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from ferraris.headend.demo.night import Night, NightSettings
from ferraris.headend.service.running import serve_until


class Relay:
    """A line to a server that can be cut, and mended; in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    def mend(self) -> None:
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(10)

    def cut(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0.05)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection(*self._there)
        self._open |= {writer, onward}

        async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while octets := await source.read(65536):
                    sink.write(octets)
                    await sink.drain()
            sink.transport.abort()

        await asyncio.gather(one_way(reader, onward), one_way(there, writer))
        self._open -= {writer, onward}


@pytest.mark.services
def test_the_database_goes_away_and_comes_back(postgresql_location, tmp_path):
    parts = urlsplit(postgresql_location)
    relay = Relay(parts.hostname or "127.0.0.1", parts.port or 5432)
    where = postgresql_location.replace(
        parts.netloc, f"{parts.username}@127.0.0.1:{relay.port}"
    )  # fmt: skip
    try:
        asyncio.run(live_through(relay, NightSettings(where, tmp_path / "keys.sqlite", meters=12)))
    finally:
        relay.close()


async def live_through(relay: Relay, settings: NightSettings) -> None:
    async with Night(settings) as night:
        night.deliver()
        await night.commission()
        token = night.administrator()
        stop = asyncio.Event()
        service = asyncio.create_task(serve_until(stop, night.whole))
        try:
            while "http" not in night.whole.ports:
                await asyncio.sleep(0.05)
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(base_url=night.url, headers=headers) as client:
                assert (await client.get("/v1/meters")).status_code == 200
                await asyncio.to_thread(relay.cut)
                away = await until(client, 503)
                assert away.headers["content-type"].startswith("application/problem+json")
                assert relay_secretless(away.text)
                night.hour(20 * 60)  # midnight has passed: everybody is due, and the store is away
                await asyncio.sleep(1.0)
                assert not service.done()
                await asyncio.to_thread(relay.mend)
                await until(client, 200)
                await everything_true(night)
        finally:
            stop.set()
            await service


async def until(client: httpx.AsyncClient, status: int) -> httpx.Response:
    end = time.monotonic() + 60
    while True:
        answer = await client.get("/v1/meters", timeout=60)
        if answer.status_code == status:
            return answer
        assert answer.status_code in (200, 503), answer.text
        assert time.monotonic() < end, f"never {status}"
        await asyncio.sleep(0.1)


async def everything_true(night: Night) -> None:
    """Wait until all that the meters counted is there, and nothing else."""
    end = time.monotonic() + 80
    while True:
        found = await asyncio.to_thread(night.compare)
        if found.whole and (found.intervals, found.registers, found.finals) == (4608, 48, 4608):
            return
        assert time.monotonic() < end, found
        await asyncio.sleep(0.5)


def relay_secretless(text: str) -> bool:
    return "postgresql" not in text and "127.0.0.1" not in text
