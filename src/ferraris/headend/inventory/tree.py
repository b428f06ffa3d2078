"""The segment tree as a whole: the way of every meter up to the root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from sqlalchemy import Connection, select

from ferraris.headend.inventory.naming import chunks
from ferraris.headend.inventory.nodes import Node, nodes
from ferraris.headend.store.tables.inventory import METER

__all__ = ["Tree", "paths", "placed"]


class Tree:
    """All nodes of a tenant at a moment, by their rows."""

    def __init__(self, found: Mapping[int, Node], parents: Mapping[int, int | None]) -> None:
        self.nodes = found
        self._parents = parents

    @classmethod
    def load(cls, connection: Connection, tenant: int) -> Tree:
        """Read it."""
        found = {each.number: each for each in nodes(connection, tenant)}
        by_name = {each.name: each.number for each in found.values()}
        parents = {
            number: None if each.parent is None else by_name[each.parent]
            for number, each in found.items()
        }
        return cls(found, parents)

    @cached_property
    def paths(self) -> dict[int, tuple[int, ...]]:
        """The way of every node to the root: itself first, the root last."""
        made: dict[int, tuple[int, ...]] = {}
        for number in self.nodes:
            way: list[int] = []
            at: int | None = number
            while at is not None and at not in made:
                way.append(at)
                at = self._parents[at]
            rest = () if at is None else made[at]
            for place in range(len(way)):
                made[way[place]] = (*way[place:], *rest)
        return made

    def below(self, number: int) -> list[int]:
        """A node and all nodes below it."""
        return [each for each, path in self.paths.items() if number in path]


def placed(
    connection: Connection, tenant: int, meters: Iterable[int] | None = None
) -> dict[int, int | None]:
    """At which node (row) each meter hangs: of the tenant, or of the rows that are given."""
    statement = select(METER.c.id, METER.c.node).where(METER.c.tenant == tenant)
    found: dict[int, int | None] = {}
    if meters is None:
        found.update((number, node) for number, node in connection.execute(statement))
        return found
    for some_numbers in chunks(meters):
        rows = connection.execute(statement.where(METER.c.id.in_(some_numbers)))
        found.update((number, node) for number, node in rows)
    return found


def paths(connection: Connection, tenant: int) -> dict[int, tuple[int, ...]]:
    """The nodes (rows) above every meter (row), from its own up to the root."""
    ways = Tree.load(connection, tenant).paths
    return {
        number: () if node is None else ways[node]
        for number, node in placed(connection, tenant).items()
    }
