"""`ferraris decode`: what it is, what it says, how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

KEYS = ("--key", "env:KEY", "--auth-key", "env:AUTH_KEY")
GLO_GET = "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
HAN_FRAME = (
    "7ea02a410883130413e6e7000f40000000000101020309060100010700ff060000067d02020f00161b1c057e"
)
GET = "c001c1000100002b0100ff0200"


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("KEY", "000102030405060708090a0b0c0d0e0f")
    monkeypatch.setenv("AUTH_KEY", "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")


def test_the_json_object_has_exactly_the_promised_keys(ferraris):
    shown = ferraris("decode", "--json", HAN_FRAME).json
    assert list(shown) == ["protocol", "device", "readings", "data", "also", "error"]
    assert list(shown["device"]) == ["id", "manufacturer", "version", "medium"]
    assert shown["error"] is None
    assert shown["readings"] == [
        {
            "obis": "1-0:1.7.0*255",
            "name": "Active power import (+P), instantaneous value",
            "value": 1661,
            "unit": "W",
            "time": None,
            "storage": None,
            "tariff": None,
            "subunit": None,
            "function": None,
        }
    ]


@pytest.mark.parametrize(
    ("octets", "protocol"),
    [
        (HAN_FRAME, "hdlc"),
        ("7ea00801020110378d7e", "hdlc"),
        ("0001001000010006" + "6203800100", None),
        ("0001001000010005" + "6203800100", "wrapper"),
        (GET, "apdu"),
        ("e6e600" + GET, "apdu"),
        ("6203800100", "apdu"),
        ("0203110109020a0b00", "data"),
        ("0600bc614e", "data"),
    ],
)
def test_detection_takes_proven_framing_first(ferraris, octets, protocol):
    ran = ferraris("decode", "--json", octets)
    assert ran.json["protocol"] == protocol
    assert ran.code == (0 if protocol else 2)


def test_other_readings_are_listed(ferraris):
    # An empty write-request, or a double-long-unsigned? Both take all octets.
    shown = ferraris("decode", "--json", "0600000000").json
    assert [shown["protocol"], *shown["also"]] in (["apdu", "data"], ["data"])
    assert ferraris("decode", "--json", "--as", "data", "0600000000").json["data"] == 0


def test_as_allows_one_reading_only(ferraris):
    ran = ferraris("decode", "--json", "--as", "hdlc", GET)
    assert ran.code == 2
    assert ran.json["error"]["kind"] == "DecodeError"
    assert ran.json["error"]["where"] == "hdlc, octet 0"
    assert ferraris("decode", "--as", "sausage", GET).code == 2


def test_an_apdu_is_named_in_the_words_of_the_standard(ferraris):
    shown = ferraris("decode", "--json", GET).json["data"]
    assert shown["apdu"] == "get-request-normal"
    assert shown["invoke_id"] == 1
    assert shown["attribute"]["obis"] == "0-0:43.1.0*255"
    assert shown["attribute"]["attribute_name"] == "value"
    assert "get-request-normal" in ferraris("decode", GET).out


def test_a_key_opens_a_ciphered_apdu(ferraris):
    shut = ferraris("decode", "--json", GLO_GET).json
    assert shut["error"] is None
    assert shut["data"]["content"]["invocation_counter"] == 0x01234567
    assert "plain" not in shut["data"]["content"]
    ran = ferraris("decode", "--json", *KEYS, "--system-title", "4d4d4d0000bc614e", GLO_GET)
    assert ran.code == 0
    assert ran.json["data"]["content"]["plain"]["attribute"]["obis"] == "0-0:1.0.0*255"


def test_a_wrong_key_is_one_line_that_lists_the_causes(ferraris):
    wrong = ("--key", "env:AUTH_KEY", "--auth-key", "env:AUTH_KEY")
    arguments = ("decode", *wrong, "--system-title", "4d4d4d0000bc614e", GLO_GET)
    ran = ferraris(*arguments)
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert "wrong encryption key" in ran.err
    assert "altered" in ran.err
    assert "d0d1d2" not in ran.err + ran.out
    assert ferraris(*arguments, "--json").json["error"]["kind"] == "SecurityError"


def test_a_missing_title_or_key_says_which_option_is_needed(ferraris):
    assert "--system-title" in ferraris("decode", *KEYS, GLO_GET).err
    without = ferraris("decode", *KEYS[:2], "--system-title", "4d4d4d0000bc614e", GLO_GET)
    assert "--auth-key" in without.err
    assert without.code == 2


def test_a_key_in_plain_hex_works_and_warns(ferraris):
    keys = ("--key", "000102030405060708090a0b0c0d0e0f", *KEYS[2:])
    ran = ferraris("decode", "--json", *keys, "--system-title", "4d4d4d0000bc614e", GLO_GET)
    assert ran.code == 0
    assert "warning" in ran.err
    assert "0001020304" not in ran.err


def test_decrypted_contents_are_read_behind_their_header(ferraris):
    shown = ferraris("decode", "--json", "--decrypted", "c81220" + "00000001" + GET).json
    assert shown["data"]["content"]["plain"]["apdu"] == "get-request-normal"


def test_the_title_in_an_aare_names_the_device(ferraris):
    aare = (
        "6141a109060760857405080103a203020100a305a103020100a40a04084b464d6410000002"
        "be10040e0800065f1f0400001e1d04c80007"
    )
    aare = "61" + f"{len(bytes.fromhex(aare)) - 2:02x}" + aare[4:]
    device = ferraris("decode", "--json", aare).json["device"]
    assert device["manufacturer"] == "KFM"
    assert device["id"] == "4b464d6410000002"


def test_lines_go_on_after_a_bad_one_and_end_with_2(ferraris):
    ran = ferraris(
        "decode", "--lines", "--json", stdin=f"{GET}\nnonsense\n\n# no\n0600\n{GET}".encode()
    )
    assert ran.code == 2
    assert [each["protocol"] for each in ran.json_lines] == ["apdu", None, None, "apdu"]
    assert ran.json_lines[1]["error"] == {
        "kind": "UsageError",
        "message": "neither hexadecimal nor a file: 'nonsense'",
        "where": "line 2",
    }
    assert ferraris("decode", "--lines", "--json", stdin=GET.encode()).code == 0


@pytest.mark.parametrize(
    "content", [bytes.fromhex(GET), GET.encode(), b" C0:01 C1-00\n" + GET[8:].encode()]
)
def test_files_hold_octets_or_hex(ferraris, tmp_path: Path, content):
    file = tmp_path / "telegram"
    file.write_bytes(content)
    assert ferraris("decode", "--json", str(file)).json["protocol"] == "apdu"
    assert ferraris("decode", "--json", "-", stdin=content).json["protocol"] == "apdu"


@pytest.mark.parametrize(
    "octets", [HAN_FRAME, GET, "0001001000010005" + "6203800100", "0600bc614e"]
)
def test_explain_names_every_octet_once(ferraris, octets):
    lines = ferraris("decode", "--json", "--explain", octets).json["explain"]
    assert "".join(line["octets"] for line in lines) == octets
    assert all(line["text"] for line in lines)
    assert octets[:2] in ferraris("decode", "--explain", octets).out


def test_segments_are_joined_before_the_apdu_is_read(ferraris):
    from ferraris.transport.hdlc.frame import Frame

    unit = bytes.fromhex("e6e700" + "0f40000000000101020309060100010700ff060000067d02020f00161b")
    parts = [unit[:9], unit[9:20], unit[20:]]
    frames = b"".join(
        Frame(b"\x03", b"\x21", n << 1, part, segmented=n < 2).to_octets()
        for n, part in enumerate(parts)
    )
    shown = ferraris("decode", "--json", "--explain", frames.hex()).json
    assert shown["readings"][0]["value"] == 1661
    assert "".join(line["octets"] for line in shown["explain"]) == frames.hex()


def test_blocks_of_a_general_block_transfer_are_joined(ferraris):
    get = bytes.fromhex(GET)
    blocks = "".join(
        f"000100010010{len(block) + 7:04x}e0{last}000{number}0000{len(block):02x}{block.hex()}"
        for number, last, block in ((1, "00", get[:5]), (2, "80", get[5:]))
    ).replace("000100010010", "000100010010")
    shown = ferraris("decode", "--json", blocks).json
    assert shown["data"][1]["apdu"]["whole"]["apdu"] == "get-request-normal"


def test_an_undecodable_content_keeps_the_framing(ferraris):
    ran = ferraris("decode", "--json", "0001001000010002" + "fffe")
    assert ran.code == 2
    assert ran.json["protocol"] == "wrapper"
    assert ran.json["error"]["message"] == "unknown tag ff"


def test_corpora_decode_or_are_listed(ferraris, corpora: Path):
    """Every row is read, or stands here with the reason why it is not."""
    unread = {
        "RLRE of Gurux C server: BER length understated": "lengths are wrong: a test of tolerance",
        "structure of 7: GSM diagnostics": "two values back to back are not one telegram",
        "push hdlc_landis_gyr_zmf100": "its frame check sequence is wrong",
        "push mbus_netz_noe_p1": "M-Bus framing comes with that family",
        "AES-128 key wrap": "a wrapped key is no telegram",
        "general-ciphering suite 1": "ciphertext without its APDU",
        "NEGATIVE": "must be refused",
    }
    refused = []
    for name in ("dlms-vectors.jsonl", "han-pushes.jsonl"):
        rows = [json.loads(line) for line in (corpora / name).read_text().splitlines()]
        ran = ferraris(
            "decode", "--lines", "--json", stdin="\n".join(r["hex"] for r in rows).encode()
        )
        assert len(ran.json_lines) == len(rows)
        refused += [
            row["name"] for row, shown in zip(rows, ran.json_lines, strict=True) if shown["error"]
        ]
    assert [name for name in refused if not name.startswith(tuple(unread))] == []


@pytest.mark.parametrize(
    ("hexes", "told"),
    [
        ("c001c1005f0000600101ff0200", {"class": "Wi-SUN set-up", "layout": "not known"}),
        ("c001c19c400000600101ff0200", {"layout": "not known"}),
        ("c001c100030100010800ff0300", {"class": "Register", "attribute_name": "scaler_unit"}),
        ("c301c1000c000028 0000ff0100", {"method_name": "getlist_by_classid"}),
    ],
    ids=["by name", "not at all", "declared", "dropped by later versions"],
)
def test_classes_are_named_or_said_to_be_unknown(ferraris, hexes, told):
    text = ferraris("decode", "--json", hexes.replace(" ", "")).out
    for name, value in told.items():
        assert f'"{name}": "{value}"' in text
    assert ('"layout"' in text) == ("layout" in told)
