"""Service-specific block transfer: a long APDU's data cut into blocks, and joined again [asn1].

Blocks are numbered from 1; each block APDU is protected on its own. Both ends use these two small
objects; which APDU carries a block is the business of the association and of the procedures.
"""

from __future__ import annotations

from ferraris.core.errors import SequenceError
from ferraris.messaging.dlms.association.parameters import Negotiated

__all__ = ["Incoming", "Outgoing", "block_octets", "fits", "fits_whole"]

_BLOCK_HEADER = 3 + 1 + 4 + 1 + 3  # choices and invoke id, last-block, number, choice, length
_PROTECTION = 1 + 3 + 5 + 12  # tag, length, security header, authentication tag
_GENERAL_PROTECTION = _PROTECTION + 9  # and the system title
_SMALLEST_BLOCK = 16
_LARGEST_BLOCK = 65000


def block_octets(max_pdu: int, *, protected: bool, leading: int = 0) -> int:
    """How many octets of data fit into one block APDU of at most `max_pdu` octets.

    `max_pdu` 0 means no limit; `leading` is what a first block carries besides, such as an
    attribute descriptor with its selection. The limit holds for the whole APDU, protection
    included [facts-g §3].
    """
    if max_pdu <= 0:
        return _LARGEST_BLOCK
    room = max_pdu - _BLOCK_HEADER - leading - (_GENERAL_PROTECTION if protected else 0)
    return max(_SMALLEST_BLOCK, min(room, _LARGEST_BLOCK))


def fits(negotiated: Negotiated, octets: int, protected: bool) -> bool:
    """Whether a plain APDU of so many octets is sent as one, in whatever pieces below.

    General block transfer, where both ends have it, takes the place of these blocks [asn1].
    """
    return negotiated.general_blocks or fits_whole(negotiated, octets, protected)


def fits_whole(negotiated: Negotiated, octets: int, protected: bool) -> bool:
    """Whether a plain APDU of so many octets is taken by the peer in one piece."""
    if negotiated.protected_octets is not None and negotiated.max_send:
        return negotiated.protected_octets(octets) <= negotiated.max_send
    room = negotiated.max_send - (_GENERAL_PROTECTION if protected else 0)
    return negotiated.max_send == 0 or octets <= room


class Outgoing:
    """Data on its way out, block by block."""

    __slots__ = ("_data", "_position", "number")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self.number = 0  # of the block handed out last

    @property
    def done(self) -> bool:
        """All blocks were handed out."""
        return self._position >= len(self._data) and self.number > 0

    def next(self, octets: int) -> tuple[bool, int, bytes]:
        """The next block of at most `octets` octets: whether it is the last, number, content."""
        block = self._data[self._position : self._position + octets]
        self._position += len(block)
        self.number += 1
        return self._position >= len(self._data), self.number, block


class Incoming:
    """Data that arrives block by block; bounded by `limit` octets."""

    __slots__ = ("_blocks", "_limit", "_octets", "number")

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self._blocks: list[bytes] = []
        self._octets = 0
        self._limit = limit
        self.number = 0  # of the block taken last

    def add(self, number: int, block: bytes) -> None:
        """Take block `number`; `SequenceError` when another was due or the data grow too long."""
        if number != self.number + 1:
            raise SequenceError(
                f"block {number} came where block {self.number + 1} was due",
                where="block transfer",
            )
        self._octets += len(block)
        if self._octets > self._limit:
            raise SequenceError(f"more than {self._limit} octets in blocks", where="block transfer")
        self.number = number
        self._blocks.append(block)

    def data(self) -> bytes:
        """Everything that arrived so far."""
        return b"".join(self._blocks)
