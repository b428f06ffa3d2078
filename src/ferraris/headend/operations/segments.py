"""Operations on the segment tree and on groups of meters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from sqlalchemy import func, select

from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.meter_documents import QUERY
from ferraris.headend.operations.operation import operation
from ferraris.headend.store.tables.inventory import METER

__all__ = [
    "GroupChange",
    "GroupDocument",
    "GroupView",
    "NodeChange",
    "NodeDocument",
    "NodeView",
    "add_group",
    "add_node",
    "below",
    "change_group",
    "change_node",
    "delete_group",
    "delete_node",
    "list_groups",
    "list_nodes",
    "show_group",
    "show_node",
]


@dataclass(frozen=True, slots=True)
class NodeView:
    """A segment, and how many meters that may be seen hang at it and not further below."""

    node: str
    kind: str
    parent: str | None
    address: str
    most_sessions: int | None
    most_connects: float | None
    meters: int


@dataclass(frozen=True, slots=True)
class NodeDocument:
    """A segment to be added."""

    node: str
    kind: Annotated[str, "network, cell or concentrator."]
    parent: Annotated[str | None, "Below which node."] = None
    address: Annotated[str, "URL of a concentrator."] = ""
    most_sessions: Annotated[int | None, "At a time, for all that is below."] = None
    most_connects: Annotated[float | None, "New connections a second."] = None


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What shall be different; what is left out stays. An empty parent is none, 0 is no limit."""

    parent: str | None = None
    address: str | None = None
    most_sessions: int | None = None
    most_connects: float | None = None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group of meters, the query that makes it, and how many of them may be seen."""

    group: str
    query: str
    built_in: bool
    meters: int


@dataclass(frozen=True, slots=True)
class GroupDocument:
    """A name for a query."""

    group: str
    query: Annotated[str, QUERY]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Another query for the name."""

    query: Annotated[str, QUERY]


@operation("GET /nodes", command="nodes list", right=Right.SEE_METERS)
def list_nodes(desk: Desk) -> list[NodeView]:
    """List the segment tree."""
    statement = (
        select(METER.c.node, func.count())
        .where(desk.visible(Right.SEE_METERS))
        .group_by(METER.c.node)
    )
    counted = {row[0]: row[1] for row in desk.connection.execute(statement)}
    return [
        _node(each, counted.get(each.number, 0))
        for each in inventory.nodes(desk.connection, desk.tenant)
    ]


@operation("GET /nodes/{node}", command="nodes show", right=Right.SEE_METERS)
def show_node(desk: Desk, node: str) -> NodeView:
    """Show a segment."""
    return _shown(desk, node)


@operation("POST /nodes", command="nodes add", right=Right.MANAGE_METERS)
def add_node(desk: Desk, body: NodeDocument) -> NodeView:
    """Add a segment."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    desk.subject = body.node
    inventory.create_node(
        desk.connection,
        desk.tenant,
        body.node,
        body.kind,
        parent=body.parent,
        address=body.address,
        most_sessions=body.most_sessions,
        most_connects=body.most_connects,
    )
    return _shown(desk, body.node)


@operation("PATCH /nodes/{node}", command="nodes change", right=Right.MANAGE_METERS)
def change_node(desk: Desk, node: str, body: NodeChange) -> NodeView:
    """Move a segment below another, or change its address or limits."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    names = ("parent", "address", "most_sessions", "most_connects")
    given = {name: getattr(body, name) for name in names}
    values = {name: value for name, value in given.items() if value is not None}
    for name in ("parent", "most_sessions", "most_connects"):
        if name in values and not values[name]:
            values[name] = None
    desk.detail["fields"] = sorted(values)
    inventory.change_node(desk.connection, desk.tenant, node, values)
    return _shown(desk, node)


@operation("DELETE /nodes/{node}", command="nodes delete", right=Right.MANAGE_METERS)
def delete_node(desk: Desk, node: str) -> None:
    """Delete a segment that has nothing below it."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    inventory.delete_node(desk.connection, desk.tenant, node)


@operation("GET /groups", command="groups list", right=Right.SEE_METERS)
def list_groups(desk: Desk) -> list[GroupView]:
    """List the groups of meters."""
    return [_group(desk, each) for each in inventory.groups(desk.connection, desk.tenant)]


@operation("GET /groups/{group}", command="groups show", right=Right.SEE_METERS)
def show_group(desk: Desk, group: str) -> GroupView:
    """Show a group."""
    return _group(desk, inventory.group(desk.connection, desk.tenant, group))


@operation("POST /groups", command="groups add", right=Right.MANAGE_METERS)
def add_group(desk: Desk, body: GroupDocument) -> GroupView:
    """Give a query a name; its members follow the inventory."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    desk.subject = body.group
    made = inventory.create_group(desk.connection, desk.tenant, body.group, body.query)
    desk.detail["query"] = made.text
    return _group(desk, made)


@operation("PUT /groups/{group}", command="groups change", right=Right.MANAGE_METERS)
def change_group(desk: Desk, group: str, body: GroupChange) -> GroupView:
    """Give a group another query: plans and rights that name it follow at once."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    made = inventory.change_group(desk.connection, desk.tenant, group, body.query)
    desk.detail["query"] = made.text
    return _group(desk, made)


@operation("DELETE /groups/{group}", command="groups delete", right=Right.MANAGE_METERS)
def delete_group(desk: Desk, group: str) -> None:
    """Delete a group that no plan and no grant names."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    inventory.delete_group(desk.connection, desk.tenant, group)


def below(desk: Desk, segment: str) -> Collection[int]:
    """The numbers of a segment and of all that hangs below it."""
    number = inventory.node(desk.connection, desk.tenant, segment).number
    return inventory.Tree.load(desk.connection, desk.tenant).below(number)


def _shown(desk: Desk, name: str) -> NodeView:
    found = inventory.node(desk.connection, desk.tenant, name)
    where = desk.visible(Right.SEE_METERS)
    here = inventory.count(desk.connection, desk.tenant, where & (METER.c.node == found.number))
    return _node(found, here)


def _node(each: inventory.Node, meters: int) -> NodeView:
    return NodeView(
        each.name,
        each.kind,
        each.parent,
        each.address,
        each.most_sessions,
        each.most_connects,
        meters,
    )


def _group(desk: Desk, each: inventory.Group) -> GroupView:
    where = desk.visible(Right.SEE_METERS)
    where &= inventory.condition_of(each.query, desk.tenant)
    count = inventory.count(desk.connection, desk.tenant, where)
    return GroupView(each.name, each.text, each.built_in, count)
