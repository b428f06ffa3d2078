"""A shared medium: who hears what, and a bus of five meters with one master or two."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from random import Random

import pytest

from ferraris.client.connecting import associate
from ferraris.client.meter import Meter
from ferraris.client.security import NoSecurity, Password, Security
from ferraris.core.errors import Error, UsageError
from ferraris.core.stack import over
from ferraris.line.medium import Bus, Medium, Transmission
from ferraris.line.virtual import VirtualTime
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import HdlcProfile

NOON = 1_795_003_200.0


class Ears:
    """Writes down what each listener hears, and when."""

    def __init__(self, medium: Medium, names: str) -> None:
        self.medium = medium
        self.heard: dict[Hashable, list[tuple[float, bytes]]] = {name: [] for name in names}
        for name in names:
            medium.attach(name, lambda octets, name=name: self._hear(name, octets))

    def _hear(self, name: Hashable, octets: bytes) -> None:
        self.heard[name].append((round(self.medium.time.now, 6), octets))

    def octets(self, name: Hashable) -> bytes:
        return b"".join(octets for _, octets in self.heard[name])


def test_everybody_hears_but_the_sender() -> None:
    medium = Medium(VirtualTime(), Bus(100.0, piece_octets=4, latency_s=0.5))
    ears = Ears(medium, "abc")
    assert medium.transmit("a", b"0123456789") == pytest.approx(0.1)
    assert medium.busy("b")
    assert not medium.busy("a")
    medium.time.run()
    assert ears.heard["a"] == []
    assert ears.heard["b"] == [(0.54, b"0123"), (0.58, b"4567"), (0.6, b"89")]
    assert ears.heard["c"] == ears.heard["b"]
    assert not medium.busy("b")
    assert medium.collisions == 0


def test_an_echo_and_no_pieces() -> None:
    medium = Medium(VirtualTime(), Bus(100.0, piece_octets=None, echo=True))
    ears = Ears(medium, "ab")
    medium.transmit("a", b"0123456789")
    medium.time.run()
    assert ears.heard["a"] == ears.heard["b"] == [(0.1, b"0123456789")]


def test_what_overlaps_is_garbled_and_nothing_else() -> None:
    medium = Medium(VirtualTime(), Bus(100.0, piece_octets=1))
    ears = Ears(medium, "abc")
    medium.transmit("a", bytes(10))
    medium.time.at(0.055, lambda: medium.transmit("b", bytes(10)))
    medium.time.run()
    heard = [octets for _, octets in ears.heard["c"]]
    assert heard[:5] == [b"\0"] * 5, "before b began"
    assert heard[-5:] == [b"\0"] * 5, "after a ended"
    assert any(octets != b"\0" for octets in heard[5:-5])
    assert medium.collisions == 10
    assert len(ears.octets("a")) == 5, "deaf while it sent itself"
    assert len(ears.octets("b")) == 5


def test_transmissions_that_touch_do_not_collide() -> None:
    medium = Medium(VirtualTime(), Bus(100.0))
    ears = Ears(medium, "abc")
    medium.transmit("a", b"first")
    medium.time.at(0.05, lambda: medium.transmit("b", b"second"))
    medium.time.run()
    assert ears.octets("c") == b"firstsecond"
    assert medium.collisions == 0


def test_names_and_late_listeners() -> None:
    medium = Medium(VirtualTime(), Bus(100.0, piece_octets=5))
    ears = Ears(medium, "ab")
    with pytest.raises(UsageError, match="attached already"):
        medium.attach("a", print)
    late: list[bytes] = []
    medium.transmit("a", b"0123456789")
    medium.time.at(0.06, lambda: medium.attach("late", late.append))
    medium.time.at(0.07, lambda: medium.detach("b"))
    medium.time.run()
    assert late == [b"56789"]
    assert ears.octets("b") == b"01234"


def test_the_same_seed_is_the_same_medium() -> None:
    heard = []
    for seed in (1, 1, 2):
        medium = Medium(VirtualTime(), Bus(100.0, damage=0.2), seed=seed)
        ears = Ears(medium, "ab")
        medium.transmit("a", bytes(200))
        medium.time.run()
        heard.append(ears.octets("b"))
    assert heard[0] == heard[1] != heard[2]
    assert 15 < sum(octet != 0 for octet in heard[0]) < 65


@dataclass(frozen=True)
class Hills:
    """A radio channel: neighbours hear each other, the stronger of two wins, waves take time."""

    piece_octets: int | None = None

    def duration_s(self, octets: bytes) -> float:
        return 0.01 + len(octets) / 1000

    def delay_s(self, sender: Hashable, listener: Hashable) -> float:
        return 0.001 * abs(ord(str(sender)) - ord(str(listener)))

    def heard(
        self,
        piece: Transmission,
        listener: Hashable,
        others: Sequence[Transmission],
        chance: Random,
    ) -> bytes | None:
        distance = abs(ord(str(piece.sender)) - ord(str(listener)))
        rivals = [abs(ord(str(each.sender)) - ord(str(listener))) for each in others]
        if not 0 < distance <= 2 or any(rival <= distance for rival in rivals):
            return None
        return piece.octets


def test_another_physics() -> None:
    medium = Medium(VirtualTime(), Hills())
    ears = Ears(medium, "abcdef")
    medium.transmit("a", b"from a")
    medium.transmit("d", b"from d")
    medium.time.run()
    assert [ears.octets(name) for name in "abcdef"] == [
        *(b"", b"from a", b"from d"),
        *(b"", b"from d", b"from d"),
    ]
    assert ears.heard["b"] == [(0.017, b"from a")]


# -- a bus of two wires with five meters ---------------------------------------------------------


class Building:
    """Five meters on one bus; logical device 1 in each, physical devices 17 to 21."""

    def __init__(self, bus: Bus, address_length: int = 2, seed: int = 0) -> None:
        self.time = VirtualTime()
        self.medium = Medium(self.time, bus, seed=seed)
        self.profile = HdlcProfile.at(9600, address_length=address_length)
        self.random = Random(seed)
        self.fleet = Fleet(template("residential"), 5, seed=7)
        for index in range(5):
            meter = self.fleet[index]
            stack = server_stack(
                self.profile,
                lambda sap, meter=meter: meter if sap == 1 else None,  # type: ignore[misc]
                entropy=self.random.randbytes,
                utc=lambda: NOON + self.time.now,
                physical=17 + index,
            )
            self.medium.station(f"meter {index}", stack)

    async def read(self, master: str, index: int, security: Security, profile: HdlcProfile) -> str:
        """One session: the logical device name of a meter."""
        association = ClientAssociation(security.parameters(self.random.randbytes))
        link = profile.client_stack(security.client, 1, physical=17 + index)
        driver = self.medium.driver(master, over(association, link))
        try:
            meter = await associate(driver, association)
            value = (await meter.read("0-0:42.0.0")).value
            await meter.close()
        finally:
            self.medium.detach(master)
        assert isinstance(value, bytes)
        return value.decode()

    async def read_until_done(
        self, master: str, security: Security, profile: HdlcProfile
    ) -> tuple[list[str], list[Error]]:
        """All meters, each until it answers."""
        names: list[str] = []
        errors: list[Error] = []
        while len(names) < 5:
            try:
                names.append(await self.read(master, len(names), security, profile))
            except Error as error:
                errors.append(error)
        return names, errors

    @property
    def names(self) -> list[str]:
        return [self.fleet[index].logical_device_name.decode() for index in range(5)]


@pytest.mark.parametrize("address_length", [2, 4])
@pytest.mark.parametrize("echo", [False, True])
def test_one_master_reads_five_meters(address_length: int, echo: bool) -> None:
    building = Building(Bus(960.0, latency_s=0.002, echo=echo), address_length)
    names, errors = building.time.complete(
        building.read_until_done("master", NoSecurity(), building.profile)
    )
    assert (names, errors) == (building.names, [])
    assert building.medium.collisions == 0
    assert building.time.now < 10, "nothing was said twice"


def test_a_damaged_bus() -> None:
    building = Building(Bus(960.0, damage=0.002), seed=3)
    profile = replace(building.profile, max_tries=10)
    names, errors = building.time.complete(
        building.read_until_done("master", NoSecurity(), profile)
    )
    assert (names, errors) == (building.names, [])


@pytest.mark.parametrize("seed", range(3))
def test_two_masters_disturb_each_other_and_are_never_deceived(seed: int) -> None:
    """HDLC knows no such thing: what collides is repeated, or ends with a name."""
    building = Building(Bus(960.0, latency_s=0.002), seed=seed)
    password = Password(building.fleet.line(0, "")["password"].encode())
    first = building.time.spawn(building.read_until_done("first", NoSecurity(), building.profile))
    patient = replace(building.profile, response_timeout_s=4.3, poll_interval_s=0.17)

    async def of_one_meter() -> list[str]:
        names: list[str] = []
        while len(names) < 3:
            try:
                names.append(await building.read("second", 0, password, patient))
            except Error as error:
                assert str(error)  # noqa: PT017
        return names

    building.time.run(until=0.02 + seed / 100)
    second = building.time.spawn(of_one_meter())
    building.time.run(until=3600)
    names, errors = first.result()
    assert names == building.names
    assert second.result() == [building.names[0]] * 3
    assert building.medium.collisions > 0
    assert all(str(error) for error in errors)


# -- several clients of one meter ----------------------------------------------------------------

GET_NAME = bytes.fromhex("c001c1000100002a0000ff0200")


class Desk:
    """A client at the bus that keeps its association open while others speak."""

    def __init__(self, building: Building, name: str, security: Security) -> None:
        self.association = ClientAssociation(security.parameters(building.random.randbytes))
        link = building.profile.client_stack(security.client, 1, physical=17)
        self.driver = building.medium.driver(name, over(self.association, link))

    async def open(self) -> Meter:
        return await associate(self.driver, self.association)


async def name_of(meter: Meter) -> str:
    value = (await meter.read("0-0:42.0.0")).value
    assert isinstance(value, bytes)
    return value.decode()


def test_clients_take_turns_each_on_a_link_of_its_own() -> None:
    building = Building(Bus(960.0, latency_s=0.002))
    password = Password(building.fleet.line(0, "")["password"].encode())

    async def session() -> None:
        public = await Desk(building, "public", NoSecurity()).open()
        reader = await Desk(building, "reader", password).open()  # its SNRM ends nobody's link
        for _ in range(10):  # more than the numbers of a link
            assert await name_of(public) == building.names[0]
            assert (await reader.read("1-0:1.8.0")).value is not None
        await reader.close()  # nor does its DISC
        assert await name_of(public) == building.names[0]
        await public.close()

    building.time.complete(session())
    assert building.medium.collisions == 0
    assert building.time.now < 30, "nothing was said twice"


@pytest.mark.parametrize("disconnect_first", [False, True])
def test_snrm_and_disc_end_the_associations_of_their_link_alone(disconnect_first: bool) -> None:
    building = Building(Bus(960.0))
    password = Password(building.fleet.line(0, "")["password"].encode())

    async def session() -> None:
        public = await Desk(building, "public", NoSecurity()).open()
        reader = await Desk(building, "reader", password).open()
        assert await name_of(public) == building.names[0]
        for again in range(2):
            link = building.profile.client_stack(16, 1, physical=17)
            bare = building.medium.driver(f"bare {again}", link)
            await bare.open()  # SNRM of client 16: a new link, and no association on it
            answer = await bare.exchange(GET_NAME)
            assert answer[:1] != b"\xc4", "answered without an association"
            assert (await reader.read("1-0:1.8.0")).value is not None
            if disconnect_first:
                await bare.close()
            building.medium.detach(f"bare {again}")
        await reader.close()

    building.time.complete(session())
