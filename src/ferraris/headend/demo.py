"""The main job in one process: a simulated neighbourhood, and a head-end that reads and stores it.

Everything is real but the households: sockets on loopback, HLS 5 with GMAC, ciphered APDUs, a key
store that leases counters, an embedded database.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Never

from ferraris.core.layer import Layer
from ferraris.headend.collect import Collector, Limits, Progress, Summary
from ferraris.headend.collect.dlms import DlmsMeters, DlmsTarget
from ferraris.headend.store import MeterEntry, Plan, Store
from ferraris.keys import KeyStore
from ferraris.line import tcp
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport import profiles

__all__ = ["REGISTERS", "Demo", "DemoSettings"]

_CLIENT_TITLE = b"FRRHES01"
_PROFILE = "1-0:99.1.0*255"
REGISTERS = (
    "0-0:1.0.0*255",
    "1-0:1.8.0*255",
    "1-0:1.8.1*255",
    "1-0:1.8.2*255",
    "1-0:2.8.0*255",
    "1-0:2.8.1*255",
    "1-0:2.8.2*255",
    "1-0:3.8.0*255",
    "1-0:4.8.0*255",
    "1-0:1.4.0*255",
    "1-0:1.6.0*255",
    "1-0:1.7.0*255",
    "1-0:2.7.0*255",
    "1-0:31.7.0*255",
    "1-0:32.7.0*255",
    "1-0:13.7.0*255",
    "1-0:14.7.0*255",
    "0-0:96.14.0*255",
    "0-0:97.97.0*255",
    "0-0:97.98.0*255",
)
"""What is read besides the load profile."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How large the neighbourhood is, and where what it tells is kept.

    `folder` gets the store and the key store; `concurrency` sessions run at a time.
    """

    folder: Path
    meters: int = 100
    seed: int = 1
    concurrency: int = 64


class Demo:
    """A neighbourhood that listens on loopback, and the head-end that reads it.

    Use it as an asynchronous context manager; `collect` may be called again and again.
    """

    def __init__(self, settings: DemoSettings) -> None:
        self._settings = settings
        self._fleet = Fleet(
            template("residential"),
            settings.meters,
            settings.seed,
            secret=secrets.token_bytes(32),
        )
        self.store = Store.open(settings.folder / "ferraris.sqlite")
        self._keys = KeyStore.create(settings.folder / "keys.sqlite", secrets.token_urlsafe(24))

    async def __aenter__(self) -> Demo:
        self._server = await tcp.listen("127.0.0.1", 0, self._meter_stack)
        port = self._server.sockets[0].getsockname()[1]
        self._targets = self._register(Endpoint("tcp", "127.0.0.1", port))
        self._meters = DlmsMeters(self._keys, self._targets, system_title=_CLIENT_TITLE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self._meters.keep()
        self._keys.close()
        self.store.close()

    async def collect(self, progress: Callable[[Progress], None] | None = None) -> Summary:
        """Read the last complete UTC day and the registers of every meter that lacks them."""
        collector = Collector(
            self.store,
            self._meters.open,
            self._targets,
            Plan("demo", _PROFILE, 900, REGISTERS),
            limits=Limits(concurrency=self._settings.concurrency),
            progress=progress,
            exclusive=True,
        )
        summary = await collector.run()
        self._meters.keep()
        return summary

    def _meter_stack(self) -> Layer[Never, None, bytes]:
        return server_stack(profiles.TCP, self._fleet.find, entropy=os.urandom, utc=time.time)

    def _register(self, endpoint: Endpoint) -> dict[str, DlmsTarget]:
        """Hand the meters over to the head-end, as a delivery of meters would."""
        targets: dict[str, DlmsTarget] = {}
        wallet: list[tuple[str, str, bytes]] = []
        for place in range(len(self._fleet)):
            line = self._fleet.line(place, str(endpoint))
            name = line["id"]
            title = bytes.fromhex(line["system_title"])
            targets[name] = DlmsTarget(
                name, endpoint, line["client"], line["server"], "gmac", title, "residential"
            )
            for kind in ("encryption_key", "authentication_key"):
                wallet.append((name, kind, bytes.fromhex(line[kind])))
        self._keys.put_many(wallet)
        self.store.enrol(
            MeterEntry(target.meter, target.system_title) for target in targets.values()
        )
        return targets
