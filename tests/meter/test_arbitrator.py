from __future__ import annotations

import pytest
from meter_asking import NOW, SWITCH, act, get, put

from ferraris.data.kinds import (
    Data,
    array,
    bit_string,
    enum,
    integer,
    long_unsigned,
    structure,
    unsigned,
)
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter

ARBITRATOR = "0-0:96.3.20*255"


def request(meter: SimulatedMeter, actor: int, actions: str, now: int = NOW) -> ActionResult:
    parameter = structure(unsigned(actor), bit_string(actions))
    return act(meter, ARBITRATOR, 68, 1, parameter, now=now)


def outcome(meter: SimulatedMeter) -> tuple[int, list[str]]:
    table = get(meter, ARBITRATOR, 68, 5)
    return get(meter, ARBITRATOR, 68, 6), [value.text for _, value in table]


def test_the_heaviest_wins(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, SWITCH, 70, 4, enum(5)) == 0
    assert outcome(meter) == (0, ["00", "00", "00"])
    assert request(meter, 1, "01") == ActionResult.SUCCESS  # reconnect weighs 20
    assert outcome(meter) == (2, ["01", "00", "00"])
    assert request(meter, 2, "10") == ActionResult.SUCCESS  # disconnect weighs 25
    assert outcome(meter) == (1, ["01", "10", "00"])
    assert get(meter, SWITCH, 70, 3) == 2
    assert request(meter, 2, "00") == ActionResult.SUCCESS  # and takes it back
    assert outcome(meter) == (2, ["01", "00", "00"])
    assert get(meter, SWITCH, 70, 3) == 1


def test_weights_of_several_actors_add_up(fleet: Fleet) -> None:
    meter = fleet[0]
    assert request(meter, 2, "01") == ActionResult.SUCCESS
    assert request(meter, 1, "01") == ActionResult.SUCCESS  # 35 together
    assert request(meter, 3, "10") == ActionResult.SUCCESS  # 40
    assert outcome(meter) == (1, ["01", "01", "10"])
    assert get(meter, SWITCH, 70, 3) == 2


def test_of_two_that_weigh_the_same_the_first_is_done(fleet: Fleet) -> None:
    meter = fleet[0]
    weights = array(*(array(long_unsigned(10), long_unsigned(10)) for _ in range(3)))
    assert put(meter, ARBITRATOR, 68, 4, weights) == DataAccessResult.SUCCESS
    assert request(meter, 2, "01") == ActionResult.SUCCESS
    assert request(meter, 1, "10") == ActionResult.SUCCESS
    assert outcome(meter) == (1, ["10", "01", "00"])
    assert get(meter, SWITCH, 70, 3) == 2


def test_what_is_not_permitted_is_left_out(fleet: Fleet) -> None:
    meter = fleet[0]
    assert request(meter, 3, "01") == ActionResult.READ_WRITE_DENIED
    assert outcome(meter) == (0, ["00", "00", "00"])
    assert request(meter, 3, "11") == ActionResult.SUCCESS
    assert outcome(meter) == (1, ["00", "00", "10"])
    assert act(meter, ARBITRATOR, 68, 2) == ActionResult.SUCCESS
    assert outcome(meter) == (0, ["00", "00", "00"])


@pytest.mark.parametrize(("actor", "actions"), [(0, "10"), (4, "10"), (1, "1"), (1, "100")])
def test_actors_and_actions_that_are_not_there(fleet: Fleet, actor: int, actions: str) -> None:
    assert request(fleet[0], actor, actions) == ActionResult.OTHER_REASON
    assert outcome(fleet[0])[0] == 0


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (3, array(*(bit_string("11"),) * 2), DataAccessResult.OTHER_REASON),
        (3, array(*(bit_string("1"),) * 3), DataAccessResult.OTHER_REASON),
        (3, array(integer(1)), DataAccessResult.TYPE_UNMATCHED),
        (4, array(array(long_unsigned(1))), DataAccessResult.OTHER_REASON),
        (4, array(long_unsigned(1)), DataAccessResult.TYPE_UNMATCHED),
        (2, array(), DataAccessResult.READ_WRITE_DENIED),
        (6, unsigned(1), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_writes_that_are_refused(
    fleet: Fleet, attribute: int, data: Data, result: DataAccessResult
) -> None:
    before = [get(fleet[0], ARBITRATOR, 68, index) for index in range(2, 7)]
    assert put(fleet[0], ARBITRATOR, 68, attribute, data) == result
    assert [get(fleet[0], ARBITRATOR, 68, index) for index in range(2, 7)] == before


def test_permissions_that_a_client_writes_hold(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, ARBITRATOR, 68, 3, array(*(bit_string("00"),) * 3)) == 0
    assert request(meter, 1, "10") == ActionResult.READ_WRITE_DENIED
