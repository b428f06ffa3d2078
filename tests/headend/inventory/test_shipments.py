from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Usage
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.crypto.wrap import wrap, wrap_padded
from ferraris.headend import inventory
from ferraris.headend.errors import ConflictError
from ferraris.headend.inventory import (
    Authentication,
    Contact,
    Kind,
    NewMeter,
    State,
    import_shipment,
    key_id,
    transport_key_id,
)
from ferraris.headend.store.changes import newest_change
from ferraris.headend.store.engine import Engine
from ferraris.keys import KeyStore, MemoryKeys
from ferraris.meter.fleet import Fleet
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.templates import template

sys.path.insert(0, str(Path(__file__).parents[2] / "keys"))

from softhsm import PIN, configured, make_token, module

KEK = bytes(range(32))
SECRETS = {
    "encryption_key": bytes(range(16)),
    "authentication_key": bytes(range(16, 32)),
    "master_key": bytes(range(32, 64)),
    "password": b"12345678",
    "hls_secret": b"sixteen octets !" * 2,
}
WRAPPED = {
    kind: (wrap if len(secret) in (16, 32) else wrap_padded)(KEK, secret).hex()
    for kind, secret in SECRETS.items()
}
NOW = 1_780_000_000.0


@pytest.fixture
def keys():
    held = MemoryKeys()
    held.put(transport_key_id("north", "maker 26"), "master_key", KEK)
    held.put(transport_key_id("south", "theirs"), "master_key", KEK)
    return held


@pytest.fixture
def tenant(engine):
    return tenant_in(engine)


def tenant_in(engine):
    with engine.transaction() as connection:
        number = inventory.tenant_number(connection, "north", make=True)
        inventory.create_node(connection, number, "Cell-7", "cell")
        return number


def bring(engine, tenant, keys, content, **options):
    if isinstance(content, str):
        content = content.encode()
    options = {"transport_key": "maker 26", "at_s": NOW, **options}
    with engine.transaction() as connection:
        return import_shipment(connection, tenant, keys, content, **options)


def ids(engine, tenant):
    with engine.reading() as connection:
        return [each.external_id for each in inventory.meters(connection, tenant)]


def get(engine, tenant, name):
    with engine.reading() as connection:
        return inventory.meter(connection, tenant, name)


def told(report):
    return [(each.row, each.column, each.what) for each in report.errors]


COLUMNS = ("external_id", "kind", "behind", "channel", "node", "model", "label.street", *WRAPPED)


