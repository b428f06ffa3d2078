"""General block transfer at a server: long requests joined, long answers and pushes cut.

One transfer for each client address that ever needed one, since a transfer has no identifier. The
server has no clock for it: the client repeats what it misses.
"""

from __future__ import annotations

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.association.server import ServerAssociation
from ferraris.messaging.dlms.block_transfer.transfer import (
    ABORT,
    Transfer,
    data_octets,
    push_blocks,
)
from ferraris.messaging.dlms.general import decode_general_block_transfer
from ferraris.transport.addresses import Addresses

__all__ = ["ABORTING", "Transfers", "pushed", "takes_blocks"]

ABORTING = ABORT.to_octets()
"""What the end that gives a transfer up sends."""

_LIMIT_OCTETS = 4 * 1024 * 1024  # of a request


def takes_blocks(association: ServerAssociation) -> bool:
    """Whether the association has agreed to general block transfer."""
    negotiated = association.negotiated
    return negotiated is not None and negotiated.general_blocks


def pushed(octets: bytes, association: ServerAssociation) -> list[bytes]:
    """A push in one piece, or in blocks that nobody acknowledges when its client takes no more.

    Outside an association the client may join blocks; within one only if that was negotiated, else
    `UsageError`.
    """
    negotiated, offer = association.negotiated, association.offer
    limit = offer.client_max_pdu if negotiated is None else negotiated.max_send
    if not 0 < limit < len(octets):
        return [octets]
    if negotiated is not None and not negotiated.general_blocks:
        raise UsageError(
            f"a push of {len(octets)} octets does not fit into the client's {limit}, and it does "
            "not take blocks",
            where="push",
        )
    return push_blocks(octets, limit)


class Transfers:
    """The transfers of one line, by the addresses of client and server."""

    def __init__(self) -> None:
        self._transfers: dict[Addresses, Transfer] = {}

    def join(
        self, address: Addresses, octets: bytes, association: ServerAssociation
    ) -> bytes | None:
        """Take a block; the whole request with the last one, None before.

        Raises `DecodeError` for no block, `SequenceError` when the transfer is over by it: the
        client gave up, or we do. Blocks that want no acknowledgement are not for servers and change
        nothing.
        """
        block = decode_general_block_transfer(octets)
        if block.streaming and not block.window:
            return None
        return self._of(address, association).receive(block)

    def answer(
        self, address: Addresses, octets: bytes, association: ServerAssociation, *, anew: bool
    ) -> None:
        """Begin an answer; `anew` when its request came in one piece."""
        transfer = self._of(address, association)
        if anew:
            transfer.end()
        negotiated = association.negotiated
        transfer.block_octets = data_octets(0 if negotiated is None else negotiated.max_send)
        transfer.begin(octets)

    def stream(self, address: Addresses) -> list[bytes]:
        """The blocks that leave now, none when it is not our turn."""
        transfer = self._transfers.get(address)
        return transfer.stream() if transfer is not None and transfer.speaking else []

    @property
    def some(self) -> bool:
        """Whether there ever was one that is not forgotten."""
        return bool(self._transfers)

    def end(self, address: Addresses) -> bool:
        """A new request came in one piece: the client has given the old answer up.

        True when there was one.
        """
        transfer = self._transfers.get(address)
        if transfer is None or not transfer.under_way:
            return False
        transfer.end()
        return True

    def is_sending(self, address: Addresses) -> bool:
        """Whether an answer is half sent."""
        transfer = self._transfers.get(address)
        return transfer is not None and (transfer.speaking or transfer.listening)

    def clear(self) -> None:
        """The line is gone."""
        self._transfers.clear()

    def _of(self, address: Addresses, association: ServerAssociation) -> Transfer:
        transfer = self._transfers.get(address)
        if transfer is None:
            window = association.offer.block_window
            transfer = Transfer(asks=False, window=window, limit=_LIMIT_OCTETS)
            self._transfers[address] = transfer
        return transfer
