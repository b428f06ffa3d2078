"""ACSE: what other stacks send, what never shows, and bounds of BER."""

from __future__ import annotations

import pytest

from ferraris.core.errors import DecodeError
from ferraris.messaging.dlms.acse import (
    AUTHENTICATION,
    Aare,
    Aarq,
    ApplicationContext,
    Mechanism,
    Rlre,
    Rlrq,
)
from ferraris.messaging.dlms.apdu import decode, encode
from ferraris.messaging.dlms.enumerations import (
    AssociationResult,
    ReleaseRequestReason,
    ServiceProviderDiagnostic,
    ServiceUserDiagnostic,
)
from ferraris.messaging.dlms.initiate import InitiateRequest

CONTEXT = bytes.fromhex("a109060760857405080101")
ACCEPTED = bytes.fromhex("a203020100a305a103020100")


def frame(tag: int, *fields: bytes) -> bytes:
    content = b"".join(fields)
    return bytes((tag, len(content))) + content


def test_the_mechanism_brings_its_requirements() -> None:
    aarq = Aarq(
        ApplicationContext.LOGICAL_NAMES,
        mechanism=Mechanism.LOW,
        calling_authentication_value=b"12345678",
    )
    octets = aarq.to_octets()
    assert b"\x8a\x02\x07\x80\x8b\x07" in octets
    aarq.sender_acse_requirements = AUTHENTICATION
    assert aarq.to_octets() == octets
    aarq.sender_acse_requirements = b""
    assert b"\x8a\x02" not in aarq.to_octets()
    assert decode(aarq.to_octets()) == aarq


def test_requirements_without_mechanism_are_kept() -> None:
    octets = frame(0x60, CONTEXT, bytes.fromhex("8a020780"))
    aarq = decode(octets)
    assert isinstance(aarq, Aarq)
    assert aarq.sender_acse_requirements == AUTHENTICATION
    assert encode(aarq) == octets


def test_fields_in_any_order_and_long_lengths_are_understood() -> None:
    information = bytes.fromhex("be820006040400010203")
    octets = bytes.fromhex("618121") + information + ACCEPTED + CONTEXT
    octets = octets[:2] + bytes((len(octets) - 3,)) + octets[3:]
    aare = decode(octets)
    assert aare == Aare(ApplicationContext.LOGICAL_NAMES, user_information=bytes(range(4)))


def test_unknown_fields_are_skipped_within_bounds() -> None:
    strange = bytes.fromhex("8d01aa bf810502ffee bc00")
    plain = Aare(ApplicationContext.LOGICAL_NAMES)
    assert decode(frame(0x61, CONTEXT, strange, ACCEPTED)) == plain
    with pytest.raises(DecodeError, match="exceeds"):
        decode(frame(0x61, CONTEXT, ACCEPTED, bytes.fromhex("8d05aa")))


def test_an_aare_of_stacks_that_leave_out_or_add_fields() -> None:
    octets = frame(
        0x61,
        bytes.fromhex("80020780"),
        CONTEXT,
        ACCEPTED,
        bytes.fromhex("a40a04084953450000002710aa0680041122334400"[:-2]),
    )
    aare = decode(octets)
    assert isinstance(aare, Aare)
    assert aare.protocol_version == bytes.fromhex("0780")
    assert aare.responding_ap_title == bytes.fromhex("4953450000002710")
    assert aare.responding_authentication_value == bytes.fromhex("11223344")
    assert aare.mechanism is None
    assert aare.user_information is None
    assert encode(aare) == octets


def test_who_speaks_in_the_diagnostic() -> None:
    user = Aare(
        ApplicationContext.LOGICAL_NAMES,
        AssociationResult.REJECTED_PERMANENT,
        ServiceUserDiagnostic.AUTHENTICATION_FAILURE,
    )
    provider = Aare(
        ApplicationContext.LOGICAL_NAMES,
        AssociationResult.REJECTED_TRANSIENT,
        ServiceProviderDiagnostic.NO_COMMON_ACSE_VERSION,
    )
    for aare in (user, provider):
        again = decode(aare.to_octets())
        assert isinstance(again, Aare)
        assert again == aare
        assert type(again.diagnostic) is type(aare.diagnostic)


def test_unassigned_values_survive() -> None:
    octets = frame(0x61, CONTEXT, bytes.fromhex("a203020107a305a103020163"))
    aare = decode(octets)
    assert isinstance(aare, Aare)
    assert (aare.result, aare.diagnostic) == (7, 99)
    assert aare.result.name == "UNASSIGNED_7"
    assert aare.diagnostic.words == "unassigned-99"
    assert encode(aare) == octets


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("6000", "context name is missing"),
        ("6109a1070605608574050c", "missing or out of range"),
        ("6110a109060760857405080101a203020100", "source diagnostic is missing"),
        ("6117a109060760857405080101a203020100a305a303020100", "user .a1. or provider .a2."),
        ("6117a109060760857405080101a203020100a305a103020200", "at octet"),
        ("6080a1090607608574050801010000", "not definite"),
        ("6085000000000ba109060760857405080101", "not definite"),
        ("600ca10906076085740508010100", "octets left|within a tag"),
        ("600ba109060760857405080101ff", "octets too many"),
        ("6016a109060760857405080101a109060760857405080101", "comes twice"),
        ("600ba109060860857405080101", "exceeds|fill"),
        ("600ba109060660857405080101", "fill its field"),
        ("6204800200010000", "octets too many"),
        ("620480020001", "one octet"),
        ("6012a109060760857405080101bf8f8f8f8f8f00", "four octets"),
        ("6010a109060760857405080101a403020102ff", "too many"),
        ("600da109060760857405080101a400", "within a tag or length"),
        ("6011a109060760857405080101a4040202", "exceeds"),
    ],
)
def test_bad_ber_is_refused(octets: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        decode(bytes.fromhex(octets))
    assert caught.value.where.startswith("dlms ")


def test_an_understated_length_is_refused() -> None:
    octets = bytes.fromhex("6303800100be")
    with pytest.raises(DecodeError, match="1 octets too many"):
        decode(octets)


def test_releases() -> None:
    assert decode(b"\x62\x00") == Rlrq(None)
    assert decode(bytes.fromhex("62038001 1e")) == Rlrq(ReleaseRequestReason.USER_DEFINED)
    assert Rlre().to_octets() == bytes.fromhex("6303800100")
    assert Rlrq(reason=0).to_octets() == bytes.fromhex("6203800100")


def test_secrets_never_show() -> None:
    key = bytes.fromhex("00112233445566778899aabbccddeeff")
    request = InitiateRequest(0x7E1F, dedicated_key=key)
    aarq = Aarq(
        ApplicationContext.LOGICAL_NAMES,
        request.to_octets(),
        Mechanism.LOW,
        b"topsecret",
    )
    aare = Aare(ApplicationContext.LOGICAL_NAMES, responding_authentication_value=b"topsecret")
    for shown in (repr(request), repr(aarq), repr(aare), str(aarq), f"{[aare]}"):
        assert "topsecret" not in shown
        assert b"topsecret".hex() not in shown
        assert key.hex() not in shown
        assert repr(key) not in shown
    assert "9 octets hidden" in repr(aarq)


def test_errors_show_no_passwords() -> None:
    octets = frame(0x60, CONTEXT, bytes.fromhex("ac0b8009") + b"topsecret", b"\xbe\x7f")
    with pytest.raises(DecodeError) as caught:
        decode(octets)
    assert caught.value.excerpt == ""
