"""Both ends of a general block transfer: the known sequence, losses, doubles, disorder, endings."""

from __future__ import annotations

from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, LineError, SequenceError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed
from ferraris.core.stack import Plain, over
from ferraris.line.virtual import Physics, VirtualEnd, VirtualLine, VirtualTime
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.block_transfer.layer import BlockTransferLayer
from ferraris.messaging.dlms.block_transfer.states import TRANSFER, Happening, State, step
from ferraris.messaging.dlms.block_transfer.transfer import (
    ABORT,
    BLOCK_HEADER_OCTETS,
    PushJoiner,
    Transfer,
)
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.general import GeneralBlockTransfer, decode_general_block_transfer

BOTH_HAVE_IT = Negotiated(int(Conformance.GENERAL_BLOCK_TRANSFER), 128, 128)


def parse(octets: bytes) -> GeneralBlockTransfer:
    return decode_general_block_transfer(octets)


class Server(Plain[bytes, bytes, bytes]):
    """Answers each request with `answer(request)`, in blocks when that is long."""

    def __init__(self, answer, *, window: int = 16, block_octets: int = 119) -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[bytes] = []
        self.most_held = 0
        self.transfer = Transfer(asks=False, window=window, block_octets=block_octets)

    def receive(self, unit: bytes, now: float) -> None:
        transfer = self.transfer
        if unit[:1] != b"\xe0":
            self.requests.append(unit)
            transfer.end()
            transfer.begin(self.answer(unit))
        else:
            try:
                request = transfer.receive(parse(unit))
            except (SequenceError, DecodeError):
                return
            if request is not None:
                self.requests.append(request)
                transfer.begin(self.answer(request))
        if transfer.speaking:
            self._down.extend(transfer.stream())
        self.most_held = max(self.most_held, len(self._down))


