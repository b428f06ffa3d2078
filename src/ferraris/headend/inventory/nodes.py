"""The segment tree: networks, cells and concentrators, with limits for all that is below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ferraris.core.errors import UsageError
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory.checking import check_name, check_value
from ferraris.headend.inventory.naming import some
from ferraris.headend.store.tables.inventory import METER, NODE, TENANT

__all__ = [
    "Node",
    "NodeKind",
    "change_node",
    "create_node",
    "delete_node",
    "node",
    "nodes",
]


class NodeKind(StrEnum):
    """What a segment is."""

    NETWORK = "network"
    CELL = "cell"
    CONCENTRATOR = "concentrator"


_PARENTS: Final[Mapping[NodeKind, frozenset[NodeKind]]] = {
    NodeKind.NETWORK: frozenset({NodeKind.NETWORK}),
    NodeKind.CELL: frozenset({NodeKind.NETWORK, NodeKind.CELL}),
    NodeKind.CONCENTRATOR: frozenset({NodeKind.NETWORK, NodeKind.CELL}),
}
_MOST_DEPTH = 16
_MOST_SESSIONS = 1_000_000
_PARENT = NODE.alias("parent")


@dataclass(frozen=True, slots=True)
class Node:
    """A segment; `most_sessions` at a time and `most_connects` a second hold for all below it."""

    name: str
    kind: NodeKind
    parent: str | None = None
    address: str = ""
    most_sessions: int | None = None
    most_connects: float | None = None
    number: int = 0


def create_node(
    connection: Connection,
    tenant: int,
    name: str,
    kind: NodeKind | str,
    *,
    parent: str | None = None,
    address: str = "",
    most_sessions: int | None = None,
    most_connects: float | None = None,
) -> Node:
    """Add a segment below another or at the top; `ConflictError` when the name is taken."""
    made = Node(check_name(name), _kind(kind), parent, address, most_sessions, most_connects)
    _lock(connection, tenant)
    values = {**_checked(made), "kind": made.kind.value, "name": name, "tenant": tenant}
    values["parent"] = _below(connection, tenant, made, None)
    try:
        done = connection.execute(insert(NODE).values(**values).returning(NODE.c.id))
    except IntegrityError:
        raise ConflictError(f"there is a node {name!r} already") from None
    return Node(name, made.kind, parent, address, most_sessions, most_connects, done.scalar_one())


def change_node(connection: Connection, tenant: int, name: str, changes: Mapping[str, Any]) -> Node:
    """Give a segment another parent, address or limits; None for no parent and no limit.

    Raises `ConflictError` when it would come to stand below itself.
    """
    wrong = sorted(changes.keys() - {"parent", "address", "most_sessions", "most_connects"})
    if wrong:
        raise UsageError(f"{wrong[0]} of a node cannot be changed")
    _lock(connection, tenant)
    found = node(connection, tenant, name)
    kept = {key: getattr(found, key) for key in ("parent", "address", *_LIMITS)}
    wanted = Node(name, found.kind, **(kept | dict(changes)), number=found.number)
    values: dict[str, Any] = _checked(wanted)
    values["parent"] = _below(connection, tenant, wanted, found.number)
    connection.execute(update(NODE).where(NODE.c.id == found.number).values(**values))
    return wanted


def delete_node(connection: Connection, tenant: int, name: str) -> None:
    """Remove a segment that has nothing below it; `ConflictError` otherwise."""
    _lock(connection, tenant)
    found = node(connection, tenant, name)
    below = connection.execute(
        select(NODE.c.name).where(NODE.c.parent == found.number).order_by(NODE.c.name)
    ).scalars()
    names = list(below)
    if names:
        raise ConflictError(f"below {name} there are still {some(names)}")
    here = connection.execute(
        select(func.count()).select_from(METER).where(METER.c.node == found.number)
    ).scalar_one()
    if here:
        raise ConflictError(f"{here} meters still hang at {name}: move them first")
    connection.execute(delete(NODE).where(NODE.c.id == found.number))


def node(connection: Connection, tenant: int, name: str) -> Node:
    """A segment; `NotFoundError` when the tenant has no such."""
    row = connection.execute(_selected(tenant).where(NODE.c.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"no node {name!r}")
    return _node(row)


def nodes(connection: Connection, tenant: int) -> list[Node]:
    """All segments of a tenant, in the order of their names."""
    return [_node(row) for row in connection.execute(_selected(tenant).order_by(NODE.c.name))]


_LIMITS = ("most_sessions", "most_connects")


def _selected(tenant: int) -> Select[Any]:
    return (
        select(NODE, _PARENT.c.name.label("parent_name"))
        .outerjoin(_PARENT, NODE.c.parent == _PARENT.c.id)
        .where(NODE.c.tenant == tenant)
    )


def _node(row: Any) -> Node:
    return Node(
        row.name,
        NodeKind(row.kind),
        row.parent_name,
        row.address,
        row.most_sessions,
        row.most_connects,
        row.id,
    )


def _lock(connection: Connection, tenant: int) -> None:
    """Let nobody else change this tree before this transaction ends, or a circle could close."""
    query = select(TENANT.c.id).where(TENANT.c.id == tenant)
    connection.execute(query.with_for_update(key_share=True))


def _kind(kind: NodeKind | str) -> NodeKind:
    try:
        return NodeKind(kind)
    except ValueError:
        words = ", ".join(NodeKind)
        raise UsageError(f"a node is one of {words}, not {kind!r}") from None


def _checked(wanted: Node) -> dict[str, Any]:
    sessions, connects = wanted.most_sessions, wanted.most_connects
    if sessions is not None and (
        not isinstance(sessions, int) or not 0 < sessions <= _MOST_SESSIONS
    ):
        raise UsageError(f"most_sessions: a whole number from 1 to {_MOST_SESSIONS}, or none")
    if connects is not None and (
        not isinstance(connects, int | float) or not 0 < connects <= _MOST_SESSIONS
    ):
        raise UsageError(f"most_connects: a number above 0 up to {_MOST_SESSIONS}, or none")
    return {
        "address": check_value("address", wanted.address),
        "most_sessions": sessions,
        "most_connects": connects,
    }


def _below(connection: Connection, tenant: int, wanted: Node, own: int | None) -> int | None:
    """The row of the parent, when that may be one."""
    if wanted.parent is None:
        return None
    try:
        parent = node(connection, tenant, wanted.parent)
    except NotFoundError:
        raise UsageError(f"parent: no node {wanted.parent!r}") from None
    if parent.kind not in _PARENTS[wanted.kind]:
        raise UsageError(f"parent: a {wanted.kind.value} is not below a {parent.kind.value}")
    parents = {row.id: row.parent for row in connection.execute(_parents(tenant))}
    depth = 1
    at: int | None = parent.number
    while at is not None:
        if at == own:
            raise ConflictError(f"parent: {wanted.parent} is below {wanted.name}")
        at, depth = parents[at], depth + 1
    if depth + _height(parents, own) > _MOST_DEPTH:
        raise UsageError(f"parent: a tree has at most {_MOST_DEPTH} levels of nodes")
    return parent.number


def _parents(tenant: int) -> Select[Any]:
    return select(NODE.c.id, NODE.c.parent).where(NODE.c.tenant == tenant)


def _height(parents: Mapping[int, int | None], own: int | None) -> int:
    """How many levels there are below a node."""
    layer = {own} if own is not None else set()
    height = -1
    while layer:
        layer = {number for number, parent in parents.items() if parent in layer}
        height += 1
    return max(0, height)
