"""APDUs as documents: exact both ways, whatever our decoder takes; the odd ones say so."""

from __future__ import annotations

import json
import random
import typing
from pathlib import Path

import pytest

from ferraris.core.errors import DecodeError, UsageError
from ferraris.messaging.dlms import apdu as apdus
from ferraris.messaging.dlms.general import ServiceCiphered
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL
from ferraris.messaging.dlms.translation import (
    Node,
    data_to_tree,
    from_tree,
    read_json,
    read_xml,
    to_tree,
    write_json,
    write_xml,
)
from ferraris.messaging.dlms.translation.layouts import LAYOUTS
from ferraris.messaging.dlms.translation.names import CIPHERED, WEAK

VECTORS = [
    bytes.fromhex(row["hex"])
    for row in json.loads(
        (Path(__file__).parents[2] / "vectors" / "apdu.json").read_text(encoding="utf-8")
    )
]


def through_documents(tree: Node) -> tuple[bytes, bytes]:
    """The octets after XML, and after JSON."""
    xml, text = write_xml(tree).encode(), write_json(tree).encode()
    return from_tree(read_xml(xml)), from_tree(read_json(text))


@pytest.mark.parametrize("octets", VECTORS, ids=[each.hex()[:20] for each in VECTORS])
def test_vectors_come_back_to_the_last_octet(octets: bytes) -> None:
    tree = to_tree(octets)
    assert from_tree(tree) == octets
    assert through_documents(tree) == (octets, octets)


def test_every_class_and_every_tag_has_a_name() -> None:
    assert set(LAYOUTS) | {ServiceCiphered} == set(typing.get_args(apdus.Apdu))
    assert set(CIPHERED) == {*GLOBAL.values(), *DEDICATED.values()}
    pairs = [(layout.element, layout.choice) for layout in LAYOUTS.values()]
    assert len(set(pairs)) == len(pairs)


def test_names_of_weak_sources_are_names_that_documents_use() -> None:
    used: set[str] = {"not-canonical", "encoded", "hex", "security-control", "plain", "bitstring"}
    used |= {"choice", "octets", "reserved-zero", "reserved-seven", "delta-value-encoding"}
    pending = [to_tree(octets) for octets in VECTORS]
    while pending:
        node = pending.pop()
        used.add(node.name)
        pending += node.children
    assert set(WEAK) <= used


def test_mutated_octets_that_decode_are_translated_exactly() -> None:
    source = random.Random(20260311)
    translated = odd = 0
    for number in range(10_000):
        octets = bytearray(VECTORS[number % len(VECTORS)])
        for _ in range(source.randint(1, 3)):
            place = source.randrange(len(octets))
            change = source.randrange(5)
            if change == 0:
                octets[place] = source.choice((0x00, 0x01, 0x7F, 0x80, 0x84, 0xFF))
            elif change == 1:
                octets[place] ^= 1 << source.randrange(8)
            elif change == 2 and len(octets) > 1:
                del octets[place]
            elif change == 3:
                octets.insert(place, source.randrange(256))
            else:  # a length in a longer form, where it is one
                octets[place : place + 1] = bytes((0x81, octets[place]))
        try:
            tree = to_tree(bytes(octets))
        except DecodeError:
            continue
        translated += 1
        odd += tree.children[-1].name == "not-canonical"
        assert through_documents(tree) == (octets, octets), octets.hex()
    assert translated > 1000
    assert odd > 50


@pytest.mark.parametrize(
    "text",
    [
        "c401c100098103aabbcc",  # a long length within Data
        "c401c1001381" + "00",  # a compact-array that is none
        "c401c1000302",  # a boolean of 02
        "c401c1000403ff",  # unused bits that are set
        "c401c1000a03000d0a",  # control characters
        "c401c1000c02c328",  # octets that are no text
        "c401c100177fc00001",  # a payload in what is no number
        "c401c10013021211028200",
        "0f40000000090c07e50118ff0e303950ffc40002010600000001",  # a tagged date-time
        "0f4000000081090c07e50118ff0e30813950ffc40002010600000001",
        "c402c1050000000100" + "8103aabbcc",  # a boolean of 05, a long length
        "60810b" + "a109060760857405080101",  # a long length in BER
    ],
)
def test_odd_encodings_come_back_as_they_were(text: str) -> None:
    octets = bytes.fromhex(text)
    tree = to_tree(octets)
    assert through_documents(tree) == (octets, octets)


def test_octets_beside_an_edited_element_are_refused() -> None:
    octets = bytes.fromhex("c402c10100000001008103aabbcc")
    tree = to_tree(octets)
    assert [child.name for child in tree.children] == ["get-response", "not-canonical"]
    document = write_xml(tree)
    assert from_tree(read_xml(document.encode())) == octets
    edited = document.replace(">193<", ">194<")
    with pytest.raises(UsageError, match=r"line \d+, xDLMS-APDU/not-canonical.*remove them"):
        from_tree(read_xml(edited.encode()))
    lines = [line for line in edited.splitlines() if "not-canonical" not in line]
    assert from_tree(read_xml("\n".join(lines).encode())).hex() == "c402c201000000010003aabbcc"


def test_data_alone_is_a_document_too() -> None:
    octets = bytes.fromhex("020219ffffffffffffffffff8000ff0203110109020a0b184000000000000000")
    tree = data_to_tree(octets)
    assert tree.name == "Data"
    assert through_documents(tree) == (octets, octets)
    with pytest.raises(DecodeError):
        data_to_tree(b"\x07")


def test_the_longest_lists_come_back_as_elements() -> None:
    count = (1 << 18) - 8
    octets = b"\x06\x00\x83" + count.to_bytes(3, "big") + bytes(count)
    document = write_json(to_tree(octets)).encode()
    assert document.count(b"null-data") == count
    assert from_tree(read_json(document)) == octets


def test_what_is_longer_is_octets() -> None:
    octets = b"\xc4\x01\xc1\x00\x01\x83\x04\x00\x01" + bytes(0x40001)
    tree = to_tree(octets)
    assert [child.name for child in tree.children] == ["octets"]
    assert through_documents(tree) == (octets, octets)
    data = data_to_tree(octets[4:])
    assert [child.name for child in data.children] == ["encoded"]
    assert through_documents(data) == (octets[4:], octets[4:])
    with pytest.raises(DecodeError, match="too long"):
        to_tree(b"\xc4\x01\xc1\x00\x09\x84\x01\x00\x00\x01" + bytes(0x1000001))


def test_a_root_is_not_needed() -> None:
    octets = bytes.fromhex("c002c100000002")
    element = to_tree(octets).children[0]
    element.parent = None
    assert through_documents(element) == (octets, octets)


def test_apdus_within_one_another_are_shown_to_a_bound() -> None:
    octets = bytes.fromhex("c002c100000002")
    for _ in range(40):
        octets = b"\xe6\x01\x00" + octets
    tree = to_tree(octets)
    assert write_xml(tree).count("<gateway-request>") == 8
    assert through_documents(tree) == (octets, octets)


def test_nothing_is_shown_in_repr() -> None:
    tree = to_tree(VECTORS[1])
    assert repr(tree.children[0].children[-1]) == "Node(aCSE-APDU/aarq/user-information)"
