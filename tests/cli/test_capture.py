"""Captures: recorded by the command, decoded again; foreign ones too."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dpkt
import pytest
from kept_keys import kept_keys

from ferraris.core.pcapng import read_packets
from ferraris.line.packets import ACK, PSH, SYN, Place, tcp_packet
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.wrapper import pack

CLIENT, METER = Place("192.0.2.1", 49152), Place("192.0.2.2", 4059)
GET = bytes.fromhex("c001c1000100002b0100ff0200")
ANSWER = bytes.fromhex("c401c100060000002a")


def foreign(
    units: list[tuple[bool, bytes]], *, port: int = 4059, step: int = 7, seed: int = 0
) -> bytes:
    """A capture by another tool: Ethernet, small segments, out of order, some twice."""
    chance = random.Random(seed)
    meter = METER._replace(port=port)
    sent = {True: 100, False: 0xFFFF_FFF0}
    packets = [
        tcp_packet(CLIENT, meter, b"", flags=SYN, sequence=99, acknowledged=0),
        tcp_packet(meter, CLIENT, b"", flags=SYN | ACK, sequence=0xFFFF_FFEF, acknowledged=100),
    ]
    for to_meter, unit in units:
        ends = (CLIENT, meter) if to_meter else (meter, CLIENT)
        parts = []
        for n in range(0, len(unit), step):
            part = unit[n : n + step]
            parts.append(
                tcp_packet(*ends, part, flags=PSH | ACK, sequence=sent[to_meter], acknowledged=0)
            )
            sent[to_meter] += len(part)
        parts += chance.sample(parts, len(parts) // 2)
        chance.shuffle(parts)
        packets += parts
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file)
    for n, packet in enumerate(packets):
        writer.writepkt(
            bytes(dpkt.ethernet.Ethernet(data=packet, type=0x0800)), ts=1_700_000_000 + n
        )
    return file.getvalue()


def decoded(ferraris, tmp_path: Path, content: bytes, *options: str) -> list:
    file = tmp_path / "file.pcap"
    file.write_bytes(content)
    ran = ferraris("decode", "--json", *options, str(file))
    assert ran.code == 0, ran
    return ran.json_lines


def test_a_foreign_capture_is_put_in_order_and_each_apdu_read(ferraris, tmp_path):
    units = [(True, pack(16, 1, GET)), (False, pack(1, 16, ANSWER))]
    for seed in range(10):
        shown = decoded(ferraris, tmp_path, foreign(units * 3, seed=seed))
        names = [each["data"]["apdu"]["apdu"] for each in shown]
        assert names == ["get-request-normal", "get-response-normal"] * 3
    assert shown[0]["captured"]["source"] == "192.0.2.1:49152"
    assert shown[1]["captured"]["destination"] == "192.0.2.1:49152"
    assert re.fullmatch(r"2023-11-14T22:1.:..\.000000Z", shown[0]["captured"]["time"])


def test_hdlc_segments_in_a_capture_are_joined(ferraris, tmp_path):
    unit = b"\xe6\xe7\x00" + ANSWER
    frames = [
        Frame(b"\x21", b"\x03", n << 1, unit[4 * n : 4 * n + 4], n < 2).to_octets()
        for n in range(3)
    ]
    ready = Frame(b"\x03", b"\x21", 0x31).to_octets()
    units = [
        (False, frames[0]),
        (True, ready),
        (False, frames[1]),
        (True, ready),
        (False, frames[2]),
    ]
    shown = decoded(ferraris, tmp_path, foreign(units), "--explain")
    apdus = [each["data"]["apdus"][0]["apdu"] for each in shown if "apdus" in each["data"]]
    assert apdus == ["get-response-normal"]
    joined = next(each for each in shown if "apdus" in each["data"])
    assert "".join(line["octets"] for line in joined["explain"]) == b"".join(frames).hex()


def test_other_ports_are_found_by_what_they_carry_or_named(ferraris, tmp_path):
    units = [(True, pack(16, 1, GET)), (False, pack(1, 16, ANSWER))]
    assert len(decoded(ferraris, tmp_path, foreign(units, port=9999))) == 2
    noise = foreign([(True, b"GET / HTTP/1.1"), (False, b"HTTP/1.1 200 OK")], port=80)
    assert decoded(ferraris, tmp_path, noise) == []
    assert len(decoded(ferraris, tmp_path, foreign(units, port=9999), "--port", "9999")) == 2
    assert decoded(ferraris, tmp_path, foreign(units, port=9999), "--port", "4059") == []
    assert ferraris("decode", "--port", "4059", GET.hex()).code == 2


def test_a_bad_telegram_stops_nothing_and_a_bad_file_says_where(ferraris, tmp_path):
    units = [(True, pack(16, 1, b"\xff\xff")), (False, pack(1, 16, ANSWER))]
    file = tmp_path / "bad.pcap"
    file.write_bytes(foreign(units))
    ran = ferraris("decode", "--json", str(file))
    assert ran.code == 2
    assert [each["error"] is None for each in ran.json_lines] == [False, True]
    file.write_bytes(foreign(units)[:-3])
    ran = ferraris("decode", "--json", str(file))
    assert ran.code == 2
    assert ran.json_lines[-1]["error"]["kind"] == "DecodeError"


def test_a_repeated_syn_is_the_same_connection_another_one_is_not(ferraris, tmp_path):
    def packets(first: int) -> list[bytes]:
        return [
            tcp_packet(CLIENT, METER, b"", flags=SYN, sequence=first, acknowledged=0),
            tcp_packet(
                CLIENT, METER, pack(16, 1, GET), flags=ACK, sequence=first + 1, acknowledged=0
            ),
        ]

    file = io.BytesIO()
    writer = dpkt.pcapng.Writer(file)
    for packet in [*packets(5), *packets(5), *packets(70_000)]:
        writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=packet, type=0x0800)), ts=1)
    assert len(decoded(ferraris, tmp_path, file.getvalue())) == 2


def test_text_names_ends_and_time(ferraris, tmp_path):
    file = tmp_path / "file.pcap"
    file.write_bytes(foreign([(True, pack(16, 1, GET))]))
    ran = ferraris("decode", "--explain", str(file))
    assert "192.0.2.1:49152 > 192.0.2.2:4059" in ran.out
    assert "get-request-normal" in ran.out


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A simulated meter of its own: its URL and its keys."""
    keys = tmp_path / "keys.jsonl"
    with running(
        "meter", "run", "residential", "--listen", "tcp://127.0.0.1:0", "--keys-out", str(keys)
    ):
        entry = json.loads(keys.read_text().splitlines()[0])
        yield entry["url"], keys


