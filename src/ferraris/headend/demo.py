"""The main job in one process: a simulated neighbourhood, and a head-end that reads and stores it.

Everything is real but the households: sockets on loopback, HLS 5 with GMAC, ciphered APDUs, a key
store that leases counters, an embedded database.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ferraris.data.readings import Reading
from ferraris.headend.collect import Collector, Limits, Progress, Summary
from ferraris.headend.collect.dlms import DlmsMeters, DlmsTarget
from ferraris.headend.store import MeterEntry, Plan, Store
from ferraris.keys import KeyStore
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

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
    "0-0:96.1.0*255",
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

    `store` is the file of the store, `keys` that of the key store, which must not exist yet: the
    meters get fresh keys at every start. `concurrency` sessions run at a time.
    """

    store: str | Path
    keys: Path
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

    async def __aenter__(self) -> Demo:
        self.store = Store.open(self._settings.store)
        self._keys = KeyStore.create(self._settings.keys, secrets.token_urlsafe(24))
        self._listening = await listen(self._fleet, Endpoint("tcp", "127.0.0.1", 0))
        self.targets = self._register()
        self._meters = DlmsMeters(self._keys, self.targets, system_title=_CLIENT_TITLE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._listening.close()
        self._meters.keep()
        self._keys.close()
        self.store.close()

    async def collect(self, progress: Callable[[Progress], None] | None = None) -> Summary:
        """Read the last complete UTC day and the registers of every meter that lacks them."""
        collector = Collector(
            self.store,
            self._meters.open,
            self.targets,
            Plan("demo", _PROFILE, 900, REGISTERS),
            limits=Limits(concurrency=self._settings.concurrency),
            progress=progress,
            exclusive=True,
        )
        summary = await collector.run()
        self._meters.keep()
        return summary

    async def look(self, meter: str, names: Sequence[str]) -> dict[str, Reading]:
        """Read a few registers of one meter now, past the plan."""
        async with self._meters.open(self.targets[meter]) as face:
            readings = await face.read_registers(names)
        return {str(reading.name): reading for reading in readings}

    def _register(self) -> dict[str, DlmsTarget]:
        """Hand the meters over to the head-end, as a delivery of meters would."""
        targets: dict[str, DlmsTarget] = {}
        wallet: list[tuple[str, str, bytes]] = []
        for place in range(len(self._fleet)):
            line = self._listening.line(place)
            name = line["id"]
            targets[name] = DlmsTarget(
                name,
                self._listening.endpoint(place),
                line["client"],
                line["server"],
                "gmac",
                bytes.fromhex(line["system_title"]),
                "residential",
            )
            wallet += (
                (name, "encryption_key", bytes.fromhex(line["encryption_key"])),
                (name, "authentication_key", bytes.fromhex(line["authentication_key"])),
            )
        self._keys.put_many(wallet)
        self.store.enrol(
            MeterEntry(target.meter, target.system_title) for target in targets.values()
        )
        return targets
