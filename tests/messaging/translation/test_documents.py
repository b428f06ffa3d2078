"""Documents from anybody: errors that name the place, in bounded time and memory."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.translation import (
    Node,
    from_tree,
    read_json,
    read_xml,
    to_tree,
    write_json,
    write_xml,
)

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "apdu.json").read_text(encoding="utf-8")
)
XML = [write_xml(to_tree(bytes.fromhex(row["hex"]))).encode() for row in VECTORS]
JSON = [write_json(to_tree(bytes.fromhex(row["hex"]))).encode() for row in VECTORS]


def octets_of(document: str) -> str:
    return from_tree(read(document.encode())).hex()


def read(document: bytes) -> Node:
    return read_xml(document) if document.lstrip()[:1] == b"<" else read_json(document)


def get_request(inside: str) -> str:
    return (
        "<get-request>\n<get-request-normal>\n<invoke-id-and-priority>193</invoke-id-and-priority>"
        f"\n{inside}\n</get-request-normal>\n</get-request>"
    )


DESCRIPTOR = (
    "<cosem-attribute-descriptor><class-id>8</class-id><instance-id>0000010000FF</instance-id>"
    "<attribute-id>2</attribute-id></cosem-attribute-descriptor>"
)


def test_a_document_by_hand() -> None:
    assert octets_of(get_request(DESCRIPTOR)) == "c001c100080000010000ff0200"
    prefixed = re.sub("<(/?)", r"<\1x:", get_request(DESCRIPTOR))
    declared = prefixed.replace(">", ' xmlns:x="http://www.dlms.com/COSEMpdu">', 1)
    assert octets_of(declared) == "c001c100080000010000ff0200"
    as_json = """{"get-request": {"get-request-next": {
        "block-number": "2", "invoke-id-and-priority": 193}}}"""
    assert octets_of(as_json) == "c002c100000002"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<get-request/>", "line 1, get-request: one element expected, get-request-normal or"),
        ("<ping/>", "line 1, ping: the name of an APDU expected"),
        (get_request(""), "line 2, .*: the element cosem-attribute-descriptor is missing"),
        (get_request(DESCRIPTOR * 2), "line 4, .*descriptor comes twice"),
        (get_request(DESCRIPTOR + "<a/>"), "line 4, get-request/get-request-normal/a: .*expected"),
        (get_request(DESCRIPTOR + "x"), "line 5: no text expected between the elements"),
        (
            get_request(DESCRIPTOR.replace(">8<", ">70000<")),
            "class-id: a number expected, 0 to 65535",
        ),
        (get_request(DESCRIPTOR.replace(">8<", ">eight<")), "a number expected, 0 to 65535"),
        (get_request(DESCRIPTOR.replace("00FF", "00F")), "two for each"),
        (get_request(DESCRIPTOR.replace("00FF", "00FFFF")), "6 octets expected, here are 7"),
        (get_request(DESCRIPTOR.replace("<class-id>", '<class-id a="b">')), "no attributes"),
        ('<get-request xmlns="urn:a"/>', "the namespace http://www.dlms.com/COSEMpdu expected"),
        ("<get-request>", "xml line 1: well-formed XML expected"),
        ("<a/><a/>", "well-formed XML expected"),
        ("<?a b?><a/>", "no processing instruction"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "no document type"),
        ("<a>&b;</a>", "undefined entity"),
        ('<?xml version="1.0" encoding="klingon"?><ping/>', "the name of an APDU expected"),
        ("{}", "json: an object with the one name"),
        ("[]", "json: an object with the one name"),
        ("{", "json line 1: JSON expected"),
        ('{"a": 1.5}', "whole numbers expected"),
        ('{"a": NaN}', "whole numbers expected"),
        ('{"a": 123456789012345678901}', "at most 64 bits"),
        ('{"a": {"b": 1, "b": 2}}', "a: each name once expected"),
        ('{"a": [1]}', "a: a list of objects with one name each expected"),
        ('{"a": "\\ud800"}', "whole characters expected"),
        ('{"get-request": {"get-request-next": {"block-number": true}}}', "invoke-id"),
        ('{"Data": {"unsigned": 256}}', "Data/unsigned: a number expected, 0 to 255"),
        ('{"Data": {"unsigned": true}}', "Data/unsigned: a number expected, 0 to 255"),
        ('{"Data": {"boolean": 2}}', "true or false expected"),
        ('{"Data": {"unsigned": {"hex": "0102"}}}', "octets are left over"),
        ('{"Data": {"visible-string": {"hex": "8100"}}}', "shortest form expected"),
        ('{"Data": {"visible-string": "\\u20ac"}}', "use utf8-string"),
        ('{"Data": {"array": 1}}', "no text expected"),
        ('{"Data": {"compact-array": {"array-contents": ""}}}', "contents-description and"),
        ('{"Data": {"null-data": 1}}', "no text expected"),
        ('{"rlrq": {"reason": "later"}}', "a word expected, normal, urgent, user-defined"),
        ('{"glo-get-request": {"plain": ""}}', "security-control, invocation-counter, plain"),
        (
            '{"glo-get-request": {"security-control": 48, "invocation-counter": 1, "plain": ""}}',
            "keys and a counter are needed",
        ),
        ('{"xDLMS-APDU": {"octets": "07"}}', "octets of an APDU expected"),
        (
            '{"get-response": {"get-response-normal": {"invoke-id-and-priority": 1,'
            ' "result": {"data": {"encoded": ""}}}}}',
            "fields of an APDU expected that can be read",
        ),
    ],
)
def test_errors_name_the_place_and_what_belongs_there(document: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        octets_of(document)
    assert re.search(message, str(caught.value)), str(caught.value)


def test_an_entity_that_explodes_is_never_expanded() -> None:
    laughs = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "lol">' for n in range(10)
    )
    with pytest.raises(UsageError, match="no document type"):
        octets_of(f"<!DOCTYPE a [{laughs}]><a>&l9;</a>")


@pytest.mark.parametrize("opening", ["<array>", "<a>", '{"array": [', "[", '{"a":'])
def test_deep_nesting_is_refused(opening: str) -> None:
    with pytest.raises(UsageError):
        octets_of(opening * 100_000)


def test_nesting_within_the_limits_of_data_is_taken() -> None:
    for depth, taken in ((16, True), (17, False)):
        document = "<Data>" + "<array>" * depth + "</array>" * depth + "</Data>"
        if taken:
            assert octets_of(document) == "0101" * (depth - 1) + "0100"
        else:
            with pytest.raises(UsageError, match="within the limits"):
                octets_of(document)


def test_documents_too_large_are_refused() -> None:
    with pytest.raises(UsageError, match="64 MiB of XML"):
        read_xml(b"<a>" + b" " * (1 << 26))
    with pytest.raises(UsageError, match="64 MiB of JSON"):
        read_json(b"{" + b" " * (1 << 26))
    with pytest.raises(UsageError, match="at most 1048576 elements"):
        read_xml(b"<a>" + b"<b/>" * (1 << 20) + b"</a>")
    with pytest.raises(UsageError, match="at most 1048576 elements"):
        read_json(b'{"a": [' + b"{}," * (1 << 20) + b"{}]}")
    with pytest.raises(UsageError, match="UTF-8"):
        read_xml(b"<a>\n\xff</a>")
    with pytest.raises(UsageError, match="UTF-8"):
        read_json(b'{"a": "\xff"}')


def test_numbers_that_readers_of_json_round_are_texts() -> None:
    tree = to_tree(bytes.fromhex("c401c10015ffffffffffffffff"))
    assert '"18446744073709551615"' in write_json(tree)
    assert from_tree(read_json(write_json(tree).encode())).hex() == "c401c10015ffffffffffffffff"


def test_notes_are_for_people_only() -> None:
    tree = to_tree(bytes.fromhex("c401c1001907ea0b19030c000000ffc400"))
    assert "<!-- 2026-11-25 Wed 12:00:00 UTC+01:00 status 00 -->" in write_xml(tree)
    tree.note = "no --> comment"
    assert read_xml(write_xml(tree).encode()).children


def test_ten_thousand_mutated_documents_raise_only_usage_errors() -> None:
    source = random.Random(6205653)
    documents = XML + JSON
    good = placed = 0
    for number in range(10_000):
        document = mutated(documents[number % len(documents)], source)
        try:
            octets = from_tree(read(document))
        except UsageError as error:
            placed += bool(error.where)
            continue
        good += 1
        assert isinstance(octets, bytes)
    assert 200 < good < 5000
    assert placed == 10_000 - good


PIECES = (
    *(b"<", b">", b"&amp;", b"&x;", b"9" * 50, b"-1", b'"', b"[", b"{", b"null", b"true", b"1e9"),
    *(b"\\ud800", b"<!DOCTYPE a>", b"<?a b?>", b"<a/>", b" ", b'"hex": ""', b"<hex>00</hex>"),
)


def mutated(document: bytes, source: random.Random) -> bytes:
    changed = bytearray(document)
    for _ in range(source.choice((1, 1, 2, 4))):
        place = source.randrange(len(changed) + 1)
        kind = source.randrange(7)
        if kind == 0:
            changed[place : place + 1] = source.randbytes(1)
        elif kind == 1:
            del changed[place : place + source.randrange(1, 30)]
        elif kind == 2:
            start = source.randrange(len(changed) + 1)
            changed[place:place] = changed[start : start + source.randrange(1, 60)]
        elif kind == 3:
            changed[place:place] = source.choice(PIECES)
        elif kind == 4:
            piece = source.choice((b"<a>", b"[", b'{"a":'))
            changed[place:place] = piece * source.choice((1, 50, 3000))
        elif kind == 5:
            number = str(source.choice((0, -1, 255, 256, 65536, 1 << 64, 10**19))).encode()
            changed = bytearray(
                re.sub(rb"\d+", number, bytes(changed), count=source.randrange(3) + 1)
            )
        else:
            lines = bytes(changed).splitlines() or [b""]
            line = lines.pop(source.randrange(len(lines)))
            if source.random() < 0.5:
                lines.insert(source.randrange(len(lines) + 1), line)
            changed = bytearray(b"\n".join(lines))
    return bytes(changed)


def test_a_tree_by_hand_is_checked_as_well() -> None:
    with pytest.raises(UsageError, match="rlrq/reason"):
        root = Node("rlrq")
        root.children.append(Node("reason", "never", parent=root))
        from_tree(root)
