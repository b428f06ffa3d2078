"""A street that has been through a lot: what the head-end finds agrees with what was done."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferraris.data.obis import Obis
from ferraris.headend.collect import (
    Collection,
    CollectionSettings,
    DlmsMeters,
    Target,
    plan_of,
    put_plan,
)
from ferraris.headend.collect.visits import targets_of
from ferraris.headend.inventory import (
    NewMeter,
    State,
    create_group,
    enrol,
    group_selection,
    key_id,
    move_many,
    tenant_number,
)
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.keys import KeyStore
from ferraris.line.url import Endpoint
from ferraris.meter.scenario.course import Course, Done
from ferraris.meter.scenario.plan import scenario_of
from ferraris.meter.scenario.yaml_text import read
from ferraris.meter.serving import listen
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Template
from ferraris.model.time_control import ActivityCalendar

STREET = Path(__file__).parents[2] / "docs" / "scenarios" / "street.yaml"
PROFILE = "1-0:99.1.0*255"
TOTAL, RATES = "1-0:1.8.0*255", ("1-0:1.8.1*255", "1-0:1.8.2*255")
LOGS = ("0-0:99.98.0*255", "0-0:99.98.1*255")
CALENDAR = "0-0:13.0.0*255"
DAY = 86_400

# What the logs say when an act begins, and when it ends.
CODES = {
    "outage": ([1], [2]),
    "open meter cover": ([44], [45]),
    "magnet": ([42], [43]),
    "clock failure": ([6], []),
}


PROGRAMMED = ("residential", "residential-three-phase")


def plan_of_kind(kind: Template, days: int) -> dict[str, Any]:
    """What there is to be read from meters of a kind."""
    there = {str(Obis(name)) for _, name in kind.associations[1].rights.objects}
    plan: dict[str, Any] = {"name": kind.name, "group": kind.name, "back_days": days}
    plan["before_days"] = days
    plan["registers"] = [name for name in (TOTAL, *RATES) if name in there]
    plan["logs"] = list(LOGS if kind.name != "residential-sn" else LOGS[:1])
    if PROFILE in there:
        plan["profiles"] = [{"profile": PROFILE, "period": "15 min"}]
    return plan


class Street:
    """The scenario, lived through; its meters on sockets; a store that a collection has filled."""

    def __init__(self, folder: Path) -> None:
        self.course = Course(scenario_of(read(str(STREET))), secret=b"street")
        self.course.finish()
        self.end = self.course.scenario.end
        self.engine = Engine(folder / "store.sqlite")
        migrate(self.engine)
        self.keys = KeyStore.create(folder / "keys", "passphrase")
        self.logs: dict[str, list[tuple[int, int]]] = {}
        self.numbers: dict[str, int] = {}
        self.versions: dict[str, Any] = {}
        self.calendars: dict[str, Any] = {}
        self.days = range(self.course.scenario.start // DAY + 1, self.end // DAY)

    async def collect(self) -> None:
        with self.engine.transaction() as connection:
            tenant = tenant_number(connection, "street", make=True)
        self.archive = Archive(self.engine, tenant)
        listenings = [await self._listen(fleet, tenant) for fleet in self.course.fleets]
        meters = DlmsMeters(
            self.keys,
            system_title=b"FRRHES01",
            key_of=lambda target: key_id("street", target.external_id),
        )
        collection = Collection(
            self.archive,
            meters.open,
            settings=CollectionSettings(concurrency=32),
            members=group_selection,
            clock=lambda: float(self.end),
            exclusive=True,
        )
        self.summary = await collection.run_once()
        with self.engine.reading() as view:
            targets = targets_of(view, tenant, list(self.numbers.values()))
            for name, number in self.numbers.items():
                found = self.archive.events(view, number, 0, self.end + DAY)
                self.logs[name] = [
                    (int(each.time.timestamp()), each.code)
                    for each in found
                    if each.time is not None and each.code is not None and str(each.log) in LOGS
                ]
        await asyncio.gather(*(self._look(meters, target) for target in targets.values()))
        for listening in listenings:
            await listening.close()

    async def _listen(self, fleet: Any, tenant: int) -> Any:
        endpoint = Endpoint("tcp", "127.0.0.1", 0)
        listening = await listen(fleet, endpoint, utc=lambda: float(self.end))
        kind, now = fleet.template.name, float(self.end)
        new = []
        for index in range(len(fleet)):
            line = listening.line(index)
            new.append(
                NewMeter(
                    external_id=line["id"],
                    address=listening.endpoint(index).url,
                    client=line["client"],
                    server=line["server"],
                    template=kind,  # its title it tells: fleets of two kinds share some
                )
            )
            for secret in ("encryption_key", "authentication_key"):
                self.keys.put(key_id("street", line["id"]), secret, bytes.fromhex(line[secret]))
        with self.engine.transaction() as connection:
            made = enrol(connection, tenant, new, at_s=now)
            for state in (State.INSTALLED, State.ACTIVE):
                move_many(connection, tenant, made.values(), state, reason="", by="", at_s=now)
            self.numbers |= made
            create_group(connection, tenant, kind, f"template={kind}")
            plan = plan_of_kind(fleet.template, len(self.days))
            put_plan(connection, tenant, plan_of(plan), now=now)
        return listening

    async def _look(self, meters: DlmsMeters, target: Target) -> None:
        async with meters.open(target) as face:
            self.versions[target.external_id] = (await face.meter.read("1-0:0.2.0*255")).value
            if target.alike[1] in PROGRAMMED:
                self.calendars[target.external_id] = await face.meter.get(
                    ActivityCalendar.calendar_name_active, CALENDAR
                )

    def series(self, name: str, first: int, last: int) -> Any:
        with self.engine.reading() as view:
            return self.archive.series(view, self.numbers[name], PROFILE, first, last)

    def registers(self, name: str) -> list[Any]:
        with self.engine.reading() as view:
            return self.archive.registers(view, self.numbers[name], 0, self.end + 1)

    def meters(self, group: int) -> Iterator[tuple[str, SimulatedMeter]]:
        for meter in self.course.fleets[group]:
            yield meter.logical_device_name.decode("ascii"), meter


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    street = Street(tmp_path_factory.mktemp("street"))
    asyncio.run(street.collect())
    return street


def done(street: Street, act: str, meter: str) -> list[Done]:
    return [each for each in street.course.done if each.act == act and each.meter == meter]


def test_everybody_was_read(street: Street) -> None:
    assert (street.summary.meters, street.summary.read) == (200, 200)
    assert street.summary.failures == {}


def test_registers_and_profiles_are_those_of_the_meters(street: Street) -> None:
    first, last = street.days[0] * DAY, (street.days[-1] + 1) * DAY
    for group, fleet in enumerate(street.course.fleets):
        for name, meter in street.meters(group):
            found = street.registers(name)
            by_name = {str(each.name): each.value for each in found}
            assert by_name[TOTAL] == meter.total(0, street.end), name
            if fleet.template.name in PROGRAMMED:
                assert sum(by_name[rate] for rate in RATES) == by_name[TOTAL]
            if fleet.template.name in ("smr-5.2", "idis-like"):
                continue  # no load profile, or one of other columns
            series = street.series(name, first, last)
            for end, value in zip(series.ends, series.columns[0], strict=True):
                assert value == meter.total(0, end - meter.offset(end)), name


def test_every_day_is_there_but_for_what_an_outage_or_a_clock_took(street: Street) -> None:
    odd = {each.meter for each in street.course.done if each.act in ("outage", "clock failure")}
    first, last = street.days[0] * DAY, (street.days[-1] + 1) * DAY
    for group, fleet in enumerate(street.course.fleets):
        if fleet.template.name == "smr-5.2":
            continue
        for name, _ in street.meters(group):
            ends = street.series(name, first, last).ends
            if name not in odd:
                assert list(ends) == list(range(first + 900, last + 1, 900)), name
    for outage in (each for each in street.course.done if each.act == "outage"):
        if outage.phase == "ends" or not first <= outage.at < last:
            continue
        ends = street.series(outage.meter, first, last).ends
        (over,) = (e.at for e in done(street, "outage", outage.meter) if e.phase == "ends")
        assert not [end for end in ends if outage.at < end < over]


def test_the_logs_tell_what_was_done_and_nothing_else(street: Street) -> None:
    start = street.course.scenario.start
    expected: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    groups = range(len(street.course.fleets))
    meters = {name: meter for group in groups for name, meter in street.meters(group)}
    for each in street.course.done:
        if each.refused is not None:
            continue
        log, shown = expected[each.meter], meters[each.meter].local
        if each.act in CODES:
            begun, ended = CODES[each.act]
            codes = begun if each.phase == "begins" else ended
            log.update((shown(each.at), code) for code in codes)
        elif each.act == "try wrong password":
            log[shown(each.at), 46] += each.given["times"]
        elif each.act == "program tariff":
            log[shown(each.at), 19] += 5  # four parts of the passive calendar, and its time
            log[shown(each.at + each.given["activate after"]), 9] += 1
    for name, found in street.logs.items():
        told = Counter(each for each in found if each[0] >= start)
        firmware = {code for _, code in told} & {17, 18}
        assert bool(firmware) == (street.versions[name] == b"FRR-R2.0"), name
        told = Counter({each: n for each, n in told.items() if each[1] not in (17, 18)})
        assert told == expected[name], name


def test_firmware_and_tariffs_are_new_where_nobody_refused(street: Street) -> None:
    refusing = {each.meter for each in street.course.done if each.act == "refuse firmware"}
    assert 6 <= len(refusing) <= 7
    for group in range(7):
        for name, _ in street.meters(group) if group != 1 else ():
            expected = b"FRR-R1.0" if name in refusing else b"FRR-R2.0"
            assert street.versions[name] == expected
    assert set(street.calendars.values()) == {b"NOON"}
    old = [name for name, _ in street.meters(1)]
    assert all(each.refused for name in old for each in done(street, "program tariff", name))
