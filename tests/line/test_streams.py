"""What serves TCP behaves alike, whether connections are watched together or by transports."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ferraris.core.errors import LineError
from ferraris.core.layer import Closed, Notice
from ferraris.core.stack import Plain
from ferraris.line import tcp
from ferraris.line.streams import Streams
from ferraris.line.url import Endpoint

HERE = Endpoint("tcp", "127.0.0.1", 0)
WAYS = ["transports", *(["watched"] if sys.platform == "linux" else [])]
MUCH = bytes(range(256)) * 4096  # a megabyte: more than the system takes at once


class Echo(Plain[Any, bytes, bytes]):
    """Says again what it hears; a few words make it do something else."""

    def __init__(self, heard: list[Any]) -> None:
        super().__init__()
        self.heard = heard
        self._last = False  # what is said now is the last

    def receive(self, unit: bytes, now: float) -> None:
        self.heard.append(unit)
        if unit == b"fail":
            raise ZeroDivisionError
        if unit == b"bye":
            self._up.append(Closed(LineError("enough", where="test")))
        elif unit == b"much":
            self._down += [MUCH] * 8
        elif unit == b"much, bye":
            self._down += [MUCH]
            self._last = True
        else:
            self._down.append(unit)

    def transmit(self, now: float, expecting: bool = False) -> Any:
        unit = super().transmit(now, expecting)
        if unit is None and self._last:
            self._last = False
            self._up.append(Closed(LineError("that was all", where="test")))
        return unit

    def notice(self, what: Notice, now: float) -> None:
        self.heard.append(type(what))
        super().notice(what, now)


class Short(Echo):
    """The same with a short way for what begins with an s."""

    def served(self, unit: bytes) -> bytes | None:
        if unit[:1] != b"s":
            return None
        self.heard.append(unit)
        return unit.upper()


class Peer:
    """A client on a bare socket."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)

    async def say(self, octets: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, octets)

    async def hear(self, octets: int) -> bytes:
        heard = b""
        while len(heard) < octets:
            more = await asyncio.get_running_loop().sock_recv(self.socket, octets - len(heard))
            if not more:
                break
            heard += more
        return heard


class Crowd:
    """The clients of a session, and what the stacks have heard."""

    def __init__(self, port: int, heard: list[Any]) -> None:
        self.port, self.heard = port, heard
        self.peers: list[Peer] = []

    def peer(self) -> Peer:
        self.peers.append(Peer(self.port))
        return self.peers[-1]

    def close(self) -> None:
        for peer in self.peers:
            peer.socket.close()

    async def ended(self, count: int) -> None:
        await until(lambda: self.heard.count(Closed) == count)


Session = Callable[[Crowd], Awaitable[None]]


@pytest.fixture(params=WAYS)
def serve(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a session with a listener of either way; gives what its stacks heard."""
    if request.param == "transports":
        monkeypatch.setattr(tcp, "can_watch", lambda: False)

    def run(session: Session) -> list[Any]:
        heard: list[Any] = []

        async def main() -> None:
            async with asyncio.timeout(20):
                listener = await tcp.listen(HERE, lambda: Short(heard))
                assert isinstance(listener._server, Streams) == (request.param == "watched")
                crowd = Crowd(listener.port, heard)
                async with listener:
                    try:
                        await session(crowd)
                    finally:
                        crowd.close()

        asyncio.run(main())
        return heard

    return run


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_both_ways_of_a_stack_answer(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        peers = [crowd.peer() for _ in range(20)]
        for word, answer in ((b"short", b"SHORT"), (b"long", b"long"), (b"so", b"SO")):
            for peer in peers:
                await peer.say(word)
            for peer in peers:
                assert await peer.hear(len(answer)) == answer
        crowd.close()
        await crowd.ended(20)

    assert serve(session).count(b"short") == 20


def test_a_slow_peer_gets_everything_and_holds_up_nobody(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        slow, quick = crowd.peer(), crowd.peer()
        await slow.say(b"much")
        for _ in range(5):
            await quick.say(b"so")
            assert await quick.hear(2) == b"SO"
        assert await slow.hear(8 * len(MUCH)) == MUCH * 8
        await slow.say(b"so")  # nothing waits any more: the short way again
        assert await slow.hear(2) == b"SO"
        crowd.close()
        await crowd.ended(2)

    serve(session)


def test_what_was_said_arrives_before_the_end(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        peer = crowd.peer()
        await peer.say(b"much, bye")
        assert await peer.hear(2 * len(MUCH)) == MUCH
        await crowd.ended(1)

    serve(session)


def test_who_shuts_his_half_is_closed(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        peer = crowd.peer()
        await peer.say(b"so")
        peer.socket.shutdown(socket.SHUT_WR)
        assert await peer.hear(9) == b"SO"
        await crowd.ended(1)

    serve(session)


def test_a_stack_that_ends_closes_its_connection_alone(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        first, second = crowd.peer(), crowd.peer()
        await first.say(b"bye")
        assert await first.hear(9) == b""
        await second.say(b"so")
        assert await second.hear(2) == b"SO"

    serve(session)


def test_a_stack_that_fails_ends_its_connection_alone(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
        first, second = crowd.peer(), crowd.peer()
        await first.say(b"fail")
        await second.say(b"so")
        assert await first.hear(9) == b""
        assert await second.hear(2) == b"SO"
        assert [type(each["exception"]) for each in told] == [ZeroDivisionError]

    serve(session)


@pytest.mark.parametrize("words", [b"so", b"much"])
def test_a_peer_that_cuts_is_gone(serve: Any, words: bytes) -> None:
    async def session(crowd: Crowd) -> None:
        peer = crowd.peer()
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await peer.say(words)
        await until(lambda: words in crowd.heard)
        peer.socket.close()  # by a reset
        await crowd.ended(1)

    serve(session)


def test_the_listener_cuts_who_is_left(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        slow, other = crowd.peer(), crowd.peer()
        await slow.say(b"much")  # half of it waits
        await other.say(b"so")
        assert await other.hear(2) == b"SO"
        await until(lambda: b"much" in crowd.heard)

    assert serve(session).count(Closed) == 2


def test_more_than_one_turn_takes(serve: Any) -> None:
    async def session(crowd: Crowd) -> None:
        peers = [crowd.peer() for _ in range(300)]
        for peer in peers:
            await peer.say(b"so")
        for peer in peers:
            assert await peer.hear(2) == b"SO"
        crowd.close()
        await crowd.ended(300)

    serve(session)
