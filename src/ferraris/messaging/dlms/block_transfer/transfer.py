"""One end of a general block transfer: APDUs cut into blocks, and blocks joined to APDUs.

Each side numbers every block that it sends from 1, empty acknowledgements included, and tells in
each the last block that it has in sequence. Who has the turn streams at most the peer's window,
marks all blocks but the last as streaming, and repeats what was not acknowledged. An end that only
answers needs no clock: the one that asked repeats after a silence [memory].

A transfer has no identifier of its own: over a line that reorders, a late block of one could enter
the next. What travels must therefore carry a tag, or the line must keep the order.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ferraris.core.errors import SequenceError, UsageError
from ferraris.messaging.dlms.block_transfer.states import Happening, State, step
from ferraris.messaging.dlms.general import GeneralBlockTransfer

__all__ = [
    "ABORT",
    "BLOCK_HEADER_OCTETS",
    "LARGEST_WINDOW",
    "PushJoiner",
    "Transfer",
    "data_octets",
    "push_blocks",
]

LARGEST_WINDOW = 63
"""What six bits of window can say, in blocks. [asn1]"""

BLOCK_HEADER_OCTETS = 9
"""Most octets of a block besides its data: tag, control, two numbers, length [asn1]."""

_WHERE = "block transfer"
_LARGEST_BLOCK = 65000  # octets of data where the peer sets no limit: the wrapper has one
_LAST_NUMBER = 0xFFFF
_LIMIT_OCTETS = 16 * 1024 * 1024

ABORT = GeneralBlockTransfer(True, False, 0, 0, 0, b"")
"""The block by which a transfer is given up [memory]."""


def data_octets(max_pdu: int) -> int:
    """The most data in a block for a peer that takes APDUs of `max_pdu` octets, 0 for any."""
    return max(1, max_pdu - BLOCK_HEADER_OCTETS) if max_pdu > 0 else _LARGEST_BLOCK


def push_blocks(apdu: bytes, max_pdu: int) -> list[bytes]:
    """An APDU that nobody acknowledges in blocks of at most `max_pdu` octets.

    As recorded pushes have it: every block streaming, also the last, and a window of 0.
    """
    octets = data_octets(max_pdu)
    cut = [apdu[start : start + octets] for start in range(0, len(apdu), octets)]
    return [
        GeneralBlockTransfer(number == len(cut), True, 0, number, 0, data).to_octets()
        for number, data in enumerate(cut, 1)
    ]


class _Block(NamedTuple):
    number: int
    data: bytes
    last: bool


class Transfer:
    """Both directions of one exchange.

    `asks` tells the end that asks, and so repeats after a silence, from the one that answers.
    `block_octets` is the most data in a block that we send, `window` how many blocks in a stream we
    take (1 to 63), `limit` bounds an APDU that we receive, in octets.
    """

    _apdu: bytes
    _position: int  # octets of it that were cut into blocks
    _number: int  # of our last block
    _unacknowledged: deque[_Block]
    _peer_window: int
    _received: int  # number of the peer's last block in sequence
    _first: bytes  # data of its block 1
    _early: dict[int, _Block]
    _parts: list[bytes]
    _octets: int
    _peer_last: bool  # it has said everything

    def __init__(
        self,
        *,
        asks: bool,
        block_octets: int = 1024,
        window: int = 16,
        limit: int = _LIMIT_OCTETS,
    ) -> None:
        if not 1 <= window <= LARGEST_WINDOW or block_octets < 1:
            raise UsageError("a window has 1 to 63 blocks, a block at least one octet")
        self.asks = asks
        self.block_octets = block_octets
        self.window = window
        self.limit = limit
        self.state = State.IDLE
        self._forget()

    @property
    def speaking(self) -> bool:
        """It is our turn: `stream` has something to send."""
        return self.state is State.SPEAKING

    @property
    def listening(self) -> bool:
        """The peer has the turn, and we need what it sends."""
        return self.state is State.LISTENING

    @property
    def under_way(self) -> bool:
        """Something was begun, and is not forgotten yet."""
        return self.state is not State.IDLE

    @property
    def delivered(self) -> bool:
        """All that we had to say has been acknowledged."""
        return not self._unsent and not any(block.data for block in self._unacknowledged)

    def begin(self, apdu: bytes) -> None:
        """Send `apdu` in blocks: a request, or the answer to what was received last."""
        if self.state in {State.IDLE, State.SERVED}:
            self._forget()
        self._step(Happening.BEGIN)
        self._apdu, self._position = apdu, 0

    def stream(self) -> list[bytes]:
        """What to send in our turn: repetitions, new blocks, or an empty acknowledgement."""
        window = self._peer_window
        blocks = list(self._unacknowledged)[:window]
        while len(blocks) < window and self._position < len(self._apdu):
            blocks.append(self._cut())
        if not blocks:
            blocks.append(self._number_block(b"", True))
        octets = [
            GeneralBlockTransfer(
                block.last,
                index < len(blocks),
                self.window,
                block.number,
                self._received,
                block.data,
            ).to_octets()
            for index, block in enumerate(blocks, 1)
        ]
        more = self.asks or self._position < len(self._apdu) or not self._peer_last
        self._step(Happening.STREAM_SENT if more else Happening.ALL_SENT)
        return octets

    def receive(self, block: GeneralBlockTransfer) -> bytes | None:
        """Take one block of the peer; its APDU when that is whole.

        Raises `SequenceError` when the peer gave up or its APDU exceeds the limit: the transfer is
        over then. Blocks that were received before, or are too early to be kept, change nothing.
        """
        if block == ABORT:
            self.end()
            raise SequenceError("the peer gave the transfer up", where=_WHERE)
        if not self._belongs(block):
            return None
        self._step(Happening.HEARD)
        self._peer_window = max(1, block.window)
        news = self._acknowledge(block.block_number_ack)
        news = self._take(block) or news
        # Who asks speaks only about news, and nobody about an acknowledgement that ends all:
        # otherwise one doubled block would double everything that follows.
        open_ends = block.block_data or self._unacknowledged or self._unsent or not self._peer_last
        if not block.streaming and open_ends and (news or not self.asks):
            self._step(Happening.STREAM_ENDED)
        if not self._peer_last or not self._parts or self._early:
            return None
        apdu = b"".join(self._parts)
        self._parts, self._octets = [], 0
        return apdu

    def silence(self) -> None:
        """Nothing came in time: take the turn and repeat."""
        self._step(Happening.SILENCE)

    def end(self) -> None:
        """Forget everything: the exchange is over, well or not."""
        self._step(Happening.OVER)
        self._forget()

    # -- our blocks -----------------------------------------------------------------------

    @property
    def _unsent(self) -> bool:
        return self._position < len(self._apdu)

    def _cut(self) -> _Block:
        data = self._apdu[self._position : self._position + self.block_octets]
        self._position += len(data)
        return self._number_block(data, not self._unsent)

    def _number_block(self, data: bytes, last: bool) -> _Block:
        if self._number >= _LAST_NUMBER:
            raise UsageError(f"an APDU of more than {_LAST_NUMBER} blocks: make them larger")
        self._number += 1
        block = _Block(self._number, data, last)
        self._unacknowledged.append(block)
        return block

    def _acknowledge(self, number: int) -> bool:
        """Forget what the peer has; True when that is news."""
        ours = self._unacknowledged
        if not ours or ours[0].number > number:
            return False
        while ours and ours[0].number <= number:
            ours.popleft()
        return True

    # -- the peer's blocks ----------------------------------------------------------------

    def _belongs(self, block: GeneralBlockTransfer) -> bool:
        """Is the block of this transfer, or does it begin the next one?"""
        first = block.block_number == 1 and block.block_number_ack == 0
        if not first:
            # One that acknowledges what we never sent is a late block of an earlier transfer.
            return self.state is not State.IDLE and block.block_number_ack <= self._number
        if self._received and block.block_data != self._first:
            if self.asks:
                return False
            self.end()
        self._first = block.block_data
        return True

    def _take(self, block: GeneralBlockTransfer) -> bool:
        """Keep a block; True when it was new."""
        number = block.block_number
        if not self._received < number <= self._received + self.window or number in self._early:
            return False
        self._early[number] = _Block(number, block.block_data, block.last_block)
        while (following := self._early.pop(self._received + 1, None)) is not None:
            self._received += 1
            self._peer_last = following.last
            if following.data:
                self._octets += len(following.data)
                if self._octets > self.limit:
                    self.end()
                    raise SequenceError(f"more than {self.limit} octets in blocks", where=_WHERE)
                self._parts.append(following.data)
        return True

    # -- beginning and ending -------------------------------------------------------------

    def _step(self, happening: Happening) -> None:
        self.state = step(self.state, happening)

    def _forget(self) -> None:
        self._apdu = b""
        self._position = 0
        self._number = 0
        self._unacknowledged = deque()
        self._peer_window = 1
        self._received = 0
        self._first = b""
        self._early = {}
        self._parts = []
        self._octets = 0
        self._peer_last = True


class PushJoiner:
    """Joins the unacknowledged blocks of a push, which come in order or are lost."""

    _number: int
    _octets: int
    _parts: list[bytes]

    def __init__(self, limit: int = _LIMIT_OCTETS) -> None:
        self.limit = limit
        self._forget()

    def receive(self, block: GeneralBlockTransfer) -> bytes | None:
        """Take one block; the APDU when it was the last. `SequenceError` for a gap."""
        number = block.block_number
        if number == 1:
            self._forget()
        elif number == self._number:
            return None  # a repetition
        if number != self._number + 1:
            self._forget()
            raise SequenceError(f"block {number} of a push is missing others", where=_WHERE)
        self._number = number
        self._octets += len(block.block_data)
        if self._octets > self.limit:
            self._forget()
            raise SequenceError(f"more than {self.limit} octets in blocks", where=_WHERE)
        self._parts.append(block.block_data)
        if not block.last_block:
            return None
        apdu = b"".join(self._parts)
        self._forget()
        return apdu

    def _forget(self) -> None:
        self._number = 0
        self._octets = 0
        self._parts = []
