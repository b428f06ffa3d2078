from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.meter.zone import DAY, Zone

BERLIN = ZoneInfo("Europe/Berlin")
ZONE = Zone()
INSTANTS = st.integers(1_600_000_000, 2_100_000_000)


@given(INSTANTS)
def test_offset_is_that_of_central_europe(utc: int) -> None:
    offset = datetime.fromtimestamp(utc, BERLIN).utcoffset()
    assert offset is not None
    assert ZONE.offset(utc) == offset.total_seconds()


@given(INSTANTS)
def test_a_stamp_leads_back_to_its_instant(utc: int) -> None:
    stamp = ZONE.stamp(utc)
    assert len(stamp) == 12
    assert ZONE.instant(stamp) == utc
    local = datetime.fromtimestamp(utc, BERLIN)
    assert stamp[:8] == bytes(
        [
            local.year >> 8,
            local.year & 255,
            local.month,
            local.day,
            local.isoweekday(),
            local.hour,
            local.minute,
            local.second,
        ]
    )


@given(INSTANTS)
def test_without_a_deviation_the_summer_bit_decides(utc: int) -> None:
    stamp = ZONE.stamp(utc)
    assert ZONE.instant(stamp[:9] + b"\x80\x00" + stamp[11:]) == utc


def test_stamps_of_winter_and_summer() -> None:
    winter = int(datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp())
    summer = int(datetime(2026, 7, 15, 12, tzinfo=UTC).timestamp())
    assert ZONE.stamp(winter).hex() == "07ea010f040d000000ffc400"
    assert ZONE.stamp(summer).hex() == "07ea070f030e000000ff8880"


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "07ea010f040d0000",
        "ffff010f040d000000ffc400",
        "07eaff0f040d000000ffc400",
        "07ea0220040d000000ffc400",
        "07ea010f0418000000ffc400",
        "07ea010f040d000000110000",
    ],
)
def test_what_names_no_instant(stamp: str) -> None:
    assert ZONE.instant(bytes.fromhex(stamp)) is None


def test_unspecified_hours_and_seconds_are_zero() -> None:
    midnight = int(datetime(2026, 1, 15, tzinfo=UTC).timestamp()) - 3600
    assert ZONE.instant(bytes.fromhex("07ea010fffffffffff8000ff")) == midnight


def test_local_days_have_23_24_or_25_hours() -> None:
    lengths = {}
    for month, day in ((3, 29), (6, 1), (10, 25)):
        number = int(datetime(2026, month, day, tzinfo=UTC).timestamp()) // DAY
        lengths[month] = (ZONE.midnight(number + 1) - ZONE.midnight(number)) // 900
        assert ZONE.local_day(ZONE.midnight(number)) == number
        assert ZONE.local_day(ZONE.midnight(number) - 1) == number - 1
    assert lengths == {3: 92, 6: 96, 10: 100}


def test_a_zone_without_summer_time() -> None:
    assert {Zone(330, 0).offset(utc) for utc in range(1_760_000_000, 1_790_000_000, DAY)} == {19800}


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        (
            "America/New_York",
            Zone(
                -300,
                60,
                *map(bytes.fromhex, ("ffff030807020000008000ff", "ffff0b0107020000008000ff")),
            ),
        ),
        (
            "Australia/Sydney",
            Zone(
                600,
                60,
                *map(bytes.fromhex, ("ffff0a0107020000008000ff", "ffff040107030000008000ff")),
            ),
        ),
        ("Europe/London", Zone(0, 60)),
    ],
)
def test_zones_with_rules_of_their_own(name: str, zone: Zone) -> None:
    there = ZoneInfo(name)
    for utc in range(1_704_067_200, 1_900_000_000, 7201):
        offset = datetime.fromtimestamp(utc, there).utcoffset()
        assert offset is not None
        assert zone.offset(utc) == offset.total_seconds()
        assert zone.instant(zone.stamp(utc)) == utc


def test_a_rule_for_one_year_holds_in_that_year() -> None:
    zone = Zone(
        60, 60, *map(bytes.fromhex, ("07ea0401ff020000008000ff", "07ea0a01ff030000008000ff"))
    )
    summers = [zone.is_summer(utc) for utc in range(1_735_689_600, 1_830_000_000, DAY)]
    assert sum(summers) == 183
    assert zone.changes(2025) == (None, None)
