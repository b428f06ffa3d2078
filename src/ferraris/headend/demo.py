"""The main job in one process: a simulated neighbourhood, and a head-end that reads and stores it.

Everything is real but the households: sockets on loopback, HLS 5 with GMAC, ciphered APDUs, a key
store that leases counters, a database.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, bindparam, update

from ferraris.data.readings import Reading
from ferraris.headend.collect import (
    Collection,
    CollectionSettings,
    DlmsMeters,
    Progress,
    Summary,
    Target,
    plan_of,
    put_plan,
)
from ferraris.headend.inventory import (
    NewMeter,
    State,
    enrol,
    group_selection,
    key_id,
    move_many,
    numbers_of,
    tenant_number,
)
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import KeyStore
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

__all__ = ["PROFILE", "REGISTERS", "Demo", "DemoSettings"]

_CLIENT_TITLE = b"FRRHES01"
_TENANT = "main"
PROFILE = "1-0:99.1.0*255"
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

_PLAN = {
    "name": "demo",
    "profiles": [{"profile": PROFILE, "period": "15 min"}],
    "registers": list(REGISTERS),
    "back_days": 1,
    "before_days": 1,
}


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How large the neighbourhood is, and where what it tells is kept.

    `store` is the file or URL of the store, `keys` the file of the key store, which must not exist
    yet: the meters get fresh keys at every start. `concurrency` sessions run at a time.
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
        self.engine = Engine(self._settings.store)
        migrate(self.engine)
        self._keys = KeyStore.create(self._settings.keys, secrets.token_urlsafe(24))
        self._listening = await listen(self._fleet, Endpoint("tcp", "127.0.0.1", 0))
        with self.engine.transaction() as connection:
            self.tenant = tenant_number(connection, _TENANT, make=True)
            self.targets = self._register(connection)
            put_plan(connection, self.tenant, plan_of(_PLAN), now=time.time())
        self.archive = Archive(self.engine, self.tenant)
        self._meters = DlmsMeters(
            self._keys,
            system_title=_CLIENT_TITLE,
            key_of=lambda target: key_id(_TENANT, target.external_id),
        )
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
        self.engine.close()

    async def collect(self, progress: Callable[[Progress], None] | None = None) -> Summary:
        """Read the last complete UTC day and the registers of every meter that lacks them."""
        collection = Collection(
            self.archive,
            self._meters.open,
            settings=CollectionSettings(concurrency=self._settings.concurrency),
            members=group_selection,
            prepare=self._meters.prepare,
            progress=progress,
            exclusive=True,
        )
        summary = await collection.run_once()
        self._meters.keep()
        return summary

    async def look(self, meter: str, names: Sequence[str]) -> dict[str, Reading]:
        """Read a few registers of one meter now, past the plan."""
        async with self._meters.open(self.targets[meter]) as face:
            readings = await face.read_registers(names)
        return {str(reading.name): reading for reading in readings}

    def _register(self, connection: Connection) -> dict[str, Target]:
        """Hand the meters over to the head-end, as a delivery of meters would."""
        lines = [
            (self._listening.line(place), self._listening.endpoint(place).url)
            for place in range(len(self._fleet))
        ]
        now = time.time()
        known = numbers_of(connection, self.tenant, [line["id"] for line, _ in lines])
        new = [
            NewMeter(
                external_id=line["id"],
                address=url,
                client=line["client"],
                server=line["server"],
                system_title=bytes.fromhex(line["system_title"]),
                template="residential",
            )
            for line, url in lines
            if line["id"] not in known
        ]
        made = enrol(connection, self.tenant, new, at_s=now, by="demo")
        for state in (State.INSTALLED, State.ACTIVE):
            move_many(
                connection,
                self.tenant,
                made.values(),
                state,
                reason="it lives in this process",
                by="demo",
                at_s=now,
            )
        moved = [{"which": known[line["id"]], "url": url} for line, url in lines
                 if line["id"] in known]  # fmt: skip
        if moved:
            connection.execute(
                update(METER)
                .where(METER.c.id == bindparam("which"))
                .values(address=bindparam("url")),
                moved,
            )
        self._keys.put_many(
            (key_id(_TENANT, line["id"]), kind, bytes.fromhex(line[kind]))
            for line, _ in lines
            for kind in ("encryption_key", "authentication_key")
        )
        numbers = known | made
        return {
            line["id"]: Target(
                numbers[line["id"]],
                line["id"],
                address=url,
                client=line["client"],
                server=line["server"],
                system_title=bytes.fromhex(line["system_title"]),
                alike=("", "residential", "", ""),
            )
            for line, url in lines
        }
