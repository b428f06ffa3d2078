"""A reader, a modem that speaks AT on a pseudo-terminal, and a meter behind it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from serial_station import serving

import ferraris
from ferraris.line.url import Endpoint, parse_url
from ferraris.meter.cable import Cable
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated_modem import SimulatedModem
from ferraris.meter.templates import template

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


def meter_at(cable: Cable) -> Endpoint:
    return Endpoint("serial", cable.meter, 0, {"baud": "115200", "physical": "17"})


def url(cable: Cable, options: str = "") -> str:
    return f"modem://{cable.reader}?baud=115200&physical=17&phone=0301234{options}"


def read_blocking(place: str) -> object:
    with ferraris.open(place) as meter:
        return meter.read("0-0:42.0.0").value


def read_in_a_loop(place: str) -> object:
    async def procedure() -> object:
        async with ferraris.connect(place) as meter:
            return (await meter.read("0-0:42.0.0")).value

    return asyncio.run(procedure())


Twin = Callable[[str], object]


@pytest.fixture(params=[read_blocking, read_in_a_loop])
def read(request: pytest.FixtureRequest) -> Twin:
    twin: Twin = request.param
    return twin


@pytest.fixture
def laid() -> Iterator[Callable[[SimulatedModem], Cable]]:
    cables: list[Cable] = []

    def lay(modem: SimulatedModem) -> Cable:
        cables.append(Cable(modem=modem))
        return cables[-1]

    yield lay
    for cable in cables:
        cable.unplug()


Lay = Callable[[SimulatedModem], Cable]


def test_call_after_call(laid: Lay, read: Twin) -> None:
    modem = SimulatedModem()
    cable = laid(modem)
    with serving(meter_at(cable)):
        assert read(url(cable)) == read(url(cable, "&dial=ATDT&init=ATZ|ATX4"))
    assert modem.dialled == ["0301234", "T0301234"]
    assert not modem.online
    spoken = [octets for end, octets in cable.carried if end == "reader"]
    assert spoken.count(b"+++") == 2
    assert spoken[-1] == b"ATH\r"


def keys_of_the_meter() -> ferraris.HighGMAC:
    line = Fleet(template("residential"), 2, seed=5).line(0, "")
    return ferraris.HighGMAC(
        bytes.fromhex(line["encryption_key"]), bytes.fromhex(line["authentication_key"])
    )


@pytest.mark.parametrize("blocking", [True, False])
def test_the_counter_is_learnt_in_the_same_call(laid: Lay, blocking: bool) -> None:
    modem = SimulatedModem()
    cable = laid(modem)
    place, security = url(cable), keys_of_the_meter()

    async def procedure() -> object:
        async with ferraris.connect(place, security=security) as meter:
            return (await meter.read("1-0:1.8.0")).value

    with serving(meter_at(cable)):
        if blocking:
            with ferraris.open(place, security=security) as opened:
                assert opened.read("1-0:1.8.0").value
        else:
            assert asyncio.run(procedure())
    assert modem.dialled == ["0301234"]
    assert not modem.online


def test_a_wrong_key_hangs_up(laid: Lay) -> None:
    modem = SimulatedModem()
    cable = laid(modem)
    security = replace(keys_of_the_meter(), encryption_key=bytes(16))
    with serving(meter_at(cable)):
        with pytest.raises(ferraris.Error) as wrong:
            ferraris.open(url(cable), security=security, timeout_s=2)
        assert str(wrong.value)
    assert modem.dialled == ["0301234"]
    assert not modem.online


def test_numbers_without_echo_and_hanging_up_by_dtr(laid: Lay, read: Twin) -> None:
    modem = SimulatedModem(words=False, echo=False)
    cable = laid(modem)
    with serving(meter_at(cable)):
        for _ in range(2):
            assert read(url(cable, "&init=AT&hangup=dtr"))
            while modem.online:  # until it has seen that DTR is low
                threading.Event().wait(0.001)
    assert not any(b"+++" in octets for _, octets in cable.carried)
    assert len(modem.dialled) == 2


@pytest.mark.parametrize(
    ("outcome", "error", "said"),
    [
        ("BUSY", ferraris.RefusedError, "busy"),
        ("NO CARRIER", ferraris.RefusedError, "no modem answers"),
        ("ERROR", ferraris.IncompatibleError, "does not take 'ATD'"),
    ],
)
def test_no_connection(
    laid: Lay, read: Twin, outcome: str, error: type[Exception], said: str
) -> None:
    cable = laid(SimulatedModem(outcome=outcome))
    with pytest.raises(error, match=said):
        read(url(cable))


def test_a_lost_carrier(laid: Lay) -> None:
    cable = laid(SimulatedModem())
    with serving(meter_at(cable)), ferraris.open(url(cable)) as meter:
        assert meter.read("0-0:42.0.0").value
        cable.lose_carrier()
        with pytest.raises(ferraris.LineError, match="carrier lost"):
            meter.read("0-0:42.0.0")


def test_what_the_url_says() -> None:
    with pytest.raises(ferraris.UsageError, match="phone"):
        ferraris.open("modem:///dev/ttyS0")
    assert parse_url("modem:COM1?phone=1&init=ATZ|ATX4").options["init"] == "ATZ|ATX4"
