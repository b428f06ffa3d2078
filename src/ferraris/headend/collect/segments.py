"""How much may go on below each node of the segment tree: sessions at a time, connections a second.

Pure logic: time comes in, and `grants` says who may start. A ticket waits at a node and needs
room there and at every node above it. Whenever somebody has room somebody starts; of those with
room the lowest priority number goes first, and the children of a node take turns.

A node where one session after the other fails is down: it is probed by one session at a time,
ever more slowly, until one succeeds; what others have is not used up by it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["OPERATOR", "ROOT", "Limiter", "Segment", "Ticket"]

OPERATOR: Final = -1
"""The priority of what an operator waits for: before all plans, with a share kept free for it."""

ROOT: Final = 0
"""The node above all others: the head-end itself."""

_CLASSES: Final = 11  # operators, and the priorities 0 to 9 of plans
_DOWN_AFTER: Final = 8  # sessions in a row that fail
_BRANCHES: Final = 3  # below which they fail, before the node above is to blame
_MOST_GOOD: Final = 400
_PROBE_S: Final = 15.0
_LONGEST_PROBE_S: Final = 600.0
_EPSILON: Final = 1e-9
_NOBODY: Final[deque[_Node]] = deque()


@dataclass(frozen=True, slots=True)
class Segment:
    """A node of the tree and its limits; None for no limit. `parent` is ROOT at the top."""

    node: int
    parent: int = ROOT
    most_sessions: int | None = None
    most_connects: float | None = None


class Ticket:
    """A session that waits or goes on; `fresh` unless the meter failed the last time, too."""

    __slots__ = ("fresh", "key", "node", "operator", "path", "priority", "probes", "started")

    def __init__(self, key: int, node: int, priority: int, fresh: bool) -> None:
        self.key = key
        self.node = node
        self.priority = priority
        self.operator = priority == OPERATOR
        self.fresh = fresh
        self.started = False
        self.probes: frozenset[int] = frozenset()  # the nodes that were down when it started
        self.path: tuple[_Node, ...] = ()


class _Node:
    """One node at work: what is open below it, its bucket of connections, and who waits."""

    __slots__ = (
        "all_waiting", "at_s", "burst", "culprits", "down", "failed", "good", "most", "most_bulk",
        "number", "open", "parent", "probe_s", "probing_s", "queues", "rate", "ringed", "rings",
        "tokens",
    )  # fmt: skip

    def __init__(self, number: int, parent: _Node | None) -> None:
        self.number = number
        self.parent = parent
        self.most = self.most_bulk = 1 << 60
        self.rate = self.burst = self.tokens = 0.0
        self.at_s = 0.0
        self.open = 0
        self.failed = 0
        self.good = 0
        self.culprits: set[int] = set()
        self.down = False
        self.probe_s = _PROBE_S
        self.probing_s = 0.0
        self.queues: dict[int, deque[Ticket]] = {}  # by class
        # Children below which somebody waits, and the node itself for its own queue: they take
        # turns. `ringed` tells that this node stands in the ring of its parent.
        self.rings: dict[int, deque[_Node]] = {}
        self.ringed: set[int] = set()
        self.all_waiting = 0

    def limit(self, segment: Segment, share: float, now: float) -> None:
        most = segment.most_sessions
        self.most = self.most_bulk = 1 << 60 if most is None else max(0, most)
        if most is not None and most > 1:
            self.most_bulk = most - max(1, int(most * share))
        self.rate = segment.most_connects or 0.0
        if segment.most_connects is not None:
            burst = max(1.0, self.rate)
            if not self.burst:
                self.tokens = burst if self.rate else 0.0
            self.burst, self.at_s = burst, max(self.at_s, now)
            self.tokens = min(self.tokens, burst)
        else:
            self.burst = 0.0

    def refill(self, now: float) -> None:
        if self.burst and now > self.at_s:
            self.tokens = min(self.burst, self.tokens + (now - self.at_s) * self.rate)
            self.at_s = now

    def has_room(self, operator: bool, now: float) -> bool:
        if self.open >= (self.most if operator else self.most_bulk):
            return False
        if self.burst:
            self.refill(now)
            if self.tokens < 1 - _EPSILON:
                return False
        if self.down and not operator:
            return self.open == 0 and now >= self.probing_s
        return True

    def succeeded(self) -> None:
        self.good = min(self.good + 1, _MOST_GOOD)
        self.failed, self.down, self.probe_s = 0, False, _PROBE_S
        self.culprits.clear()

    def fails(self, culprit: int, now: float, *, least: int) -> None:
        """One more in a row; down when many have failed, and not those of one branch only."""
        self.failed += 1
        self.culprits.add(culprit)
        enough = _DOWN_AFTER + self.good // 4  # what went well speaks for the node
        if self.parent is not None and self.failed >= enough and len(self.culprits) >= least:
            self.good = 0
            self.down, self.probing_s = True, now + self.probe_s

    def room_at(self, now: float) -> float | None:
        """When there is room by the mere passing of time; None when that does not help."""
        at = None
        if self.burst and self.tokens < 1 - _EPSILON and self.rate:
            at = self.at_s + (1 - self.tokens) / self.rate
        if self.down and self.open == 0 and now < self.probing_s:
            at = max(at or now, self.probing_s)
        return at


class Limiter:
    """The limits of a segment tree at work; `share` of each node's sessions is for operators."""

    def __init__(
        self, segments: Iterable[Segment] = (), *, share: float = 0.1, now: float = 0.0
    ) -> None:  # fmt: skip
        self._share = share
        self._root = _Node(ROOT, None)
        self._nodes: dict[int, _Node] = {ROOT: self._root}
        self._waiting: dict[int, int] = {}
        self.change(segments, now)

    def change(self, segments: Iterable[Segment], now: float) -> None:
        """Take over the tree as it is now; nodes that are gone have no limits of their own.

        Whoever waits or works keeps the path that it had.
        """
        given: Mapping[int, Segment] = {each.node: each for each in segments}
        for number, node in self._nodes.items():
            node.limit(given.get(number, Segment(number)), self._share, now)
        for number in given:
            self._node(number, given, now, set())

    def _node(
        self, number: int, given: Mapping[int, Segment], now: float, climbed: set[int]
    ) -> _Node:
        """The node of a number, below its parent of now; made anew when it has moved."""
        if number == ROOT or number in climbed:  # a circle ends at the top
            return self._root
        segment = given.get(number, Segment(number))
        parent = self._node(segment.parent, given, now, climbed | {number})
        known = self._nodes.get(number)
        if known is not None and known.parent is parent:
            return known
        made = self._nodes[number] = _Node(number, parent)
        made.limit(segment, self._share, now)
        return made

    @property
    def open(self) -> int:
        """How many sessions go on."""
        return self._root.open

    @property
    def waiting(self) -> int:
        """How many tickets wait."""
        return self._root.all_waiting

    def waiting_at(self, node: int) -> int:
        """How many tickets wait at a node itself."""
        return self._waiting.get(node, 0)

    def room_for(self, node: int) -> int:
        """How many sessions a node and those above it could have at most; for looking ahead."""
        known = self._nodes.get(node, self._root)
        most = known.most_bulk
        while known.parent is not None:
            known = known.parent
            most = min(most, known.most_bulk)
        return 1 if self.is_down(node) else most

    def is_down(self, node: int) -> bool:
        """Whether a node is only probed at the moment."""
        known: _Node | None = self._nodes.get(node, self._root)
        while known is not None:
            if known.down:
                return True
            known = known.parent
        return False

    def is_stuck(self) -> bool:
        """Whether nobody is in session and all that wait do so for nodes that fail probes, too."""
        return not self.open and all(self._fails_probes(number) for number in self._waiting)

    def down(self) -> list[int]:
        """The nodes that are only probed at the moment."""
        return sorted(number for number, node in self._nodes.items() if node.down)

    def ask(self, key: int, node: int, priority: int, *, fresh: bool = True) -> Ticket:
        """Wait for room at a node; the ticket starts when `grants` names it."""
        ticket = Ticket(key, node, priority, fresh)
        at = self._nodes.get(node, self._root)
        place = priority + 1
        queue = at.queues.setdefault(place, deque())
        if not queue:
            at.rings.setdefault(place, deque()).append(at)
        queue.append(ticket)
        ticket.path = tuple(_upwards(at))
        for each in ticket.path:
            each.all_waiting += 1
            if each.parent is not None and place not in each.ringed:
                each.ringed.add(place)
                each.parent.rings.setdefault(place, deque()).append(each)
        self._waiting[node] = self._waiting.get(node, 0) + 1
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Wait no longer."""
        at, place = ticket.path[0], ticket.priority + 1
        at.queues[place].remove(ticket)
        if not at.queues[place]:
            at.rings[place].remove(at)
        self._left(ticket)

    def grants(self, now: float) -> list[Ticket]:
        """Everybody who may start now, started; call it after whatever changes."""
        found = []
        for place in range(_CLASSES):
            while (ticket := self._pick(self._root, place, now)) is not None:
                ticket.started = True
                ticket.probes = frozenset(node.number for node in ticket.path if node.down)
                self._left(ticket)
                for node in ticket.path:
                    node.open += 1
                    if node.burst:
                        node.tokens -= 1
                found.append(ticket)
        return found

    def done(self, ticket: Ticket, now: float, *, reached: bool = True) -> None:
        """A session is over; `reached` is False when the meter could not even be connected to."""
        culprit = ticket.key
        for node in ticket.path:
            node.open -= 1
            if reached:
                node.succeeded()
            elif node.down and node.number not in ticket.probes:
                pass  # it began before
            elif node.down:
                node.probe_s = min(node.probe_s * 2, _LONGEST_PROBE_S)
                node.probing_s = now + node.probe_s
            elif ticket.fresh and not ticket.operator:
                node.fails(culprit, now, least=_DOWN_AFTER if node is ticket.path[0] else _BRANCHES)
            culprit = -node.number

    def deadline(self, now: float) -> float | None:
        """When to ask for grants again although nothing else changed; None when there is no use."""
        times = [
            at
            for node in self._nodes.values()
            if (node.burst or node.down) and node.all_waiting
            and (at := node.room_at(now)) is not None
        ]  # fmt: skip
        return min(times, default=None)

    def _fails_probes(self, number: int) -> bool:
        at = self._nodes.get(number, self._root)
        return any(node.down and node.probe_s > _PROBE_S for node in _upwards(at))

    def _pick(self, node: _Node, place: int, now: float) -> Ticket | None:
        """The next ticket of a class below a node; taken from its queue."""
        if not node.has_room(place == 0, now):
            return None
        ring = node.rings.get(place, _NOBODY)
        for _ in range(len(ring)):
            child = ring[0]
            if child is node:
                queue = node.queues[place]
                ticket = queue.popleft()
                ring.popleft()
                if queue:
                    ring.append(node)
                return ticket
            found = self._pick(child, place, now)
            if child.rings.get(place):
                ring.rotate(-1)
            else:
                ring.popleft()
                child.ringed.discard(place)
            if found is not None:
                return found
        return None

    def _left(self, ticket: Ticket) -> None:
        for node in ticket.path:
            node.all_waiting -= 1
        left = self._waiting[ticket.node] - 1
        if left:
            self._waiting[ticket.node] = left
        else:
            del self._waiting[ticket.node]


def _upwards(node: _Node) -> Iterator[_Node]:
    at: _Node | None = node
    while at is not None:
        yield at
        at = at.parent
