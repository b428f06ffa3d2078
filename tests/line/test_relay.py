"""A relay on real sockets hands everything on, both ways, and records it."""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path
from typing import Any

import pytest

from ferraris.core.errors import LineError
from ferraris.core.pcapng import LINK_USER0, read_packets
from ferraris.line.packets import carried
from ferraris.line.recording import Recording
from ferraris.line.relay import relay
from ferraris.line.url import parse_url
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.wrapper import pack

ASK, ANSWER = pack(16, 1, b"\xc0\x01"), pack(1, 16, b"\xc4\x01")


def contents(octets: bytes) -> list[bytes]:
    seen = [carried(packet.link, packet.octets) for packet in read_packets(octets)]
    return [each.octets for each in seen if each is not None and each.octets]


def run(procedure: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await procedure

    return asyncio.run(bounded())


def test_tcp() -> None:
    written: list[bytes] = []

    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            writer.write(ANSWER)
        writer.close()

    async def talk() -> None:
        server = await asyncio.start_server(meter, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        recording = Recording(written.append, lambda: 1)
        here, there = parse_url("tcp://127.0.0.1:0"), parse_url(f"tcp://127.0.0.1:{port}")
        async with await relay(here, there, recording) as running:
            for _ in range(2):
                running.ended.clear()
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(ASK)
                assert await reader.readexactly(len(ANSWER)) == ANSWER
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
                await running.ended.wait()
        server.close()

    run(talk())
    assert contents(b"".join(written)) == [ASK, ANSWER] * 2


def test_nobody_behind_the_relay_is_said() -> None:
    async def talk() -> list[str]:
        free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = free.sockets[0].getsockname()[1]
        free.close()
        await free.wait_closed()
        recording = Recording(lambda _: None, lambda: 1)
        there = parse_url(f"tcp://127.0.0.1:{port}")
        async with await relay(parse_url("tcp://127.0.0.1:0"), there, recording) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            assert await reader.read() == b""
            writer.close()
            await running.ended.wait()
            with pytest.raises(LineError, match="cannot listen"):
                await relay(parse_url(f"tcp://127.0.0.1:{running.port}"), there, recording)
        return running.failures

    (failure,) = run(talk())
    assert "127.0.0.1" in failure


def test_udp() -> None:
    written: list[bytes] = []

    class Meter(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(ANSWER, addr)

    class Client(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.answers: asyncio.Queue[bytes] = asyncio.Queue()

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.answers.put_nowait(data)

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        meter, _ = await loop.create_datagram_endpoint(Meter, local_addr=("127.0.0.1", 0))
        port = meter.get_extra_info("sockname")[1]
        recording = Recording(written.append, lambda: 1)
        here, there = parse_url("udp://127.0.0.1:0"), parse_url(f"udp://127.0.0.1:{port}")
        async with await relay(here, there, recording) as running:
            transport, client = await loop.create_datagram_endpoint(
                Client, remote_addr=("127.0.0.1", running.port)
            )
            for _ in range(2):
                transport.sendto(ASK)
                assert await client.answers.get() == ANSWER
            transport.close()
        meter.close()

    run(talk())
    assert contents(b"".join(written)) == [ASK, ANSWER] * 2


def test_a_serial_line_behind_tcp(tmp_path: Path) -> None:
    written: list[bytes] = []

    async def talk() -> None:
        master, slave = os.openpty()
        tty.setraw(master)
        tty.setraw(slave)
        path = tmp_path / "port"
        path.symlink_to(os.ttyname(slave))
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(master, lambda: heard.put_nowait(os.read(master, 1000)))
        recording = Recording(written.append, lambda: 1)
        there = parse_url(f"serial://{path}?baud=115200")
        frame = Frame(b"\x03", b"\x21", 0x93).to_octets()
        answer = Frame(b"\x21", b"\x03", 0x73).to_octets()
        async with await relay(parse_url("tcp://127.0.0.1:0"), there, recording) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(frame)
            octets = b""
            while octets != frame:
                octets += await heard.get()
            os.write(master, answer)
            assert await reader.readexactly(len(answer)) == answer
            writer.close()
            await running.ended.wait()
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)

    run(talk())
    packets = list(read_packets(b"".join(written)))
    assert {packet.link for packet in packets} == {LINK_USER0}
    assert [packet.inbound for packet in packets] == [False, True]
