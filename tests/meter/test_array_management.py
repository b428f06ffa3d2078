from __future__ import annotations

from typing import Any

import pytest
from meter_asking import NOW, SWITCH, get

from ferraris.data import axdr
from ferraris.data.kinds import Data, long_unsigned, octet_string, structure, unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.action import ActionRequestNormal, ActionResponseNormal
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.messaging.dlms.names import MethodDescriptor
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server.device import RequestContext
from ferraris.server.dispatch import serve

ARRAYS, LIMIT, SCHEDULE = "0-0:18.0.0*255", "0-0:17.0.0*255", "0-0:15.0.1*255"
TIMES, GROUPS = 1, 3


def ask(meter: SimulatedMeter, method: int, data: Data) -> tuple[ActionResult, Any]:
    descriptor = MethodDescriptor(123, bytes(Obis.parse(ARRAYS)), method)
    request = ActionRequestNormal(0xC1, descriptor, axdr.encode(data))
    context = RequestContext(1, 0x30, NOW)
    response = serve(request, meter, meter.associations[1], context)
    assert isinstance(response, ActionResponseNormal)
    value = None if response.data is None else axdr.decode(response.data)[1]
    return ActionResult(response.result), value


def span(number: int, first: int, last: int) -> Data:
    return structure(unsigned(number), structure(long_unsigned(first), long_unsigned(last)))


def entry(number: int, index: int, data: Data) -> Data:
    return structure(unsigned(number), structure(long_unsigned(index), data))


def groups(meter: SimulatedMeter) -> list[int]:
    return [value for _, value in get(meter, LIMIT, 71, 9)]


def test_entries_one_by_one(fleet: Fleet) -> None:
    meter = fleet[0]
    assert groups(meter) == [1]
    for index, value, expected in (
        (0, 2, [1, 2]),
        (1, 3, [3, 1, 2]),
        (2, 4, [3, 4, 1, 2]),
        (5, 5, [3, 4, 1, 2, 5]),
    ):
        assert ask(meter, 3, entry(GROUPS, index, long_unsigned(value)))[0] == 0
        assert groups(meter) == expected
    assert ask(meter, 1, unsigned(GROUPS)) == (ActionResult.SUCCESS, 5)
    assert ask(meter, 2, span(GROUPS, 2, 3))[1] == [long_unsigned(4), long_unsigned(1)]
    assert ask(meter, 2, span(GROUPS, 4, 0))[1] == [long_unsigned(2), long_unsigned(5)]
    assert ask(meter, 4, entry(GROUPS, 1, long_unsigned(9)))[0] == 0
    assert ask(meter, 5, span(GROUPS, 2, 4))[0] == 0
    assert groups(meter) == [9, 5]
    assert groups(fleet[1]) == [1]


def test_what_is_changed_takes_effect(fleet: Fleet) -> None:
    meter = fleet[0]
    stamp = meter.zone.stamp(NOW + 60)
    when = structure(octet_string(stamp[5:9]), octet_string(stamp[:5]))
    assert ask(meter, 3, entry(TIMES, 0, when))[0] == 0
    assert get(meter, SCHEDULE, 22, 4) == [when]
    assert get(meter, SWITCH, 70, 3, now=NOW + 60) == 2


@pytest.mark.parametrize(
    ("method", "data", "result"),
    [
        (1, unsigned(9), ActionResult.OBJECT_UNAVAILABLE),
        (1, long_unsigned(1), ActionResult.TYPE_UNMATCHED),
        (2, span(GROUPS, 0, 1), ActionResult.OTHER_REASON),
        (2, span(GROUPS, 1, 2), ActionResult.OTHER_REASON),
        (2, span(TIMES, 1, 0), ActionResult.OTHER_REASON),
        (3, entry(GROUPS, 3, long_unsigned(1)), ActionResult.OTHER_REASON),
        (3, entry(GROUPS, 1, octet_string(b"1")), ActionResult.TYPE_UNMATCHED),
        (3, entry(TIMES, 0, long_unsigned(1)), ActionResult.TYPE_UNMATCHED),
        (4, entry(GROUPS, 2, long_unsigned(1)), ActionResult.OTHER_REASON),
        (4, entry(9, 1, long_unsigned(1)), ActionResult.OBJECT_UNAVAILABLE),
        (5, span(GROUPS, 1, 5), ActionResult.OTHER_REASON),
        (3, entry(4, 0, long_unsigned(1)), ActionResult.TYPE_UNMATCHED),
    ],
)
def test_methods_that_are_refused(
    fleet: Fleet, method: int, data: Data, result: ActionResult
) -> None:
    before = (groups(fleet[0]), get(fleet[0], SCHEDULE, 22, 4))
    assert ask(fleet[0], method, data) == (result, None)
    assert (groups(fleet[0]), get(fleet[0], SCHEDULE, 22, 4)) == before
