"""What goes wrong on TCP is one line that says what helps, in both drivers."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable

import pytest

import ferraris
from ferraris.core.errors import Error, LineError
from ferraris.line import tcp
from ferraris.line.url import Endpoint

HERE = Endpoint("tcp", "127.0.0.1", 4059)


async def in_a_loop(url: str) -> None:
    await ferraris.connect(url, timeout_s=2)


async def blocking(url: str) -> None:
    await asyncio.get_running_loop().run_in_executor(
        None, lambda: ferraris.open(url, timeout_s=2).close()
    )


Twin = Callable[[str], Awaitable[None]]
TWINS = pytest.mark.parametrize("twin", [in_a_loop, blocking])


def fails(scheme: str, answer: bytes, twin: Twin) -> Error:
    """How a session with somebody ends who says `answer` to whatever comes, and hangs up."""

    async def somebody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    async def session() -> Error:
        server = await asyncio.start_server(somebody, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Error) as failed:
                await twin(f"{scheme}://127.0.0.1:{port}")
            return failed.value

    return asyncio.run(session())


@TWINS
@pytest.mark.parametrize(
    ("scheme", "other"), [("tcp", "HDLC, tcp+hdlc://"), ("tcp+hdlc", "the wrapper, tcp://")]
)
def test_who_hangs_up_without_a_word_may_speak_something_else(
    scheme: str, other: str, twin: Twin
) -> None:
    error = fails(scheme, b"", twin)
    assert isinstance(error, LineError)
    assert "before it said anything" in str(error)
    assert f"does it not speak {other}?" in str(error)


@TWINS
def test_half_a_unit_is_something_that_was_said(twin: Twin) -> None:
    error = fails("tcp", bytes.fromhex("000100010010002b6129a109"), twin)
    assert isinstance(error, LineError)
    assert "after 12 octets of a unit" in str(error)


@TWINS
@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc", "tls"])
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"login: ", bytes(3000)])
def test_nonsense_is_named(scheme: str, answer: bytes, twin: Twin) -> None:
    text = str(fails(scheme, answer, twin))
    assert text
    assert "\n" not in text


@TWINS
def test_nobody_listens(twin: Twin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    with pytest.raises(LineError, match="nobody listens there: is the port right"):
        asyncio.run(twin(f"tcp://127.0.0.1:{port}"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "nobody knows that name"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "check the address and the network"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_every_reason_has_its_remedy(cause: OSError, words: str) -> None:
    text = str(tcp.refused(HERE, cause))
    assert text.startswith("tcp: no connection to tcp://127.0.0.1")
    assert words in text


def test_a_port_that_is_taken() -> None:
    async def twice() -> None:
        async with await tcp.listen(Endpoint("tcp", "127.0.0.1", 0), lambda: None) as first:  # type: ignore[arg-type, return-value]
            await tcp.listen(Endpoint("tcp", "127.0.0.1", first.port), lambda: None)  # type: ignore[arg-type, return-value]

    with pytest.raises(LineError, match="the port is taken"):
        asyncio.run(twice())
