"""Recorded telegrams: their protection comes off, and puts on again the same octets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener, Sealer


@pytest.fixture(scope="module")
def rows(corpora: Path) -> list[dict[str, Any]]:
    lines = (corpora / "dlms-vectors.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [
        row
        for row in found
        if {"ek", "ak", "system_title"} <= row.get("keys", {}).keys()
        and "plain" in row["expect"]
        and not row["hex"].startswith(("7e", "68"))
    ]


def content_of(octets: bytes) -> bytes:
    """The protected content ends the telegram and stands behind its length octet."""
    for place in range(1, len(octets)):
        if octets[place] == 0x30 and octets[place - 1] == len(octets) - place:
            return octets[place:]
    raise AssertionError("no protected content")


def keys_of(row: dict[str, Any]) -> tuple[CipherKeys, bytes]:
    secrets = row["keys"]
    keys = CipherKeys(0, bytes.fromhex(secrets["ek"]), bytes.fromhex(secrets["ak"]))
    return keys, bytes.fromhex(secrets["system_title"])


def test_each_telegram_both_ways(rows: list[dict[str, Any]]) -> None:
    assert len(rows) > 10
    for row in rows:
        keys, title = keys_of(row)
        content = content_of(bytes.fromhex(row["hex"]))
        opened = Opener(keys, title).open(content)
        assert opened.plain.hex() == row["expect"]["plain"], row["name"]
        lease = CounterLease(opened.counter, opened.counter + 1)
        assert Sealer(keys, title, lease).seal(opened.plain, opened.control) == content


def test_a_real_meters_opening(rows: list[dict[str, Any]]) -> None:
    """Four passes with GMAC: each token is older than the APDU that carries it."""
    session = {row["name"].removeprefix("KFM session "): row for row in rows}
    openers: dict[bytes, Opener] = {}
    plains: dict[str, bytes] = {}
    for name in ("AARQ", "AARE", "glo-action-request reply_to_HLS", "glo-action-response"):
        keys, title = keys_of(session[name])
        opener = openers.setdefault(title, Opener(keys, title))
        plains[name] = opener.open(content_of(bytes.fromhex(session[name]["hex"]))).plain
    client, server = openers.values()
    answer = plains["glo-action-request reply_to_HLS"][-17:]
    server_challenge = challenge_in(session["AARE"]["hex"])
    assert client.check_token(answer, server_challenge) == client.floor - 1
    answer = plains["glo-action-response"][-17:]
    client_challenge = challenge_in(session["AARQ"]["hex"])
    assert server.check_token(answer, client_challenge) == server.floor - 1


def challenge_in(telegram: str) -> bytes:
    """The 16 octets behind tag AC or AA, which hold a character string of that length."""
    place = max(telegram.find("ac128010"), telegram.find("aa128010"))
    return bytes.fromhex(telegram[place + 8 : place + 40])
