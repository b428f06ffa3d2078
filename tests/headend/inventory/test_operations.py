from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.crypto.wrap import wrap
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.errors import ConflictError, ForbiddenError, NotFoundError
from ferraris.headend.inventory import NewMeter, ShipmentError, transport_key_id
from ferraris.headend.operations import Caller, House
from ferraris.headend.operations.performing import perform
from ferraris.headend.operations.registry import collected, found
from ferraris.headend.operations.shape import shape_of
from ferraris.headend.store.tables.access import AUDIT
from ferraris.keys import MemoryKeys

NOW = 1_780_000_000.0
KEK = bytes(16)
SEE, READ, MANAGE = Right.SEE_METERS, Right.SEE_READINGS, Right.MANAGE_METERS
ROOM = ("inventory", "segments", "service_points", "shipments")


class Office:
    """Callers who ask by the name of an operation, with documents as plain values."""

    def __init__(self, engine):
        self.house = House(engine, MemoryKeys(), lambda: NOW)
        with engine.transaction() as connection:
            self.north = inventory.tenant_number(connection, "north", make=True)
            self.south = inventory.tenant_number(connection, "south", make=True)
            inventory.create_node(connection, self.north, "Net", "network")
            inventory.create_node(connection, self.north, "Cell-7", "cell", parent="Net")
            news = [
                NewMeter(external_id=f"E{n}", node="Cell-7" if n % 2 else "Net") for n in range(4)
            ]
            inventory.enrol(connection, self.north, news, at_s=NOW)
            inventory.enrol(connection, self.south, [NewMeter(external_id="S")], at_s=NOW)
        self.house.keys.put(transport_key_id("north", "maker"), "master_key", KEK)
        self.engine = engine
        self.everywhere = Caller("anna", self.north, dict.fromkeys(Right))

    def only(self, query, *rights, **everywhere):
        """A caller with rights for the meters of a query."""
        selection = inventory.selection_of(inventory.parse_query(query), self.north)
        return Caller("bert", self.north, dict.fromkeys(rights, selection) | everywhere)

    def ask(self, name, caller=None, body=None, **arguments):
        operation = found(name)
        shape = shape_of(operation)
        path = {each.name: arguments.pop(each.name) for each in shape.path}
        query = {key: [str(value)] for key, value in arguments.items()}
        bound = shape.bind(path, query, body)
        return perform(self.house, caller or self.everywhere, operation, bound)

    def audit(self):
        with self.engine.reading() as connection:
            rows = connection.execute(select(AUDIT).order_by(AUDIT.c.sequence))
            return [(row.principal, row.action, row.subject, row.outcome) for row in rows]


@pytest.fixture
def office(engine):
    return Office(engine)


def names(page):
    return [each.meter for each in page.items]


def test_a_meter_from_being_added_to_being_retired(office):
    shown = office.ask(
        "add_meter",
        body={"meter": "N", "system_title": "4652520000000001", "labels": {"street": "Lane"}},
    )
    assert (shown.state, shown.system_title, shown.version) == ("known", "4652520000000001", 1)
    changed = office.ask(
        "change_meter", meter="N", body={"node": "Cell-7", "model": "M", "version": 1}
    )
    assert (changed.node, changed.model, changed.version) == ("Cell-7", "M", 2)
    with pytest.raises(ConflictError, match="version 2, not 1"):
        office.ask("change_meter", meter="N", body={"model": "X", "version": 1})
    assert office.ask("change_meter", meter="N", body={"node": ""}).node is None
    with pytest.raises(UsageError, match="16 hexadecimal digits"):
        office.ask("change_meter", meter="N", body={"system_title": "x"})
    for to in ("installed", "active", "suspended", "retired"):
        assert office.ask("move_meter", meter="N", body={"to": to, "reason": "r"}).state == to
    life = office.ask("show_life", meter="N")
    assert [(each.before, each.after, each.by) for each in life][-2:] == [
        ("active", "suspended", "anna"),
        ("suspended", "retired", "anna"),
    ]
    assert life[0].at == datetime.fromtimestamp(NOW, UTC)
    assert [line for line in office.audit() if line[1] == "change_meter"] == [
        ("anna", "change_meter", "N", "done"),
        ("anna", "change_meter", "N", "refused"),
        ("anna", "change_meter", "N", "done"),
        ("anna", "change_meter", "N", "refused"),
    ]


