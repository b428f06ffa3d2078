from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.headend.collect.segments import OPERATOR, Limiter, Segment

LIMITS = st.none() | st.integers(1, 4)
RATES = st.none() | st.sampled_from([0.5, 1.0, 3.0])
TREES = st.lists(st.tuples(st.integers(0, 5), LIMITS, RATES), min_size=1, max_size=6).map(
    lambda given: [
        Segment(number, parent % number, most, rate)
        for number, (parent, most, rate) in enumerate(given, start=1)
    ]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 6), st.sampled_from([OPERATOR, 0, 4])),
        st.tuples(st.just("done"), st.integers(0, 50)),
        st.tuples(st.just("pass"), st.sampled_from([0.1, 0.3, 1.0, 7.0])),
        st.tuples(st.just("withdraw"), st.integers(0, 50)),
    ),
    max_size=60,
)


class Model:
    """What the limits say, by counting everything from the start each time."""

    def __init__(self, segments, share):
        self.segments = {each.node: each for each in segments}
        self.share = share
        self.starts = []

    def path(self, node):
        while node in self.segments:
            yield self.segments[node]
            node = self.segments[node].parent

    def most(self, segment, operator):
        most = segment.most_sessions
        if most is None:
            return 1 << 30
        return most if operator or most == 1 else most - max(1, int(most * self.share))

    def tokens(self, segment, now):
        burst = max(1.0, segment.most_connects)
        tokens, at = burst, 0.0
        for when, node in self.starts:
            if segment in self.path(node):
                tokens = min(burst, tokens + (when - at) * segment.most_connects) - 1
                at = when
        return min(burst, tokens + (now - at) * segment.most_connects)

    def has_room(self, node, operator, running, now):
        for segment in self.path(node):
            below = sum(segment in self.path(each.node) for each in running)
            if below >= self.most(segment, operator):
                return False
            if segment.most_connects is not None and self.tokens(segment, now) < 1 - 1e-6:
                return False
        return True


@settings(max_examples=150, deadline=None)
@given(TREES, STEPS, st.sampled_from([0.0, 0.1, 0.5]))
def test_limits_hold_and_nobody_waits_who_has_room(tree, steps, share):
    limiter, model = Limiter(tree, share=share), Model(tree, share)
    now, key = 0.0, 0
    waiting, running = [], []
    for step, *arguments in steps:
        if step == "ask":
            key += 1
            waiting.append(limiter.ask(key, arguments[0], arguments[1]))
        elif step == "done" and running:
            limiter.done(running.pop(arguments[0] % len(running)), now)
        elif step == "withdraw" and waiting:
            limiter.withdraw(waiting.pop(arguments[0] % len(waiting)))
        elif step == "pass":
            now += arguments[0]
        for ticket in limiter.grants(now):
            assert model.has_room(ticket.node, ticket.operator, running, now)
            assert not any(
                each.priority < ticket.priority
                and model.has_room(each.node, each.operator, running, now)
                for each in waiting
            )
            waiting.remove(ticket)
            running.append(ticket)
            model.starts.append((now, ticket.node))
        assert not any(model.has_room(t.node, t.operator, running, now) for t in waiting)
        assert (limiter.open, limiter.waiting) == (len(running), len(waiting))
        deadline = limiter.deadline(now)
        if waiting and not running:
            assert deadline is not None
            assert deadline > now
    # Sessions end, time passes: everybody gets his turn.
    for _ in range(40 + 3 * len(waiting)):
        for ticket in running:
            limiter.done(ticket, now)
        running = limiter.grants(now)
        now = max(now, limiter.deadline(now) or now)
        running += limiter.grants(now)
    assert limiter.waiting == 0


def test_children_of_a_node_take_turns():
    limiter = Limiter([Segment(1, most_sessions=2), Segment(2, 1), Segment(3, 1)], share=0)
    limiter.change([Segment(1, most_sessions=1), Segment(2, 1), Segment(3, 1)], 0)
    for key in range(100):
        limiter.ask(key, 2, 4)
    for key in range(100, 110):
        limiter.ask(key, 3, 4)
    for key in range(110, 115):
        limiter.ask(key, 1, 4)
    order = []
    while granted := limiter.grants(0):
        order += [ticket.node for ticket in granted]
        for ticket in granted:
            limiter.done(ticket, 0)
    assert Counter(order[:15]) == {1: 5, 2: 5, 3: 5}
    assert Counter(order[:25]) == {1: 5, 2: 10, 3: 10}
    assert len(order) == 115


def test_operators_find_room_when_bulk_has_taken_its_share():
    limiter = Limiter([Segment(1, most_sessions=10)])
    for key in range(20):
        limiter.ask(key, 1, 0)
    assert len(limiter.grants(0)) == 9
    operator = limiter.ask(99, 1, OPERATOR)
    assert limiter.grants(0) == [operator]
    limiter.ask(100, 1, OPERATOR)
    assert limiter.grants(0) == []


