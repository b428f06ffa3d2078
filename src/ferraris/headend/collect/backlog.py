"""Meters whose turn to be claimed has not come yet, by node, so that none stands behind another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ferraris.headend.collect.gaps import MeterGaps

__all__ = ["Backlog"]


class Backlog:
    """Meters with work, in memory only; the store knows nothing of it."""

    def __init__(self) -> None:
        self._of_node: dict[int, deque[MeterGaps]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, found: MeterGaps) -> None:
        """Wait for a turn."""
        self._of_node.setdefault(found.target.node, deque()).append(found)
        self._count += 1

    def take(self, most: int, room: Callable[[int], int]) -> list[MeterGaps]:
        """Up to `most` meters, in turns over the nodes, and of each node as many as it has room."""
        taken: list[MeterGaps] = []
        left = {node: room(node) for node in self._of_node}
        turns = deque(node for node, count in left.items() if count > 0)
        while turns and len(taken) < most:
            node = turns.popleft()
            queue = self._of_node[node]
            taken.append(queue.popleft())
            left[node] -= 1
            if not queue:
                del self._of_node[node]
            elif left[node] > 0:
                turns.append(node)
        self._count -= len(taken)
        return taken

    def clear(self) -> None:
        """Forget them; the gap list finds them again."""
        self._of_node.clear()
        self._count = 0
