"""`ferraris listen`, with simulated meters that push on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kept_keys import kept_keys

from ferraris.core.pcapng import read_packets
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.messaging.dlms.general import GeneralGlo
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Sealer
from ferraris.messaging.dlms.short_name import InformationReportRequest, VariableName
from ferraris.transport import wrapper

COMMAND = [sys.executable, "-c", "from ferraris.cli.main import main; main()"]


def free_port() -> int:
    """A free port below those that connections get: a meter must not connect to itself."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                probe = probes.enter_context(socket.socket(socket.AF_INET, kind))
                probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@contextmanager
def pushing(url: str, keys: Path, *more: str) -> Iterator[None]:
    """Two meters that push to `url` ten times a second each."""
    arguments = ["meter", "run", "residential", "--count", "2", "--listen", "tcp://127.0.0.1:0"]
    arguments += ["--keys-out", str(keys), "--push", url, "--push-every", "0.1", *more]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("2 x residential")
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            process.communicate()


def test_pushes_with_keys_from_the_file(ferraris, tmp_path):
    keys = tmp_path / "keys.jsonl"
    url = f"udp://127.0.0.1:{free_port()}"
    with pushing(url, keys):
        ran = ferraris("listen", url, "--keys", str(keys), "--count", "2", "--json")
        shown = ferraris("listen", url, "--keys", str(keys), "--count", "1")
        strange = ferraris("listen", url, "--seconds", "0.5")
    assert ran.code == 0
    pushes = ran.json_lines
    assert len(pushes) == 2
    for push in pushes:
        assert push["error"] is None
        assert push["protection"]["authenticated"]
        assert push["readings"][2]["obis"] == "1-0:1.8.0*255"
        assert push["readings"][2]["unit"] == "Wh"
    assert "2 pushes, 0 failures" in ran.err
    assert "authenticated+encrypted, 8 values" in shown.out
    assert strange.code == 0
    assert "no keys for the sender" in strange.err
    for line in keys.read_text().splitlines():
        entry = json.loads(line)
        for name in ("encryption_key", "authentication_key"):
            assert entry[name] not in ran.out + ran.err + strange.err


@pytest.mark.parametrize("scheme", ["udp", "tcp", "udp+hdlc"])
def test_what_comes_is_recorded_and_opened_with_the_file_of_keys(ferraris, tmp_path, scheme):
    keys, file = tmp_path / "keys.jsonl", tmp_path / "pushes.pcapng"
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with pushing(url, keys):
        ran = ferraris("listen", url, "--keys", str(keys), "--count", "4", "--capture", str(file))
    assert (ran.code, len(ran.out.splitlines())) == (0, 4), ran
    written = file.read_bytes()
    packets = [packet for packet in read_packets(written) if packet.comment]
    verified = ["authentication tag, verified" in packet.comment for packet in packets]
    assert sum(verified) >= 4
    assert all(verified) or scheme == "udp+hdlc"  # of segments the last one tells
    assert not any("not verified" in packet.comment for packet in packets)
    assert any("data-notification" in packet.comment for packet in packets)
    shown = ferraris("decode", "--json", str(file))
    assert (shown.code, len(shown.json_lines) >= 4) == (0, True)
    for line in keys.read_text().splitlines():
        assert bytes.fromhex(json.loads(line)["encryption_key"]) not in written


