"""Blocks of a push put together: general block transfer as meters push it, without an answer.

Blocks come numbered from 1, in order. A block that comes twice is dropped, block 1 begins anew,
and a gap ends the transfer: blocks that follow a gap may belong to the next push, so they are
never sorted in. Everything is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from ferraris.core.errors import DecodeError, SequenceError
from ferraris.messaging.dlms.general import GeneralBlockTransfer

__all__ = ["PushBlocks"]

_WHERE = "general block transfer"


class _Transfer:
    """What has come of one push."""

    __slots__ = ("last", "octets", "parts")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.octets = 0
        self.last = 0


class PushBlocks:
    """Transfers that have begun, by sender; `limit` is the longest APDU, `most` their number."""

    def __init__(self, limit: int = 65535, most: int = 256) -> None:
        self._limit = limit
        self._most = most
        self._transfers: OrderedDict[Hashable, _Transfer] = OrderedDict()

    def add(self, sender: Hashable, block: GeneralBlockTransfer) -> bytes | None:
        """Take a block; the APDU with the last one, None before.

        Raises `SequenceError` for a gap, `DecodeError` beyond the limit; both end the transfer.
        """
        number = block.block_number
        transfer = self._transfers.get(sender)
        if number == 1:
            transfer = self._begin(sender)
        elif transfer is None:
            raise SequenceError(f"block {number} of a push without those before", where=_WHERE)
        elif number == transfer.last and block.block_data == transfer.parts[-1]:
            return None
        elif number != transfer.last + 1:
            del self._transfers[sender]
            message = f"block {number} came after block {transfer.last}: the push is dropped"
            raise SequenceError(message, where=_WHERE)
        transfer.octets += len(block.block_data)
        if transfer.octets > self._limit:
            del self._transfers[sender]
            raise DecodeError(f"a push of more than {self._limit} octets", where=_WHERE)
        transfer.parts.append(block.block_data)
        transfer.last = number
        if not block.last_block:
            return None
        del self._transfers[sender]
        return b"".join(transfer.parts)

    def began(self, sender: Hashable) -> bool:
        """Has a push of this sender come in part?"""
        return sender in self._transfers

    def _begin(self, sender: Hashable) -> _Transfer:
        transfer = _Transfer()
        self._transfers[sender] = transfer
        self._transfers.move_to_end(sender)
        if len(self._transfers) > self._most:
            self._transfers.popitem(last=False)
        return transfer
