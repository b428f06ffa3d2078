"""`decode --deviation gbcs`: recorded messages verify, others and altered ones are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Usage, pem
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.messaging.dlms.security.gbcs import GbcsKind, GbcsMessage, seal_message

SUPPLIER, METER = bytes.fromhex("90B3D51F30010000"), bytes.fromhex("00DB1234567890A0")
APDU = bytes.fromhex("D9200003E900010300700000130A01FF03010F00")
DRAW = Random(4).randbytes
SIGNING, OURS, THEIRS = (PrivateKey.generate(Curve.P256, DRAW) for _ in range(3))
NOW = datetime.now(UTC).replace(microsecond=0)
GBCS = ("decode", "--deviation", "gbcs", "--json")


def sealed(**changes: object) -> bytes:
    message = GbcsMessage(
        GbcsKind.RESPONSE, 1001, SUPPLIER, METER, b"", b"\x00\x20", APDU, signed=True, maced=True
    )._replace(**changes)
    return seal_message(message, signing=SIGNING, agreement=OURS, peer_agreement=THEIRS.public_key)


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Our private key, and the certificates of the other side."""
    root = Authority.root(
        PrivateKey.generate(Curve.P256, DRAW),
        "Root",
        not_before=NOW,
        not_after=NOW + timedelta(days=9),
        entropy=DRAW,
    )
    names = {}
    for usage, key in ((Usage.SIGNING, SIGNING), (Usage.KEY_AGREEMENT, OURS)):
        made = root.issue(
            key.public_key,
            SUPPLIER,
            usage,
            not_before=NOW,
            not_after=NOW + timedelta(days=9),
            entropy=DRAW,
        )
        names[usage] = tmp_path / f"{usage.label}.pem"
        names[usage].write_text(pem(made.der))
    key = tmp_path / "agreement.key"
    key.write_text(THEIRS.to_der().hex())
    return [
        *("--signer", str(names[Usage.SIGNING]), "--peer", str(names[Usage.KEY_AGREEMENT])),
        *("--agreement-key", f"@{key}"),
    ]


def test_recorded_messages_verify(ferraris, corpora: Path, tmp_path: Path) -> None:
    lines = (corpora / "dlms-vectors.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["category"] == "gbcs" and row["keys"]]
    assert len(rows) >= 6
    for row in rows:
        keys, expect = row["keys"], row["expect"]
        more = []
        if "shared_secret_z" in keys:
            (tmp_path / "z").write_text(keys["shared_secret_z"])
            more += ["--shared-secret", f"@{tmp_path}/z"]
        if "signer_public_key" in keys:
            more += ["--signer", keys["signer_public_key"]]
        ran = ferraris(*GBCS, *more, row["hex"])
        found = json.loads(ran.out)
        assert (ran.code, found["error"], found["protocol"]) == (0, None, "gbcs"), row["name"]
        data = found["data"]
        assert data["originator"] == expect["originator"]
        assert data["code"] == expect["other_information"]
        assert (data["signature"] == "verified") == bool(expect["signature"])
        assert (data["message_authentication_code"] == "verified") == ("shared_secret_z" in keys)
        assert data["apdu"]
        # The same octets, altered in the content, are refused.
        place = row["hex"].index(expect["content"]) + len(expect["content"]) - 1
        altered = (
            row["hex"][:place] + f"{int(row['hex'][place], 16) ^ 1:x}" + row["hex"][place + 1 :]
        )
        ran = ferraris(*GBCS, *more, altered)
        assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (1, "SecurityError")
        ran = ferraris(*GBCS, row["hex"])
        assert (ran.code, json.loads(ran.out)["data"]) == (1, None)


def test_keys_and_certificates_in_files(ferraris, given: list[str]) -> None:
    for changes in ({}, {"signed": False}, {"maced": False}, {"kind": GbcsKind.COMMAND}):
        ran = ferraris(*GBCS, *given, sealed(**changes).hex())
        found = json.loads(ran.out)
        assert (ran.code, found["error"]) == (0, None), ran.out
        assert found["data"]["counter"] == 1001
        is_command = found["data"]["kind"] == "command"
        assert found["device"]["id"] == (METER if is_command else SUPPLIER).hex()
    ran = ferraris("decode", "--deviation", "GBCS", *given, sealed().hex())
    assert (ran.code, "signature: verified" in ran.out) == (0, True)


def test_certificates_of_others(ferraris, given: list[str]) -> None:
    stranger = sealed(originator_title=b"STRANGER")
    ran = ferraris(*GBCS, *given, stranger.hex())
    assert (ran.code, "the certificate is of" in ran.out) == (1, True)
    swapped = [given[0], given[3], given[2], given[1], *given[4:]]
    ran = ferraris(*GBCS, *swapped, sealed().hex())
    assert (ran.code, ", not for " in ran.err) == (2, True)
    without = ferraris(*GBCS, *given[2:], sealed().hex())
    assert (without.code, "--signer" in without.out) == (1, True)
    without = ferraris(*GBCS, *given[:2], *given[4:], sealed().hex())
    assert (without.code, "--peer" in without.out) == (1, True)


def test_what_is_no_such_message(ferraris, given: list[str]) -> None:
    for octets in ("c001c1000100002b0100ff0200", "df00", "", sealed().hex()[:-2]):
        ran = ferraris(*GBCS, *given, octets or "-")
        assert ran.code == 2, ran.out
        assert json.loads(ran.out)["error"]["kind"] == "DecodeError"
    mixed = f"{sealed().hex()}\nc001c1000100002b0100ff0200\n".encode()
    ran = ferraris(*GBCS, "--lines", *given, stdin=mixed)
    errors = [json.loads(line)["error"] for line in ran.out.splitlines()]
    assert (ran.code, [error is None for error in errors]) == (2, [True, False])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--deviation", "idis"], "known are gbcs"),
        (["--deviation", "gbcs", "--as", "apdu"], "goes without"),
        (["--deviation", "gbcs", "--explain"], "goes without"),
        (["--signer", "00"], "go with --deviation"),
        (["--deviation", "gbcs", "--signer", "0011"], "64 octets"),
        (["--deviation", "gbcs", "--signer", "none.pem"], "No such file"),
        (["--deviation", "gbcs", "--signer", __file__], "DER"),
        (["--deviation", "gbcs", "--shared-secret", "env:SHORT"], "32 octets"),
        (["--deviation", "gbcs", "--shared-secret", "env:SHORT", "--agreement-key", "x"], "one of"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_usage(ferraris, monkeypatch: pytest.MonkeyPatch, more: list[str], words: str) -> None:
    monkeypatch.setenv("SHORT", "0011")
    ran = ferraris("decode", *more, sealed().hex())
    assert (ran.code, words in ran.err) == (2, True), ran.err


def test_no_association_deviates(ferraris) -> None:
    for name, words in (("gbcs", "not of associations"), ("dsmr", "known are gbcs")):
        ran = ferraris("read", "sim://residential", "0-0:42.0.0*255", "--deviation", name)
        assert (ran.code, words in ran.err) == (2, True), ran.err