def test_a_confirmation_goes_out_where_datagrams_are_recorded(ferraris, tmp_path):
    file = tmp_path / "pushes.pcapng"
    port = free_port()
    push = DataNotification(0x40000001, b"", axdr.encode(octet_string(b"x"))).to_octets()
    with subprocess.Popen(
        [*COMMAND, "listen", f"udp://127.0.0.1:{port}", "--count", "1", "--capture", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(30)
            sender.sendto(wrapper.pack(1, 1, push), ("127.0.0.1", port))
            answer = sender.recv(100)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert answer[8:9] == b"\x10"  # data-notification-confirm
    comments = [packet.comment for packet in read_packets(file.read_bytes())]
    assert ["data-notification" in each for each in comments] == [True, True]


def test_secrets_of_the_store_and_an_information_report(ferraris, tmp_path, monkeypatch):
    keys = {"encryption_key": "00" * 16, "authentication_key": "11" * 16}
    kept_keys(ferraris, tmp_path, monkeypatch, keys)
    sealer = Sealer(CipherKeys(0, bytes(16), b"\x11" * 16), b"FRR\0\0\0\0\1", CounterLease(1, 9))
    values = [axdr.encode(octet_string(bytes((1, 0, 1, 8, 0, 255)))), axdr.encode((6, 5))]
    report = InformationReportRequest(None, [VariableName(8), VariableName(16)], values)
    sealed = GeneralGlo(b"FRR\0\0\0\0\1", sealer.seal(report.to_octets(), 0x30)).to_octets()
    port = free_port()
    given = ["--key", "store:meter", "--auth-key", "store:meter", "--json", "--count", "1"]
    with subprocess.Popen(
        [*COMMAND, "listen", f"udp://127.0.0.1:{port}", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(wrapper.pack(1, 1, sealed), ("127.0.0.1", port))
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    push = json.loads(out)
    assert (push["service"], push["base_names"]) == ("information-report", [8, 16])
    assert [(each["obis"], each["value"]) for each in push["readings"]] == [("1-0:1.8.0*255", 5)]
    assert push["protection"]["authenticated"]


def test_plain_pushes_over_hdlc(ferraris, tmp_path):
    url = f"udp+hdlc://127.0.0.1:{free_port()}"
    with pushing(url, tmp_path / "keys.jsonl", "--push-plain"):
        ran = ferraris("listen", url, "--count", "2")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 2
    assert "data-notification, none, 8 values" in ran.out


def test_interrupted_it_ends_with_a_summary():
    with subprocess.Popen(
        [*COMMAND, "listen", "udp://127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(":")[2])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(wrapper.pack(1, 1, b"\x0f\0"), ("127.0.0.1", port))
        assert process.stdout is not None
        failure = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert failure["error"]["kind"] == "DecodeError"
    assert err.endswith("0 pushes, 1 failures\n")


def test_pushes_that_do_not_come_are_a_failure(ferraris):
    ran = ferraris("listen", "udp://127.0.0.1:0", "--count", "1", "--seconds", "0.05")
    assert ran.code == 1
    assert "0 pushes, 0 failures" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["http://x"], "needed"),
        (["udp://127.0.0.1:0", "--count", "0"], "--count"),
        (["udp://127.0.0.1:0", "--auth-key", "00"], "--key"),
        (["udp://127.0.0.1:0", "--key", "00"], "16"),
        (["udp://127.0.0.1:0", "--keys", "/nowhere/keys"], "/nowhere/keys"),
        (["udp://127.0.0.1:0", "--keys", "BAD"], "line 1"),
        (["udp://127.0.0.1:0", "--keys", "BAD", "--key", "00"], "together"),
        (["udp://127.0.0.1:0", "--link", "bus"], "mbus"),
        (["udp://127.0.0.1:0", "--key", "@KEY", "--system-title", "00"], "8 octets"),
        (["udp://127.0.0.1:0", "--key", "@KEY", "--protection", "both"], "authentication key"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(ferraris, tmp_path, arguments, words):
    bad, key = tmp_path / "bad", tmp_path / "key"
    bad.write_text('{"system_title": 5}\n')
    key.write_text("00" * 16)
    given = [each.replace("BAD", str(bad)).replace("@KEY", f"@{key}") for each in arguments]
    ran = ferraris("listen", *given)
    assert ran.code == 2
    assert words in ran.err
    assert len([line for line in ran.err.splitlines() if "warning" not in line]) == 1
