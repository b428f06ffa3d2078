"""Every service over every profile, kind of security and trouble.

The full product runs with `FERRARIS_FULL=1`; otherwise a selection in which every two values of
different dimensions meet. Whatever the line does, each case checks that

* nothing hangs: the procedure ends by an answer or by an `Error`;
* an answer is right: always under a tag, and without one wherever octets are not altered;
* a write or an action that fails without `outcome_unknown` was not carried out;
* no APDU is longer than its receiver takes;
* the association is usable or closed afterwards, and a new one on a good line works.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from pairing import NOON, Mailbox, Pair, fleet_with

from ferraris.client import services
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, Security
from ferraris.client.wishes import ActData, ReadData, WriteData
from ferraris.core.errors import Error
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.line.virtual import Physics
from ferraris.messaging.dlms.association.parameters import FULL_CONFORMANCE
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.notify import LONG_CONFIRMED, DataNotification, EventNotification
from ferraris.meter.templates import template
from ferraris.server.notifying import Delivery
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.profiles import HDLC, TCP, UDP, HdlcProfile

STEADFAST = replace(HDLC, max_tries=12)  # it recovers whatever is lost on the way
PROFILES = {
    "tcp": (TCP, None),
    "udp": (UDP, None),
    "hdlc 1": (STEADFAST, None),
    "hdlc 7": (replace(STEADFAST, parameters=Parameters(512, 512, 7, 7)), None),
    "hdlc 9600 baud": (STEADFAST, 960.0),
}
SECURITIES = (
    "none",
    "password",
    "gmac",
    "gmac authentication",
    "gmac encryption",
    "gmac general",
    "gmac dedicated",
    "gmac general dedicated",
)
TROUBLES: dict[str, dict[str, float]] = {
    "clean": {},
    "loss": {"loss": 0.04},
    "duplication": {"duplication": 0.1},
    "reorder": {"reorder": 0.1},
    "damage": {"damage": 0.04},
    "cut": {},
}
BLOCKS = ("specific", "general")
ACCESS = int(Conformance.ACCESS | Conformance.GENERAL_PROTECTION)
BOX = AttributeDescriptor(*Mailbox.KEY, 2)
MESSAGE = AttributeDescriptor(1, Obis.parse("0-0:96.13.0*255"), 2)
NOBODY = AttributeDescriptor(1, Obis.parse("0-0:96.13.9*255"), 2)
NAME = AttributeDescriptor(1, Obis.parse("0-0:42.0.0*255"), 2)
PROFILE = AttributeDescriptor(7, Obis.parse("1-0:99.1.0*255"), 2)
REVERSE = MethodDescriptor(*Mailbox.KEY, 1)
EVENT = EventNotification(None, BOX, b"\x11\x05")
PUSH = DataNotification(LONG_CONFIRMED | 3, b"", b"\x11\x06")


def text(octets: bytes) -> bytes:
    return axdr.encode(octet_string(octets))


SHORT = bytes(range(1, 40))
LONG = bytes(each * 7 % 251 for each in range(1, 2600))


def offer(client: int) -> dict[str, Any]:
    """The residential meter, with ACCESS and general blocks."""
    conformance = template("residential").associations[client].conformance | ACCESS
    return {"general_blocks": True, "block_window": 4, "conformance": conformance}


@dataclass(frozen=True)
class Case:
    profile: str
    security: str
    service: str
    trouble: str
    blocks: str = "specific"

    def __str__(self) -> str:
        words = f"{self.service}, {self.profile}, {self.security}, {self.trouble}"
        return words if self.blocks == "specific" else f"{words}, {self.blocks} blocks"

    @property
    def general(self) -> bool:
        """Whether general block transfer is agreed to: datagrams without tags have none."""
        tagged = self.security.startswith("gmac") and self.security != "gmac encryption"
        return self.blocks == "general" and (self.profile != "udp" or tagged)

    @property
    def altered(self) -> bool:
        """Octets may arrive altered or in another order without anybody being able to tell."""
        return self.trouble in ("damage", "reorder", "duplication", "loss") and self.security in (
            "none",
            "password",
            "gmac encryption",
        )


class Scene:
    """One case on its line."""

    def __init__(self, case: Case) -> None:
        profile, rate = PROFILES[case.profile]
        if isinstance(profile, HdlcProfile) and case.trouble == "duplication":
            profile = replace(profile, max_tries=HDLC.max_tries)  # nothing is lost
        physics = Physics(octets_per_second=rate, **TROUBLES[case.trouble])
        self.pair = Pair(
            physics=physics,
            seed=sum(map(ord, str(case))),
            fleet=fleet_with(c1={"policy": 0, **offer(1)}, c2=offer(2), c16=offer(16)),
            profile=profile,
        )
        self.pair.conformance = FULL_CONFORMANCE
        self.case = case

    @property
    def client(self) -> int:
        return {"none": 16, "password": 2}.get(self.case.security, 1)

    def security(self) -> Security:
        security = self.pair.security(self.case.security)
        if isinstance(security, HighGMAC):
            return replace(security, server_system_title=self.pair.fleet[0].system_title)
        return security

    def kept(self) -> bytes:
        """What the mailbox holds."""
        mailbox = self.pair.fleet.template.behaviours[Mailbox.KEY]
        return mailbox.get(self.pair.fleet[0], 2, None, int(NOON))


Service = Callable[[Scene, Meter, bool], Awaitable[bool]]


async def get(scene: Scene, meter: Meter, protected: bool) -> bool:
    return await services.get(meter._driver, NAME) == text(scene.pair.fleet[0].logical_device_name)


async def get_selected(scene: Scene, meter: Meter, protected: bool) -> bool:
    parameter = axdr.encode((2, [(6, 1), (6, 5), (18, 1), (18, 0)]))
    rows = await services.get(meter._driver, PROFILE, Selection(2, parameter))
    return rows[:2] == b"\x01\x05"


async def get_in_blocks(scene: Scene, meter: Meter, protected: bool) -> bool:
    objects = AttributeDescriptor(15, Obis.parse("0-0:40.0.0*255"), 2)
    listed = await services.get(meter._driver, objects)
    return len(axdr.decode(listed)[1]) == len(
        scene.pair.fleet.template.associations[scene.client].rights.objects
    )


async def get_list(scene: Scene, meter: Meter, protected: bool) -> bool:
    names = [(NAME, None), (NOBODY, None), (NAME, None)]
    name = text(scene.pair.fleet[0].logical_device_name)
    found = await services.get_list(meter._driver, meter.negotiated, names)
    return found == [name, DataAccessResult.OBJECT_UNDEFINED, name]


def set_one(octets: bytes, *, confirmed: bool = True) -> Service:
    async def run(scene: Scene, meter: Meter, protected: bool) -> bool:
        await services.set_(
            meter._driver,
            meter.negotiated,
            BOX,
            text(octets),
            protected=protected,
            confirmed=confirmed,
        )
        read = await services.get(meter._driver, BOX)
        return read == text(octets) or (not confirmed and scene.case.trouble != "clean")

    return run


def set_list(octets: bytes) -> Service:
    async def run(scene: Scene, meter: Meter, protected: bool) -> bool:
        items = [(BOX, None, text(octets)), (NOBODY, None, text(SHORT))]
        results = await services.set_list(
            meter._driver, meter.negotiated, items, protected=protected
        )
        return results == [DataAccessResult.SUCCESS, DataAccessResult.OBJECT_UNDEFINED]

    return run


def act(octets: bytes, *, confirmed: bool = True) -> Service:
    async def run(scene: Scene, meter: Meter, protected: bool) -> bool:
        back = await services.act(
            meter._driver,
            meter.negotiated,
            REVERSE,
            text(octets),
            protected=protected,
            confirmed=confirmed,
        )
        return back == (text(octets[::-1]) if confirmed else None)

    return run


def act_list(octets: bytes) -> Service:
    async def run(scene: Scene, meter: Meter, protected: bool) -> bool:
        items = [(REVERSE, text(octets)), (REVERSE, None), (REVERSE, text(octets))]
        outcomes = await services.act_list(
            meter._driver, meter.negotiated, items, protected=protected
        )
        back = text(octets[::-1])
        return [outcome.data for outcome in outcomes] == [back, None, back]

    return run


def access(octets: bytes) -> Service:
    async def run(scene: Scene, meter: Meter, protected: bool) -> bool:
        outcomes = await meter.access(
            [
                WriteData(*Mailbox.KEY, 2, octet_string(octets)),
                ReadData(1, "0-0:96.13.9", 2),
                ActData(*Mailbox.KEY, 1, octet_string(octets)),
                ReadData(*Mailbox.KEY, 2),
            ]
        )
        failures = [
            each.error
            for each in outcomes
            if each.error is not None
            and not isinstance(
                getattr(each.error, "reason", None), (DataAccessResult, ActionResult)
            )
        ]
        if failures:
            raise next((error for error in failures if error.outcome_unknown), failures[0])
        written, nobody, acted, read = outcomes
        return (
            written.done
            and not nobody.done
            and acted.value == octet_string(octets[::-1])
            and read.value == octet_string(octets)
        )

    return run


async def pushes(scene: Scene, meter: Meter, protected: bool) -> bool:
    pair, client = scene.pair, scene.client
    await get(scene, meter, protected)
    pair.notify(client, EVENT)
    notification = pair.notify(client, PUSH)
    for _ in range(3):
        await get(scene, meter, protected)
    if scene.case.trouble != "clean":
        return all(push in (EVENT, PUSH) for push in pair.pushes)
    return pair.pushes == [EVENT, PUSH] and notification.state is Delivery.CONFIRMED


SERVICES: dict[str, Service] = {
    "get": get,
    "get selected": get_selected,
    "get in blocks": get_in_blocks,
    "get list": get_list,
    "set": set_one(SHORT),
    "set in blocks": set_one(LONG),
    "set unconfirmed": set_one(SHORT, confirmed=False),
    "set list": set_list(SHORT),
    "set list in blocks": set_list(LONG),
    "act": act(SHORT),
    "act in blocks": act(LONG),
    "act unconfirmed": act(SHORT, confirmed=False),
    "act list": act_list(SHORT),
    "act list in blocks": act_list(LONG),
    "access": access(SHORT),
    "access in blocks": access(LONG),
    "pushes": pushes,
}
# They read back as well, or take several exchanges.
SEVERAL = frozenset(("set", "set in blocks", "set unconfirmed", "access in blocks"))
FOR_ALL = frozenset(("get", "get in blocks", "get list", "pushes"))


def every() -> list[Case]:
    """The full product; the public client only reads."""
    return [
        Case(*values)
        for values in itertools.product(PROFILES, SECURITIES, SERVICES, TROUBLES, BLOCKS)
        if values[1] != "none" or values[2] in FOR_ALL
    ]


def pairwise(cases: list[Case]) -> list[Case]:
    """A small selection in which every two values that can meet do; greedy, always the same."""

    def meetings(case: Case) -> set[tuple[str, str]]:
        values = (case.profile, case.security, case.service, case.trouble, case.blocks)
        named = [f"{place}{value}" for place, value in enumerate(values)]
        return set(itertools.combinations(named, 2))

    shuffled = [(case, meetings(case)) for case in cases]
    Random(5).shuffle(shuffled)
    missing = set().union(*(met for _, met in shuffled))
    chosen = []
    while missing:
        best, met = max(shuffled[:700], key=lambda each: len(each[1] & missing))
        if not met & missing:
            best, met = max(shuffled, key=lambda each: len(each[1] & missing))
        chosen.append(best)
        missing -= met
    return chosen


CASES = every() if os.environ.get("FERRARIS_FULL") else pairwise(every())


def watch_sizes(pair: Pair, meter: Meter) -> None:
    """Raise for a wrapper unit whose APDU is longer than was agreed."""
    assert pair.line is not None
    ends = (
        (pair.line.driver, meter.negotiated.max_receive),
        (pair.line.station, meter.negotiated.max_send),
    )
    for end, most in ends:

        def arrive(
            octets: bytes, take: Callable[[bytes], None] = end.arrive, most: int = most
        ) -> None:
            assert len(octets) <= 8 + most
            take(octets)

        end.arrive = arrive  # type: ignore[method-assign]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_service_whatever_the_line_does(case: Case) -> None:
    scene = Scene(case)
    pair = scene.pair
    run = SERVICES[case.service]
    patience = 60.0 if case.profile.startswith("hdlc") else 6.0
    opening = pair.connect(
        scene.security(),
        response_timeout_s=patience,
        max_pdu=1024,
        general_blocks=case.blocks == "general",
    )
    before = scene.kept()
    failure: list[Error] = []
    finished: list[bool] = []
    kept: list[bytes] = []

    async def session() -> None:
        try:
            meter = await opening()
        except Error as error:
            failure.append(error)
            return
        assert meter.negotiated.general_blocks is case.general
        protected = meter._association.parameters.ciphered
        if not case.profile.startswith("hdlc") and not TROUBLES[case.trouble]:
            watch_sizes(pair, meter)
        if case.trouble == "cut":
            assert pair.line is not None
            pair.time.at(pair.time.now + 0.055, pair.line.disconnect)
        try:
            finished.append(await run(scene, meter, protected))
        except Error as error:
            failure.append(error)
            kept.append(scene.kept())
        with contextlib.suppress(Error):  # usable, or it says why not
            await get(scene, meter, protected)
        await meter.close()

    pair.time.complete(session())
    assert finished or failure
    changing = not case.service.startswith(("get", "pushes"))
    if changing and kept and not failure[0].outcome_unknown and not case.altered:
        # A list that was split, or a text that was read back, may have been written before.
        assert kept == [before] or case.service in SEVERAL, failure
    if case.trouble == "clean":
        assert finished == [True], failure
    if case.profile.startswith("hdlc") and case.trouble in ("loss", "damage", "duplication"):
        assert finished == [True], failure
    if finished and not case.altered:
        assert finished == [True]
    pair.time.run(pair.time.now + 600)  # whatever is still under way
    pair.physics = Physics()
    again = Case(case.profile, case.security, "get", "clean")
    scene.case = again

    async def afterwards(meter: Meter) -> bool:
        return await get(scene, meter, True)

    assert pair.run(scene.security(), afterwards)


def test_the_selection_is_small_and_complete() -> None:
    selection = pairwise(every())
    assert len(selection) < 200
    assert {case.service for case in selection} == SERVICES.keys()
