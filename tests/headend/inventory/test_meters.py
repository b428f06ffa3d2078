from __future__ import annotations

import pytest
from sqlalchemy import insert

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory import Contact, Kind, NewMeter, State
from ferraris.headend.store.changes import changes_after
from ferraris.headend.store.tables.inventory import TENANT

NOW = 1_780_000_000.5


@pytest.fixture
def tenant(engine):
    with engine.transaction() as connection:
        return inventory.tenant_number(connection, "north", make=True)


def enrol(engine, tenant, *meters):
    with engine.transaction() as connection:
        return inventory.enrol(connection, tenant, meters, at_s=NOW)


def change(engine, tenant, name, version=None, **changes):
    with engine.transaction() as connection:
        return inventory.change(connection, tenant, name, changes, at_s=NOW + 60, version=version)


def get(engine, tenant, name):
    with engine.reading() as connection:
        return inventory.meter(connection, tenant, name)


def test_a_tenant_is_made_once_with_its_groups(engine):
    with engine.transaction() as connection:
        number = inventory.tenant_number(connection, "north", make=True)
        assert inventory.tenant_number(connection, "north", make=True) == number
        assert inventory.tenant_name(connection, number) == "north"
        assert [each.name for each in inventory.groups(connection, number)] == ["active", "all"]
        connection.execute(insert(TENANT).values(name="bare"))
        bare = inventory.tenant_number(connection, "bare", make=True)  # one without groups
        assert len(inventory.groups(connection, bare)) == 2
        with pytest.raises(NotFoundError, match="no tenant 'south'"):
            inventory.tenant_number(connection, "south")
        for wrong in ("", "a/b", " a", "a\n", "x" * 51):
            with pytest.raises(UsageError):
                inventory.tenant_number(connection, wrong, make=True)


def test_what_was_enrolled_is_read_back(engine, tenant):
    with engine.transaction() as connection:
        inventory.create_node(connection, tenant, "Cell-7", "cell")
    host = NewMeter(
        external_id="E1",
        node="Cell-7",
        system_title=b"FRR\0\0\0\0\1",
        logical_device_name="FRR0000000000001",
        serial_number="0001",
        maker="FRR",
        model="FRR-1",
        zone="Europe/Berlin",
        address="tcp://192.0.2.1:4059",
        contact=Contact.SLEEPY,
        server=17,
        labels={"street": "Main Street", "floor": ""},
    )
    gas = NewMeter(external_id="G1", kind=Kind.SUB_METER, behind="E1", channel=2, medium="gas")
    rows = enrol(engine, tenant, gas, host)
    found = get(engine, tenant, "E1")
    for name in NewMeter.__dataclass_fields__:
        assert getattr(found, name) == getattr(host, name), name
    assert (found.state, found.version, found.created_s) == (State.KNOWN, 1, int(NOW))
    sub = get(engine, tenant, "G1")
    assert (sub.behind, sub.channel, sub.node) == ("E1", 2, "Cell-7")  # at its host's node
    with engine.reading() as connection:
        assert inventory.numbers_of(connection, tenant, ["E1", "G1", "X"]) == rows
        assert inventory.external_ids_of(connection, rows.values()) == {
            rows["E1"]: "E1",
            rows["G1"]: "G1",
        }
        told = changes_after(connection, tenant, 0)
    assert [(each.kind, each.subject) for each in told] == [("meter", "G1"), ("meter", "E1")]


WRONG = [
    ({"external_id": ""}, "external_id"),
    ({"external_id": "a/b"}, "slash"),
    ({"zone": "Mars/Olympus"}, "zone: no such"),
    ({"zone": "../etc/passwd"}, "zone"),
    ({"address": "gopher://x"}, "address.*gopher"),
    ({"address": "tcp://user:secret@x"}, "address.*no user"),
    ({"system_title": b"1234567"}, "8 octets"),
    ({"medium": "beer"}, "medium.*one of"),
    ({"client": 65536}, "client"),
    ({"server": True}, "server"),
    ({"labels": {"1a": "x"}}, "labels.*letter"),
    ({"labels": {"a": "x\x00"}}, "labels"),
    ({"kind": "sub-meter"}, "behind: a sub-meter"),
    ({"kind": "sub-meter", "behind": "HOST"}, "channel"),
    ({"kind": "sub-meter", "behind": "HOST", "channel": 0}, "from 1"),
    ({"kind": "gateway", "behind": "HOST"}, "behind nothing"),
    ({"behind": "HOST"}, "not behind a meter"),
    ({"behind": "NEW"}, "itself"),
    ({"behind": "GONE"}, "no meter 'GONE'"),
    ({"channel": 1}, "no host"),
    ({"node": "Nowhere"}, "no node Nowhere"),
    ({"kind": "sub-meter", "behind": "HOST", "channel": 1, "node": "x"}, "node of the host"),
    ({"kind": "sub-meter", "behind": "OURS", "channel": 1}, "no meter 'OURS'"),
]


