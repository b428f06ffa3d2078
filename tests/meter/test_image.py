from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.meter import image
from ferraris.meter.image import Proof

CONTENT = bytes(range(256)) * 3
OTHER = PrivateKey.generate(Curve.P256, lambda octets: b"\x55" * octets)


@pytest.mark.parametrize("signed", [True, False])
def test_what_was_packed_is_read_and_proved(signed: bool) -> None:
    octets = image.pack("residential", "FRR-R2.0", CONTENT, signed=signed)
    found = image.unpack(octets)
    assert (found.target, found.version, found.content) == ("residential", "FRR-R2.0", CONTENT)
    assert found.proof is (Proof.ECDSA_P256 if signed else Proof.DIGEST)
    image.check(found, "residential")
    assert found.header + found.signature + found.content == octets


def test_an_image_for_others_is_refused() -> None:
    octets = image.pack("residential", "FRR-R2.0", CONTENT)
    with pytest.raises(SecurityError, match="for residential, not for gas"):
        image.check(image.unpack(octets), "gas")


def test_an_image_of_another_maker_is_refused() -> None:
    octets = image.pack("residential", "FRR-R2.0", CONTENT, key=OTHER)
    with pytest.raises(SecurityError, match="does not verify"):
        image.check(image.unpack(octets), "residential")


@pytest.mark.parametrize("signed", [True, False])
def test_every_damaged_octet_is_noticed(signed: bool) -> None:
    octets = image.pack("residential", "FRR-R2.0", CONTENT[:20], signed=signed)
    for place in range(len(octets)):
        damaged = octets[:place] + bytes((octets[place] ^ 0x10,)) + octets[place + 1 :]
        with pytest.raises((DecodeError, SecurityError)):
            image.check(image.unpack(damaged), "residential")


@given(st.integers(0, 2000))
def test_an_image_cut_anywhere_is_none(stop: int) -> None:
    octets = image.pack("residential", "FRR-R2.0", CONTENT, signed=False)
    with pytest.raises(DecodeError):
        image.unpack(octets[: min(stop, len(octets) - 1)])


@given(st.binary(max_size=80))
def test_whatever_comes_is_read_or_a_decode_error(octets: bytes) -> None:
    for start in (b"", b"FRRI", b"FRRI\x01\x00", b"FRRI\x01\x01\x01a\x01b"):
        with pytest.raises(DecodeError):
            image.unpack(start + octets)


@pytest.mark.parametrize("name", ["", "é", "n" * 65])
def test_names_that_do_not_fit(name: str) -> None:
    with pytest.raises(UsageError, match="1 to 64 ASCII"):
        image.pack(name, "1", b"")


def test_a_key_of_another_curve_is_told() -> None:
    key = PrivateKey.generate(Curve.P384, lambda octets: b"\x55" * octets)
    with pytest.raises(UsageError, match="P-256"):
        image.pack("residential", "1", b"", key=key)
