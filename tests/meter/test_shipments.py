"""The shipment file that goes with simulated meters."""

from __future__ import annotations

import csv

from ferraris.crypto.wrap import unwrap, unwrap_padded
from ferraris.meter.fleet import Fleet
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.templates import template

KEK = bytes(range(16))


def rows(name, *, called=True, **same):
    fleet = Fleet(template(name), 2, seed=5)
    lines = [fleet.line(place, "tcp://192.0.2.1:4059") for place in range(2)]
    return lines, list(csv.DictReader(shipment_lines(fleet, lines, KEK, called=called, **same)))


def test_keys_come_out_as_the_meter_has_them() -> None:
    lines, shipped = rows("residential", node="Cell, 7")
    assert [row["external_id"] for row in shipped] == [line["id"] for line in lines]
    for line, row in zip(lines, shipped, strict=True):
        assert (row["node"], row["model"], row["companion"]) == ("Cell, 7", "residential", "")
        assert (row["address"], row["server"]) == (line["url"], str(line["server"]))
        assert unwrap(KEK, bytes.fromhex(row["encryption_key"])).hex() == line["encryption_key"]
        password = unwrap_padded(KEK, bytes.fromhex(row["password"]))
        assert password.decode() == line["password"]
        assert line["encryption_key"] not in row.values()


def test_who_calls_in_has_no_address_and_a_companion_is_named() -> None:
    _, shipped = rows("smr-5.2:single-phase", called=False)
    assert {(row["address"], row["contact"], row["companion"]) for row in shipped} == {
        ("", "calls in", "smr-5.2")
    }


def test_meters_of_suites_with_certificates_bring_them() -> None:
    fleet = Fleet(template("residential", suite=2), 1)
    line = fleet.line(0, "")
    (row,) = csv.DictReader(shipment_lines(fleet, [line], KEK))
    assert (row["authentication"], row["suite"]) == ("ecdsa", "2")
    assert row["signing_certificate"] == line["signing_certificate"]
    assert row["agreement_certificate"] == line["agreement_certificate"]
    assert unwrap(KEK, bytes.fromhex(row["master_key"])).hex() == line["master_key"]


def test_another_mechanism_is_named() -> None:
    fleet = Fleet(template("residential", mechanism=6), 1)
    (row,) = csv.DictReader(shipment_lines(fleet, [fleet.line(0, "")], KEK))
    assert (row["authentication"], row["suite"]) == ("sha256", "0")
