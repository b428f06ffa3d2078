"""Initiate and conformance: the BER island, its tolerated form, and the named bits."""

from __future__ import annotations

import pytest

from ferraris.core.errors import DecodeError
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.initiate import InitiateRequest, InitiateResponse

PROPOSED = (9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23)


def test_bits_are_counted_from_the_first_on_the_wire() -> None:
    conformance = Conformance.from_octets(bytes.fromhex("007e1f"))
    assert conformance.bits == PROPOSED
    assert conformance.to_octets() == bytes.fromhex("007e1f")
    assert Conformance.from_octets(bytes.fromhex("00501f")).bits == (9, 11, 19, 20, 21, 22, 23)
    assert Conformance.GENERAL_PROTECTION.bits == (1,)
    assert Conformance.ACTION.bits == (23,)
    assert "selective-access" in conformance.words
    assert Conformance(0).words == "none"


def test_reserved_bits_are_kept() -> None:
    assert Conformance.from_octets(b"\xff\xff\xff").to_octets() == b"\xff\xff\xff"


def test_combinations_do_not_pile_up() -> None:
    for number in range(6000):
        assert int(Conformance(number)) == number
    assert len(Conformance._value2member_map_) < 5000


def test_three_octets_only() -> None:
    with pytest.raises(DecodeError):
        Conformance.from_octets(b"\x00")


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        ("010000000 65f04 00007e1f04b0", InitiateRequest(Conformance(0x7E1F), 0x04B0)),
        ("0800065f0400007c1f04000007", InitiateResponse(Conformance(0x7C1F), 0x0400)),
    ],
)
def test_the_one_octet_tag_is_understood(octets: str, shown: object) -> None:
    assert decode(bytes.fromhex(octets.replace(" ", ""))) == shown


@pytest.mark.parametrize(
    "octets",
    [
        "01000000065f1f0300007e1f04b0",  # another length
        "01000000065f1f0401007e1f04b0",  # unused bits
        "01000000066f1f0400007e1f04b0",  # another tag
        "01020000065f1f0400007e1f04b0",  # presence octet 02
        "01000000065f1f0400007e1f04b000",
        "0800065f1f0400007c1f0400000700",
    ],
)
def test_what_is_no_initiate_is_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(octets))
