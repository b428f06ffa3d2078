from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.date_time import (
    DST_BEGIN,
    DST_END,
    LAST_DAY,
    SECOND_LAST_DAY,
    Date,
    DateTime,
    Time,
    advance,
    epoch,
)

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
PUBLISHED = bytes.fromhex("07e10a010700000000ffc480")
NOTHING = bytes.fromhex("ffffffffffffffffff8000ff")


def test_fields_of_a_published_date_time() -> None:
    stamp = DateTime(PUBLISHED)
    assert (stamp.year, stamp.month, stamp.day, stamp.day_of_week) == (2017, 10, 1, 7)
    assert (stamp.hour, stamp.minute, stamp.second, stamp.hundredths) == (0, 0, 0, 0)
    assert (stamp.deviation, stamp.status, stamp.daylight_saving) == (-60, 0x80, True)
    assert stamp.to_datetime() == datetime(2017, 9, 30, 23, tzinfo=UTC)
    assert stamp.to_datetime().utcoffset() == timedelta(hours=1)
    assert stamp.to_datetime(AMSTERDAM).hour == 1
    assert stamp == PUBLISHED
    assert stamp.octets == PUBLISHED
    assert type(stamp.octets) is bytes
    assert stamp.date == Date(PUBLISHED[:5])
    assert stamp.time == Time(bytes(4))
    assert str(stamp) == "2017-10-01 Sun 00:00:00 UTC+01:00 status 80"
    assert "07e10a01" in repr(stamp)
    assert pickle.loads(pickle.dumps(stamp)) == stamp


def test_nothing_specified() -> None:
    stamp = DateTime(NOTHING)
    assert stamp == DateTime.of()
    names = ("year", "month", "day", "day_of_week", "hour", "minute", "second", "hundredths")
    assert all(getattr(stamp, name) is None for name in (*names, "deviation", "status"))
    assert stamp.daylight_saving is None
    assert str(stamp) == "*-*-* *:*:*"
    assert epoch(NOTHING) is None
    with pytest.raises(DecodeError):
        stamp.to_datetime(UTC)


def test_special_months_and_days() -> None:
    assert Date.of(2024, 2, LAST_DAY).to_date() == date(2024, 2, 29)
    assert Date.of(2023, 12, SECOND_LAST_DAY).to_date() == date(2023, 12, 30)
    assert str(Date.of(None, DST_BEGIN, LAST_DAY, 7)) == "*-dst-begin-last Sun"
    assert str(Date.of(None, DST_END, SECOND_LAST_DAY, 9)) == "*-dst-end-second-last weekday 9"
    for wild in (Date.of(2024, DST_END, 1), Date.of(2024, None, LAST_DAY), Date.of(None, 1, 1)):
        with pytest.raises(DecodeError):
            wild.to_date()
    assert Date.from_date(date(2019, 12, 31)) == bytes.fromhex("07e30c1f02")
    assert repr(Date.of()).startswith("Date(")
    raw = DateTime.of(2024, 2, LAST_DAY, None, 12, 30, deviation=0)
    assert epoch(raw) == datetime(2024, 2, 29, 12, 30, tzinfo=UTC).timestamp()
    with pytest.raises(DecodeError):
        Date(b"\x27\x0f\x0c\xfe\xff").to_date()  # the last day of the calendar has no morrow


def test_times() -> None:
    assert Time.of(23, 59, 58, 50).to_time() == time(23, 59, 58, 500000)
    assert Time.of(23, 59).to_time() == time(23, 59)
    moment = Time.of(1, 2, 3, 4)
    assert (moment.hour, moment.minute, moment.second, moment.hundredths) == (1, 2, 3, 4)
    assert str(moment) == "01:02:03.04"
    assert repr(moment) == "Time('01020304': 01:02:03.04)"
    for wrong in (Time.of(24, 0), Time.of(), Time.of(1, None), Time.of(1, 1, 1, 100)):
        with pytest.raises(DecodeError):
            wrong.to_time()


def test_the_zone_decides_without_deviation() -> None:
    local = DateTime.from_datetime(datetime(2024, 7, 1, 12))
    assert (local.deviation, local.status) == (None, None)
    with pytest.raises(UsageError, match="zone"):
        local.to_datetime()
    assert epoch(local) is None
    assert local.to_datetime(AMSTERDAM) == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert epoch(local, AMSTERDAM) == datetime(2024, 7, 1, 10, tzinfo=UTC).timestamp()
    assert not local.is_ambiguous(AMSTERDAM)


