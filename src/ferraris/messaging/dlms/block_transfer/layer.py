"""General block transfer as the layer below a client's association.

What fits goes as it is; what does not goes in blocks, and answers in blocks come up whole. An APDU
is ciphered first and cut then: blocks themselves are never ciphered, and who alters or forges one
is found out by the tag of the whole. Only the asking end has a clock: it repeats after a silence,
and gives up after some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ferraris.core.errors import DecodeError, Error, LineError
from ferraris.core.layer import Closed, Deliver, Failed, Notice, Progress
from ferraris.core.stack import Plain
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.block_transfer.transfer import (
    ABORT,
    PushJoiner,
    Transfer,
    data_octets,
)
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.general import (
    GeneralBlockTransfer,
    decode_general_block_transfer,
)
from ferraris.messaging.dlms.tags import ApduTag

__all__ = ["BlockTransferLayer"]

_WHERE = "block transfer"
_TAG = int(ApduTag.GENERAL_BLOCK_TRANSFER)
_ABORT = ABORT.to_octets()
_REFUSALS = frozenset((ApduTag.EXCEPTION_RESPONSE, ApduTag.CONFIRMED_SERVICE_ERROR))


class BlockTransferLayer(Plain[bytes, bytes, bytes]):
    """Whole APDUs above, whole or blocks of them below.

    `negotiated` tells what the association above has agreed on, None before: blocks are used only
    where both ends have them. `exchange` tells which request is under way: a unit that is sent
    while it lasts, such as a receipt, leaves its transfer alone, and when a transfer fails that
    request has failed. `window` is what we take in one stream. A block not answered within
    `timeout_s` is repeated, `max_tries` times in all.
    """

    def __init__(
        self,
        negotiated: Callable[[], Negotiated | None],
        exchange: Callable[[], object] = lambda: None,
        *,
        window: int = 16,
        timeout_s: float = 5.0,
        max_tries: int = 4,
    ) -> None:
        super().__init__()
        self._negotiated = negotiated
        self._exchange = exchange
        self._asked_for: object = None  # the exchange that the transfer is part of
        self._transfer = Transfer(asks=True, window=window)
        self._push = PushJoiner()
        self._stream: deque[bytes] = deque()
        self._timeout_s = timeout_s
        self._max_tries = max_tries
        self._tries = 0
        self._asked = False
        self._answer_by: float | None = None

    @property
    def room(self) -> bool:
        # A receipt whose counter follows that of a request must not come before it.
        return not self._down and not self._stream and self._transfer.delivered

    @property
    def expects(self) -> bool:
        return self._transfer.listening

    @property
    def deadline(self) -> float | None:
        return self._answer_by

    def close(self, now: float) -> None:
        self._forget()
        super().close(now)

    def cancel(self, now: float) -> None:
        """Give the transfer up, and tell the peer, so that no half of it waits there."""
        active = self._transfer.speaking or self._transfer.listening
        untold = _ABORT in self._down
        self._forget()
        super().cancel(now)
        if active or untold:
            self._down.append(_ABORT)

    def send(self, unit: bytes, now: float) -> None:
        negotiated, exchange = self._usable(), self._exchange()
        if self._asked and exchange is not None and exchange is self._asked_for:
            self._down.append(unit)
            return
        self._forget()
        self._asked, self._asked_for = True, exchange
        if negotiated is None or not 0 < negotiated.max_send < len(unit):
            self._down.append(unit)
            return
        self._transfer.block_octets = data_octets(negotiated.max_send)
        self._transfer.begin(unit)

    def receive(self, unit: bytes, now: float) -> None:
        if unit[:1] != bytes((_TAG,)) or self._usable() is None:
            if unit and unit[0] in _REFUSALS:
                self._forget()  # of what we were about to send in blocks
            self._up.append(Deliver(unit))
            return
        try:
            block = decode_general_block_transfer(unit)
            if block.streaming and not block.window:
                apdu = self._push.receive(block)
            else:
                apdu = self._answer(block, now)
        except DecodeError as error:
            self._up.append(Failed(error))
        except Error as error:
            if block.window or not block.streaming:
                self._give_up(error)
            else:
                self._up.append(Failed(error))  # a push: no exchange ends by it
        else:
            self._up.append(Progress() if apdu is None else Deliver(apdu))

    def _answer(self, block: GeneralBlockTransfer, now: float) -> bytes | None:
        """Take a block of an answer; late ones of an exchange that is over change nothing."""
        if not self._asked:
            return None
        transfer = self._transfer
        apdu = transfer.receive(block)
        self._tries = 0
        if apdu is not None:
            self._forget()
        elif transfer.listening:
            self._answer_by = now + self._timeout_s
        else:
            self._answer_by = None
        return apdu

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._forget()
        elif type(what) is Progress and self._answer_by is not None:
            self._answer_by = now + self._timeout_s
        super().notice(what, now)

    def wake(self, now: float) -> None:
        if self._answer_by is None or now < self._answer_by:
            return
        self._answer_by = None
        self._tries += 1
        if self._tries >= self._max_tries:
            text = f"no block came in {self._tries} tries: the line loses too much, or was cut"
            self._give_up(LineError(text, where=_WHERE))
            self._down.append(_ABORT)
        else:
            self._transfer.silence()

    def transmit(self, now: float, expecting: bool = False) -> bytes | None:
        if self._asked and self._exchange() is not self._asked_for:
            self._forget()  # it was answered by an APDU in one piece, or is over
        if self._down:
            return self._down.popleft()
        if not self._stream and self._transfer.speaking:
            self._stream.extend(self._transfer.stream())
        if self._stream:
            self._up.append(Progress())
            return self._stream.popleft()
        if self._transfer.listening and self._answer_by is None:
            self._answer_by = now + self._timeout_s  # the last block has left
        return None

    def _usable(self) -> Negotiated | None:
        negotiated = self._negotiated()
        if negotiated is None or not negotiated.has(Conformance.GENERAL_BLOCK_TRANSFER):
            return None
        return negotiated

    def _give_up(self, error: Error) -> None:
        """The transfer has failed, and with it the exchange that it was part of."""
        ref = self._asked_for
        self._forget()
        self._up.append(Failed(error, ref))

    def _forget(self) -> None:
        self._transfer.end()
        self._stream.clear()
        self._asked, self._asked_for = False, None
        self._tries = 0
        self._answer_by = None
