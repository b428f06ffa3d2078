"""Great Britain's messages: recorded ones verify, ours go both ways, altered ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.messaging.dlms.security.gbcs import (
    GbcsKind,
    GbcsMessage,
    open_message,
    seal_message,
)

SUPPLIER, METER = bytes.fromhex("90B3D51F30010000"), bytes.fromhex("00DB1234567890A0")
APDU = bytes.fromhex("D9200003E900010300700000130A01FF03010F00")
DRAW = Random(4).randbytes
SIGNING, OURS, THEIRS = (PrivateKey.generate(Curve.P256, DRAW) for _ in range(3))
KEYS = {
    "agreement": THEIRS,
    "peer_agreement": lambda title, kind: OURS.public_key,
    "peer_signing": lambda title, kind: SIGNING.public_key,
}


class Secret:
    """The shared secret that a recording states instead of the private key."""

    curve = Curve.P256
    public_key = bytes(64)

    def __init__(self, secret: str) -> None:
        self._secret = bytes.fromhex(secret)

    def agree(self, public_key: bytes) -> bytes:
        return self._secret


def a_message(**changes: Any) -> GbcsMessage:
    message = GbcsMessage(
        GbcsKind.COMMAND, 1001, SUPPLIER, METER, b"", b"\x00\x20", APDU, signed=True, maced=True
    )
    return message._replace(**changes)


def sealed(message: GbcsMessage) -> bytes:
    return seal_message(message, signing=SIGNING, agreement=OURS, peer_agreement=THEIRS.public_key)


def test_recorded_messages_verify(corpora: Path) -> None:
    lines = (corpora / "dlms-vectors.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["category"] == "gbcs"]
    protected = [row for row in rows if row["keys"]]
    assert len(protected) >= 6
    for row in protected:
        keys, expect = row["keys"], row["expect"]
        message = open_message(
            bytes.fromhex(row["hex"]),
            agreement=Secret(keys.get("shared_secret_z", "00" * 32)),
            peer_agreement=lambda title, kind: bytes(64),
            peer_signing=lambda title, kind, keys=keys: bytes.fromhex(keys["signer_public_key"]),
        )
        assert message.apdu.hex() == expect["content"], row["name"]
        assert message.originator_title.hex() == expect["originator"]
        assert message.code.hex() == expect["other_information"]
        assert message.maced == ("shared_secret_z" in keys)
        assert message.signed == bool(expect["signature"])


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("maced", [True, False])
@pytest.mark.parametrize("kind", list(GbcsKind))
def test_both_ways(kind: GbcsKind, signed: bool, maced: bool) -> None:
    message = a_message(kind=kind, signed=signed, maced=maced, date_time=bytes(12))
    if not (signed or maced):
        with pytest.raises(UsageError):
            sealed(message)
        return
    assert open_message(sealed(message), **KEYS) == message


def test_no_altered_octet_passes() -> None:
    octets = sealed(a_message())
    for position in range(0, len(octets) * 8, 7):
        altered = bytearray(octets)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises((SecurityError, DecodeError)):
            open_message(bytes(altered), **KEYS)
    for cut in (b"", octets[:-1], octets[:40], b"\xdd", b"\xdf"):
        with pytest.raises((SecurityError, DecodeError)):
            open_message(cut, **KEYS)


def test_keys_that_are_missing() -> None:
    octets = sealed(a_message())
    with pytest.raises(SecurityError, match="key-agreement"):
        open_message(octets, peer_signing=KEYS["peer_signing"])
    with pytest.raises(SecurityError, match="certificate"):
        open_message(octets, agreement=THEIRS, peer_agreement=KEYS["peer_agreement"])
    with pytest.raises(UsageError):
        seal_message(a_message())
    with pytest.raises(UsageError):
        seal_message(a_message(signed=False))
    with pytest.raises(UsageError):
        sealed(a_message(counter=1 << 64))


def test_an_unsigned_bare_envelope_is_refused() -> None:
    octets = sealed(a_message(maced=False))
    bare = octets[: -len(SIGNING.public_key) - 1] + b"\x00"
    with pytest.raises(SecurityError, match="neither"):
        open_message(bare, **KEYS)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda octets: octets.replace(b"\x11\x00\x00\x00\x00", b"\x31\x00\x00\x00\x00", 1),
            id="encrypted",
        ),
        pytest.param(
            lambda octets: octets.replace(b"\x11\x00\x00\x00\x00", b"\x11\x00\x00\x00\x01", 1),
            id="counter",
        ),
        pytest.param(lambda octets: octets[:1] + b"\x01\x07" + octets[2:], id="header"),
    ],
)
def test_unknown_deviations_are_refused(change: Any) -> None:
    with pytest.raises(DecodeError):
        open_message(change(sealed(a_message())), **KEYS)