def test_lists_are_paged_and_selected(office):
    first = office.ask("list_meters", limit=3)
    assert (names(first), first.next) == (["E0", "E1", "E2"], "E2")
    assert names(office.ask("list_meters", after=first.next)) == ["E3"]
    assert names(office.ask("list_meters", query="below=Cell-7")) == ["E1", "E3"]
    office.ask("add_group", body={"group": "seven", "query": "node = Cell-7"})
    assert names(office.ask("list_meters", group="seven", query="id=E3")) == ["E3"]
    with pytest.raises(UsageError, match="character 1: no field 'modle'"):
        office.ask("list_meters", query="modle=x")
    with pytest.raises(NotFoundError, match="no group"):
        office.ask("list_meters", group="eight")
    assert office.ask("move_meters", body={"query": "id!=E0", "to": "installed"}).meters == 3
    counted = {each.state: each.meters for each in office.ask("count_meters")}
    assert counted == {"known": 1, "installed": 3, "active": 0, "suspended": 0, "retired": 0}
    with pytest.raises(UsageError, match="which meters"):
        office.ask("move_meters", body={"query": " ", "to": "retired"})
    assert office.ask("want_software", body={"query": "all", "firmware": "2"}).meters == 4
    assert len(names(office.ask("list_meters", query="differs=firmware"))) == 4
    assert office.ask("place_meters", body={"query": "id=E1", "node": ""}).meters == 1
    assert office.ask("show_meter", meter="E1").node is None


def test_the_tree_and_groups(office):
    office.ask("add_node", body={"node": "Con", "kind": "concentrator", "parent": "Cell-7"})
    changed = office.ask("change_node", node="Con", body={"parent": "Net", "most_sessions": 5})
    assert (changed.parent, changed.most_sessions) == ("Net", 5)
    changed = office.ask("change_node", node="Con", body={"parent": "", "most_sessions": 0})
    assert (changed.parent, changed.most_sessions) == (None, None)
    assert [(each.node, each.meters) for each in office.ask("list_nodes")] == [
        ("Cell-7", 2),
        ("Con", 0),
        ("Net", 2),
    ]
    with pytest.raises(ConflictError, match="2 meters still hang"):
        office.ask("delete_node", node="Cell-7")
    office.ask("delete_node", node="Con")
    with pytest.raises(NotFoundError):
        office.ask("show_node", node="Con")
    office.ask("add_group", body={"group": "seven", "query": "node=Cell-7"})
    assert office.ask("change_group", group="seven", body={"query": "id=E*"}).meters == 4
    assert [each.group for each in office.ask("list_groups")] == ["active", "all", "seven"]
    office.ask("delete_group", group="seven")
    with pytest.raises(NotFoundError):
        office.ask("show_group", group="seven")


def test_customers_are_seen_by_those_who_may_and_each_look_leaves_a_line(office):
    office.ask("add_service_point", body={"service_point": "P", "zone": "Europe/Berlin"})
    office.ask("add_customer", body={"customer": "C1"})
    office.ask(
        "assign_meter",
        body={
            "service_point": "P",
            "meter": "E1",
            "customer": "C1",
            "since": "2026-01-01T00:00:00Z",
        },
    )
    before = len(office.audit())
    assert [each.customer for each in office.ask("list_assignments", meter="E1")] == ["C1"]
    assert office.audit()[before:] == [("anna", "list_assignments", "C1", "done")]
    assert [each.customer for each in office.ask("list_customers").items] == ["C1"]
    assert office.audit()[before + 1 :] == [("anna", "list_customers", "customers", "done")]
    before = len(office.audit())
    viewer = office.only("all", SEE)
    assert [each.customer for each in office.ask("list_assignments", viewer, meter="E1")] == [None]
    others = office.only("id=E0", READ, **{SEE: None})
    assert [each.customer for each in office.ask("list_assignments", others)] == [None]
    assert len(office.audit()) == before
    with pytest.raises(ForbiddenError):
        office.ask("list_assignments", others, customer="C1")
    with pytest.raises(ForbiddenError):
        office.ask("list_customers", others)
    ended = office.ask("end_assignment", service_point="P", body={"until": "2026-02-01T00:00:00Z"})
    assert ended.until == datetime(2026, 2, 1, tzinfo=UTC)
    office.ask("withdraw_assignment", service_point="P", since="2026-01-01T00:00:00Z")
    assert office.ask("list_assignments") == []
    changed = office.ask("change_service_point", service_point="P", body={"zone": "UTC"})
    assert changed.zone == "UTC"
    assert [each.service_point for each in office.ask("list_service_points").items] == ["P"]


