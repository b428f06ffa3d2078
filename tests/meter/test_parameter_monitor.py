from __future__ import annotations

from hashlib import sha256, sha512

from meter_asking import CLOCK, NOW, SWITCH, act, captured, entries, get, put, rows, stamped

from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

MONITOR, LOG, LIMIT = "0-0:16.2.0*255", "0-0:99.16.0*255", "0-0:17.0.0*255"
DISPLAY = "0-0:96.13.0*255"


def named(class_id: int, name: str, attribute: int = 2) -> Data:
    return structure(long_unsigned(class_id), octet_string(Obis.parse(name)), integer(attribute))


def test_the_last_change_is_told_and_all_are_logged(fleet: Fleet) -> None:
    meter, stamp = fleet[0], fleet.template.zone.stamp
    assert get(meter, MONITOR, 65, 3) == b"\xff" * 12
    assert put(meter, SWITCH, 70, 4, enum(2)) == 0
    assert put(meter, LIMIT, 71, 4, double_long_unsigned(9000), now=NOW + 60) == 0
    changed = get(meter, MONITOR, 65, 2, now=NOW + 90)
    assert [value for _, value in changed] == [71, bytes(Obis.parse(LIMIT)), 4, 9000]
    assert get(meter, MONITOR, 65, 3, now=NOW + 90) == stamp(NOW + 60)
    found = rows(meter, LOG, now=NOW + 90)
    assert [(row[0], row[1][3]) for row in found] == [
        (stamp(NOW), enum(2)),
        (stamp(NOW + 60), double_long_unsigned(9000)),
    ]
    assert rows(meter, LOG, stamped(meter, NOW + 30, NOW + 90), now=NOW + 90) == found[1:]
    assert rows(meter, LOG, entries(1, 1), now=NOW + 90) == found[:1]
    clocks = rows(meter, LOG, stamped(meter, NOW, NOW + 90, captured(8, CLOCK)), now=NOW + 90)
    assert clocks == [(stamp(NOW),), (stamp(NOW + 60),)]
    assert get(meter, LOG, 7, 7, now=NOW + 90) == 2
    codes = [row[1] for row in rows(meter, "0-0:99.98.0*255", now=NOW + 90)]
    assert codes[6:] == [47, 47]


def test_refused_writes_change_nothing(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, SWITCH, 70, 4, enum(9)) == DataAccessResult.OTHER_REASON
    assert put(meter, SWITCH, 70, 4, enum(1), client=2) == DataAccessResult.READ_WRITE_DENIED
    assert rows(meter, LOG) == []


def test_clients_say_what_is_watched(fleet: Fleet) -> None:
    meter = fleet[0]
    display = named(1, DISPLAY)
    assert put(meter, DISPLAY, 1, 2, octet_string(b"one")) == 0
    assert act(meter, MONITOR, 65, 1, display) == ActionResult.SUCCESS
    assert act(meter, MONITOR, 65, 1, display) == ActionResult.SUCCESS
    assert len(get(meter, MONITOR, 65, 4)) == 3
    assert put(meter, DISPLAY, 1, 2, octet_string(b"two")) == 0
    assert put(meter, DISPLAY, 1, 2, octet_string(bytes(300))) == 0
    assert [row[1][3] for row in rows(meter, LOG)] == [octet_string(b"two"), (0, None)]
    assert act(meter, MONITOR, 65, 2, display) == ActionResult.SUCCESS
    assert act(meter, MONITOR, 65, 2, display) == ActionResult.OTHER_REASON
    assert put(meter, DISPLAY, 1, 2, octet_string(b"three")) == 0
    assert len(rows(meter, LOG)) == 2
    assert act(meter, LOG, 7, 1) == ActionResult.SUCCESS
    assert rows(meter, LOG) == []


def test_only_what_is_there_can_be_watched(fleet: Fleet) -> None:
    meter = fleet[0]
    nothing = named(3, "1-0:99.99.99*255")
    assert act(meter, MONITOR, 65, 1, nothing) == ActionResult.OTHER_REASON
    assert act(meter, MONITOR, 65, 1, named(1, DISPLAY, 9)) == ActionResult.OTHER_REASON
    assert act(meter, MONITOR, 65, 1, enum(1)) == ActionResult.TYPE_UNMATCHED
    assert put(meter, MONITOR, 65, 4, array(nothing)) == DataAccessResult.OTHER_REASON
    assert put(meter, MONITOR, 65, 4, array(enum(1))) == DataAccessResult.TYPE_UNMATCHED


def test_the_log_keeps_the_newest(fleet: Fleet) -> None:
    meter = fleet[0]
    for second in range(100):
        put(meter, SWITCH, 70, 4, enum(1 + second % 2), now=NOW + second)
    found = rows(meter, LOG, now=NOW + 100)
    assert len(found) == 64
    assert found[-1][0] == meter.zone.stamp(NOW + 99)


def test_version_1_tells_values_and_their_digest() -> None:
    meter = Fleet(template("industrial"), 1, seed=3)[0]
    name = "0-0:16.2.1*255"
    values = get(meter, name, 65, 8)
    assert [value for _, value in values[:2]] == [400, 5]
    encoded = b"".join(axdr.encode(each) for each in values)
    assert get(meter, name, 65, 5) == b"billing"
    assert (get(meter, name, 65, 6), get(meter, name, 65, 7)) == (2, sha256(encoded).digest())
    assert act(meter, name, 65, 2, named(20, "0-0:13.0.0*255", 5)) == ActionResult.SUCCESS
    shorter = b"".join(axdr.encode(each) for each in values[:2])
    assert get(meter, name, 65, 7) == sha256(shorter).digest()
    assert put(meter, name, 65, 6, enum(4)) == DataAccessResult.SUCCESS
    assert get(meter, name, 65, 7) == sha512(shorter).digest()
    for attribute, data, refused in (
        (6, enum(9), DataAccessResult.OTHER_REASON),
        (6, octet_string(b"2"), DataAccessResult.TYPE_UNMATCHED),
        (5, octet_string(bytes(65)), DataAccessResult.OTHER_REASON),
        (7, octet_string(b""), DataAccessResult.READ_WRITE_DENIED),
    ):
        assert put(meter, name, 65, attribute, data) == refused
    assert get(meter, name, 65, 6) == 4
