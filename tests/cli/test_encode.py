"""`ferraris decode --xml` and `--tree`, and `ferraris encode`, which takes them back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ferraris.data import axdr
from ferraris.messaging.dlms.general import (
    AgreedKey,
    GeneralCiphering,
    GeneralGlo,
    IdentifiedKey,
    ServiceCiphered,
)
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Sealer

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
AUTH_KEY = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
TITLE = bytes.fromhex("4d4d4d0000bc614e")
KEYS = ("--key", "env:KEY", "--auth-key", "env:AUTH_KEY")
NAMED = ("--system-title", TITLE.hex())
GLO_GET = "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
AARQ = (
    "6066a109060760857405080103a60a04084d4d4d0000bc614e8a0207808b0760857405080201ac0a8008313233343536"
    "3738be34043221303001234567801302ff8a7874133d414ced25b42534d28db0047720606b175bd52211be6841db204d"
    "39ee6fdb8e356855"
)
PASSWORD_AARQ = (
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f"
    "1f0400007e1f04b0"
)
HAN_FRAME = (
    "7ea02a410883130413e6e7000f40000000000101020309060100010700ff060000067d02020f00161b1c057e"
)
GET = "c001c1000100002b0100ff0200"
VECTORS = [
    row["hex"]
    for row in json.loads(
        (Path(__file__).parent.parent / "vectors" / "apdu.json").read_text(encoding="utf-8")
    )
]


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("KEY", KEY.hex())
    monkeypatch.setenv("AUTH_KEY", AUTH_KEY.hex())


@pytest.mark.parametrize("form", ["--xml", "--tree"])
def test_every_vector_goes_to_a_document_and_back(ferraris, form):
    for octets in VECTORS:
        shown = ferraris("decode", "--as", "apdu", form, "--with-secrets", octets)
        assert shown.out, octets
        again = ferraris("encode", "-", stdin=shown.out.encode())
        assert (again.code, again.out, again.err) == (0, octets + "\n", "")


def test_the_tree_stands_in_the_json_object_on_demand(ferraris):
    assert "tree" not in ferraris("decode", "--json", GET).json
    shown = ferraris("decode", "--json", "--tree", GET).json
    [tree] = shown["tree"]
    assert ferraris("encode", "-", stdin=json.dumps(tree).encode()).out == GET + "\n"
    assert list(shown)[:6] == ["protocol", "device", "readings", "data", "also", "error"]


def test_a_frame_is_taken_off_and_put_on_again(ferraris):
    shown = ferraris("decode", "--xml", HAN_FRAME).out
    assert "<data-notification>" in shown
    apdu = ferraris("encode", "-", stdin=shown.encode()).out.strip()
    assert apdu == HAN_FRAME[24:-6]
    wrapped = ferraris("encode", "--frame", "wrapper", "-", stdin=shown.encode()).out.strip()
    assert wrapped == "000100010010" + f"{len(apdu) // 2:04x}" + apdu
    framed = ferraris("encode", "--frame", "hdlc", "-", stdin=shown.encode()).out.strip()
    again = ferraris("decode", "--json", framed).json
    assert again["protocol"] == "hdlc"
    assert again["data"]["frames"][0]["kind"] == "UI"
    assert again["readings"][0]["value"] == 1661


def test_requests_go_to_the_server_in_an_information_frame(ferraris):
    document = ferraris("decode", "--tree", GET).out.encode()
    for octets, link in (
        ("0001002000110" + f"00d{GET}", "wrapper"),
        (None, "hdlc"),
    ):
        ends = ("--client", "32", "--server", "17")
        shown = ferraris("encode", "--frame", link, *ends, "-", stdin=document).out.strip()
        assert octets in (None, shown)
        found = ferraris("decode", "--json", shown).json
        assert found["protocol"] == link
        if link == "hdlc":
            [frame] = found["data"]["frames"]
            assert (frame["kind"], frame["source_address"], frame["poll_final"]) == (
                "I",
                "32",
                True,
            )
            assert frame["information"] == "e6e600" + GET


def test_raw_octets_go_to_a_file(tmp_path, capsysbinary):
    from ferraris.cli.main import run

    (tmp_path / "get.json").write_text(
        '{"get-request": {"get-request-next": {"invoke-id-and-priority": 193, "block-number": 2}}}'
    )
    assert run(("encode", "--raw", str(tmp_path / "get.json"))) == 0
    assert capsysbinary.readouterr().out == bytes.fromhex("c002c100000002")


def test_data_is_a_document_too(ferraris):
    shown = ferraris("decode", "--xml", "0600bc614e").out
    assert "<double-long-unsigned>12345678</double-long-unsigned>" in shown
    assert ferraris("encode", "--as", "data", "-", stdin=shown.encode()).out == "0600bc614e\n"
    ran = ferraris("encode", "--as", "apdu", "-", stdin=shown.encode())
    assert (ran.code, ran.err) == (2, "ferraris: Data: a document of apdu expected\n")
    assert ferraris("encode", "--frame", "hdlc", "-", stdin=shown.encode()).code == 2


def test_secrets_are_hidden_unless_asked_for(ferraris):
    for form in ("--xml", "--tree"):
        hidden = ferraris("decode", form, PASSWORD_AARQ)
        assert "3132333435363738" not in hidden.out
        assert "--with-secrets" in hidden.err
        shown = ferraris("decode", form, "--with-secrets", PASSWORD_AARQ)
        assert "3132333435363738" in shown.out
        assert shown.err == ""
    key = ("--key", "env:KEY", "--auth-key", "env:AUTH_KEY")
    assert "00112233445566778899AABBCCDDEEFF" not in ferraris("decode", "--xml", *key, AARQ).out


def sealed(plain: bytes, control: int, counter: int, fields: bytes = b"") -> bytes:
    lease = CounterLease(counter, counter + 1)
    keys = CipherKeys(0, KEY, AUTH_KEY, KEY)
    return Sealer(keys, TITLE, lease, lease).seal(plain, control, fields)


def ciphered() -> list[bytes]:
    """One counter, every kind of protection that a key and a title open."""
    plain = bytes.fromhex(GET)
    envelope = GeneralCiphering(b"\x01", TITLE, bytes(8), b"", b"", IdentifiedKey(0), b"")
    envelope.content = sealed(plain, 0x30, 7, envelope.header)
    found = [envelope.to_octets(), GeneralGlo(b"", sealed(plain, 0x30, 7)).to_octets()]
    found += [
        ServiceCiphered(0xC8, sealed(plain, kind, 7)).to_octets() for kind in (0x10, 0x20, 0x70)
    ]
    return found


@pytest.mark.parametrize("form", ["--xml", "--tree"])
def test_opened_contents_are_protected_again_to_the_same_octets(ferraris, form):
    for octets in [each.hex() for each in ciphered()]:
        shown = ferraris("decode", "--as", "apdu", form, *KEYS, *NAMED, octets)
        assert shown.code == 0, shown.err
        assert "get-request-normal" in shown.out
        document = shown.out.encode()
        again = ferraris("encode", *KEYS, *NAMED, "--counter", "7", "-", stdin=document)
        assert again.out == octets + "\n", again.err
        other = ferraris("encode", *KEYS, *NAMED, "--counter", "8", "-", stdin=document)
        assert other.code == 0
        assert other.out != again.out


def test_a_ciphered_initiate_within_an_aarq(ferraris):
    shown = ferraris("decode", "--xml", "--with-secrets", *KEYS, AARQ).out
    assert "<dedicated-key>00112233445566778899AABBCCDDEEFF</dedicated-key>" in shown
    counter = ("--counter", str(0x01234567))
    assert ferraris("encode", *KEYS, *NAMED, *counter, "-", stdin=shown.encode()).out == AARQ + "\n"


def test_without_keys_the_content_stays_octets(ferraris):
    shown = ferraris("decode", "--xml", GLO_GET).out
    assert "<glo-get-request>3001234567" in shown
    assert ferraris("encode", "-", stdin=shown.encode()).out == GLO_GET + "\n"


def test_a_wrong_key_shows_the_content_shut_and_says_so(ferraris, monkeypatch):
    monkeypatch.setenv("KEY", "ff" * 16)
    shown = ferraris("decode", "--xml", *KEYS, *NAMED, GLO_GET)
    assert shown.code == 1
    assert "the tag does not verify" in shown.err
    assert "<glo-get-request>3001234567" in shown.out


def test_a_key_that_is_not_ours_leaves_the_content_shut(ferraris):
    envelope = GeneralCiphering(b"\x01", TITLE, bytes(8), b"", b"", AgreedKey(b"\x02", b""), b"")
    envelope.content = bytes.fromhex("3000000001") + bytes(20)
    octets = envelope.to_octets().hex()
    shown = ferraris("decode", "--xml", *KEYS, *NAMED, octets)
    assert shown.code == 1
    assert ferraris("encode", "-", stdin=shown.out.encode()).out == octets + "\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "keys and a counter are needed"),
        ((*KEYS, *NAMED), "give --counter"),
        ((*KEYS, "--counter", "7"), "--system-title"),
        (("--key", "env:KEY", *NAMED, "--counter", "7"), "give --auth-key"),
    ],
)
def test_protecting_needs_everything(ferraris, options, message):
    document = ferraris("decode", "--xml", *KEYS, *NAMED, GLO_GET).out.encode()
    ran = ferraris("encode", *options, "-", stdin=document)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "neither XML nor JSON"),
        ("c001", "neither XML nor JSON"),
        ("<a", "xml line 1: well-formed XML expected"),
        ("{", "json line 1: JSON expected"),
        (
            "<get-request>\n<get-request-next>\n<block-number>x</block-number></get-request-next>"
            "</get-request>",
            "line 2, get-request/get-request-next: the element invoke-id",
        ),
    ],
)
def test_bad_documents_end_in_one_line_and_two(ferraris, document, message):
    ran = ferraris("encode", "-", stdin=document.encode())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("ferraris: ")
    assert message in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", "--xml", "--json", GET),
        ("decode", "--xml", "--tree", GET),
        ("decode", "--with-secrets", GET),
        ("decode", "--tree", "--explain", GET),
        ("encode", "--as", "hdlc", "{}"),
        ("encode", "--frame", "mbus", "{}"),
    ],
)
def test_forms_that_do_not_go_together(ferraris, arguments):
    ran = ferraris(*arguments)
    assert (ran.code, ran.out) == (2, "")


def test_what_is_no_telegram_is_no_document(ferraris):
    ran = ferraris("decode", "--xml", "7ea0")
    assert (ran.code, ran.out) == (2, "")
    nothing = ferraris("decode", "--xml", "7ea00801020110378d7e")
    assert (nothing.code, nothing.out) == (0, "")
    assert "no APDU" in nothing.err


def test_many_lines_are_many_documents(ferraris):
    shown = ferraris("decode", "--lines", "--xml", "-", stdin=f"{GET}\n6200\n".encode())
    assert shown.out.count("<?xml") == 2


def test_a_compact_array_by_hand(ferraris):
    document = """<Data><compact-array>
      <contents-description><structure><unsigned/><long-unsigned/></structure></contents-description>
      <array-contents>01 0002 03 0004</array-contents>
    </compact-array></Data>"""
    octets = ferraris("encode", document).out.strip()
    assert octets == "13020211" + "12" + "06010002030004"
    assert axdr.decode(bytes.fromhex(octets))[0] == 19
