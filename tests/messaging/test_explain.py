"""Explaining APDUs: every octet in exactly one leaf line, whatever the octets."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ferraris.core.explain import Line
from ferraris.messaging.dlms.explain import explain

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "apdu.json").read_text(encoding="utf-8")
)
ALL_KINDS = (
    "c401c100 0215 00 0101 1105 0301 040cabc0 05ffffffff 060000002a 0902aabb 0a0161 0c02c3a4 0d12"
    " 0fff 10ffff 120001 1400000000000000ff 150000000000000001 1603 173fc00000"
    " 18c002000000000000 1907e50118ff0e303950ffc400 1a07e802feff 1b0e3039ff"
)


def joined(lines: list[Line]) -> bytes:
    return b"".join(line.octets for line in lines)


def contiguous(lines: list[Line]) -> bool:
    position = 0
    for line in lines:
        if line.offset != position:
            return False
        position += len(line.octets)
    return True


def texts(octets: str) -> list[str]:
    return [line.text for line in explain(bytes.fromhex(octets))]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_octet_of_every_vector_is_named(vector: dict[str, Any]) -> None:
    octets = bytes.fromhex(vector["hex"])
    lines = explain(octets)
    assert joined(lines) == octets
    assert contiguous(lines)
    assert all(line.text for line in lines)
    made_up = {"general-signing", "general-ciphering without key", "ded-set-request"}
    if vector["name"] not in made_up:
        assert not [line for line in lines if line.text.startswith(("not under", "left over"))]


def test_a_get_in_words() -> None:
    assert texts("c001c1000301000 10800ff0200".replace(" ", "")) == [
        "get-request",
        "get-request-normal (01)",
        "invoke-id-and-priority: 1, confirmed, high priority",
        "class 3",
        "logical name 1-0:1.8.0*255",
        "attribute 2",
        "no selective access",
    ]


def test_every_kind_of_data_in_words() -> None:
    shown = texts(ALL_KINDS)
    for words in (
        "structure of 21",
        "null-data",
        "unsigned 5",
        "boolean True",
        "101010111100",
        "double-long -1",
        "double-long-unsigned 42",
        "octets aabb",
        "'a'",
        "'ä'",
        "integer -1",
        "enum 3",
        "float32 1.5",
        "float64 -2.25",
    ):
        assert words in shown
    assert any(text.startswith("date-time 2021-01-24") for text in shown)


def test_compact_arrays_element_by_element() -> None:
    lines = explain(bytes.fromhex("c401c100130202110909" + "0102aabb0203ccddee"))
    shown = [line.text for line in lines]
    assert "array contents of 9 octets" in shown
    assert "octets ccddee" in shown
    lines = explain(bytes.fromhex("c401c10013010002110401020304"))
    assert [line.text for line in lines].count("array") == 2


def test_what_authenticates_is_not_spelled_out() -> None:
    octets = "6025a1090607608574050801018a0207808b0760857405080201ac0b8009" + b"topsecret".hex()
    shown = " ".join(texts(octets))
    assert "topsecret" not in shown
    assert "password or challenge" in shown


def test_authenticated_only_shows_the_apdu_within() -> None:
    shown = texts("c81e1001234567c0010000080000010000ff020006725d910f9221d263877516")
    assert "get-request" in shown
    assert "authentication tag" in shown


def test_octets_that_are_no_apdu_end_in_a_line_that_says_so() -> None:
    assert texts("ff00") == ["not understood: unknown tag ff"]
    assert texts("") == ["not understood: no octets"]
    assert texts("c001c1")[-1].startswith("not understood")
    assert texts("d8010200")[-1] == "left over"


def test_gateways_behind_gateways_end_somewhere() -> None:
    octets = b"\xe6\x01\x00" * 5000
    lines = explain(octets)
    assert joined(lines) == octets
    assert len(lines) < 100


def test_input_made_to_explode_is_given_up() -> None:
    nulls = b"\x00" * 200
    description = b"\x02\x81\xc9\x11" + nulls
    octets = b"\xc4\x01\xc1\x00\x13" + description + b"\x82\x0f\xa0" + bytes(4000)
    lines = explain(octets)
    assert joined(lines) == octets
    assert len(lines) < 17 * len(octets)
    zero = b"\xc4\x01\xc1\x00\x13" + b"\x01\xff\xff" * 15 + b"\x00" + b"\x01\x00"
    assert joined(explain(zero)) == zero


def test_mutated_octets_are_named_as_well() -> None:
    source = random.Random(99)
    originals = [bytes.fromhex(vector["hex"]) for vector in VECTORS]
    originals.append(bytes.fromhex(ALL_KINDS))
    for number in range(3_000):
        octets = bytearray(originals[number % len(originals)])
        for _ in range(source.randint(1, 3)):
            octets[source.randrange(len(octets))] = source.randrange(256)
        lines = explain(bytes(octets))
        assert joined(lines) == octets
        assert contiguous(lines)
