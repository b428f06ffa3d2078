"""Explained telegrams: every octet once whatever the framing, nothing secret, colour for people."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest

from ferraris.cli.explained import explained
from ferraris.cli.output import colourful, explained_text
from ferraris.cli.protected import Secrets
from ferraris.cli.telegram import read
from ferraris.core.explain import Line
from ferraris.crypto.gcm import Gcm
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.wrapper import pack

ROOT = Path(__file__).resolve().parent.parent
VECTORS = [
    bytes.fromhex(each["hex"]) for each in json.loads((ROOT / "vectors/apdu.json").read_text())
]
KEYS = Secrets(
    bytes.fromhex("000102030405060708090a0b0c0d0e0f"),
    bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"),
    bytes.fromhex("4d4d4d0000bc614e"),
)
GLO_GET = bytes.fromhex("c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b")
PASSWORD = b"Zq7pXw9L"
AARQ = bytes.fromhex("6036a1090607608574050801018a0207808b0760857405080201ac0a8008")
AARQ += PASSWORD + bytes.fromhex("be10040e01000000065f1f0400007e1f04b0")


def hdlc(apdu: bytes, size: int = 2000) -> bytes:
    unit = b"\xe6\xe6\x00" + apdu
    parts = [unit[n : n + size] for n in range(0, len(unit), size)]
    return b"".join(
        Frame(b"\x03", b"\x21", n % 8 << 1, part, n < len(parts) - 1).to_octets()
        for n, part in enumerate(parts)
    )


def covers(octets: bytes, lines: list[Line]) -> bool:
    """All octets exactly once, in order."""
    position = 0
    for line in lines:
        if line.deciphered:
            continue
        if line.offset != position or octets[position : position + len(line.octets)] != line.octets:
            return False
        position += len(line.octets)
    return position == len(octets)


def test_every_vector_in_every_framing_is_covered_sound_or_mutated() -> None:
    chance = random.Random(2)
    framings = (
        lambda apdu: apdu,
        lambda apdu: b"\xe6\xe7\x00" + apdu,
        lambda apdu: pack(1, 16, apdu) + pack(16, 1, apdu),
        hdlc,
        lambda apdu: hdlc(apdu, 7),
    )
    for vector in [*VECTORS, AARQ, GLO_GET]:
        for framing in framings:
            octets = framing(vector)
            assert covers(octets, explained(octets, read(octets, secrets=KEYS), KEYS))
            for _ in range(4):
                mutated = bytearray(octets)
                for _ in range(chance.randint(1, 3)):
                    mutated[chance.randrange(len(mutated))] = chance.randrange(256)
                mutated = mutated[
                    : chance.choice((len(mutated), chance.randrange(len(mutated)))) or 1
                ]
                assert covers(bytes(mutated), explained(bytes(mutated), read(bytes(mutated))))


def test_every_row_of_the_corpora_is_covered(corpora: Path) -> None:
    for name in ("dlms-vectors.jsonl", "han-pushes.jsonl"):
        for row in (corpora / name).read_text().splitlines():
            octets = bytes.fromhex(json.loads(row)["hex"])
            assert covers(octets, explained(octets, read(octets)))


def test_an_apdu_in_segments_is_explained_where_its_octets_stand() -> None:
    octets = hdlc(AARQ, 10)
    texts = [line.text for line in explained(octets, read(octets))]
    assert "application-context-name, 9 octets" in texts
    assert "client max receive PDU size 1200" in texts
    assert any(text.endswith("(goes on)") for text in texts)


def test_what_is_deciphered_stands_behind_the_ciphertext() -> None:
    octets = pack(1, 1, GLO_GET)
    lines = explained(octets, read(octets, secrets=KEYS), KEYS)
    assert covers(octets, lines)
    plain = b"".join(line.octets for line in lines if line.deciphered)
    assert plain.hex() == "c0010000080000010000ff0200"
    assert "authentication tag, verified" in [line.text for line in lines]
    wrong = Secrets(KEYS.authentication_key, KEYS.authentication_key, KEYS.system_title)
    texts = [line.text for line in explained(octets, read(octets, secrets=wrong), wrong)]
    assert any(text.startswith("authentication tag, not verified: the tag") for text in texts)
    without = [line.text for line in explained(octets, read(octets))]
    assert "authentication tag, not verified: no key is given" in without


@pytest.mark.parametrize(
    "framing", [bytes, lambda apdu: pack(16, 1, apdu), hdlc, lambda a: hdlc(a, 9)]
)
@pytest.mark.parametrize("options", [(), ("--json",), ("--explain",), ("--json", "--explain")])
def test_a_password_is_never_shown(ferraris, framing, options):
    octets = framing(AARQ)
    ran = ferraris("decode", *options, octets.hex())
    assert ran.code == 0
    printed = ran.out + ran.err
    for n in range(len(PASSWORD) - 2):
        part = PASSWORD[n : n + 3]
        assert part.hex() not in printed.replace(" ", "")
        assert part.decode() not in printed
    damaged = octets[:-4].hex()
    ran = ferraris("decode", *options, damaged)
    assert PASSWORD[:3].hex() not in (ran.out + ran.err).replace(" ", "")


def test_a_wrong_check_sequence_is_told_and_the_octets_are_explained(ferraris):
    frame = bytearray(hdlc(b"\xc0\x01"))
    frame[-2] ^= 0xFF
    ran = ferraris("decode", "--explain", frame.hex())
    assert ran.code == 2
    assert "frame check sequence, wrong" in ran.out
    assert "frame check sequence is wrong" in ran.err


def test_colour_is_for_terminals_whose_owner_likes_it(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colourful(Terminal())
    assert not colourful(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colourful(Terminal())


def test_colour_changes_nothing_but_colour():
    octets = pack(16, 1, AARQ)
    lines = explained(octets, read(octets))
    plain = list(explained_text(lines))
    coloured = list(explained_text(lines, colour=True))
    assert not any("\x1b" in row for row in plain)
    assert any("\x1b[35m" in row for row in coloured)
    import re

    assert [re.sub("\x1b\\[[0-9]+m", "", row).rstrip() for row in coloured] == plain
    assert any("** ** ** ** ** ** ** **" in row for row in plain)


@pytest.mark.parametrize(
    ("line", "shape", "words"),
    [
        (b"/?!\r\n", {"line": "request message", "address": ""}, "start /?"),
        (b"/?12345!\r\n", {"line": "request message", "address": "12345"}, "address 12345"),
        (
            b"/FER5\\2RESIDENTIAL\r\n",
            {
                "line": "identification message",
                "manufacturer": "FER",
                "baud": 9600,
                "mode": "\\2",
                "identification": "RESIDENTIAL",
            },
            "baud rate character 5: 9600 Bd",
        ),
        (
            b"\x06252\r\n",
            {"line": "option select message", "procedure": "2", "baud": 9600, "option": "2"},
            "mode control character 2: binary, HDLC (mode E)",
        ),
        (b"ATD012345\r", {"line": "modem command", "command": "D012345"}, "command D012345"),
        (
            b"\r\nCONNECT 9600\r\n",
            {"line": "modem result", "result": "CONNECT 9600"},
            "result CONNECT 9600",
        ),
    ],
)
def test_lines_before_hdlc(ferraris, line, shape, words):
    shown = ferraris("decode", "--json", "--explain", line.hex()).json
    assert shown["protocol"] == "opening"
    assert shown["data"] == shape
    assert "".join(each["octets"] for each in shown["explain"]) == line.hex()
    assert words in [each["text"] for each in shown["explain"]]


def test_what_only_looks_like_such_a_line(ferraris):
    for line in (b"/FE\r\n", b"/?!", b"\x06252", b"AT"):
        assert ferraris("decode", "--json", line.hex()).json["protocol"] is None


def sealed(key: bytes, plain: bytes, counter: int) -> bytes:
    header = b"\x30" + counter.to_bytes(4, "big")
    assert KEYS.authentication_key is not None
    assert KEYS.system_title is not None
    associated = header[:1] + KEYS.authentication_key
    content = header + Gcm(key).seal(KEYS.system_title + header[1:], associated, plain)
    return bytes((len(content),)) + content


def test_a_dedicated_key_is_learnt_from_the_aarq_and_never_shown(ferraris, tmp_path):
    dedicated = bytes.fromhex("a1a2a3a4a5a6a7a8a9aaabacadaeafb0")
    initiate = b"\x01\x01\x10" + dedicated + bytes.fromhex("0000065f1f0400007e1f04b0")
    assert KEYS.encryption_key is not None
    assert KEYS.system_title is not None
    request = b"\x21" + sealed(KEYS.encryption_key, initiate, 1)
    content = bytes.fromhex("a109060760857405080103a60a0408") + KEYS.system_title
    content += bytes((0xBE, len(request) + 2, 4, len(request))) + request
    aarq = bytes((0x60, len(content))) + content
    get = b"\xd0" + sealed(dedicated, bytes.fromhex("c001c1000100002b0100ff0200"), 1)
    for name, key in (("ek", KEYS.encryption_key), ("ak", KEYS.authentication_key)):
        (tmp_path / name).write_text((key or b"").hex())
    keys = ("--key", f"@{tmp_path / 'ek'}", "--auth-key", f"@{tmp_path / 'ak'}")
    for framing in (bytes, lambda apdu: pack(16, 1, apdu)):
        lines = "\n".join(framing(apdu).hex() for apdu in (aarq, get)).encode()
        ran = ferraris("decode", "--lines", "--json", "--explain", *keys, stdin=lines)
        assert ran.code == 0, ran
        assert ran.out.count("get-request-normal") >= 2
        assert "authentication tag, verified" in ran.out.splitlines()[1]
        assert dedicated.hex()[:8] not in ran.out
    alone = ferraris("decode", *keys, get.hex())
    assert alone.code == 2
    assert "AARQ first" in alone.err
