from __future__ import annotations

from datetime import UTC, datetime

import pytest
from meter_asking import CLOCK, NOW, act, entries, get, put, rows, stamped

from ferraris.data.kinds import long, octet_string
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.fleet import Fleet

STANDARD, FRAUD = "0-0:99.98.0*255", "0-0:99.98.1*255"


def test_the_log_begins_with_power_up_and_knows_the_seasons(fleet: Fleet) -> None:
    log = rows(fleet[0], STANDARD)
    assert [row[1] for row in log] == [2, 3, 3, 3, 3, 3]
    assert get(fleet[0], STANDARD, 7, 7) == 6
    summer = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
    assert log[-1][0] == fleet.template.zone.stamp(summer)
    assert get(fleet[0], "0-0:96.11.0*255", 1) == 3


def test_setting_the_clock_is_logged_with_both_times(fleet: Fleet) -> None:
    zone = fleet.template.zone
    assert put(fleet[0], CLOCK, 8, 2, octet_string(zone.stamp(NOW - 5000))) == 0
    log = rows(fleet[0], STANDARD)
    assert log[-2:] == [(zone.stamp(NOW), 4), (zone.stamp(NOW - 5000), 5)]
    assert rows(fleet[0], STANDARD, stamped(fleet[0], NOW - 5000, NOW - 5000)) == log[-1:]
    assert rows(fleet[0], STANDARD, entries(7, 0)) == log[-2:]
    assert len(rows(fleet[1], STANDARD)) == 6


def test_failed_logins_go_to_the_fraud_log(fleet: Fleet) -> None:
    fleet[0].incident(Incident.WRONG_PASSWORD, 2, NOW + 0.5)
    assert rows(fleet[0], FRAUD) == [(fleet.template.zone.stamp(NOW), 46)]
    assert get(fleet[0], "0-0:96.11.1*255", 1) == 46
    assert rows(fleet[1], FRAUD) == []


def test_clearing_is_an_event(fleet: Fleet) -> None:
    assert act(fleet[0], STANDARD, 7, 1) == ActionResult.SUCCESS
    assert [row[1] for row in rows(fleet[0], STANDARD)] == [255]
    later = NOW + 60 * 86400
    assert [row[1] for row in rows(fleet[0], STANDARD, now=later)] == [255, 3]
    assert act(fleet[0], STANDARD, 7, 1, now=later) == ActionResult.SUCCESS
    assert get(fleet[0], STANDARD, 7, 7, now=later) == 1


def test_a_full_log_keeps_the_newest(fleet: Fleet) -> None:
    for second in range(300):
        fleet[0].incident(Incident.REPLAY, 1, NOW + second)
    log = rows(fleet[0], FRAUD, now=NOW + 300)
    assert len(log) == 255
    assert log[-1][0] == fleet.template.zone.stamp(NOW + 299)


def test_a_noisy_log_pushes_out_no_other(fleet: Fleet) -> None:
    meter = fleet[0]
    assert act(meter, "0-0:96.3.10*255", 70, 1) == ActionResult.SUCCESS
    for second in range(1000):
        meter.incident(Incident.REPLAY, 1, NOW + second)
    assert [row[1] for row in rows(meter, "0-0:99.98.2*255", now=NOW + 1000)] == [62]
    assert len(rows(meter, FRAUD, now=NOW + 1000)) == 255
    assert get(meter, "0-0:96.15.1*255", 1, now=NOW + 1000) == 1000
    assert get(meter, "0-0:96.15.2*255", 1, now=NOW + 1000) == 1


def test_counters_count_on_when_logs_are_cleared(fleet: Fleet) -> None:
    meter = fleet[0]
    assert get(meter, "0-0:96.15.0*255", 1) == 6
    assert act(meter, STANDARD, 7, 1) == ActionResult.SUCCESS
    assert get(meter, "0-0:96.15.0*255", 1) == 7
    assert get(meter, STANDARD, 7, 7) == 1


@pytest.mark.parametrize("log", range(6))
def test_every_log_of_the_table_can_be_read_and_cleared(fleet: Fleet, log: int) -> None:
    name = f"0-0:99.98.{log}*255"
    codes = {each.code for each in fleet.template.codes.values() if each.log == log}
    assert codes
    meter = fleet[log]
    for happening, coded in fleet.template.codes.items():
        if coded.log == log:
            meter.note(happening, NOW)
    assert {row[1] for row in rows(meter, name)} == codes
    assert act(meter, name, 7, 1) == ActionResult.SUCCESS
    assert [row[1] for row in rows(meter, name)] == [255]
    assert get(meter, f"0-0:96.11.{log}*255", 1) == 255


def test_the_log_of_the_switch_is_shorter(fleet: Fleet) -> None:
    meter = fleet[0]
    for second in range(80):
        act(meter, "0-0:96.3.10*255", 70, 1 + second % 2, now=NOW + second)
    assert len(rows(meter, "0-0:99.98.2*255", now=NOW + 80)) == 64
    assert get(meter, "0-0:99.98.2*255", 7, 8) == 64


def test_what_was_logged_keeps_its_stamp_when_the_zone_is_written(fleet: Fleet) -> None:
    meter = fleet[0]
    before = rows(meter, STANDARD)
    assert put(meter, CLOCK, 8, 3, long(-120)) == 0
    assert rows(meter, STANDARD) == before
