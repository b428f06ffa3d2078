"""Listening on real sockets: both twins, every line, storms, garbage, back-pressure."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import ferraris
from ferraris.client.listening import Listening
from ferraris.data import axdr
from ferraris.data.kinds import double_long_unsigned, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.line import intake
from ferraris.line.url import parse_url
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.notify import DataNotification, DataNotificationConfirm
from ferraris.meter.fleet import Fleet
from ferraris.meter.pushing import Pusher
from ferraris.meter.templates import template
from ferraris.transport import wrapper
from ferraris.transport.hdlc.frame import Frame

NAME = Obis.parse("1-0:1.8.0*255")
LOOPBACK = "127.0.0.1"
PATIENCE_S = 10.0


def notification(value: int, invoke: int = 0) -> bytes:
    body = axdr.encode(structure(octet_string(NAME), double_long_unsigned(value)))
    return DataNotification(invoke, b"", body).to_octets()


def datagram(value: int, invoke: int = 0) -> bytes:
    return wrapper.pack(1, 103, notification(value, invoke))


def frame(value: int) -> bytes:
    return Frame(b"\xcf", b"\x03", 0x13, b"\xe6\xe7\x00" + notification(value)).to_octets()


def talker(listening: Listening) -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect((LOOPBACK, listening.port))
    return sender


def run(scenario: Callable[[], object]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario()  # type: ignore[misc] # all are coroutine functions

    asyncio.run(limited())


def value_of(push: ferraris.Push) -> object:
    return push.readings[0].value


def test_datagrams_from_many_peers():
    async def scenario() -> None:
        async with ferraris.listen("udp://127.0.0.1:0") as listening:
            talkers = [talker(listening) for _ in range(5)]
            for number, sender in enumerate(talkers):
                sender.send(datagram(number))
            pushes = [await listening.next() for _ in talkers]
            assert sorted(map(value_of, pushes)) == [0, 1, 2, 3, 4]
            ports = {sender.getsockname()[1] for sender in talkers}
            assert {push.peer for push in pushes} == {f"udp://127.0.0.1:{p}" for p in ports}
            assert pushes[0].addresses == (103, 1)
            for sender in talkers:
                sender.close()

    run(scenario)


def test_several_tasks_may_wait_and_one_may_give_up():
    async def scenario() -> None:
        async with ferraris.listen("udp://127.0.0.1:0") as listening:
            tasks = [asyncio.create_task(listening.next()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.sleep(0)
            sender = talker(listening)
            for number in range(2):
                sender.send(datagram(number))
            found = await asyncio.gather(*tasks[1:])
            assert sorted(map(value_of, found)) == [0, 1]
            sender.close()

    run(scenario)


def test_garbage_is_told_and_ends_nothing():
    failures: list[ferraris.PushFailed] = []

    async def scenario() -> None:
        async with ferraris.listen("udp://127.0.0.1:0", on_error=failures.append) as listening:
            sender = talker(listening)
            for octets in (b"garbage", datagram(1)[:-3], b"", datagram(2)):
                sender.send(octets)
            assert value_of(await listening.next()) == 2
            assert listening.failures == 3
            sender.close()

    run(scenario)
    assert all(isinstance(failed.error, ferraris.DecodeError) for failed in failures)
    assert all(failed.peer.startswith("udp://127.0.0.1:") for failed in failures)


def test_failures_are_logged_when_nobody_asks_for_them(caplog: pytest.LogCaptureFixture):
    async def scenario() -> None:
        async with ferraris.listen("udp://127.0.0.1:0") as listening:
            sender = talker(listening)
            sender.send(b"garbage")
            sender.send(datagram(2))
            await listening.next()
            sender.close()

    run(scenario)
    assert "udp://127.0.0.1:" in caplog.text


@pytest.mark.parametrize(("scheme", "pack"), [("tcp", datagram), ("tcp+hdlc", frame)])
def test_streams_in_any_pieces(scheme: str, pack: Callable[[int], bytes]):
    async def scenario() -> None:
        async with ferraris.listen(f"{scheme}://127.0.0.1:0") as listening:
            _, writer = await asyncio.open_connection(LOOPBACK, listening.port)
            octets = pack(1) + pack(2) + pack(3)
            for at in range(0, len(octets), 7):
                writer.write(octets[at : at + 7])
                await writer.drain()
            values = [value_of(await listening.next()) for _ in range(3)]
            assert values == [1, 2, 3]
            writer.close()

    run(scenario)


def test_frames_in_datagrams():
    async def scenario() -> None:
        async with ferraris.listen("udp+hdlc://127.0.0.1:0") as listening:
            sender = talker(listening)
            sender.send(frame(4)[:20])
            sender.send(frame(4)[20:])
            assert value_of(await listening.next()) == 4
            sender.close()

    run(scenario)


def test_a_stream_cut_in_the_middle_and_a_foreign_one_are_told():
    failures: list[ferraris.PushFailed] = []

    async def scenario() -> None:
        async with ferraris.listen("tcp://127.0.0.1:0", on_error=failures.append) as listening:
            for octets in (datagram(1)[:12], b"GET / HTTP/1.1\r\n\r\n"):
                _, writer = await asyncio.open_connection(LOOPBACK, listening.port)
                writer.write(octets)
                await writer.drain()
                writer.close()
            _, writer = await asyncio.open_connection(LOOPBACK, listening.port)
            writer.write(datagram(3))
            assert value_of(await listening.next()) == 3
            while listening.failures < 2:
                await asyncio.sleep(0)
            writer.close()

    run(scenario)
    assert all(isinstance(failed.error, ferraris.DecodeError) for failed in failures)


def test_confirmations_go_back_the_way_the_push_came():
    confirmed = 0x40000005

    async def scenario() -> None:
        async with ferraris.listen("tcp://127.0.0.1:0") as listening:
            reader, writer = await asyncio.open_connection(LOOPBACK, listening.port)
            writer.write(datagram(1, confirmed))
            source, destination, apdu = wrapper.unpack(await reader.readexactly(14))
            assert (source, destination) == (103, 1)
            assert decode(apdu) == DataNotificationConfirm(confirmed)
            writer.close()
        async with ferraris.listen("udp://127.0.0.1:0") as listening:
            sender = talker(listening)
            sender.settimeout(PATIENCE_S)
            sender.send(datagram(1, confirmed))
            await listening.next()
            answer = sender.recv(100)
            assert decode(wrapper.unpack(answer)[2]) == DataNotificationConfirm(confirmed)
            sender.close()

    run(scenario)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_slow_caller_holds_the_senders_back_and_nothing_is_lost(scheme: str):
    count, most = 200, 8

    async def scenario() -> None:
        async with ferraris.listen(f"{scheme}://127.0.0.1:0", most_waiting=most) as listening:
            writer = sender = None
            if scheme == "udp":
                sender = talker(listening)
                for number in range(count):
                    sender.send(datagram(number))
            else:
                _, writer = await asyncio.open_connection(LOOPBACK, listening.port)
                writer.write(b"".join(map(datagram, range(count))))
            values = []
            for _ in range(count):
                values.append(value_of(await listening.next()))
                assert len(listening._waiting) <= (most if scheme == "udp" else count)
            assert values == list(range(count))
            assert not listening.drops
            if sender is not None:
                sender.close()
            if writer is not None:
                writer.close()

    run(scenario)


def test_leaving_the_loop_closes_the_line():
    async def scenario() -> None:
        listening = ferraris.listen("udp://127.0.0.1:0")
        await listening.open()
        sender = talker(listening)
        sender.send(datagram(1))
        async with listening:
            async for push in listening:
                assert value_of(push) == 1
                break
        with pytest.raises(ferraris.UsageError, match="not open"):
            _ = listening.port
        with pytest.raises(ferraris.LineError, match="closed"):
            await listening.next()
        sender.close()

    run(scenario)


def test_the_blocking_twin():
    with ferraris.listen("udp://127.0.0.1:0") as listening:
        sender = talker(listening)
        for number in range(3):
            sender.send(datagram(number))
        found = []
        for push in listening:
            found.append(value_of(push))
            if len(found) == 3:
                break
        assert found == [0, 1, 2]
        sender.close()


def test_what_cannot_be_is_said_at_once():
    with pytest.raises(ferraris.UsageError, match="tcp"):
        ferraris.listen("http://x")
    with pytest.raises(ferraris.UsageError, match="link"):
        ferraris.listen("tcp://127.0.0.1:0", link="bus")
    with (
        ferraris.listen("tcp://127.0.0.1:0") as taken,
        pytest.raises(ferraris.LineError, match="cannot listen"),
    ):
        ferraris.listen(f"tcp://127.0.0.1:{taken.port}").__enter__()


def test_ipv6_and_ipv4_meet_on_one_socket():
    async def scenario() -> None:
        async with ferraris.listen("udp://[::]:0") as listening:
            sender = talker(listening)
            sender.send(datagram(1))
            assert (await listening.next()).peer.startswith("udp://127.0.0.1:")
            sender.close()

    run(scenario)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_a_customer_port_that_is_lost_and_comes_back(tmp_path, monkeypatch):
    pytest.importorskip("serialx")
    failures: list[ferraris.PushFailed] = []
    monkeypatch.setattr(intake, "_FIRST_PAUSE_S", 0.01)
    port = tmp_path / "port"

    def plug_in() -> tuple[int, int]:
        ours, theirs = os.openpty()
        port.unlink(missing_ok=True)
        port.symlink_to(os.ttyname(theirs))
        return ours, theirs

    async def scenario() -> None:
        ours, theirs = plug_in()
        url = f"serial://{port}"
        async with ferraris.listen(url, on_error=failures.append) as listening:
            os.write(ours, frame(1)[:30])
            os.write(ours, frame(1)[30:] + frame(2))
            pushes = [await listening.next(), await listening.next()]
            assert [value_of(push) for push in pushes] == [1, 2]
            assert pushes[0].peer == url
            port.unlink()
            os.close(theirs)
            os.close(ours)
            while len(failures) < 2:  # it is gone, and it is not there
                await asyncio.sleep(0)
            ours, theirs = plug_in()
            again = asyncio.create_task(listening.next())
            while not again.done():  # what comes before the port is open again is lost
                os.write(ours, frame(3))
                await asyncio.wait((again,), timeout=0.02)
            assert value_of(await again) == 3
            os.close(theirs)
            os.close(ours)

    run(scenario)
    told = [str(each.error) for each in failures[:2]]
    assert "unplugged" in told[0]
    assert "there is no port" in told[1]


def test_tls_needs_a_certificate():
    with (
        pytest.raises(ferraris.UsageError, match="cert=FILE"),
        ferraris.listen("tls://127.0.0.1:0"),
    ):
        pass


def test_pushes_through_tls(tmp_path: Path):
    cert, key = certificate(tmp_path)

    async def scenario() -> None:
        url = f"tls://127.0.0.1:0?cert={cert}&key={key}"
        async with ferraris.listen(url) as listening:
            context = ssl.create_default_context(cafile=str(cert))
            reader, writer = await asyncio.open_connection(
                LOOPBACK, listening.port, ssl=context, server_hostname="127.0.0.1"
            )
            writer.write(datagram(1))
            push = await listening.next()
            assert value_of(push) == 1
            assert push.peer.startswith("tls://127.0.0.1:")
            writer.close()
            await reader.read()

    run(scenario)


def test_a_simulated_meter_pushes_through_tls(tmp_path: Path):
    cert, key = certificate(tmp_path)
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    other, _ = certificate(stranger)

    async def scenario() -> None:
        for scheme in ("tls", "tls+hdlc"):
            url = f"{scheme}://127.0.0.1:0?cert={cert}&key={key}"
            async with ferraris.listen(url) as listening:
                whereto = f"{scheme}://127.0.0.1:{listening.port}?ca="
                fleet = Fleet(template("residential"), 1)
                meter = Pusher(fleet, parse_url(f"{whereto}{cert}"), ciphered=False)
                await meter.push(0)
                assert len((await listening.next()).readings) == 8
                meter.close()
                trusting = Pusher(fleet, parse_url(f"{whereto}{other}"), ciphered=False)
                with pytest.raises(ferraris.SecurityError):
                    await trusting.push(0)

    run(scenario)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "listener")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address(LOOPBACK))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(signed.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file
