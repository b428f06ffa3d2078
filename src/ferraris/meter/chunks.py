"""Many numbered pieces of octets, such as the blocks of an image: kept one by one, held once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

__all__ = ["Chunks"]


class Chunks:
    """Pieces by number, from 0; several meters that got the same ones hold them together.

    Attributes:
        fresh: numbers of pieces that nobody has kept yet.
        began: how often it was cleared.
    """

    __slots__ = ("_pieces", "began", "fresh")

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self.fresh: set[int] = set()
        self.began = 0

    def put(self, number: int, octets: bytes, *, fresh: bool = True) -> None:
        """Take a piece, in place of an older one of that number."""
        octets = _held(octets)
        if self._pieces.get(number) is octets:
            return
        self._pieces[number] = octets
        if fresh:
            self.fresh.add(number)

    def clear(self) -> None:
        """Forget all."""
        self._pieces.clear()
        self.fresh.clear()
        self.began += 1

    def joined(self) -> bytes:
        """All pieces in order of their numbers."""
        return b"".join(self._pieces[number] for number in sorted(self._pieces))

    def __getitem__(self, number: int) -> bytes:
        return self._pieces[number]

    def __contains__(self, number: int) -> bool:
        return number in self._pieces

    def __iter__(self) -> Iterator[int]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chunks) and self._pieces == other._pieces

    __hash__ = None  # type: ignore[assignment] # it changes


@lru_cache(maxsize=1 << 15)
def _held(octets: bytes) -> bytes:
    """The first octets that were the same as these."""
    return octets
