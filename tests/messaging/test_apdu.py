"""Every APDU by its vectors: fields exact, octets reproduced, and nothing but DecodeError."""

from __future__ import annotations

import dataclasses
import json
import random
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

import pytest

from ferraris.core.errors import DecodeError, UsageError
from ferraris.messaging.dlms.apdu import ApduTag, decode, encode, tag_name
from ferraris.messaging.dlms.get import GetRequestNext, GetRequestNormal, GetResponseNormal
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "apdu.json").read_text(encoding="utf-8")
)


def plain(value: Any) -> Any:
    """An APDU as JSON has it: octets as hex, enumerations by name, absent fields left out."""
    if dataclasses.is_dataclass(value):
        fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        shown = {name: plain(field) for name, field in fields.items() if field is not None}
        return {"type": type(value).__name__, **shown}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, IntFlag):
        return int(value).to_bytes(3, "big").hex()
    if hasattr(value, "_asdict"):
        return {name: plain(field) for name, field in value._asdict().items() if field is not None}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def refused(octets: bytes, *, strict: bool) -> DecodeError | None:
    """The error that `decode` raises, if any; every other exception goes through."""
    try:
        decode(octets, strict=strict)
    except DecodeError as error:
        return error
    return None


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector_decodes_exactly_and_encodes_back(vector: dict[str, Any]) -> None:
    octets = bytes.fromhex(vector["hex"])
    apdu = decode(octets, strict=True)
    assert plain(apdu) == vector["expected"]
    assert encode(apdu) == octets
    assert decode(encode(apdu)) == apdu


def test_vectors_cover_every_plain_tag() -> None:
    assert {bytes.fromhex(vector["hex"])[0] for vector in VECTORS} >= set(ApduTag)


def test_every_ciphered_tag_decodes() -> None:
    for tag in (*GLOBAL.values(), *DEDICATED.values()):
        octets = bytes((tag, 5, 0x20, 0, 0, 0, 1))
        assert encode(decode(octets)) == octets
        assert tag_name(tag).startswith(("glo-", "ded-"))


def test_tags_that_nobody_assigned_are_refused() -> None:
    known = {*ApduTag, *GLOBAL.values(), *DEDICATED.values()}
    for tag in set(range(256)) - known:
        assert tag_name(tag) == "unknown"
        with pytest.raises(DecodeError, match="unknown tag"):
            decode(bytes((tag, 0, 0, 0)))
    with pytest.raises(DecodeError, match="no octets"):
        decode(b"")


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_truncation_is_refused_or_another_apdu(vector: dict[str, Any]) -> None:
    octets = bytes.fromhex(vector["hex"])
    for end in range(len(octets)):
        refusal = refused(octets[:end], strict=True)
        assert refusal is None or (refusal.where and 0 <= refusal.offset <= end)


def test_mutated_octets_raise_only_decode_errors() -> None:
    source = random.Random(6205653)
    originals = [bytes.fromhex(vector["hex"]) for vector in VECTORS]
    for number in range(10_000):
        octets = bytearray(originals[number % len(originals)])
        for _ in range(source.randint(1, 4)):
            place = source.randrange(len(octets))
            change = source.randrange(4)
            if change == 0:
                octets[place] = source.choice((0x00, 0x01, 0x7F, 0x80, 0x84, 0xFF))
            elif change == 1:
                octets[place] ^= 1 << source.randrange(8)
            elif change == 2 and len(octets) > 1:
                del octets[place]
            else:
                octets.insert(place, source.randrange(256))
        refusal = refused(bytes(octets), strict=number % 2 == 0)
        if refusal is None:
            apdu = decode(bytes(octets))
            assert decode(encode(apdu)) == apdu
            assert repr(apdu)
        else:
            assert refusal.where
            assert 0 <= refusal.offset <= len(octets)


def test_random_octets_behind_every_tag_raise_only_decode_errors() -> None:
    source = random.Random(16)
    for tag in range(256):
        for size in range(12):
            refused(bytes((tag,)) + source.randbytes(size), strict=True)


def test_trailing_data_is_looked_at_only_when_strict() -> None:
    octets = bytes.fromhex("c401c1000904aabb")
    assert decode(octets) == GetResponseNormal(0xC1, 0, bytes.fromhex("0904aabb"))
    with pytest.raises(DecodeError) as caught:
        decode(octets, strict=True)
    assert caught.value.offset >= 4
    with pytest.raises(DecodeError, match="too many") as caught:
        decode(bytes.fromhex("c401c100110500"), strict=True)
    assert caught.value.offset == 6
    with pytest.raises(DecodeError, match="data-notification"):
        decode(bytes.fromhex("0f0000000100110500"), strict=True)


def test_other_buffers_decode_as_well() -> None:
    octets = bytes.fromhex("c0010000080000010000ff0200")
    assert decode(bytearray(octets)) == decode(memoryview(octets)) == decode(octets)


def test_huge_counts_are_refused_at_once() -> None:
    for text in (
        "c003c184ffffffff",
        "c403c184ffffffff00",
        "d9400000000084ffffffff",
        "0584ffffffff",
    ):
        with pytest.raises(DecodeError):
            decode(bytes.fromhex(text))


def test_fields_out_of_range_are_a_usage_error() -> None:
    name = AttributeDescriptor(70000, bytes(6), 2)
    for apdu in (GetRequestNormal(0xC1, name), GetRequestNext(300, 1), GetRequestNext(0, 1 << 32)):
        with pytest.raises(UsageError, match="out of range"):
            encode(apdu)
