from __future__ import annotations

import pytest
from meter_asking import CLOCK, NOW, act, get, put

from ferraris.data.kinds import Data, date_time, integer, long, octet_string, structure, unsigned
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.fleet import Fleet


def test_it_tells_local_time(fleet: Fleet) -> None:
    assert get(fleet[0], CLOCK, 8) == fleet.template.zone.stamp(NOW)
    assert get(fleet[0], CLOCK, 8, 4) == 0x80
    assert get(fleet[0], CLOCK, 8, 3) == -60
    assert get(fleet[0], CLOCK, 8, 4, now=NOW + 60 * 86400) == 0


@pytest.mark.parametrize("client", [1, 2])
@pytest.mark.parametrize("seconds", [-100_000, -1, 1, 77, 86_400])
def test_setting_is_kept_for_one_meter(fleet: Fleet, client: int, seconds: int) -> None:
    zone = fleet.template.zone
    stamp = octet_string(zone.stamp(NOW + seconds))
    assert put(fleet[0], CLOCK, 8, 2, stamp, client=client) == DataAccessResult.SUCCESS
    assert get(fleet[0], CLOCK, 8, now=NOW + 1000) == zone.stamp(NOW + 1000 + seconds)
    assert get(fleet[1], CLOCK, 8) == zone.stamp(NOW)
    assert get(fleet[0], CLOCK, 8, now=NOW - 1) == zone.stamp(NOW - 1)


def test_setting_without_deviation_and_under_its_own_tag(fleet: Fleet) -> None:
    zone = fleet.template.zone
    stamp = zone.stamp(NOW + 50)
    assert put(fleet[0], CLOCK, 8, 2, octet_string(stamp[:9] + b"\x80\x00\xff")) == 0
    assert get(fleet[0], CLOCK, 8) == stamp
    assert put(fleet[1], CLOCK, 8, 2, date_time(stamp)) == 0
    assert get(fleet[1], CLOCK, 8) == stamp


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (unsigned(1), DataAccessResult.TYPE_UNMATCHED),
        (octet_string(b"\xff" * 12), DataAccessResult.OTHER_REASON),
        (octet_string(bytes.fromhex("07d0010f040d000000ffc400")), DataAccessResult.OTHER_REASON),
        (octet_string(bytes.fromhex("0bb8010f040d000000ffc400")), DataAccessResult.OTHER_REASON),
    ],
)
def test_times_that_are_refused(fleet: Fleet, data: Data, result: DataAccessResult) -> None:
    assert put(fleet[0], CLOCK, 8, 2, data) == result
    assert get(fleet[0], CLOCK, 8) == fleet.template.zone.stamp(NOW)
    assert put(fleet[0], CLOCK, 8, 3, long(0)) == DataAccessResult.READ_WRITE_DENIED


def test_adjusting(fleet: Fleet) -> None:
    zone = fleet.template.zone
    assert act(fleet[0], CLOCK, 8, 3) == ActionResult.SUCCESS
    assert get(fleet[0], CLOCK, 8) == zone.stamp(NOW - 23)
    assert act(fleet[1], CLOCK, 8, 1) == ActionResult.SUCCESS
    assert get(fleet[1], CLOCK, 8) == zone.stamp(NOW // 900 * 900)
    assert act(fleet[2], CLOCK, 8, 6, long(-900)) == ActionResult.SUCCESS
    assert act(fleet[2], CLOCK, 8, 6, long(5)) == ActionResult.SUCCESS
    assert get(fleet[2], CLOCK, 8) == zone.stamp(NOW - 895)
    assert act(fleet[2], CLOCK, 8, 6, long(901)) == ActionResult.OTHER_REASON
    assert act(fleet[2], CLOCK, 8, 6, integer(1)) == ActionResult.TYPE_UNMATCHED


def test_adjusting_to_a_preset_time(fleet: Fleet) -> None:
    zone, meter = fleet.template.zone, fleet[0]
    assert act(meter, CLOCK, 8, 4) == ActionResult.OTHER_REASON
    times = [octet_string(zone.stamp(t)) for t in (NOW + 300, NOW - 60, NOW + 60)]
    assert act(meter, CLOCK, 8, 5, structure(*times)) == ActionResult.SUCCESS
    assert act(meter, CLOCK, 8, 4, now=NOW + 61) == ActionResult.OTHER_REASON
    assert act(meter, CLOCK, 8, 4) == ActionResult.SUCCESS
    assert get(meter, CLOCK, 8) == zone.stamp(NOW + 300)
    assert act(meter, CLOCK, 8, 5, structure(*times[:2])) == ActionResult.TYPE_UNMATCHED


def test_a_clock_set_over_and_over_stays_small(fleet: Fleet) -> None:
    meter = fleet[0]
    for second in range(300):
        assert act(meter, CLOCK, 8, 6, long(1 - second % 2 * 2), now=NOW + second) == 0
    assert len(meter.state.steps) == 64
    assert len(meter.state.entries) == 512
    assert get(meter, CLOCK, 8, now=NOW + 300) == fleet.template.zone.stamp(NOW + 300)
