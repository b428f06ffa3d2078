"""A night of a head-end: meters come, are read, some fail and heal; what is late comes in the end.

Everything is real but the households and the hour: sockets on loopback, HLS 5 with GMAC, ciphered
APDUs, wrapped keys out of a shipment file, a key store that leases counters, a store, validation.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select

from ferraris.core.errors import UsageError
from ferraris.data.readings import Reading
from ferraris.headend.access.first import first_administrator
from ferraris.headend.collect import (
    CollectionSettings,
    Progress,
    SessionLimits,
    Summary,
    Target,
    plan_of,
    put_plan,
)
from ferraris.headend.configuration import Collecting, Configuration, Http, Observing
from ferraris.headend.demo.clock import StoryClock
from ferraris.headend.demo.columns_truth import Agreement, agreement
from ferraris.headend.demo.counting import finals_of, success_of
from ferraris.headend.demo.household import household_rules
from ferraris.headend.demo.neighbourhood import Neighbourhood
from ferraris.headend.demo.settings import PROFILE, REGISTERS, NightSettings
from ferraris.headend.demo.told import Told, joined
from ferraris.headend.inventory import NodeKind, State, create_node, key_id, move_many, nodes
from ferraris.headend.inventory.naming import numbers_of
from ferraris.headend.inventory.shipments import import_shipment
from ferraris.headend.inventory.tenants import transport_key_id
from ferraris.headend.registration.progress import ask
from ferraris.headend.registration.recognition import known_meters
from ferraris.headend.service.building import Built, Furnishing, built
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.vee.rule_sets import put_rules
from ferraris.keys import KeyStore

__all__ = ["Night", "NightSettings"]

_DAY_S: Final = 86_400
_PLAN: Final = "demo"
_TENANT: Final = "main"
_TRANSPORT: Final = "maker"
_BY: Final = "demo"
_MOST_COMMISSIONED: Final = 20
_TWO_DAYS_UP_TO: Final = 1000
"""Larger neighbourhoods read one day, so the first interval of it has no register before it."""
_CELLS: Final = 4
_TRIES: Final = 4
_AGAIN_AFTER_S: Final = 1800.0
_PATIENCE_S: Final = 600.0
"""How long after the end of a day nothing of it counts as late; longer in earnest."""


class Night:
    """A neighbourhood and its head-end; an asynchronous context manager.

    The steps of the story are methods, in their order. The hours are those of the night after the
    last complete UTC day.
    """

    def __init__(
        self, settings: NightSettings, *, progress: Callable[[Progress], None] | None = None
    ) -> None:
        if settings.meters < 1:
            raise UsageError("a neighbourhood has at least one meter")
        self._settings = settings
        self._progress = progress
        self.day = int(time.time()) // _DAY_S - 1
        self._midnight = (self.day + 1) * _DAY_S
        self.clock = StoryClock(self._midnight - 6 * 3600)
        self._meters_at: float | None = self.clock()
        self.neighbourhood = Neighbourhood(settings.meters, settings.seed, self._meters_clock)
        self.told = Told(self.day)
        self._stack = ExitStack()

    async def __aenter__(self) -> Night:
        settings = self._settings
        try:
            keys = KeyStore.create(settings.keys, secrets.token_urlsafe(24))
            self._stack.callback(keys.close)
            self.whole: Built = self._stack.enter_context(
                built(self._configuration(), self._furnishing(keys))
            )
            await self.neighbourhood.open()
        except BaseException:
            self._stack.close()
            raise
        self._keys = keys
        self.whole.validation.patience_s = _PATIENCE_S
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.neighbourhood.close()
        self._stack.close()

    # -- the story ----------------------------------------------------------------------------

    def deliver(self) -> int:
        """Evening: the maker's shipment files come in, keys wrapped; how many meters are new."""
        self.hour(-6 * 3600)
        begun = time.monotonic()
        transport_key = secrets.token_bytes(16)
        self._keys.put(transport_key_id(_TENANT, _TRANSPORT), "master_key", transport_key)
        if self._comes_again():
            self.told.imported = 0
            return 0
        file = self.neighbourhood.shipment(transport_key)
        with self.whole.house.engine.transaction() as connection:
            report = import_shipment(
                connection,
                self._tenant,
                self._keys,
                file.encode(),
                at_s=self.clock(),
                by=_BY,
                transport_key=_TRANSPORT,
            )
        if report.errors:
            raise UsageError(f"shipment: {report.errors[0]}", where="demo")
        with self.whole.house.engine.transaction() as connection:
            self._place(connection)
        self._took("import", begun)
        self.told.imported = report.new
        return report.new

    async def commission(self) -> int:
        """The first meters are registered before our eyes; the others are known from before."""
        begun, now = time.monotonic(), self.clock()
        with self.whole.house.engine.transaction() as connection:
            known = known_meters(connection, METER.c.tenant == self._tenant)
            waiting = [each for each in known if each.state == "known"]
            sound = set(self.neighbourhood.names(list(_first(self.neighbourhood.fleets[0]))))
            some = [each for each in waiting if each.external_id in sound]
            for each in some:
                ask(connection, each, "operator", _BY, now)
            others = [each.number for each in waiting if each not in some]
            for state in (State.INSTALLED, State.ACTIVE):
                move_many(
                    connection, self._tenant, others, state,
                    reason="registered before", by=_BY, at_s=now,
                )  # fmt: skip
            put_plan(connection, self._tenant, plan_of(self._plan()), now=now)
        numbers = [each.number for each in some]
        for _ in range(_TRIES):
            while await self.whole.registrar.round():
                pass
            with self.whole.house.engine.reading() as connection:
                active = select(func.count()).where(
                    METER.c.id.in_(numbers), METER.c.state == "active"
                )
                self.told.commissioned = int(connection.execute(active).scalar_one())
            if self.told.commissioned == len(numbers):
                break
            self._later()
        self._took("commission", begun)
        return self.told.commissioned

    async def evening(self) -> Summary | None:
        """What there is of the days before, where the neighbourhood is small enough for it."""
        if self._days > 1:
            self.told.evening = await self._read(trouble=0)
        return self.told.evening

    async def first_round(self) -> Summary:
        """Twenty past midnight: everybody is read; the dead and the flaky are not."""
        self.hour(20 * 60)
        self.neighbourhood.trouble(self.clock())
        dead, flaky = self.neighbourhood.dead, self.neighbourhood.flaky
        return await self._round(trouble=len(dead) + len(flaky))

    async def second_round(self) -> Summary:
        """Half past two: bad lines are better, and only what is missing is read."""
        self.hour(150 * 60)
        self.neighbourhood.mend(self.neighbourhood.flaky, self.clock())
        return await self._round(trouble=len(self.neighbourhood.dead))

    async def third_round(self) -> Summary:
        """A quarter past seven, after the deadline: the dead are back, their day is late."""
        self.hour(435 * 60)
        self.neighbourhood.mend(self.neighbourhood.dead, self.clock())
        return await self._round(trouble=0)

    def compare(self, progress: Callable[[int], None] = lambda done: None) -> Agreement:
        """Everything that is stored against what the meters really counted."""
        begun = time.monotonic()
        with self.whole.house.engine.reading() as connection:
            self.told.agreement = agreement(
                connection,
                self.whole.archive,
                self.neighbourhood.fleets,
                PROFILE,
                self.day,
                first_interval=self._days == 2,
                progress=progress,
            )
        self._took("compare", begun)
        return self.told.agreement

    def hour(self, after_midnight_s: float) -> None:
        """It is so late; the meters' clocks stand, so that every reading can be computed again."""
        self.clock.put(self._midnight + after_midnight_s)
        self._meters_at = self.clock()

    def now(self) -> None:
        """The story is over: it is the hour that it is."""
        self._meters_at = None
        self.clock.put(time.time())

    # -- what is looked at --------------------------------------------------------------------

    def administrator(self) -> str:
        """The token of an administrator, for the page; new at every start."""
        with self.whole.house.engine.transaction() as connection:
            return first_administrator(
                connection,
                self._tenant,
                self.whole.house.journal.write,
                at_s=self.clock(),
                name=f"demo {secrets.token_hex(4)}",
            )

    @property
    def url(self) -> str:
        """Where the page is, while it is served."""
        host = self._settings.listen.rpartition(":")[0]
        return f"http://{host}:{self.whole.ports['http']}"

    async def look(self, names: Sequence[str], most: int = 12) -> dict[str, dict[str, Reading]]:
        """A few registers of the first meters, read now."""
        with self.whole.house.engine.reading() as connection:
            rows = connection.execute(
                select(METER).where(METER.c.tenant == self._tenant).order_by(METER.c.id).limit(most)
            ).all()
        found = {}
        for target in map(Target.of, rows):
            async with self.whole.meters.open(target) as face:
                readings = await face.read_registers(names)
            found[target.external_id] = {str(each.name): each for each in readings}
        return found

    # -- how ----------------------------------------------------------------------------------

    async def _read(self, *, trouble: int) -> Summary:
        """Read, and half an hour later again while more meters fail than are in `trouble`.

        Meters and head-end are one process here: when the machine lets it wait, all of them seem
        silent at once, which no meter of the story is.
        """
        summary = await self._read_once()
        for _ in range(1, _TRIES):
            if summary.failed <= trouble:
                break
            self._later()
            summary = joined(summary, await self._read_once())
        return summary

    def _later(self) -> None:
        self.hour(self.clock() - self._midnight + _AGAIN_AFTER_S)

    async def _read_once(self) -> Summary:
        summary = await self.whole.collection.run_once()
        self.whole.meters.keep()
        begun = time.monotonic()
        await self.whole.validation.catch_up()
        self._took("validate", begun)
        return summary

    async def _round(self, *, trouble: int) -> Summary:
        summary = await self._read(trouble=trouble)
        self.told.rounds.append(summary)
        with self.whole.house.engine.reading() as connection:
            self.told.success.append(success_of(connection, self._tenant, _PLAN, self.day))
            self.told.finals.append(finals_of(connection, self._tenant, self.day))
        return summary

    def _comes_again(self) -> bool:
        """Meters of an earlier night have new keys and addresses, as every start gives them."""
        lines = list(self.neighbourhood.lines())
        with self.whole.house.engine.transaction() as connection:
            known = numbers_of(connection, self._tenant, [line["id"] for line in lines])
            if len(known) < len(lines):
                return False
            connection.execute(
                METER.update().where(METER.c.id == bindparam("which")).values(
                    address=bindparam("url")
                ),
                [{"which": known[line["id"]], "url": line["url"]} for line in lines],
            )  # fmt: skip
        self._keys.put_many(
            (key_id(_TENANT, line["id"]), kind, bytes.fromhex(line[kind]))
            for line in lines
            for kind in ("encryption_key", "authentication_key")
        )
        return True

    def _place(self, connection: Connection) -> None:
        """Cells of a network, and each meter in one of them; the rules for households."""
        tenant = self._tenant
        put_rules(connection, tenant, household_rules(), by=_BY, at_s=self.clock())
        if nodes(connection, tenant):
            return  # from another night
        create_node(connection, self._tenant, "network", NodeKind.NETWORK)
        cells = [
            create_node(connection, self._tenant, f"cell {n + 1}", NodeKind.CELL, parent="network")
            for n in range(_CELLS)
        ]
        for place, cell in enumerate(cells):
            connection.execute(
                METER.update()
                .where(METER.c.tenant == self._tenant, METER.c.id % _CELLS == place)
                .values(node=cell.number)
            )

    @property
    def _tenant(self) -> int:
        return self.whole.archive.tenant

    @property
    def _days(self) -> int:
        return 2 if self._settings.meters <= _TWO_DAYS_UP_TO else 1

    def _plan(self) -> dict[str, Any]:
        return {
            "name": _PLAN,
            "profiles": [{"profile": PROFILE, "period": "15 min"}],
            "registers": list(REGISTERS),
            "deadline": "06:00",
            "back_days": self._days,
            "before_days": self._days,
        }

    def _meters_clock(self) -> float:
        return self.clock() if self._meters_at is None else self._meters_at

    def _took(self, what: str, begun: float) -> None:
        passed = time.monotonic() - begun
        self.told.seconds[what] = round(self.told.seconds.get(what, 0.0) + passed, 3)

    def _configuration(self) -> Configuration:
        place = str(self._settings.store)
        return Configuration(
            store=place if "://" in place else str(Path(place).absolute()),
            tenant=_TENANT,
            collect=Collecting(
                concurrency=self._settings.concurrency, timeout_s=3.0 if self._days > 1 else 5.0
            ),
            http=Http(listen=self._settings.listen),
            observe=Observing(metrics=""),
        )

    def _furnishing(self, keys: KeyStore) -> Furnishing:
        limits = SessionLimits(most_deviation_s=3600.0)
        settings = CollectionSettings(
            concurrency=self._settings.concurrency, tries=1, round_s=2.0, session=limits
        )  # fmt: skip
        return Furnishing(
            keys=keys,
            clock=self.clock,
            collection=settings,
            exclusive=True,
            progress=self._progress,
        )


def _first(fleet: Any) -> Any:
    return (fleet[place] for place in range(min(_MOST_COMMISSIONED, len(fleet))))
