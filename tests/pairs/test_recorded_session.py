"""A whole session of a real meter, replayed in both roles.

Our client, fed with the meter's answers, sends what the meter was sent; our server, fed with the
requests, verifies them and answers what the meter answered. The write was recorded in a later
association than the read, so its counters lie a little further on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ferraris.client.connecting import associate, client_stack
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC
from ferraris.core.layer import Closed, Deliver, Layer, Opened
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.line.blocking import run
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener
from ferraris.model import registry
from ferraris.model.time_control import Clock
from ferraris.server.device import (
    READ_WRITE,
    AccessRights,
    AssociationSettings,
    Credentials,
    ObjectEntry,
    ObjectKey,
    ObjectRights,
)
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP

READING = ("AARQ", "glo-action-request reply_to_HLS", "glo-get-request clock", "RLRQ")
ANSWERS = {
    "AARQ": "AARE",
    "glo-action-request reply_to_HLS": "glo-action-response",
    "glo-get-request clock": "glo-get-response clock",
    "glo-set-request clock": "glo-set-response",
    "RLRQ": "RLRE",
}
WRITING = ("AARQ", "glo-action-request reply_to_HLS", "glo-set-request clock")
CLOCK = Obis.parse("0-0:1.0.0*255")

Rows = Mapping[str, Any]


@pytest.fixture(scope="module")
def rows(corpora: Path) -> Rows:
    lines = map(json.loads, (corpora / "dlms-vectors.jsonl").read_text().splitlines())
    found = {
        row["name"].removeprefix("KFM session "): row
        for row in lines
        if row["category"] == "session"
    }
    assert len(found) == 2 * len(ANSWERS)
    return found


def octets(rows: Rows, name: str) -> bytes:
    return bytes.fromhex(rows[name]["hex"])


def plain(rows: Rows, name: str) -> bytes:
    return bytes.fromhex(rows[name]["expect"]["plain"])


def title(rows: Rows, name: str) -> bytes:
    return bytes.fromhex(rows[name]["keys"]["system_title"])


def keys(rows: Rows) -> CipherKeys:
    secrets = rows["AARQ"]["keys"]
    return CipherKeys(0, bytes.fromhex(secrets["ek"]), bytes.fromhex(secrets["ak"]))


def challenge(telegram: bytes, tag: int) -> bytes:
    place = telegram.index(bytes((tag, 0x12, 0x80, 0x10))) + 4
    return telegram[place : place + 16]


def content(telegram: bytes) -> bytes:
    """The protected content ends the telegram and stands behind its length octet."""
    for place in range(1, len(telegram)):
        if telegram[place] == 0x30 and telegram[place - 1] == len(telegram) - place:
            return telegram[place:]
    raise AssertionError("no protected content")


def counter(telegram: bytes) -> int:
    return int.from_bytes(content(telegram)[1:5], "big")


class Recorded:
    """A driver whose line is the record: what is sent must be in it, what it answers comes."""

    def __init__(self, layer: Layer[Any, Any, bytes], rows: Rows, requests: tuple[str, ...]):
        self.layer = layer
        self.rows = rows
        self.requests = list(requests)

    async def open(self) -> None:
        self.layer.open(0.0)
        assert isinstance(self._pump(), Opened)

    async def exchange(self, unit: Any) -> Any:
        self.layer.send(unit, 0.0)
        found = self._pump()
        assert isinstance(found, Deliver)
        return found.unit

    async def close(self) -> None:
        self.layer.close(0.0)
        found = self._pump()
        assert isinstance(found, Closed)
        assert found.error is None

    def _pump(self) -> Any:
        """Exchange until something happens for above."""
        while (what := self.layer.event()) is None or type(what).__name__ == "Progress":
            sent = self.layer.transmit(0.0)
            if sent is not None:
                name = self.requests.pop(0)
                assert sent == octets(self.rows, name), name
                self.layer.receive(octets(self.rows, ANSWERS[name]), 0.0)
        return what


def opened(rows: Rows, requests: tuple[str, ...]) -> tuple[Meter, CounterLease]:
    first = octets(rows, "AARQ")
    secrets = rows["AARQ"]["keys"]
    lease = CounterLease(counter(first), 1 << 32)
    security = HighGMAC(
        bytes.fromhex(secrets["ek"]),
        bytes.fromhex(secrets["ak"]),
        system_title=title(rows, "AARQ"),
        lease=lease,
    )
    stack, association = client_stack(
        Endpoint("tcp", "meter"),
        int.from_bytes(first[2:4], "big"),
        int.from_bytes(first[4:6], "big"),
        security,
        entropy=lambda count: challenge(first, 0xAC)[:count],
    )
    association.parameters.conformance = int.from_bytes(plain(rows, "AARQ")[-5:-2], "big")
    meter = run(associate(Recorded(stack, rows, requests), association))
    assert meter.system_title == title(rows, "AARE")
    association._invoke_id = 0  # the recorded client gave every exchange the same number
    return meter, lease


def test_our_client_sends_what_the_meter_was_sent(rows: Rows) -> None:
    meter, _ = opened(rows, READING)
    assert meter.negotiated.max_send == 0x4C8
    assert meter.negotiated.has(Conformance.GET)
    time = run(meter.get(Clock.time, CLOCK))
    assert bytes(time) == plain(rows, "glo-get-response clock")[-12:]
    run(meter.close())
    assert meter._driver.requests == []  # type: ignore[attr-defined]
    assert meter.receive_floor == counter(octets(rows, "glo-get-response clock"))


def test_our_client_writes_what_the_meter_was_sent(rows: Rows) -> None:
    meter, lease = opened(rows, WRITING)
    recorded = counter(octets(rows, "glo-set-request clock"))
    while lease.take() < recorded - 1:
        continue
    value = DateTime(plain(rows, "glo-set-request clock")[-12:])
    run(meter.set(Clock.time, CLOCK, value))
    assert meter._driver.requests == []  # type: ignore[attr-defined]


class RecordedMeter:
    """A logical device with the clock, the keys and the counters of the meter on record."""

    logical_device_name = b"KFM0000000000002"
    server_sap = 1
    sap_assignment = ((1, logical_device_name),)
    objects: Mapping[ObjectKey, ObjectEntry] = {
        (8, CLOCK): ObjectEntry(8, 0, CLOCK, registry.find(8, 0))
    }

    def __init__(self, rows: Rows) -> None:
        self.system_title = title(rows, "AARE")
        self.keys = keys(rows)
        self.lease = CounterLease(counter(octets(rows, "AARE")), 1 << 32)
        self.floor = -1
        self.clock = plain(rows, "glo-get-response clock")[-14:]
        self.incidents: list[object] = []
        agreed = plain(rows, "AARE")
        self.associations = {
            1: AssociationSettings(
                client_sap=1,
                name=Obis.parse("0-0:40.0.1*255"),
                mechanism=5,
                ciphered=True,
                conformance=int.from_bytes(agreed[-7:-4], "big"),
                max_pdu=int.from_bytes(agreed[-4:-2], "big"),
                policy=0x30,
                rights=AccessRights({(8, CLOCK): ObjectRights({2: READ_WRITE})}),
            )
        }

    def credentials(self, client_sap: int) -> Credentials:
        return Credentials(keys=self.keys)

    def counter_lease(self, client_sap: int) -> CounterLease:
        return self.lease

    def receive_floor(self, client_sap: int) -> int:
        return self.floor

    def raise_receive_floor(self, client_sap: int, counter: int) -> None:
        self.floor = max(self.floor, counter)

    key_changes = transaction_offset = 0

    def transaction_floor(self, client_sap: int) -> int:
        return -1

    def raise_transaction_floor(self, client_sap: int, number: int) -> None:
        raise AssertionError("there are no envelopes in the record")

    def incident(self, incident: object, client_sap: int, now: float) -> None:
        self.incidents.append(incident)

    def get(self, entry: ObjectEntry, attribute: int, selection: Any, context: Any) -> bytes:
        return self.clock

    def set(self, entry: ObjectEntry, attribute: int, data: bytes, *_: Any) -> None:
        self.clock = data

    def act(self, *_: Any) -> bytes | None:
        raise AssertionError("nothing on record acts")


@pytest.mark.parametrize("requests", [READING, WRITING], ids=["reading", "writing"])
def test_our_server_answers_what_the_meter_answered(rows: Rows, requests: tuple[str, ...]) -> None:
    device = RecordedMeter(rows)
    stack = server_stack(
        TCP,
        {1: device}.get,  # type: ignore[arg-type]
        entropy=lambda count: challenge(octets(rows, "AARE"), 0xAA)[:count],
        utc=lambda: 0.0,
    )
    stack.open(0.0)
    opener = Opener(device.keys, device.system_title)
    for name in requests:
        stack.receive(octets(rows, name), 0.0)
        answer = stack.transmit(0.0)
        assert isinstance(answer, bytes), name
        recorded = octets(rows, ANSWERS[name])
        assert opener.open(content(answer)).plain == plain(rows, ANSWERS[name]), name
        assert len(answer) == len(recorded), name
        if counter(answer) == counter(recorded):  # the meter spent some in between as well
            assert answer == recorded, name
    assert device.incidents == []
    if "glo-set-request clock" in requests:
        assert device.clock == plain(rows, "glo-set-request clock")[-14:]
        assert axdr.decode(device.clock)[0] == 9