def test_what_cannot_be_is_refused_and_nothing_is_written(engine, tenant):
    with engine.transaction() as connection:
        other = inventory.tenant_number(connection, "south", make=True)
        inventory.enrol(connection, other, [NewMeter(external_id="OURS")], at_s=NOW)
        inventory.enrol(connection, tenant, [NewMeter(external_id="HOST")], at_s=NOW)
    for fields, message in WRONG:
        wrong = NewMeter(**{"external_id": "NEW", **fields})
        with pytest.raises(UsageError, match=message):
            enrol(engine, tenant, NewMeter(external_id="GOOD"), wrong)
    with engine.reading() as connection:
        assert [each.external_id for each in inventory.meters(connection, tenant)] == ["HOST"]


def test_an_id_is_there_once(engine, tenant):
    enrol(engine, tenant, NewMeter(external_id="E1"))
    with pytest.raises(ConflictError, match="exist already: E1"):
        enrol(engine, tenant, NewMeter(external_id="E2"), NewMeter(external_id="E1"))
    with pytest.raises(ConflictError, match="twice: E3"):
        enrol(engine, tenant, NewMeter(external_id="E3"), NewMeter(external_id="E3"))
    with engine.transaction() as connection:
        other = inventory.tenant_number(connection, "south", make=True)
    enrol(engine, other, NewMeter(external_id="E1", model="theirs"))
    assert get(engine, tenant, "E1").model == ""
    with pytest.raises(NotFoundError):
        get(engine, other, "E2")


def test_a_system_title_belongs_to_one_meter_that_lives(engine, tenant):
    title = b"FRR\0\0\0\0\1"
    rows = enrol(engine, tenant, NewMeter(external_id="E1", system_title=title))
    enrol(engine, tenant, NewMeter(external_id="E2"), NewMeter(external_id="E3"))
    with pytest.raises(ConflictError, match="title of E4 is that of E1"):
        enrol(engine, tenant, NewMeter(external_id="E4", system_title=title))
    with pytest.raises(ConflictError, match="belongs to E1"):
        change(engine, tenant, "E2", system_title=title)
    twins = [NewMeter(external_id=name, system_title=b"TWIN\0\0\0\1") for name in ("A", "B")]
    with pytest.raises(ConflictError, match="two of these"):
        enrol(engine, tenant, *twins)
    with engine.transaction() as connection:
        inventory.move(connection, rows["E1"], "retired", reason="", by="", at_s=NOW)
    assert change(engine, tenant, "E2", system_title=title).system_title == title
    assert change(engine, tenant, "E2", model="x").version == 3


def test_a_channel_has_one_meter_until_that_retires(engine, tenant):
    sub = {"kind": Kind.SUB_METER, "behind": "E1", "channel": 1}
    rows = enrol(engine, tenant, NewMeter(external_id="E1"), NewMeter(external_id="G1", **sub))
    with pytest.raises(ConflictError, match="channel: 1 of E1 is taken by G1"):
        enrol(engine, tenant, NewMeter(external_id="G2", **sub))
    with pytest.raises(ConflictError, match="G1 still stand behind"), engine.transaction() as c:
        inventory.move(c, rows["E1"], "retired", reason="", by="", at_s=NOW)
    with engine.transaction() as connection:
        inventory.move(connection, rows["G1"], "retired", reason="", by="", at_s=NOW)
    enrol(engine, tenant, NewMeter(external_id="G2", **sub))
    with engine.transaction() as connection:
        both = inventory.numbers_of(connection, tenant, ["G2", "E1"])
        inventory.move_many(
            connection, tenant, both.values(), "retired", reason="", by="", at_s=NOW
        )
    with pytest.raises(UsageError, match="E1 is retired"):
        enrol(engine, tenant, NewMeter(external_id="G3", **sub))