def run(limiter, keys, node, now, reached, **options):
    tickets = [limiter.ask(key, node, 4, **options) for key in keys]
    granted = limiter.grants(now)
    for ticket in granted:
        limiter.done(ticket, now, reached=reached)
    for ticket in tickets:
        if not ticket.started:
            limiter.withdraw(ticket)
    return len(granted)


def test_a_node_that_is_down_is_probed_and_others_go_on():
    limiter = Limiter([Segment(1), Segment(2, 1), Segment(3, 1)])
    assert run(limiter, range(8), 2, 0, reached=False) == 8
    assert limiter.down() == [2]
    assert run(limiter, range(8, 20), 2, 1, reached=False) == 0
    assert run(limiter, range(20, 30), 3, 1, reached=True) == 10
    assert run(limiter, range(30, 33), 2, 15, reached=False) == 1
    assert run(limiter, range(30, 33), 2, 44, reached=False) == 0
    assert run(limiter, range(30, 33), 2, 45, reached=True) == 1
    assert limiter.down() == []
    assert run(limiter, range(40, 50), 2, 46, reached=True) == 10


def test_sessions_that_began_before_their_node_went_down_are_no_probes():
    limiter = Limiter([Segment(1)])
    for key in range(40):
        limiter.ask(key, 1, 0)
    for ticket in limiter.grants(0):
        limiter.done(ticket, 10, reached=False)
    assert limiter.down() == [1]
    limiter.ask(50, 1, 0)
    assert not limiter.grants(24)
    assert not limiter.is_stuck()
    (probe,) = limiter.grants(25)
    limiter.ask(51, 1, 0)
    assert not limiter.is_stuck()
    limiter.done(probe, 35, reached=False)
    assert limiter.is_stuck()
    limiter.ask(52, 2, 0)
    assert not limiter.is_stuck()


def test_what_was_silent_before_says_nothing_about_its_node():
    limiter = Limiter([Segment(1)])
    run(limiter, range(50), 1, 0, reached=False, fresh=False)
    assert limiter.down() == []
    run(limiter, [7] * 50, 1, 0, reached=False)
    assert limiter.down() == []


def test_everything_down_is_probed_from_above():
    limiter = Limiter([Segment(9), *(Segment(n, 9) for n in (1, 2, 3))])
    for turn in range(3):
        for node in (1, 2, 3):
            run(limiter, [10 * node + turn], node, 0, reached=False)
    assert limiter.down() == [9]  # the head-end itself is never down
    assert limiter.is_down(2)
    assert limiter.room_for(2) == 1
    # An operator may try at any time, and one success opens everything.
    limiter.ask(1, 2, OPERATOR)
    (ticket,) = limiter.grants(1)
    limiter.done(ticket, 1)
    assert limiter.down() == []


def test_sessions_that_began_before_make_no_probe_later():
    limiter = Limiter([Segment(1)])
    run(limiter, range(50), 1, 0, reached=False)
    assert limiter.down() == [1]
    assert run(limiter, [60, 61], 1, 15.1, reached=True) == 1


def test_the_last_dead_meters_do_not_bring_a_good_node_down():
    limiter = Limiter([Segment(1)])
    run(limiter, range(400), 1, 0, reached=True)
    run(limiter, range(400, 450), 1, 0, reached=False)
    assert limiter.down() == []
    run(limiter, range(450, 600), 1, 0, reached=False)
    assert limiter.down() == [1]


def test_a_tree_with_a_circle_ends_somewhere():
    limiter = Limiter([Segment(1, 2, 1), Segment(2, 1)])
    limiter.ask(1, 1, 0)
    limiter.ask(2, 2, 0)
    assert len(limiter.grants(0)) in (1, 2)


def test_a_moved_node_counts_for_its_new_parent():
    limiter = Limiter([Segment(1, most_sessions=1), Segment(2), Segment(3, 1)], share=0)
    limiter.ask(1, 3, 0)
    (old,) = limiter.grants(0)
    limiter.change([Segment(1, most_sessions=1), Segment(2, most_sessions=1), Segment(3, 2)], 0)
    limiter.ask(2, 3, 0)
    limiter.ask(3, 3, 0)
    assert len(limiter.grants(0)) == 1
    limiter.done(old, 0)
    assert limiter.open == 1


@pytest.mark.parametrize("nodes", [1000])
def test_thousands_of_waiting_meters(nodes):
    tree = [Segment(1, most_sessions=500)]
    tree += [Segment(n, 1, most_sessions=4) for n in range(2, nodes + 2)]
    limiter = Limiter(tree)
    for key in range(10_000):
        limiter.ask(key, 2 + key % nodes, 4)
    done = 0
    while granted := limiter.grants(0):
        done += len(granted)
        for ticket in granted:
            limiter.done(ticket, 0)
    assert done == 10_000
