from __future__ import annotations

import gc
import json
import tracemalloc

import pytest
from meter_asking import LOAD, NOW, get, rows, stamped

from ferraris.core.errors import SecurityError, UsageError
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import LEASE
from ferraris.meter.template import Template


def test_ten_thousand_idle_meters_stay_below_a_kilobyte_each(residential: Template) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        fleet = Fleet(residential, 10_000, 1)
        meters = list(fleet)
        idle = tracemalloc.get_traced_memory()[0] / len(meters)
        for meter in meters:  # what an association leaves behind
            meter.counter_lease(1)
            meter.raise_receive_floor(1, 5)
        used = tracemalloc.get_traced_memory()[0] / len(meters)
    finally:
        tracemalloc.stop()
    assert idle < 250
    assert used < 1000


def test_the_same_seed_makes_the_same_meters(residential: Template) -> None:
    one, two, other = (Fleet(residential, 20, seed) for seed in (1, 1, 2))
    for index in (0, 7, 19):
        assert one.line(index, "tcp://x") == two.line(index, "tcp://x")
        assert one.line(index, "tcp://x") != other.line(index, "tcp://x")
        selection = stamped(one[index], NOW - 86400, NOW)
        assert rows(one[index], LOAD, selection) == rows(two[index], LOAD, selection)
        assert rows(one[index], LOAD, selection) != rows(other[index], LOAD, selection)


def test_secrets_and_titles_differ_from_meter_to_meter(residential: Template) -> None:
    fleet = Fleet(residential, 300, 5)
    lines = [fleet.line(index, "tcp://127.0.0.1:4059") for index in range(300)]
    for key in ("id", "system_title", "encryption_key", "authentication_key", "password", "server"):
        assert len({str(line[key]) for line in lines}) == 300  # type: ignore[literal-required]
    assert all(line["encryption_key"] != line["authentication_key"] for line in lines)


def test_a_line_of_the_keys_file(fleet: Fleet) -> None:
    line = json.loads(json.dumps(fleet.line(3, "tcp://[::1]:4059")))
    assert sorted(line) == [
        "authentication_key",
        "client",
        "encryption_key",
        "id",
        "password",
        "server",
        "system_title",
        "url",
    ]
    meter = fleet[3]
    assert line["client"] == 1
    assert line["id"] == meter.logical_device_name.decode()
    assert len(line["id"]) == 16
    assert bytes.fromhex(line["system_title"]) == meter.system_title
    assert len(meter.system_title) == 8
    keys = meter.credentials(1).keys
    assert keys is not None
    assert bytes.fromhex(line["encryption_key"]) == keys.encryption_key
    assert bytes.fromhex(line["authentication_key"]) == keys.authentication_key
    assert line["password"].encode() == meter.credentials(2).secret
    assert meter.credentials(16).secret == b""
    assert meter.credentials(16).keys is None


def test_meters_are_found_by_address(residential: Template) -> None:
    fleet = Fleet(residential, 70_000, 1)
    addresses = {fleet.server_sap(index) for index in range(65_520)}
    assert len(addresses) == 65_520
    assert not addresses & {0, *range(2, 16), 0x7F}
    for index in (0, 1, 111, 112, 65_519):
        assert fleet.find(fleet.server_sap(index)) is fleet[index]
    assert fleet.find(fleet.server_sap(65_520), listener=1) is fleet[65_520]
    for address in (0, 5, 0x7F, 65_536, fleet.server_sap(69_999) + 1):
        assert fleet.find(address, listener=1) is None


def test_invocation_counters_are_never_handed_out_twice(residential: Template) -> None:
    meter = Fleet(residential, 1, 1, first_counter=100)[0]
    first, second = meter.counter_lease(1), meter.counter_lease(2)
    taken = [lease.take() for lease in (first, second, first, second)]
    assert taken == [100, 100 + LEASE, 101, 101 + LEASE]
    last = Fleet(residential, 1, 1, first_counter=(1 << 32) - 2)[0]
    assert last.counter_lease(1).left == 2
    with pytest.raises(SecurityError):
        last.counter_lease(1)


def test_the_counter_that_a_public_client_learns(fleet: Fleet) -> None:
    meter = fleet[0]
    assert meter.receive_floor(1) == -1
    meter.raise_receive_floor(1, 41)
    meter.raise_receive_floor(1, 40)
    assert meter.receive_floor(1) == 41
    assert get(meter, "0-0:43.1.1*255", 1, client=16) == 41
    assert fleet[1].receive_floor(1) == -1


def test_meters_are_kept(fleet: Fleet) -> None:
    assert fleet[4] is fleet[4]
    assert len(fleet) == 50
    assert [meter.index for meter in fleet] == list(range(50))
    with pytest.raises(IndexError):
        fleet[50]
    with pytest.raises(IndexError):
        fleet[-1]


def test_a_fleet_has_meters(residential: Template) -> None:
    with pytest.raises(UsageError):
        Fleet(residential, 0)
