"""Meters and what they hang at: tenants, life cycle, segment tree, service points, groups."""

from __future__ import annotations

from ferraris.headend.inventory.assignments import (
    Assignment,
    assign,
    assignments,
    end,
    holder_at,
    meter_at,
    withdraw,
)
from ferraris.headend.inventory.changing import change, place, set_awake, set_known, set_wanted
from ferraris.headend.inventory.groups import (
    Group,
    change_group,
    create_group,
    delete_group,
    group,
    group_selection,
    groups,
    members,
)
from ferraris.headend.inventory.hosts import dialled
from ferraris.headend.inventory.life import Moved, life_of, move, move_many
from ferraris.headend.inventory.meters import count, enrol, meter, meters
from ferraris.headend.inventory.naming import external_ids_of, meter_number, numbers_of
from ferraris.headend.inventory.nodes import (
    Node,
    NodeKind,
    change_node,
    create_node,
    delete_node,
    node,
    nodes,
)
from ferraris.headend.inventory.query import (
    AllOf,
    AnyOf,
    Condition,
    Not,
    Query,
    QueryError,
    Value,
    from_document,
    to_document,
)
from ferraris.headend.inventory.query_statement import condition_of, selection_of
from ferraris.headend.inventory.query_text import parse_query, query_text
from ferraris.headend.inventory.records import (
    Authentication,
    Ciphering,
    Contact,
    Kind,
    Meter,
    NewMeter,
)
from ferraris.headend.inventory.service_points import (
    Customer,
    ServicePoint,
    change_service_point,
    create_customer,
    create_service_point,
    customer,
    customers,
    service_point,
    service_points,
)
from ferraris.headend.inventory.shipment_report import Report, RowError, ShipmentError
from ferraris.headend.inventory.shipments import import_shipment
from ferraris.headend.inventory.states import LIFE_CYCLE, State
from ferraris.headend.inventory.tenants import (
    key_id,
    tenant_name,
    tenant_number,
    tenants,
    transport_key_id,
)
from ferraris.headend.inventory.tree import Tree, paths, placed

__all__ = [
    "LIFE_CYCLE",
    "AllOf",
    "AnyOf",
    "Assignment",
    "Authentication",
    "Ciphering",
    "Condition",
    "Contact",
    "Customer",
    "Group",
    "Kind",
    "Meter",
    "Moved",
    "NewMeter",
    "Node",
    "NodeKind",
    "Not",
    "Query",
    "QueryError",
    "Report",
    "RowError",
    "ServicePoint",
    "ShipmentError",
    "State",
    "Tree",
    "Value",
    "assign",
    "assignments",
    "change",
    "change_group",
    "change_node",
    "change_service_point",
    "condition_of",
    "count",
    "create_customer",
    "create_group",
    "create_node",
    "create_service_point",
    "customer",
    "customers",
    "delete_group",
    "delete_node",
    "dialled",
    "end",
    "enrol",
    "external_ids_of",
    "from_document",
    "group",
    "group_selection",
    "groups",
    "holder_at",
    "import_shipment",
    "key_id",
    "life_of",
    "members",
    "meter",
    "meter_at",
    "meter_number",
    "meters",
    "move",
    "move_many",
    "node",
    "nodes",
    "numbers_of",
    "parse_query",
    "paths",
    "place",
    "placed",
    "query_text",
    "selection_of",
    "service_point",
    "service_points",
    "set_awake",
    "set_known",
    "set_wanted",
    "tenant_name",
    "tenant_number",
    "tenants",
    "to_document",
    "transport_key_id",
    "withdraw",
]
