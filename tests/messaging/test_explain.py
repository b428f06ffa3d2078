"""Explaining APDUs: every octet in exactly one leaf line, whatever the octets."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ferraris.core.errors import DecodeError
from ferraris.core.explain import Line
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.explain import conceal, explain
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL
from ferraris.messaging.dlms.telling import Deciphered, Protected

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
    made_up = {
        "general-signing",
        "general-ciphering without key",
        "ded-set-request",
        "general-block-transfer",
    }
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
    assert "password, 9 octets, not shown" in shown


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


PASSWORD = b"Zq7pXw9Lm"
DEDICATED_KEY = bytes.fromhex("a1a2a3a4a5a6a7a8a9aaabacadaeafb0")
WRAPPED_KEY = bytes.fromhex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5")
SECRETS = (PASSWORD, DEDICATED_KEY, WRAPPED_KEY)


def aarq(value: bytes, mechanism: int = 1, information: bytes = b"") -> bytes:
    content = bytes.fromhex("a1090607608574050801018a0207808b076085740508 02".replace(" ", ""))
    content += bytes((mechanism, 0xAC, len(value) + 2, 0x80, len(value))) + value
    if information:
        content += bytes((0xBE, len(information) + 2, 4, len(information))) + information
    return bytes((0x60, len(content))) + content


INITIATE = b"\x01\x01\x10" + DEDICATED_KEY + bytes.fromhex("0000065f1f0400007e1f04b0")
SECURITY_SETUP = bytes.fromhex("004000002b0000ff02")
KEY_DATA = b"\x01\x01\x02\x02\x16\x00\x09\x18" + WRAPPED_KEY
WITH_SECRETS = {
    "password": aarq(PASSWORD),
    "dedicated key": INITIATE,
    "both": aarq(PASSWORD, information=INITIATE),
    "key transfer": b"\xc3\x01\xc1" + SECURITY_SETUP + b"\x01" + KEY_DATA,
    "key transfer in a list": b"\xc3\x03\xc1\x01" + SECURITY_SETUP + b"\x01" + KEY_DATA,
    "key transfer in blocks": b"\xc3\x04\xc1"
    + SECURITY_SETUP
    + b"\x00\x00\x00\x00\x01"
    + bytes((len(KEY_DATA),))
    + KEY_DATA,
    "secret written by short name": b"\x06\x01\x02\xfa\x40\x01\x09\x09" + PASSWORD,
    "secret written": b"\xc1\x01\xc1\x00\x0f\x00\x00\x28\x00\x00\xff\x07\x00\x09\x09" + PASSWORD,
    "key transfer by ACCESS": b"\xd9\x40\x00\x00\x01\x00\x01\x03"
    + SECURITY_SETUP
    + b"\x01"
    + KEY_DATA,
    "wrapped key": bytes.fromhex("dd0000000000010100")
    + b"\x18"
    + WRAPPED_KEY
    + b"\x05\x20\0\0\0\1",
    "authenticated only": b"\xcb"
    + bytes((5 + 13 + len(KEY_DATA) + 12,))
    + b"\x10\0\0\0\1\xc3\x01\xc1"
    + SECURITY_SETUP
    + b"\x01"
    + KEY_DATA
    + bytes(12),
}


def shown(lines: list[Line]) -> str:
    return "\n".join(f"{line.shown} {line.text}" for line in lines)


def holds_a_secret(text: str) -> bool:
    """Four octets in a row of any secret, as hex or as text, are a leak."""
    return any(
        part.hex() in text or (part.isascii() and part.decode("ascii") in text)
        for secret in SECRETS
        for part in (secret[n : n + 4] for n in range(len(secret) - 3))
    )


@pytest.mark.parametrize("name", WITH_SECRETS)
def test_secrets_are_marked_and_concealed(name: str) -> None:
    octets = WITH_SECRETS[name]
    lines = explain(octets)
    assert joined(lines) == octets
    assert any(line.secret for line in lines)
    assert not [line for line in lines if line.text.startswith("not understood")]
    assert not holds_a_secret(shown(lines))
    hidden = conceal(octets)
    assert len(hidden) == len(octets)
    assert not any(secret in hidden for secret in SECRETS)
    assert conceal(hidden) == hidden
    decode(hidden)


@pytest.mark.parametrize("name", WITH_SECRETS)
def test_a_secret_cut_short_is_still_one(name: str) -> None:
    octets = WITH_SECRETS[name]
    for end in range(1, len(octets)):
        lines = explain(octets[:end])
        assert joined(lines) == octets[:end]
        assert not holds_a_secret(shown(lines)), end


def test_one_wrong_octet_around_a_secret_does_not_show_it() -> None:
    """Any octet may be wrong but those that say what the field is at all."""
    octets = WITH_SECRETS["both"]
    apdu, mechanism, value, information = 0, 25, 26, 39
    for place in range(len(octets)):
        if place in (apdu, mechanism, value, information) or place > information:
            continue
        for octet in range(256):
            wrong = octets[:place] + bytes((octet,)) + octets[place + 1 :]
            lines = explain(wrong)
            assert joined(lines) == wrong
            told = shown(lines)
            assert not holds_a_secret(told), (place, octet)


def test_a_challenge_is_no_secret() -> None:
    challenge = b"K56iVagY"
    octets = aarq(challenge, mechanism=5)
    assert challenge.hex() in shown(explain(octets))
    assert conceal(octets) == octets
    for mechanism in (0, 1, 9):
        assert challenge.hex() not in shown(explain(aarq(challenge, mechanism)))


def test_with_a_key_the_plain_apdu_is_explained_behind_the_ciphertext() -> None:
    octets = bytes.fromhex("c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b")
    plain = bytes.fromhex("c0010000080000010000ff0200")

    def opens(protected: Protected) -> Deciphered:
        assert protected == (octets[2:], b"MMM\0\0\xbcaN", b"", False)
        return Deciphered(plain, "verified")

    lines = explain(octets, opens, b"MMM\0\0\xbcaN")
    assert joined([line for line in lines if not line.deciphered]) == octets
    assert joined([line for line in lines if line.deciphered]) == plain
    told = [line.text for line in lines]
    assert "authentication tag, verified" in told
    assert told.index("get-request") > told.index("deciphered")


def test_who_ciphers_is_who_named_itself_last() -> None:
    titles = []

    def opens(protected: Protected) -> Deciphered:
        titles.append((protected.title, protected.fields))
        return Deciphered(None, "not verified: no key is given")

    glo = bytes.fromhex(
        "db084d4d4d0000bc614e12200123456741 1312ff935a47566827c467bc".replace(" ", "")
    )
    explain(glo, opens)
    general = bytes.fromhex("dd0001a101b20001c300") + b"\x06\x30\0\0\0\1\xff"
    explain(general, opens)
    assert titles[0] == (b"MMM\0\0\xbcaN", b"")


def test_the_explanation_understands_what_the_decoder_takes() -> None:
    """One says what the other did: octets that decode leave nothing that is not understood."""
    source = random.Random(41)
    originals = [bytes.fromhex(vector["hex"]) for vector in VECTORS] + list(WITH_SECRETS.values())
    agreed = 0
    for number in range(6_000):
        octets = bytearray(originals[number % len(originals)])
        for _ in range(source.randint(0, 2)):
            octets[source.randrange(len(octets))] = source.randrange(256)
        try:
            decode(bytes(octets), strict=True)
        except DecodeError:
            continue
        wrong = [
            line
            for line in explain(bytes(octets))
            if line.text.startswith(("not understood", "left over"))
        ]
        if wrong and bytes(octets[:1]) in _CARRIERS:
            continue  # what is carried inside need not be an APDU
        assert not wrong, bytes(octets).hex()
        agreed += 1
    assert agreed > 1_000


_CARRIERS = [bytes((tag,)) for tag in (0x60, 0x61, 0x62, 0x63, 0xDD, 0xDF, 0xE0, 0xE6, 0xE7)]
_CARRIERS += [bytes((tag,)) for tag in (*GLOBAL.values(), *DEDICATED.values(), 0xDB, 0xDC)]