def test_a_change_fits_the_version_that_was_seen(engine, tenant):
    enrol(engine, tenant, NewMeter(external_id="E1", labels={"a": "1"}))
    changed = change(engine, tenant, "E1", 1, model="FRR-2", labels={"b": "2"})
    assert (changed.version, changed.model, changed.labels) == (2, "FRR-2", {"b": "2"})
    assert changed.changed_s == int(NOW) + 60
    with pytest.raises(ConflictError, match="version 2, not 1"):
        change(engine, tenant, "E1", 1, model="FRR-3")
    assert change(engine, tenant, "E1", 2, model="FRR-2").version == 2  # nothing new
    with pytest.raises(UsageError, match="state cannot be changed"):
        change(engine, tenant, "E1", state="active")
    with pytest.raises(UsageError, match="zone"):
        change(engine, tenant, "E1", zone="nowhere")
    with pytest.raises(NotFoundError):
        change(engine, tenant, "E2", model="x")
    assert get(engine, tenant, "E1").version == 2


def test_what_is_behind_a_host_goes_with_it(engine, tenant):
    with engine.transaction() as connection:
        for name in ("A", "B"):
            inventory.create_node(connection, tenant, name, "cell")
    enrol(
        engine,
        tenant,
        NewMeter(external_id="GW", kind=Kind.GATEWAY, node="A"),
        NewMeter(external_id="E1", behind="GW"),
        NewMeter(external_id="E2", node="B"),
        NewMeter(external_id="G1", kind=Kind.SUB_METER, behind="E1", channel=1),
    )
    nodes = lambda: [get(engine, tenant, name).node for name in ("GW", "E1", "G1", "E2")]  # noqa: E731
    assert nodes() == ["A", "A", "A", "B"]
    change(engine, tenant, "GW", node="B")
    assert nodes() == ["B", "B", "B", "B"]
    with pytest.raises(UsageError, match="node of the host"):
        change(engine, tenant, "E1", node="A")
    change(engine, tenant, "E1", behind=None)
    change(engine, tenant, "E1", node="A")
    assert nodes() == ["B", "A", "A", "B"]
    moved = change(engine, tenant, "G1", behind="E2", channel=3)
    assert (moved.behind, moved.channel, moved.node) == ("E2", 3, "B")
    with pytest.raises(UsageError, match="a sub-meter is behind"):
        change(engine, tenant, "G1", behind=None)
    with engine.transaction() as connection:
        rows = inventory.numbers_of(connection, tenant, ["GW", "E2"])
        inventory.place(connection, tenant, rows.values(), "A", at_s=NOW)
    assert nodes() == ["A", "A", "A", "A"]
    with engine.transaction() as connection, pytest.raises(UsageError, match="G1 is behind a host"):
        rows = inventory.numbers_of(connection, tenant, ["G1"])
        inventory.place(connection, tenant, rows.values(), None, at_s=NOW)


def test_thousands_are_enrolled_and_paged(engine, tenant):
    rows = enrol(engine, tenant, *(NewMeter(external_id=f"E{n:05d}") for n in range(2500)))
    assert len(rows) == 2500
    with engine.transaction() as connection:
        assert inventory.count(connection, tenant) == 2500
        pages = []
        after = ""
        while page := inventory.meters(connection, tenant, after=after, limit=999):
            pages.append(len(page))
            after = page[-1].external_id
        assert pages == [999, 999, 502]
        query = inventory.parse_query("id=E0249*")
        where = inventory.condition_of(query, tenant)
        found = inventory.meters(connection, tenant, where=where)
        assert [each.external_id for each in found] == [f"E{n:05d}" for n in range(2490, 2500)]
        assert inventory.count(connection, tenant, where) == 10
        numbers = list(rows.values())
        inventory.set_wanted(connection, tenant, numbers, firmware="2.0", at_s=NOW)
        inventory.set_known(connection, tenant, numbers[:2499], firmware="2.0", at_s=NOW)
        differing = inventory.selection_of(inventory.parse_query("differs=firmware"), tenant)
        assert connection.execute(differing).scalars().all() == numbers[2499:]
        before = len(changes_after(connection, tenant, 0, 100_000))
        inventory.set_known(connection, tenant, numbers, firmware="2.0", at_s=NOW)
        assert len(changes_after(connection, tenant, 0, 100_000)) == before + 1
