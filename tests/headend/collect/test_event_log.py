from __future__ import annotations

from array import array

from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Quality, Series
from ferraris.headend.collect.event_log import events_of
from ferraris.headend.store.exchange import event_of, pack_events

LOG = "0-0:99.98.0*255"
CODE = Channel(Obis.parse("0-0:96.11.0*255"), 1, 2)
VALUE = Channel(Obis.parse("1-0:32.7.0*255"), 3, 2)


def series(channels, rows, undated=()):
    return Series(
        "",
        Obis.parse(LOG),
        array("q", [row[0] for row in rows]),
        channels,
        [[row[n + 1] for row in rows] for n in range(len(channels))],
        stamps=[DateTime.from_epoch(row[0]).octets for row in rows],
        undated=undated,
    )


def test_codes_get_their_names_where_the_specification_is_known():
    found = events_of(series([CODE], [(1000, 1), (2000, 255)]), LOG, "smr-5.2")
    assert [(event.code, event.text) for event in found] == [
        (1, "Power down"), (255, found[1].text),
    ]  # fmt: skip
    assert events_of(series([CODE], [(1000, 1)]), LOG, "nonsense")[0].text == ""
    assert events_of(series([CODE], [(1000, 1)]), LOG)[0].text == ""


def test_the_code_is_found_by_its_name_and_the_rest_is_kept():
    (event,) = events_of(series([VALUE, CODE], [(1000, 231, 77)]), LOG)
    assert (event.code, event.values) == (77, (231,))
    (bare,) = events_of(series([VALUE], [(1000, 5)]), LOG)
    assert (bare.code, bare.values) == (5, ())
    (none,) = events_of(series([CODE], [(1000, b"\x01")]), LOG)
    assert (none.code, none.values) == (None, (b"\x01",))
    (empty,) = events_of(series([], [(1000,)]), LOG)
    assert (empty.code, empty.time.timestamp()) == (None, 1000)


def test_rows_without_an_instant_are_kept_without_a_time():
    stamp = DateTime.from_epoch(1000).octets[:5] + b"\xff" * 7
    found = events_of(series([CODE], [(1000, 1)], undated=[(stamp, 6)]), LOG)
    assert [(event.time is None, event.code, event.stamp) for event in found] == [
        (False, 1, found[0].stamp), (True, 6, stamp),
    ]  # fmt: skip
    assert found[1].quality == Quality.INVALID_TIME
    packed = pack_events(found)
    assert [event_of("", each)._replace(device="") for each in packed] == found
