from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory import NewMeter

TENANTS = itertools.count()


@pytest.fixture
def tenant(engine):
    with engine.transaction() as connection:
        return inventory.tenant_number(connection, "north", make=True)


def test_nodes_are_made_changed_and_deleted_when_empty(engine, tenant):
    with engine.transaction() as connection:
        inventory.create_node(connection, tenant, "Net", "network", most_sessions=500)
        inventory.create_node(connection, tenant, "Cell", "cell", parent="Net", most_connects=2.5)
        made = inventory.create_node(connection, tenant, "Con", "concentrator", parent="Cell")
        assert made == inventory.node(connection, tenant, "Con")
        changed = inventory.change_node(
            connection, tenant, "Con", {"parent": "Net", "most_sessions": 3}
        )
        assert changed == inventory.node(connection, tenant, "Con")
        assert (changed.parent, changed.most_sessions) == ("Net", 3)
        inventory.change_node(connection, tenant, "Con", {"most_sessions": None})
        assert inventory.node(connection, tenant, "Con").most_sessions is None
        inventory.enrol(connection, tenant, [NewMeter(external_id="E", node="Con")], at_s=0)
    for name, message in (("Net", "below Net there are still Cell, Con"), ("Con", "1 meters")):
        with pytest.raises(ConflictError, match=message), engine.transaction() as connection:
            inventory.delete_node(connection, tenant, name)
    with engine.transaction() as connection:
        inventory.change(connection, tenant, "E", {"node": "Cell"}, at_s=0)
        inventory.delete_node(connection, tenant, "Con")
        assert [each.name for each in inventory.nodes(connection, tenant)] == ["Cell", "Net"]


WRONG = [
    (("Net", "network"), ConflictError, "already"),
    (("X", "planet"), UsageError, "one of network, cell, concentrator"),
    (("a/b", "cell"), UsageError, "slash"),
    (("X", "cell", {"parent": "Gone"}), UsageError, "no node 'Gone'"),
    (("X", "network", {"parent": "Con"}), UsageError, "network is not below a concentrator"),
    (("X", "cell", {"parent": "Theirs"}), UsageError, "no node 'Theirs'"),
    (("X", "cell", {"most_sessions": 0}), UsageError, "most_sessions"),
    (("X", "cell", {"most_connects": float("nan")}), UsageError, "most_connects"),
    (("X", "cell", {"most_connects": -1}), UsageError, "most_connects"),
]


def test_what_cannot_be_a_node(engine, tenant):
    with engine.transaction() as connection:
        other = inventory.tenant_number(connection, "south", make=True)
        inventory.create_node(connection, other, "Theirs", "network")
        inventory.create_node(connection, tenant, "Net", "network")
        inventory.create_node(connection, tenant, "Con", "concentrator", parent="Net")
    for (name, kind, *rest), error, message in WRONG:
        with pytest.raises(error, match=message), engine.transaction() as connection:
            inventory.create_node(connection, tenant, name, kind, **(rest[0] if rest else {}))
    with pytest.raises(NotFoundError), engine.transaction() as connection:
        inventory.delete_node(connection, tenant, "Theirs")


NAMES = [f"N{place}" for place in range(6)]
MOVES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([None, *NAMES])), max_size=15)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(moves=MOVES)
def test_however_nodes_move_no_circle_closes(engine, moves):
    with engine.transaction() as connection:
        tenant = inventory.tenant_number(connection, f"t{next(TENANTS)}", make=True)
        numbers = {
            name: inventory.create_node(connection, tenant, name, "network").number
            for name in NAMES
        }
        meters = inventory.enrol(
            connection, tenant, [NewMeter(external_id=name, node=name) for name in NAMES], at_s=0
        )
    parents: dict[str, str | None] = dict.fromkeys(NAMES)

    def way(name):
        found = []
        while name is not None:
            assert name not in found
            found.append(name)
            name = parents[name]
        return found

    for name, parent in moves:
        closes = parent is not None and name in way(parent)
        try:
            with engine.transaction() as connection:
                inventory.change_node(connection, tenant, name, {"parent": parent})
        except ConflictError:
            assert closes
        else:
            assert not closes
            parents[name] = parent
    with engine.reading() as connection:
        found = inventory.paths(connection, tenant)
        tree = inventory.Tree.load(connection, tenant)
        below = {
            name: {
                each.external_id
                for each in inventory.meters(
                    connection,
                    tenant,
                    where=inventory.condition_of(inventory.parse_query(f"below={name}"), tenant),
                )
            }
            for name in NAMES
        }
    for name in NAMES:
        assert found[meters[name]] == tuple(numbers[each] for each in way(name))
        assert below[name] == {each for each in NAMES if name in way(each)}
        assert {tree.nodes[each].name for each in tree.below(numbers[name])} == below[name]


def test_two_who_move_at_once_close_no_circle(engine, tenant):
    with engine.transaction() as connection:
        for name in "AB":
            inventory.create_node(connection, tenant, name, "network")
    outcomes = at_once(
        engine,
        *(
            lambda connection, name=name, parent=parent: inventory.change_node(
                connection, tenant, name, {"parent": parent}
            )
            for name, parent in ("AB", "BA", "AB", "BA")
        ),
    )
    assert sorted(outcomes) == ["conflict", "conflict", "done", "done"]  # one of both, twice


def at_once(engine, *acts):
    """Carry out acts in transactions of as many threads: what became of each."""
    outcomes = []
    barrier = threading.Barrier(len(acts))

    def run(act):
        barrier.wait()
        try:
            with engine.transaction() as connection:
                act(connection)
        except ConflictError:
            outcomes.append("conflict")
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_tree_has_a_bottom(engine, tenant):
    with engine.transaction() as connection:
        inventory.create_node(connection, tenant, "0", "network")
        for depth in range(1, 16):
            inventory.create_node(connection, tenant, str(depth), "network", parent=str(depth - 1))
        with pytest.raises(UsageError, match="at most 16 levels"):
            inventory.create_node(connection, tenant, "16", "network", parent="15")
        inventory.create_node(connection, tenant, "top", "network")
        with pytest.raises(UsageError, match="at most 16 levels"):
            inventory.change_node(connection, tenant, "0", {"parent": "top"})