def table(*rows, columns=COLUMNS, delimiter=","):
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(row.get(column, "") for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


E1 = {"external_id": "E1", "node": "Cell-7", "model": "FRR-1", "label.street": "Lane", **WRAPPED}
G1 = {"external_id": "G1", "kind": "sub-meter", "behind": "E1", "channel": "2"}


def test_meters_and_keys_come_in_once(engine):
    for form in ("comma", "semicolon", "tab", "json", "list", "bom"):
        held = MemoryKeys()
        held.put(transport_key_id(form, "maker 26"), "master_key", KEK)
        with engine.transaction() as connection:
            number = inventory.tenant_number(connection, form, make=True)
            inventory.create_node(connection, number, "Cell-7", "cell")
        come_in_once(engine, number, held, form)


def come_in_once(engine, tenant, keys, form):
    rows = [G1, E1]
    if form in ("json", "list"):
        objects = [
            {key: value for key, value in row.items() if not key.startswith("label")}
            for row in rows
        ]
        objects[0]["channel"] = 2
        objects[1]["labels"] = {"street": "Lane"}
        content = json.dumps(objects if form == "list" else {"meters": objects})
    else:
        delimiter = {"semicolon": ";", "tab": "\t"}.get(form, ",")
        content = table(*rows, delimiter=delimiter)
    octets = (b"\xef\xbb\xbf" if form == "bom" else b"") + content.encode()
    dry = bring(engine, tenant, keys, octets, dry_run=True)
    assert (dry.rows, dry.new, dry.written) == (2, 2, False)
    assert ids(engine, tenant) == []
    assert len(keys.entries()) == 1
    report = bring(engine, tenant, keys, octets, by="anna")
    assert (report.rows, report.new, report.keys, report.written) == (2, 2, 5, True)
    assert report.counted == ("meter" if form in ("json", "list") else "line")
    found = get(engine, tenant, "E1")
    assert (found.model, found.labels, found.state) == ("FRR-1", {"street": "Lane"}, State.KNOWN)
    sub = get(engine, tenant, "G1")
    assert (sub.behind, sub.channel, sub.node) == ("E1", 2, "Cell-7")
    for kind, secret in SECRETS.items():
        assert keys.get(key_id(form, "E1"), kind) == secret
    with engine.reading() as connection:
        before = newest_change(connection)
        life = inventory.life_of(connection, found.number)
        assert [(each.after, each.reason, each.by) for each in life] == [
            ("known", "delivered", "anna")
        ]
    again = bring(engine, tenant, keys, octets)
    assert (again.unchanged, again.new, again.changed, again.keys) == (2, 0, 0, 0)
    assert get(engine, tenant, "E1") == found
    with engine.reading() as connection:
        assert newest_change(connection) == before


def test_every_column_reaches_its_field(engine, tenant, keys):
    row = {
        "external_id": "E1",
        "kind": "gateway",
        "node": "Cell-7",
        "logical_device_name": "FRR0000000000001",
        "serial_number": "0001",
        "maker": "FRR",
        "model": "M",
        "system_title": "46:52:52:00:00:00:00:01",
        "medium": "heat",
        "zone": "Europe/Berlin",
        "address": "tcp://192.0.2.1:4059",
        "contact": "sleepy",
        "client": "2",
        "server": "17",
        "authentication": "password",
        "companion": "smr-5.2",
        "template": "T",
        "firmware": "1.2",
        "configuration": "c",
        "label.a": "x",
        "label.b": "",
        "plain_password": "secret word",
        "transport_key": "",
    }
    columns = tuple(row)
    report = bring(engine, tenant, keys, table(row, columns=columns), plain_keys=True)
    assert report.errors == ()
    found = get(engine, tenant, "E1")
    assert found.delivered is not None
    assert replace(found, delivered=None, number=0, created_s=0, changed_s=0) == inventory.Meter(
        external_id="E1",
        kind=Kind.GATEWAY,
        node="Cell-7",
        logical_device_name="FRR0000000000001",
        serial_number="0001",
        maker="FRR",
        model="M",
        system_title=b"FRR\0\0\0\0\1",
        medium="heat",
        zone="Europe/Berlin",
        address="tcp://192.0.2.1:4059",
        contact=Contact.SLEEPY,
        client=2,
        server=17,
        authentication="password",
        companion="smr-5.2",
        template="T",
        firmware="1.2",
        configuration="c",
        labels={"a": "x"},
        number=0,
    )
    assert keys.get(key_id("north", "E1"), "password") == b"secret word"


def test_a_row_that_differs_is_named_unless_told_to_update(engine, tenant, keys):
    bring(engine, tenant, keys, table(E1, G1))
    other = E1 | {"model": "FRR-2", "label.street": "Road", "node": ""}
    report = bring(engine, tenant, keys, table(other, G1))
    assert told(report) == [(2, "labels", "E1 exists and differs in labels, model, node")]
    assert report.errors[0].remedy == "update takes the file's word for it"
    assert not report.written
    assert get(engine, tenant, "E1").model == "FRR-1"
    report = bring(engine, tenant, keys, table(other, G1), update=True)
    assert (report.changed, report.unchanged, report.keys) == (1, 1, 0)
    found = get(engine, tenant, "E1")
    assert (found.model, found.labels, found.node) == ("FRR-2", {"street": "Road"}, None)
    assert get(engine, tenant, "G1").node is None
    assert bring(engine, tenant, keys, table(other, G1)).unchanged == 2
    # What an operator changed since is not what the maker delivers again.
    with engine.transaction() as connection:
        inventory.change(connection, tenant, "E1", {"model": "FRR-3"}, at_s=NOW)
    assert bring(engine, tenant, keys, table(other, G1), update=True).unchanged == 2
    assert get(engine, tenant, "E1").model == "FRR-3"
    report = bring(engine, tenant, keys, table(G1 | {"kind": "meter", "channel": "", "behind": ""}))
    assert "differs in behind, channel, kind" in report.problem


def test_keys_in_use_are_not_replaced(engine, tenant, keys):
    bring(engine, tenant, keys, table(E1))
    fresh = {"master_key": wrap(KEK, bytes(16)).hex()}
    changed = table(E1 | fresh)
    assert told(bring(engine, tenant, keys, changed)) == [
        (2, "master_key", "E1 exists and differs in master_key")
    ]
    report = bring(engine, tenant, keys, changed, update=True)
    assert (report.changed, report.keys) == (1, 1)
    assert keys.get(key_id("north", "E1"), "master_key") == bytes(16)
    with engine.transaction() as connection:
        number = inventory.meter_number(connection, tenant, "E1")
        inventory.move(connection, number, "installed", reason="", by="", at_s=NOW)
    keys.put(key_id("north", "E1"), "encryption_key", bytes(16))  # renewed since
    report = bring(engine, tenant, keys, changed, update=True)
    assert (report.unchanged, report.kept) == (1, 1)
    report = bring(engine, tenant, keys, table(E1), update=True)
    assert told(report) == [(2, "encryption_key", "E1 is installed and its secrets are in use")]
    assert keys.get(key_id("north", "E1"), "encryption_key") == bytes(16)


def test_a_meter_that_was_enrolled_otherwise_gets_its_keys_by_update(engine, tenant, keys):
    with engine.transaction() as connection:
        inventory.enrol(connection, tenant, [NewMeter(external_id="E1")], at_s=NOW)
    assert "differs in labels, model, node, encryption_key" in (
        bring(engine, tenant, keys, table(E1)).problem
    )
    assert bring(engine, tenant, keys, table(E1), update=True).keys == 5
    assert keys.get(key_id("north", "E1"), "password") == b"12345678"


PLAIN = SECRETS["encryption_key"].hex()
WRONG_WRAP = wrap(bytes(16), SECRETS["encryption_key"]).hex()
SHORT = wrap_padded(KEK, bytes(10)).hex()
WRONG = [
    ({"node": "Gone"}, "node", "no node 'Gone'"),
    ({"model": "x" * 201}, "model", "at most 200"),
    ({"model": "a\x07"}, "model", "printable"),
    ({"kind": "thing"}, "kind", "one of meter, gateway, sub-meter"),
    ({"kind": "sub-meter", "node": ""}, "behind", "a sub-meter is behind"),
    ({"behind": "E1", "node": ""}, "behind", "a meter is not behind a meter"),
    ({"behind": "THEIRS", "node": ""}, "behind", "no meter 'THEIRS'"),
    ({"behind": "NEW", "node": ""}, "behind", "itself"),
    ({**G1, "external_id": "NEW", "node": "", "channel": "2"}, "channel", "2 of E1 is taken by G1"),
    ({**G1, "external_id": "NEW", "node": "", "channel": "x"}, "channel", "a whole number"),
    ({"external_id": ""}, "external_id", "printable"),
    ({"external_id": "a/b"}, "external_id", "slash"),
    ({"encryption_key": PLAIN}, "encryption_key", "16 octets are a key that is not wrapped"),
    ({"encryption_key": "zz"}, "encryption_key", "not hexadecimal"),
    ({"encryption_key": WRONG_WRAP}, "encryption_key", "does not unwrap under the transport key"),
    ({"encryption_key": SHORT}, "encryption_key", "16 or 32 octets, not 10"),
    ({"encryption_key": ""}, "encryption_key", "is missing"),
    ({"hls_secret": wrap_padded(KEK, bytes(65)).hex()}, "hls_secret", "1 to 64 octets"),
]


def test_each_row_says_what_is_wrong_and_nothing_is_half_imported(engine, tenant, keys):
    with engine.transaction() as connection:
        other = inventory.tenant_number(connection, "south", make=True)
        inventory.enrol(connection, other, [NewMeter(external_id="THEIRS")], at_s=NOW)
    bring(engine, tenant, keys, table(E1, G1))
    good = {**E1, "external_id": "GOOD"}
    bad = [
        {**E1, "external_id": f"NEW{place}", **fields} for place, (fields, *_) in enumerate(WRONG)
    ]
    for row, (fields, *_) in zip(bad, WRONG, strict=True):
        row["external_id"] = fields.get("external_id", row["external_id"])
        row["behind"] = row["external_id"] if row.get("behind") == "NEW" else row.get("behind", "")
    report = bring(engine, tenant, keys, table(good, *bad))
    assert len(report.errors) == report.error_count == len(WRONG)
    found = sorted(report.errors, key=lambda each: each.row)
    for place, (error, (_, column, message)) in enumerate(zip(found, WRONG, strict=True)):
        assert (error.row, error.column) == (place + 3, column), error
        assert message in error.what, error
    assert ids(engine, tenant) == ["E1", "G1"]
    assert [each.id for each in keys.entries() if "GOOD" in each.id] == []
    for secret in (*SECRETS.values(), *map(bytes.fromhex, WRAPPED.values())):
        assert secret.hex() not in repr(report)
        assert repr(secret) not in repr(report)


def test_duplicates_within_the_file_and_against_the_inventory(engine, tenant, keys):
    columns = ("external_id", "maker", "serial_number", "system_title")
    first = dict(zip(columns, ("A", "FRR", "1", "46525200000000FF"), strict=True))
    second = dict(zip(columns, ("B", "FRR", "2", "46525200000000FE"), strict=True))
    rows = [first, second, second, first | {"external_id": "C"}]
    report = bring(engine, tenant, keys, table(*rows, columns=columns))
    assert sorted(told(report)) == [
        (4, "external_id", "the same as in line 3"),
        (4, "serial_number", "the same as in line 3"),
        (4, "system_title", "the same as in line 3"),
        (5, "serial_number", "the same as in line 2"),
        (5, "system_title", "the same as in line 2"),
    ]
    assert bring(engine, tenant, keys, table(first, second, columns=columns)).written
    report = bring(engine, tenant, keys, table(first | {"external_id": "C"}, columns=columns))
    assert sorted(told(report)) == [
        (2, "serial_number", "belongs to A"),
        (2, "system_title", "belongs to A"),
    ]


def test_the_wrong_transport_key_is_one_error_first(engine, tenant, keys):
    keys.put(transport_key_id("north", "other"), "master_key", bytes(16))
    keys.put(transport_key_id("north", "odd"), "master_key", bytes(5))
    rows = [{**E1, "external_id": f"E{n}"} for n in range(50)]
    report = bring(engine, tenant, keys, table(*rows), transport_key="other")
    assert (report.errors[0].row, report.errors[0].what) == (0, "none of 250 secrets unwraps")
    assert (len(report.errors), report.error_count) == (100, 251)
    assert "246 more errors" in report.problem
    for name in ("gone", "theirs", "odd", "a/b"):  # of another tenant: as if it were not there
        report = bring(engine, tenant, keys, table(E1), transport_key=name)
        assert report.errors[0].what == f"there is no transport key {name!r}"
    report = bring(engine, tenant, keys, table(E1), transport_key="")
    assert "no transport key is named" in report.problem
    named = table({**E1, "transport_key": "maker 26"}, columns=(*COLUMNS, "transport_key"))
    assert bring(engine, tenant, keys, named, transport_key="").written


def test_plain_keys_only_when_allowed(engine, tenant, keys):
    columns = ("external_id", "plain_encryption_key", "plain_authentication_key")
    content = table(dict(zip(columns, ("E1", PLAIN, PLAIN), strict=True)), columns=columns)
    report = bring(engine, tenant, keys, content)
    assert [each.what for each in report.errors] == ["is not wrapped"] * 2
    assert bring(engine, tenant, keys, content, plain_keys=True).keys == 2
    assert bring(engine, tenant, keys, content, plain_keys=True).unchanged == 1


GARBAGE = [
    (b"", "the file is empty"),
    (b"\n\n", "the file is empty"),
    (b"\xff\xfee\0x\0t\0", "UTF-16"),
    ("external_id,model\nE1,Stra\xdfe\n".encode("latin-1"), "line 2, not UTF-8 at octet 8"),
    (b"model\nx\n", "external_id: the column is missing"),
    (b"external_id,modell\nE1,x\n", "line 1, modell: there is no such column (model is meant?)"),
    (b"external_id,model,model\nE1,x,y\n", "the column comes twice"),
    (b"external_id,model\nE1\n", "line 2, 1 cells, but 2 columns"),
    (b'external_id,model\nE1,"x\nE2,y\n', "line 2, quotes are broken"),
    (b'external_id,model\nE1,"x"y"\n', "line 2, quotes are broken"),
    (b"external_id,model\nE1,a\0b\n", "control characters"),
    (b"external_id,model\nE1,a\rb\n", "control characters"),
    (b"external_id\n" + b"x" * 70_000 + b"\nE2\n", "line 2, longer than 65536 octets"),
    (b"x" * 70_000, "line 1, longer than 65536 octets"),
    (b",".join(b"c%d" % n for n in range(5000)), "external_id: the column is missing"),
    (b"external_id," + b",".join(b"c%d" % n for n in range(5000)), "more errors"),
    (b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"),
    (b"PK\x03\x04\x14\0\0\0", "control characters"),
    (b"{", "no JSON"),
    (b'{"meters": 1}', "neither a list of meters nor an object"),
    (b'{"meters": [], "x": 1}', "neither a list"),
    (b"[1]", "meter 1, a meter is an object"),
    (b'[{"external_id": "E1"}, {"model": "x"}]', "meter 2, external_id: is missing"),
    (b'[{"external_id": "E1", "external_id": "E2"}]', "external_id: the name comes twice"),
    (b'[{"external_id": "E1", "labels": []}]', "labels: an object"),
    (b'[{"external_id": "E1", "model": 1.5}]', "model: a text or a whole number"),
    (b'[{"external_id": "E1", "client": true}]', "client: a text or a whole number"),
    (b'[{"external_id": "\\ud800"}]', "printable"),
    (b'[{"external_id": NaN}]', "a text or a whole number"),
    (b"[" * 100_000, "no JSON"),
    (b"[" + b"1" * 100_000 + b"]", "no JSON"),
    (b'[{"external_id": "E1\xff"}]', "not UTF-8 at octet 21"),
]


def test_garbage_is_told_and_changes_nothing(engine, tenant, keys):
    for content, message in GARBAGE:
        report = bring(engine, tenant, keys, content)
        assert message in report.problem, (content[:40], report.problem)
        assert len(report.problem) < 2000
        assert not report.written
    assert ids(engine, tenant) == []


class Endless(io.RawIOBase):
    """A hundred megabytes on one line, made while they are read."""

    def __init__(self, head):
        self._head, self._left, self.most = head, 100 << 20, 0

    def readline(self, size=-1):
        assert 0 < size < 1 << 20  # never without a bound
        if self._head:
            head, self._head = self._head, b""
            return head
        return self.read(size)

    def read(self, size=-1):
        given = b"x" * min(size, self._left)
        self._left -= len(given)
        return given


@pytest.mark.parametrize("head", [b"external_id\n", b"", b"[\n"])
def test_a_line_of_a_hundred_megabytes_is_bounded(head):
    from ferraris.headend.inventory.shipment_columns import COLUMNS as KNOWN
    from ferraris.headend.inventory.shipment_file import read_rows
    from ferraris.headend.inventory.shipment_report import Findings

    findings = Findings()
    assert read_rows(Endless(head), KNOWN, findings) == []
    assert findings.count == 1


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cells=st.lists(
        st.dictionaries(
            st.sampled_from([*COLUMNS, "system_title", "client", "zone"]),
            st.sampled_from(["", "E1", "E2", "x" * 300, "1", "meter", *WRAPPED.values()])
            | st.text(max_size=5),
            min_size=1,
        ).map(lambda row: {"external_id": "E1", **row}),
        max_size=4,
    ),
    flip=st.none() | st.tuples(st.integers(0, 4000), st.integers(0, 255)),
)
def test_whatever_the_cells_it_is_all_or_nothing(engine, tenant, cells, flip):
    """Whatever the cells: a report, never another error; written means that all of it is there."""
    held = MemoryKeys()
    held.put(transport_key_id("north", "maker 26"), "master_key", KEK)
    octets = bytearray(json.dumps(cells).encode())
    if flip is not None:
        octets[flip[0] % len(octets)] = flip[1]
    with engine.transaction() as connection:
        report = import_shipment(
            connection, tenant, held, bytes(octets), at_s=NOW, transport_key="maker 26"
        )
        count = inventory.count(connection, tenant)
        assert count == (report.new if report.written else 0)
        assert len(held.entries()) == 1 + (report.keys if report.written else 0)
        assert report.written == (not report.errors)
        connection.rollback()


def crashing(location, store, tenant, content, point):
    """Import in a process that is killed at a point; True when it lived to the end."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    try:
        engine = Engine(location)
        seen = [0]

        def pass_by(*_):
            if seen[0] == point:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1

        with engine.transaction() as connection:
            event.listen(engine.sqlalchemy, "before_cursor_execute", pass_by)
            event.listen(engine.sqlalchemy, "commit", pass_by)
            put_many = store.put_many

            def put(secrets):
                pass_by()
                put_many(secrets)
                pass_by()

            store.put_many = put
            import_shipment(connection, tenant, store, content, at_s=NOW, transport_key="maker 26")
        pass_by()
        os._exit(0)
    finally:
        os._exit(1)


def test_killed_at_any_step_it_is_all_or_nothing_and_can_be_imported_again(
    location, engine, tenant, tmp_path
):
    content = table(G1, E1, {**E1, "external_id": "E2"}).encode()
    lived, point, outcomes = False, 0, []
    with KeyStore.create(tmp_path / "keys.sqlite", "phrase", cost=2) as store:
        while not lived:
            name = f"t{point}"
            with engine.transaction() as connection:
                own = inventory.tenant_number(connection, name, make=True)
                inventory.create_node(connection, own, "Cell-7", "cell")
            store.put(transport_key_id(name, "maker 26"), "master_key", KEK)
            lived = crashing(location, store, own, content, point)
            there = ids(engine, own)
            held = [each for each in store.entries() if each.id.startswith(f"{name}/E")]
            assert there in ([], ["E1", "E2", "G1"])
            if there:
                assert len(held) == 10  # never a meter without its keys
            outcomes.append((bool(there), bool(held)))
            report = bring(engine, own, store, content)
            assert (report.new, report.unchanged) == ((0, 3) if there else (3, 0)), report
            assert ids(engine, own) == ["E1", "E2", "G1"]
            for kind, secret in SECRETS.items():
                assert store.get(key_id(name, "E2"), kind) == secret
            point += 1
    assert point > 8
    assert (False, False) in outcomes
    assert (False, True) in outcomes  # killed between the key store and the commit
    assert (True, True) in outcomes


def test_the_same_file_twice_at_once_comes_in_once(engine, tenant, keys):
    content = table(G1, *({**E1, "external_id": f"E{n}"} for n in range(1, 40)))
    outcomes, barrier = [], threading.Barrier(3)

    def run():
        barrier.wait()
        try:
            report = bring(engine, tenant, keys, content)
        except ConflictError:
            outcomes.append("too late")
        else:
            outcomes.append((report.new, report.unchanged, report.error_count))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count((40, 0, 0)) == 1
    assert all(each in ("too late", (40, 0, 0), (0, 40, 0)) for each in outcomes), outcomes
    assert len(ids(engine, tenant)) == 40
    assert keys.get(key_id("north", "E39"), "password") == b"12345678"


def test_a_store_that_fails_leaves_the_inventory_alone(engine, tenant, keys):
    class Full(MemoryKeys):
        def put_many(self, secrets):
            raise UsageError("key store full: cannot be used")

    held = Full()
    MemoryKeys.put_many(held, [(transport_key_id("north", "maker 26"), "master_key", KEK)])
    with pytest.raises(UsageError, match="key store full"):
        bring(engine, tenant, held, table(E1))
    assert ids(engine, tenant) == []
    assert bring(engine, tenant, keys, table(E1)).written


def test_what_a_fleet_of_simulated_meters_ships(engine, tenant, keys):
    fleet = Fleet(template("residential"), 600, seed=3)
    lines = (fleet.line(place, "tcp://192.0.2.1:4059") for place in range(600))
    content = "".join(shipment_lines(fleet, lines, KEK, model="FRR-1", node="Cell-7"))
    steps = []
    report = bring(engine, tenant, keys, content, progress=lambda *step: steps.append(step))
    assert (report.new, report.keys, report.error_count) == (600, 2400, 0)
    assert steps == [
        ("check", 0, 600),
        ("check", 500, 600),
        ("check", 600, 600),
        ("write", 0, 600),
        ("write", 600, 600),
    ]
    line = fleet.line(599, "")
    found = get(engine, tenant, line["id"])
    assert (found.system_title.hex(), found.server) == (line["system_title"], line["server"])
    key = keys.get(key_id("north", line["id"]), "encryption_key")
    assert key.hex() == line["encryption_key"]
    master = keys.get(key_id("north", line["id"]), "master_key")
    assert master == fleet[599].pairs.master_key


def signing(count=1, of_suite=1, **changes):
    """A shipment of meters with certificates, as columns and rows, and the fleet."""
    fleet = Fleet(template("residential", suite=of_suite), count)
    lines = [fleet.line(place, "tcp://192.0.2.1:4059") for place in range(count)]
    rows = list(csv.DictReader(shipment_lines(fleet, lines, KEK)))
    rows[0] |= {column: changes[column] for column in changes}
    return fleet, table(*rows, columns=tuple(rows[0]))


@pytest.mark.parametrize("suite", [1, 2])
def test_certificates_come_in_with_the_meters(sqlite_engine, keys, suite):
    tenant = tenant_in(sqlite_engine)
    fleet, content = signing(2, suite)
    keys.put_certificate(fleet.authority.root, trusted=True)
    report = bring(sqlite_engine, tenant, keys, content)
    assert (report.new, report.errors) == (2, ())
    meter = get(sqlite_engine, tenant, fleet.line(1, "")["id"])
    assert (meter.suite, meter.authentication) == (suite, Authentication.ECDSA)
    for usage in (Usage.SIGNING, Usage.KEY_AGREEMENT):
        assert keys.certificate(meter.system_title, usage) == fleet.certificate(1, usage)
    again = bring(sqlite_engine, tenant, keys, content)
    assert (again.unchanged, again.changed) == (2, 0)


def test_a_certificate_that_is_another_one_is_a_change(sqlite_engine, keys):
    tenant = tenant_in(sqlite_engine)
    fleet, content = signing()
    keys.put_certificate(fleet.authority.root, trusted=True)
    bring(sqlite_engine, tenant, keys, content)
    key = PrivateKey.generate(Curve.P256, lambda octets: b"\x07" * octets)
    renewed = fleet.authority.issue(key.public_key, fleet.system_title(0), Usage.SIGNING)
    _, other = signing(signing_certificate=b64encode(renewed.der).decode())
    refused = bring(sqlite_engine, tenant, keys, other)
    assert [(column, "differs in" in what) for _, column, what in told(refused)] == [
        ("signing_certificate", True)
    ]
    assert bring(sqlite_engine, tenant, keys, other, update=True).changed == 1
    assert keys.certificate(fleet.system_title(0), Usage.SIGNING) == renewed


def test_certificates_that_do_not_hold_refuse_the_file_and_say_what_helps(sqlite_engine, keys):
    tenant = tenant_in(sqlite_engine)
    fleet, content = signing()
    untrusted = bring(sqlite_engine, tenant, keys, content)
    assert {each.column for each in untrusted.errors} == {
        "signing_certificate",
        "agreement_certificate",
    }
    assert all("trust the root" in each.remedy for each in untrusted.errors)
    keys.put_certificate(fleet.authority.root, trusted=True)
    cases = {
        "another's": {"signing_certificate": fleet.line(0, "")["agreement_certificate"]},
        "of another meter": {
            "signing_certificate": Fleet(fleet.template, 2).certificate(1, Usage.SIGNING).der.hex()
        },
        "no certificate": {"signing_certificate": "00" * 40},
        "not hexadecimal": {"signing_certificate": "what?"},
        "of suite 0": {"suite": "0", "authentication": "gmac"},
        "without a title": {"system_title": ""},
        "of another curve": {"suite": "2", "encryption_key": "", "authentication_key": ""},
    }
    for case, changes in cases.items():
        report = bring(sqlite_engine, tenant, keys, signing(**changes)[1])
        assert report.errors, case
        assert any(each.remedy for each in report.errors), case
        assert not report.written
    assert ids(sqlite_engine, tenant) == []


@pytest.mark.parametrize(
    ("changes", "column", "what"),
    [
        ({"authentication": "ecdsa"}, "suite", "ecdsa signs"),
        ({"authentication": "hls"}, "authentication", "one of none, password, md5"),
        ({"suite": "3"}, "suite", "0, 1 or 2"),
        ({"suite": "2"}, "authentication_key", "a key of suite 2 has 32 octets, not 16"),
        ({"ciphering": "one-pass"}, "suite", "one-pass needs key pairs"),
        ({"ciphering": "signed"}, "ciphering", "one of none, service"),
        ({"first_authentication": "password"}, "first_client", "goes with"),
        ({"first_authentication": "gmac", "first_client": "2"}, "first_authentication", "one of"),
        (
            {"first_authentication": "none", "first_client": "2", "authentication": "password"},
            "first_authentication",
            "its own way is gmac or ecdsa",
        ),
    ],
)
def test_ways_that_cannot_be_are_refused_by_column(sqlite_engine, keys, changes, column, what):
    tenant = tenant_in(sqlite_engine)
    row = E1 | {"suite": "", "authentication": ""} | changes
    report = bring(sqlite_engine, tenant, keys, table(row, columns=tuple(row)))
    assert any(each.column == column and what in each.what for each in report.errors), report


def test_a_meter_that_comes_with_a_password_says_so(sqlite_engine, keys):
    tenant = tenant_in(sqlite_engine)
    row = {"external_id": "E1", "first_authentication": "password", "first_client": "2"}
    row |= {kind: WRAPPED[kind] for kind in ("master_key", "password")}
    assert bring(sqlite_engine, tenant, keys, table(row, columns=tuple(row))).written
    found = get(sqlite_engine, tenant, "E1")
    assert (found.first_authentication, found.first_client) == ("password", 2)
    with sqlite_engine.transaction() as connection:
        changed = inventory.change(connection, tenant, "E1", {"first_authentication": ""}, at_s=NOW)
    assert (changed.first_authentication, changed.first_client) == ("", None)


@pytest.mark.services
def test_a_transport_key_stays_in_its_token(tmp_path):
    library = module()
    environment = configured(tmp_path)
    make_token(environment, "ferraris")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("one_token.py")), library, PIN, tmp_path],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "2 meters, 8 keys; another key: none of 8 secrets unwraps\n", done.stderr
