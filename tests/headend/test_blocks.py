from __future__ import annotations

import contextlib
import random
from array import array
from zoneinfo import ZoneInfo

import pytest

from ferraris.core.errors import DecodeError
from ferraris.data.date_time import DateTime
from ferraris.headend.store.blocks import (
    DAY_S,
    Rows,
    day_of,
    merge,
    pack,
    split_days,
    unpack,
    within,
)

DAY = 19_000


def rows(ends, *, stamps=True, status=True, quality=False):
    return Rows(
        array("q", ends),
        [DateTime.from_epoch(end).octets for end in ends] if stamps else [],
        [0] * len(ends) if status else [],
        [[end // 900 for end in ends], [n % 3 for n in range(len(ends))]],
        [16] * len(ends) if quality else [],
    )


def quarters(first=0, last=96):
    return [DAY * DAY_S + 900 * n for n in range(first + 1, last + 1)]


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("status", [True, False])
@pytest.mark.parametrize("quality", [True, False])
def test_rows_come_back(stamps, status, quality):
    for ends in ([], quarters(0, 1), quarters(), [*quarters(0, 5), *quarters(7, 9)], [5, 5, 3]):
        given = rows(ends, stamps=stamps, status=status, quality=quality)
        assert unpack(pack(given)) == given
        assert pack(unpack(pack(given))) == pack(given)


def test_midnight_closes_its_day():
    assert day_of(DAY * DAY_S) == DAY - 1
    assert day_of(DAY * DAY_S + 1) == DAY
    assert day_of((DAY + 1) * DAY_S) == DAY


def test_days_are_cut_apart():
    given = rows([DAY * DAY_S, *quarters(), (DAY + 1) * DAY_S + 900])
    days = dict(split_days(given))
    assert [(day, len(part.axis)) for day, part in days.items()] == [
        (DAY - 1, 1), (DAY, 96), (DAY + 1, 1),
    ]  # fmt: skip
    assert days[DAY] == rows(quarters())._replace(columns=[c[1:-1] for c in given.columns])
    assert list(split_days(rows([]))) == []


def test_stamps_that_follow_from_the_axis_cost_nothing():
    plain = len(pack(rows(quarters(), stamps=False)))
    assert len(pack(rows(quarters()))) - plain < 20


@pytest.mark.parametrize("style", ["local", "unspecified", "no weekday", "odd", "short", "wild"])
def test_raw_stamps_are_kept_whatever_they_are(style):
    zone = ZoneInfo("Europe/Vienna")
    ends = [1_667_084_400 + 900 * n for n in range(100)]  # over the end of summer time
    stamps = [bytearray(DateTime.from_epoch(end, zone=zone)) for end in ends]
    for n, stamp in enumerate(stamps):
        if style == "unspecified":
            stamp[9:11] = b"\x80\x00"
        elif style == "no weekday":
            stamp[4] = 0xFF
        elif style == "odd":
            stamp[8] = n
        elif style == "short":
            del stamp[n % 13 :]
        elif style == "wild":
            stamp[n % 12] = 0xFF
    given = rows(ends)._replace(stamps=[bytes(stamp) for stamp in stamps])
    octets = pack(given)
    assert unpack(octets) == given
    if style in ("local", "unspecified", "no weekday"):
        assert len(octets) < len(pack(given._replace(stamps=[]))) + 60


def test_merge_keeps_every_row_and_prefers_the_new():
    old, new = rows(quarters(0, 50)), rows(quarters(40, 96))
    new.columns[1][0] = 77
    whole = merge(old, new)
    assert whole.axis.tolist() == quarters()
    assert whole.columns[0] == rows(quarters()).columns[0]
    assert whole.columns[1][40] == 77
    assert merge(whole, new) == whole


def test_merge_keeps_a_repeated_end_twice():
    twice = rows([900, 900, 1800])
    assert merge(twice, twice) == twice
    assert len(merge(rows([900]), twice).axis) == 3


def test_within_is_open_below_and_closed_above():
    given = rows(quarters())
    assert within(given, DAY * DAY_S, (DAY + 1) * DAY_S) is given
    assert within(given, quarters()[0], quarters()[2]).axis.tolist() == quarters()[1:3]


def test_damage_is_a_decode_error():
    source = random.Random(9)
    odd = rows(quarters())._replace(stamps=[b"x" * (n % 14) for n in range(96)])
    samples = [pack(rows(quarters())), pack(rows([5, 5, 3])), pack(odd)]
    for _ in range(10_000):
        octets = bytearray(source.choice(samples))
        for _ in range(source.randrange(1, 4)):
            octets[source.randrange(min(60, len(octets)))] = source.randrange(256)
        with contextlib.suppress(DecodeError):
            unpack(bytes(octets))
    with pytest.raises(DecodeError):
        unpack(b"")
