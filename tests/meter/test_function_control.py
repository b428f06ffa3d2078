from __future__ import annotations

import pytest
from meter_asking import NOW, SWITCH, act, get, put

from ferraris.data.kinds import (
    Data,
    array,
    boolean,
    double_long_unsigned,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.timekeeping import set_time

FUNCTIONS, LIMIT, SCRIPTS = "0-0:44.1.0*255", "0-0:17.0.0*255", "0-0:10.0.106*255"


def switched(name: bytes, active: bool) -> Data:
    return structure(octet_string(name), boolean(active))


def made(name: bytes, *objects: tuple[int, str]) -> Data:
    listed = (
        structure(long_unsigned(class_id), octet_string(Obis.parse(each)))
        for class_id, each in objects
    )
    return structure(octet_string(name), array(*listed))


def states(meter: SimulatedMeter) -> dict[bytes, bool]:
    return {bytes(name): active for _, ((_, name), (_, active)) in get(meter, FUNCTIONS, 122, 2)}


def test_what_is_off_is_not_there(fleet: Fleet) -> None:
    meter = fleet[0]
    off = array(switched(b"disconnection", False), switched(b"customer display", False))
    assert act(meter, FUNCTIONS, 122, 1, off) == ActionResult.SUCCESS
    assert states(meter) == {
        b"disconnection": False,
        b"limitation": True,
        b"customer display": False,
    }
    unavailable = DataAccessResult.OBJECT_UNAVAILABLE
    assert get(meter, SWITCH, 70, 3) == unavailable
    assert put(meter, "0-0:96.13.0*255", 1, 2, octet_string(b"no")) == unavailable
    assert act(meter, SWITCH, 70, 1) == ActionResult.OBJECT_UNAVAILABLE
    assert act(meter, SCRIPTS, 9, 1, long_unsigned(1)) == ActionResult.OBJECT_UNAVAILABLE
    assert get(fleet[1], SWITCH, 70, 3) == 1
    on = switched(b"disconnection", True)
    assert act(meter, FUNCTIONS, 122, 1, on) == ActionResult.SUCCESS
    assert get(meter, SWITCH, 70, 3) == 1
    assert get(meter, "0-0:96.13.0*255", 1) == unavailable


def test_what_is_off_does_nothing_by_itself(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, LIMIT, 71, 4, double_long_unsigned(0)) == 0
    assert act(meter, FUNCTIONS, 122, 1, switched(b"limitation", False)) == 0
    assert get(meter, SWITCH, 70, 3, now=NOW + 7200) == 1
    assert act(meter, FUNCTIONS, 122, 1, switched(b"limitation", True), now=NOW + 7200) == 0
    assert get(meter, SWITCH, 70, 3, now=NOW + 7262) == 2


def own_function(meter: SimulatedMeter, *objects: tuple[int, str]) -> None:
    assert act(meter, FUNCTIONS, 122, 2, made(b"own", *objects)) == ActionResult.SUCCESS
    assert act(meter, FUNCTIONS, 122, 1, switched(b"own", False)) == ActionResult.SUCCESS


def at_the_time_of(meter: SimulatedMeter, instant: int) -> Data:
    stamp = meter.zone.stamp(instant)
    return array(structure(octet_string(stamp[5:9]), octet_string(b"\xff" * 5)))


@pytest.mark.parametrize("off", [(22, "0-0:15.0.1*255"), (9, SCRIPTS), (70, SWITCH)])
def test_neither_time_nor_power_nor_the_clock_lets_it_do_anything(
    fleet: Fleet, off: tuple[int, str]
) -> None:
    """The schedule, its scripts or what they move: one that is off is enough."""
    for meter in (fleet[0], fleet[1], fleet[2]):
        times = at_the_time_of(meter, NOW + 600)
        assert put(meter, "0-0:15.0.1*255", 22, 4, times) == 0
        own_function(meter, off)
    outage(fleet[1], NOW + 500, NOW + 700)
    set_time(fleet[2], NOW + 500, NOW + 700)
    for meter in (fleet[0], fleet[1], fleet[2]):
        get(meter, "1-0:1.8.0*255", 3, now=NOW + 900)
        assert meter.connection == 1
        assert act(meter, FUNCTIONS, 122, 1, switched(b"own", True), now=NOW + 900) == 0
        assert get(meter, SWITCH, 70, 3, now=NOW + 86_400) == 1
        assert get(meter, SWITCH, 70, 3, now=NOW + 86_400 + 600) == 2


@pytest.mark.parametrize("off", [(20, "0-0:13.0.0*255"), (9, "0-0:10.0.100*255")])
def test_without_its_calendar_the_rate_stays(fleet: Fleet, off: tuple[int, str]) -> None:
    meter = fleet[0]
    own_function(meter, off)
    rates = {get(meter, "0-0:96.14.0*255", 1, now=NOW + hour * 3600) for hour in range(30)}
    assert rates == {1}
    assert get(meter, "1-0:1.8.0*255", 3, now=NOW + 86_400) == sum(
        get(meter, f"1-0:1.8.{rate}*255", 3, now=NOW + 86_400) for rate in (1, 2)
    )


@pytest.mark.parametrize("off", [(22, "0-0:15.0.0*255"), (9, "0-0:10.0.1*255")])
def test_without_its_schedule_no_period_closes(fleet: Fleet, off: tuple[int, str]) -> None:
    meter = fleet[0]
    own_function(meter, off)
    counter = get(meter, "1-0:0.1.0*255", 1)
    assert get(meter, "1-0:0.1.0*255", 1, now=NOW + 40 * 86_400) == counter
    assert get(fleet[1], "1-0:0.1.0*255", 1, now=NOW + 40 * 86_400) == counter + 1


def test_the_array_manager_has_no_way_round(fleet: Fleet) -> None:
    meter = fleet[0]
    assert act(meter, "0-0:18.0.0*255", 123, 1, unsigned(3)) == ActionResult.SUCCESS
    assert act(meter, FUNCTIONS, 122, 1, switched(b"limitation", False)) == 0
    count = act(meter, "0-0:18.0.0*255", 123, 1, unsigned(3))
    assert count == ActionResult.OBJECT_UNAVAILABLE
    added = structure(unsigned(3), structure(long_unsigned(0), long_unsigned(2)))
    refused = act(meter, "0-0:18.0.0*255", 123, 3, added)
    assert refused == ActionResult.OBJECT_UNAVAILABLE


def test_functions_are_added_and_removed(fleet: Fleet) -> None:
    meter = fleet[0]
    display = made(b"own", (1, "0-0:96.13.0*255"), (8, "0-0:1.0.0*255"))
    assert act(meter, FUNCTIONS, 122, 2, display) == ActionResult.SUCCESS
    assert act(meter, FUNCTIONS, 122, 2, display) == ActionResult.OTHER_REASON
    assert act(meter, FUNCTIONS, 122, 1, switched(b"own", False)) == ActionResult.SUCCESS
    assert get(meter, "0-0:1.0.0*255", 8) == DataAccessResult.OBJECT_UNAVAILABLE
    assert act(meter, FUNCTIONS, 122, 3, made(b"own")) == ActionResult.SUCCESS
    assert b"own" not in states(meter)
    assert isinstance(get(meter, "0-0:1.0.0*255", 8), bytes)
    assert act(meter, FUNCTIONS, 122, 3, made(b"limitation")) == ActionResult.SUCCESS
    assert len(get(meter, FUNCTIONS, 122, 3)) == 2
    assert act(meter, FUNCTIONS, 122, 2, made(b"limitation", (71, LIMIT))) == ActionResult.SUCCESS
    assert len(get(meter, FUNCTIONS, 122, 3)) == 3


@pytest.mark.parametrize(
    ("method", "data", "result"),
    [
        (1, switched(b"nothing", False), ActionResult.OBJECT_UNAVAILABLE),
        (1, octet_string(b"limitation"), ActionResult.TYPE_UNMATCHED),
        (2, made(b"", (71, LIMIT)), ActionResult.OTHER_REASON),
        (2, made(b"new", (3, "1-0:99.99.99*255")), ActionResult.OTHER_REASON),
        (2, made(b"lock out", (15, "0-0:40.0.0*255")), ActionResult.OTHER_REASON),
        (2, made(b"itself", (122, FUNCTIONS)), ActionResult.OTHER_REASON),
        (3, made(b"nothing"), ActionResult.OBJECT_UNAVAILABLE),
    ],
)
def test_methods_that_are_refused(
    fleet: Fleet, method: int, data: Data, result: ActionResult
) -> None:
    before = [get(fleet[0], FUNCTIONS, 122, index) for index in (2, 3)]
    assert act(fleet[0], FUNCTIONS, 122, method, data) == result
    assert [get(fleet[0], FUNCTIONS, 122, index) for index in (2, 3)] == before


def test_one_wrong_name_switches_nothing(fleet: Fleet) -> None:
    both = array(switched(b"limitation", False), switched(b"nothing", False))
    assert act(fleet[0], FUNCTIONS, 122, 1, both) == ActionResult.OBJECT_UNAVAILABLE
    assert all(states(fleet[0]).values())