def test_a_right_for_some_meters_reaches_no_others(office):
    some = office.only("below=Cell-7", SEE, MANAGE)
    assert names(office.ask("list_meters", some)) == ["E1", "E3"]
    assert office.ask("move_meters", some, body={"query": "all", "to": "installed"}).meters == 2
    assert office.ask("change_meter", some, meter="E1", body={"model": "x"}).model == "x"
    for name, arguments in (
        ("show_meter", {"meter": "E0"}),
        ("show_life", {"meter": "E0"}),
        ("change_meter", {"meter": "E0", "body": {"model": "x"}}),
        ("move_meter", {"meter": "E0", "body": {"to": "installed"}}),
        ("list_assignments", {"meter": "E0"}),
        ("change_meter", {"meter": "E1", "body": {"behind": "E0"}}),
    ):
        with pytest.raises(NotFoundError, match="no meter 'E0'"):
            office.ask(name, some, **arguments)
    assert [(each.node, each.meters) for each in office.ask("list_nodes", some)] == [
        ("Cell-7", 2),
        ("Net", 0),
    ]
    for name, arguments in (
        ("add_meter", {"body": {"meter": "N"}}),
        ("add_node", {"body": {"node": "N", "kind": "cell"}}),
        ("change_node", {"node": "Net", "body": {}}),
        ("delete_node", {"node": "Net"}),
        ("add_group", {"body": {"group": "g", "query": "all"}}),
        ("change_group", {"group": "g", "body": {"query": "all"}}),
        ("delete_group", {"group": "g"}),
        ("import_shipment", {"body": {"file": ""}}),
        ("add_service_point", {"body": {"service_point": "P"}}),
        ("list_service_points", {}),
        ("add_customer", {"body": {"customer": "C"}}),
    ):
        with pytest.raises(ForbiddenError, match="for some meters only"):
            office.ask(name, some, **arguments)
    with pytest.raises(NotFoundError):
        office.ask("show_meter", Caller("sue", office.south, dict.fromkeys(Right)), meter="E1")


def test_without_the_right_nothing_goes(office):
    viewer = office.only("all", SEE)
    for operation in collected():
        if operation.function.__module__.rsplit(".", 1)[1] not in ROOM:
            continue
        assert operation.right in (SEE, READ, MANAGE), operation.name
        assert operation.right is not SEE or not operation.changes, operation.name
        if operation.right is not SEE:
            with pytest.raises(ForbiddenError, match="lacks the right"):
                perform(
                    office.house,
                    viewer,
                    operation,
                    dict.fromkeys(["meter", "node", "group", "service_point", "since", "body"], ""),
                )


def test_a_shipment_is_checked_then_taken(office):
    key = wrap(KEK, bytes(range(16))).hex()
    good = f"external_id,encryption_key,authentication_key\nN1,{key},{key}\n"
    bad = good + "N2,zz,\n"

    def bring(content, **options):
        body = {"file": content.encode(), "transport_key": "maker", **options}
        return office.ask("import_shipment", body=body)

    dry = bring(bad, dry_run=True)
    assert (dry.written, dry.errors) == (False, 1)
    assert [(each.row, each.column) for each in dry.problems] == [(3, "encryption_key")]
    with pytest.raises(ShipmentError, match="line 3, encryption_key: not hexadecimal"):
        bring(bad)
    assert len(office.house.keys.entries()) == 1
    taken = bring(good)
    assert (taken.written, taken.new, taken.keys) == (True, 1, 2)
    assert office.ask("show_meter", meter="N1").state == "known"
    assert [line[3] for line in office.audit() if line[1] == "import_shipment"] == [
        "done",
        "refused",
        "done",
    ]