@pytest.mark.parametrize(
    ("status", "hour_utc", "ambiguous"), [(0x80, 0, False), (0, 1, False), (None, 0, True)]
)
def test_repeated_hour(status: int | None, hour_utc: int, ambiguous: bool) -> None:
    stamp = DateTime.from_datetime(datetime(2024, 10, 27, 2, 30), status=status)
    expected = datetime(2024, 10, 27, hour_utc, 30, tzinfo=UTC)
    assert stamp.to_datetime(AMSTERDAM).astimezone(UTC) == expected
    assert epoch(stamp, AMSTERDAM) == expected.timestamp()
    assert stamp.is_ambiguous(AMSTERDAM) is ambiguous


def test_missing_hour_is_not_ambiguous() -> None:
    assert not DateTime.from_datetime(datetime(2024, 3, 31, 2, 30)).is_ambiguous(AMSTERDAM)


def test_from_aware() -> None:
    summer = DateTime.from_datetime(datetime(2024, 7, 1, 12, 0, 1, 230000, tzinfo=AMSTERDAM))
    assert (summer.deviation, summer.status, summer.hundredths) == (-120, 0x80, 23)
    winter = DateTime.from_datetime(datetime(2024, 1, 1, tzinfo=AMSTERDAM))
    assert (winter.deviation, winter.status) == (-60, 0)
    west = DateTime.from_datetime(datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5))))
    assert west.deviation == 300
    with pytest.raises(UsageError):
        odd = timezone(timedelta(seconds=30))
        DateTime.from_datetime(datetime(2024, 1, 1, tzinfo=odd))
    assert DateTime.from_epoch(0) == DateTime.of(1970, 1, 1, 4, 0, 0, 0, 0, 0, 0)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 10000 * 10000)
    ),
    st.integers(-720, 840),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_aware_both_ways(moment: datetime, deviation: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=-deviation)))
    stamp = DateTime.from_datetime(aware)
    assert stamp.to_datetime() == aware
    assert epoch(bytes(stamp)) == (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


@given(st.binary(min_size=12, max_size=12))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_any_octets(octets: bytes) -> None:
    stamp = DateTime(octets)
    assert bytes(stamp) == octets
    assert str(stamp)
    fields = (
        stamp.year, stamp.month, stamp.day, stamp.day_of_week, stamp.hour, stamp.minute,
        stamp.second, stamp.hundredths, stamp.deviation, stamp.status,
    )  # fmt: skip
    assert DateTime.of(*fields) == octets
    for zone in (None, AMSTERDAM):
        seconds = epoch(octets, zone)
        try:
            moment = stamp.to_datetime(zone)
        except (DecodeError, UsageError):
            continue
        if seconds is not None:
            assert (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) == seconds
    assert len(advance(octets, 900)) == 12


def test_impossible() -> None:
    base = {"year": 2024, "month": 1, "day": 1, "hour": 0, "minute": 0}
    for change in ({"month": 13}, {"day": 32}, {"hour": 24}, {"deviation": 2000}):
        stamp = DateTime.of(**{**base, "deviation": 0, **change})  # type: ignore[arg-type]
        assert epoch(stamp) is None
        with pytest.raises(DecodeError):
            stamp.to_datetime()
    for kind, count in ((DateTime, 12), (Date, 5), (Time, 4)):
        with pytest.raises(UsageError):
            kind(bytes(count + 1))
    for wrong in ({"year": 70000}, {"month": 256}, {"deviation": 40000}):
        with pytest.raises(UsageError):
            DateTime.of(**wrong)  # type: ignore[arg-type]
    assert epoch(b"short") is None
    edge = DateTime.of(9999, 12, 31, None, 23, 0, deviation=0)
    with pytest.raises(DecodeError):
        edge.to_datetime(timezone(timedelta(hours=5)))


def test_advance() -> None:
    assert DateTime(advance(PUBLISHED, 900)).minute == 15
    night = DateTime.of(2023, 12, 31, 7, 23, 45, None, None, -60, 0)
    assert advance(night, 900) == DateTime.of(2024, 1, 1, 1, 0, 0, None, None, -60, 0)
    assert advance(NOTHING, 900) == NOTHING
    assert advance(b"x", 900) == b"x"
    assert advance(DateTime.of(9999, 12, 31, 5, 23, 59), 900) == DateTime.of(
        9999, 12, 31, 5, 23, 59
    )