class running:
    """A command in the background that has said its first line."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", "from ferraris.cli.main import main; main()"]
        self._process = subprocess.Popen(
            [*program, *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        self.first = self._process.stdout.readline()
        self._process.first = self.first  # type: ignore[attr-defined]
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)


@pytest.mark.parametrize("way", ["password", "gmac"])
def test_a_session_through_the_relay(ferraris, tmp_path, meter, way):
    url, keys = meter
    file = tmp_path / "session.pcapng"
    command = ("capture", "--to", str(file), "--listen", "tcp://127.0.0.1:0", url)
    with running(*command) as relay:
        here = re.search(r"tcp://\S+:\d+", relay.first)[0]
        entry = json.loads(keys.read_text().splitlines()[0])
        ours = tmp_path / "ours.jsonl"
        ours.write_text(json.dumps(entry | {"url": here}))
        ran = ferraris("read", here, "1-0:1.8.0*255", "--keys", str(ours), "--auth", way)
        assert ran.code == 0, ran
    secrets = [
        entry["encryption_key"],
        entry["authentication_key"],
        entry["password"].encode().hex(),
    ]
    written = file.read_bytes()
    assert not any(bytes.fromhex(secret) in written for secret in secrets)
    shown = ferraris("decode", "--json", str(file))
    assert shown.code == 0
    names = [each["data"]["apdu"].get("apdu") for each in shown.json_lines]
    assert names[:2] == ["aarq", "aare"]
    assert any("get-request" in name for name in names)
    packets = list(read_packets(written))
    assert any("aarq" in packet.comment for packet in packets)
    if way == "gmac":
        (tmp_path / "ek").write_text(entry["encryption_key"])
        (tmp_path / "ak").write_text(entry["authentication_key"])
        opened = ferraris(
            "decode",
            "--json",
            "--key",
            f"@{tmp_path / 'ek'}",
            "--auth-key",
            f"@{tmp_path / 'ak'}",
            str(file),
        )
        assert opened.code == 0, opened
        assert "1-0:1.8.0*255" in opened.out


def test_what_cannot_be_captured_is_said(ferraris, tmp_path):
    to = ("--to", str(tmp_path / "x.pcapng"))
    ran = ferraris("capture", *to, "--listen", "udp://127.0.0.1:0", "tcp://127.0.0.1:4059")
    assert ran.code == 2
    missing = ("--to", str(tmp_path / "missing" / "x.pcapng"))
    ran = ferraris("capture", *missing, "--listen", "tcp://127.0.0.1:0", "tcp://127.0.0.1:4059")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    "command",
    [
        ("read", "1-0:1.8.0*255"),
        ("browse",),
        ("set", "3/1-0:1.8.0*255/2", "double-long-unsigned:1"),
        ("act", "3/1-0:1.8.0*255/1"),
    ],
)
def test_our_own_sessions_are_recorded_with_an_option(ferraris, tmp_path, meter, command):
    url, keys = meter
    entry = json.loads(keys.read_text().splitlines()[0])
    for name in ("encryption_key", "authentication_key"):
        (tmp_path / name).write_text(entry[name])
    given = ("--key", f"@{tmp_path / 'encryption_key'}")
    given += ("--auth-key", f"@{tmp_path / 'authentication_key'}")
    file = tmp_path / "ours.pcapng"
    name, *rest = command
    ferraris(name, url, *rest, "--server", str(entry["server"]), *given, "--capture", str(file))
    written = file.read_bytes()
    assert bytes.fromhex(entry["encryption_key"]) not in written
    comments = [packet.comment for packet in read_packets(written)]
    assert any("aarq" in comment for comment in comments)
    service = {"read": "get-request", "browse": "get-request"}.get(
        name, f"{name.replace('act', 'action')}-request"
    )
    assert any(
        "authentication tag, verified" in comment and service in comment for comment in comments
    )
    shown = ferraris("decode", "--json", *given[:1], given[1], *given[2:], str(file))
    assert shown.code == 0, shown
    assert service in shown.out


def test_a_file_of_keys_opens_what_is_recorded(ferraris, tmp_path, meter):
    url, keys = meter
    entry = json.loads(keys.read_text().splitlines()[0])
    many = tmp_path / "many.jsonl"  # the meter's line among those of others
    stranger = entry | {"url": "tcp://192.0.2.9:4059", "system_title": "4652520000000BAD"}
    stranger["encryption_key"] = "00" * 16
    many.write_text("".join(json.dumps(each) + "\n" for each in (stranger, entry)))
    for file, more in ((keys, ()), (many, ()), (keys, ("--all",))):
        command = ["read", "1-0:1.8.0*255"] if more else ["read", url, "1-0:1.8.0*255"]
        capture = tmp_path / "own.pcapng"
        ran = ferraris(*command, *more, "--keys", str(file), "--capture", str(capture))
        assert ran.code == 0, ran
        comments = [packet.comment for packet in read_packets(capture.read_bytes())]
        opened = [each for each in comments if "authentication tag, verified" in each]
        assert any("get-request" in each for each in opened), comments
        assert any("get-response" in each for each in opened)
        assert not any("not verified" in each for each in comments)


@pytest.mark.parametrize("way", ["--keys", "store"])
def test_the_relay_takes_keys_from_a_file_and_from_the_store(
    ferraris, tmp_path, meter, monkeypatch, way
):
    url, keys = meter
    entry = json.loads(keys.read_text().splitlines()[0])
    given = ["--keys", str(keys)]
    if way == "store":
        kept_keys(ferraris, tmp_path, monkeypatch, entry)
        given = ["--key", "store:meter", "--auth-key", "store:meter"]
    file = tmp_path / "session.pcapng"
    command = ("capture", "--to", str(file), "--listen", "tcp://127.0.0.1:0", url, *given)
    with running(*command) as relay:
        here = re.search(r"tcp://\S+:\d+", relay.first)[0]
        ours = tmp_path / "ours.jsonl"
        ours.write_text(json.dumps(entry | {"url": here}))
        assert ferraris("read", here, "1-0:1.8.0*255", "--keys", str(ours)).code == 0
    comments = [packet.comment for packet in read_packets(file.read_bytes())]
    verified = [each for each in comments if "authentication tag, verified" in each]
    assert any("get-response" in each for each in verified), comments
    if way == "store":
        shown = ferraris("decode", "--json", *given, str(file))
        assert (shown.code, "1-0:1.8.0*255" in shown.out) == (0, True)
    both = ferraris(*command, "--keys", str(keys), "--key", "env:HOME")
    assert (both.code, "together" in both.err) == (2, True)


def test_without_the_option_nothing_is_recorded(ferraris, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ferraris("read", "sim://residential", "1-0:1.8.0*255").code == 0
    assert list(tmp_path.iterdir()) == []
    assert ferraris("read", "sim://residential", "1-0:1.8.0*255", "--capture", "x.pcapng").code == 0
    assert len(ferraris("decode", "--json", "x.pcapng").json_lines) > 4