class Client(Plain[bytes, bytes, bytes]):
    """The layer above: one exchange at a time, which a failure below ends."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: bytes | None = None

    @property
    def room(self) -> bool:
        return self.pending is None

    def send(self, unit: bytes, now: float) -> None:
        self.pending = unit
        self._down.append(unit)

    def receive(self, unit: bytes, now: float) -> None:
        self.pending = None
        self._up.append(Deliver(unit))

    def notice(self, what, now: float) -> None:
        if type(what) is Failed:
            what, self.pending = Failed(what.error, self.pending), None
        super().notice(what, now)


def connect(server: Server, physics: Physics, *, seed: int = 1, window: int = 16):
    time = VirtualTime()
    layer = BlockTransferLayer(lambda: BOTH_HAVE_IT, window=window, timeout_s=1.0, max_tries=12)
    line = VirtualLine(time, over(Client(), layer), server, physics, seed=seed)
    return time, line, layer


def ask(time: VirtualTime, line: VirtualLine, requests: list[bytes]) -> list[bytes]:
    async def procedure() -> list[bytes]:
        await line.driver.open()
        return [await line.driver.exchange(request) for request in requests]

    return time.complete(procedure())


def test_the_known_sequence() -> None:
    """A long GET with a client window of 3, as the fact sheet has it [memory]."""
    client = Transfer(asks=True, window=3, block_octets=119)
    server = Transfer(asks=False, window=1, block_octets=10)
    client.begin(b"request")
    (first,) = client.stream()
    assert first == bytes.fromhex("e0 83 0001 0000 07") + b"request"
    assert server.receive(parse(first)) == b"request"
    server.begin(bytes(range(50)))
    blocks = server.stream()
    assert [block[:6].hex(" ", -2) for block in blocks] == [
        bytes.fromhex(f"e0 {head}").hex(" ", -2)
        for head in ("41 0001 0001", "41 0002 0001", "01 0003 0001")
    ]
    for block in blocks:
        assert client.receive(parse(block)) is None
    (acknowledgement,) = client.stream()
    assert acknowledgement == bytes.fromhex("e0 83 0002 0003 00")
    assert server.receive(parse(acknowledgement)) is None
    blocks = server.stream()
    assert [block[:6] for block in blocks] == [
        bytes.fromhex("e0 41 0004 0002"),
        bytes.fromhex("e0 81 0005 0002"),
    ]
    assert client.receive(parse(blocks[0])) is None
    assert client.receive(parse(blocks[1])) == bytes(range(50))
    assert server.state is State.SERVED


@pytest.mark.parametrize("window", [1, 2, 5, 16, 63])
@pytest.mark.parametrize("octets", [1, 119, 120, 3000])
def test_any_size_and_window(window: int, octets: int) -> None:
    server = Server(lambda request: request[::-1] * 2, window=window)
    time, line, _ = connect(server, Physics(), window=window)
    request = Random(octets).randbytes(octets)
    assert ask(time, line, [request, request[1:] + b"x"]) == [
        request[::-1] * 2,
        (request[1:] + b"x")[::-1] * 2,
    ]
    assert server.most_held <= max(window, 1)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "physics",
    [
        pytest.param(Physics(loss=0.2), id="loss"),
        pytest.param(Physics(duplication=0.3), id="duplication"),
        pytest.param(Physics(loss=0.1, duplication=0.2), id="both"),
    ],
)
def test_a_line_that_keeps_the_order_gives_right_answers(physics: Physics, seed: int) -> None:
    server = Server(lambda request: request * 3)
    time, line, _ = connect(server, physics, seed=seed)
    requests = [Random(seed * 100 + index).randbytes(500) for index in range(4)]
    assert ask(time, line, requests) == [request * 3 for request in requests]
    assert len(server.requests) == 4, "no request was served twice"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "physics",
    [
        pytest.param(Physics(reorder=0.3), id="reorder"),
        pytest.param(Physics(loss=0.1, duplication=0.1, reorder=0.2), id="all"),
    ],
)
def test_out_of_order_a_tag_tells_wrong_from_right(physics: Physics, seed: int) -> None:
    """Late blocks of one exchange can enter the next: a tag sees it, and a read is repeated."""

    def tagged(octets: bytes) -> bytes:
        return sha256(octets).digest() + octets

    def sound(octets: bytes) -> bool:
        return tagged(octets[32:]) == octets

    server = Server(lambda request: tagged(request[32:] * 3) if sound(request) else b"\xd8\x01\x05")
    time, line, _ = connect(server, physics, seed=seed)

    async def read(octets: bytes) -> bytes:
        for attempt in range(8):
            try:
                answer = await line.driver.exchange(tagged(octets + bytes((attempt,))))
            except (LineError, SequenceError):
                continue
            if sound(answer):
                return answer[32:]
        raise AssertionError("eight tries were not enough")

    async def procedure() -> None:
        await line.driver.open()
        for index in range(4):
            octets = Random(seed * 100 + index).randbytes(500)
            answer = await read(octets)
            attempt = answer[500:501]
            assert answer == (octets + attempt) * 3

    time.complete(procedure())


def test_a_megabyte_over_a_line_that_loses_a_fifth() -> None:
    answer = Random(5).randbytes(1_000_000)
    server = Server(lambda request: answer, block_octets=1024)
    time, line, _ = connect(server, Physics(loss=0.2), seed=3)
    assert ask(time, line, [b"all of it"]) == [answer]


def test_doubled_blocks_do_not_breed() -> None:
    """Every datagram comes twice: twice as many blocks, not more and more of them."""
    server = Server(lambda request: bytes(20_000))
    time, line, _ = connect(server, Physics(duplication=1.0))
    sent = 0
    carry = line.carry

    def counting(sender: VirtualEnd, octets: bytes) -> float:
        nonlocal sent
        sent += sender is line.station
        return carry(sender, octets)

    line.carry = counting  # type: ignore[method-assign]
    assert ask(time, line, [b"x"]) == [bytes(20_000)]
    assert sent <= 4 * 20_000 // 119


def test_silence_ends() -> None:
    server = Server(lambda request: bytes(5000))
    time, line, layer = connect(server, Physics())

    async def procedure() -> None:
        await line.driver.open()
        line.cut = True
        await line.driver.exchange(bytes(1000))

    with pytest.raises(LineError, match="12 tries"):
        time.complete(procedure())
    assert layer.deadline is None


def test_a_cancelled_transfer_is_given_up_on_both_ends() -> None:
    layer = BlockTransferLayer(lambda: BOTH_HAVE_IT)
    layer.open(0.0)
    layer.send(bytes(500), 0.0)
    assert layer.transmit(0.0) is not None
    assert layer.transmit(0.0) is None
    assert layer.expects
    assert layer.deadline == 5.0
    layer.cancel(1.0)
    assert (layer.expects, layer.deadline) == (False, None)
    abort = layer.transmit(1.0)
    assert abort == ABORT.to_octets()
    server = Transfer(asks=False)
    server.receive(GeneralBlockTransfer(False, False, 3, 1, 0, b"half"))
    with pytest.raises(SequenceError, match="gave"):
        server.receive(parse(abort))
    assert server.state is State.IDLE


def test_what_fits_goes_as_it_is() -> None:
    layer = BlockTransferLayer(lambda: BOTH_HAVE_IT)
    layer.open(0.0)
    layer.event()
    layer.send(bytes(128), 0.0)
    assert layer.transmit(0.0) == bytes(128)
    layer.receive(b"\xc4\x01", 0.0)
    assert layer.event() == Deliver(b"\xc4\x01")
    without = BlockTransferLayer(lambda: Negotiated(0, 128, 128))
    without.send(bytes(129), 0.0)
    assert without.transmit(0.0) == bytes(129)
    before = BlockTransferLayer(lambda: None)
    before.send(bytes(129), 0.0)
    assert before.transmit(0.0) == bytes(129)


def test_a_refusal_ends_what_was_to_be_sent() -> None:
    layer = BlockTransferLayer(lambda: BOTH_HAVE_IT)
    layer.open(0.0)
    layer.send(bytes(500), 0.0)
    first = layer.transmit(0.0)
    assert isinstance(first, bytes)
    assert len(first) == 128 - BLOCK_HEADER_OCTETS + 7
    layer.receive(bytes.fromhex("d80101"), 0.1)
    assert layer.transmit(0.1) is None
    assert not layer.expects
    events = [event for event in iter(layer.event, None) if isinstance(event, Deliver)]
    assert events == [Deliver(bytes.fromhex("d80101"))]


def test_a_push_does_not_disturb_a_transfer() -> None:
    layer = BlockTransferLayer(lambda: BOTH_HAVE_IT)
    layer.open(0.0)
    layer.send(bytes(500), 0.0)
    layer.transmit(0.0)
    layer.transmit(0.0)
    layer.receive(b"\x0fpush", 0.1)
    for number, last in ((1, False), (2, True)):
        block = GeneralBlockTransfer(last, True, 0, number, 0, b"\x0fblocks")
        layer.receive(block.to_octets(), 0.2)
    assert layer.expects
    pushes = [event.unit for event in iter(layer.event, None) if isinstance(event, Deliver)]
    assert pushes == [b"\x0fpush", b"\x0fblocks\x0fblocks"]


def test_pushes_lose_no_octet_or_are_lost() -> None:
    joiner = PushJoiner(limit=100)

    def block(number: int, last: bool = False, size: int = 10) -> GeneralBlockTransfer:
        return GeneralBlockTransfer(last, True, 0, number, 0, bytes([number]) * size)

    assert joiner.receive(block(1)) is None
    assert joiner.receive(block(1)) is None
    assert joiner.receive(block(2)) is None
    assert joiner.receive(block(2)) is None
    assert joiner.receive(block(3, last=True)) == b"\x01" * 10 + b"\x02" * 10 + b"\x03" * 10
    joiner.receive(block(1))
    with pytest.raises(SequenceError, match="missing"):
        joiner.receive(block(3))
    with pytest.raises(SequenceError, match="more than"):
        joiner.receive(block(1, size=101))


def test_bounds() -> None:
    for wrong in ({"window": 0}, {"window": 64}, {"block_octets": 0}):
        with pytest.raises(UsageError):
            Transfer(asks=True, **wrong)
    greedy = Transfer(asks=False, limit=100)
    with pytest.raises(SequenceError, match="more than"):
        for number in range(1, 20):
            greedy.receive(GeneralBlockTransfer(False, True, 3, number, 0, bytes(10)))
    assert greedy.state is State.IDLE
    endless = Transfer(asks=False, window=2)
    endless.receive(GeneralBlockTransfer(False, True, 3, 1, 0, bytes(10)))
    for number in range(1, 200, 2):
        endless.receive(GeneralBlockTransfer(False, True, 3, number + 4, 0, bytes(10)))
    assert len(endless._early) <= 2
    tiny = Transfer(asks=True, block_octets=1)
    tiny.begin(bytes(70_000))
    tiny._number = 0xFFFF
    with pytest.raises(UsageError, match="larger"):
        tiny.stream()


blocks = st.builds(
    GeneralBlockTransfer,
    st.booleans(),
    st.booleans(),
    st.integers(0, 63),
    st.integers(0, 6) | st.integers(0, 0xFFFF),
    st.integers(0, 6) | st.integers(0, 0xFFFF),
    st.binary(max_size=4),
)


@settings(max_examples=300)
@given(st.booleans(), st.lists(blocks | st.just(ABORT) | st.none(), max_size=30))
def test_any_blocks_keep_to_the_tables(asks: bool, received: list[GeneralBlockTransfer]) -> None:
    transfer = Transfer(asks=asks, window=4, limit=40)
    if asks:
        transfer.begin(bytes(20))
    for block in received:
        if block is None:
            if transfer.listening:
                transfer.silence()
        else:
            try:
                apdu = transfer.receive(block)
            except SequenceError:
                continue
            if apdu is not None and not asks:
                transfer.begin(apdu * 2)
        if transfer.speaking:
            assert 1 <= len(transfer.stream()) <= 63
        assert len(transfer._early) <= 4


def test_the_table_refuses_what_it_does_not_know() -> None:
    for state in State:
        for happening in Happening:
            if happening not in TRANSFER[state]:
                with pytest.raises(SequenceError):
                    step(state, happening)


def test_the_line_below_closing_ends_the_transfer() -> None:
    layer = BlockTransferLayer(lambda: BOTH_HAVE_IT)
    layer.open(0.0)
    layer.send(bytes(500), 0.0)
    layer.transmit(0.0)
    layer.notice(Closed(LineError("cut")), 0.0)
    assert layer.deadline is None
    assert isinstance(list(iter(layer.event, None))[-1], Closed)
