"""What is fuzzed, and from which good octets the mutations start."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ferraris.cli.captured import captured
from ferraris.cli.telegram import read
from ferraris.client.pushed import pushed_values
from ferraris.core.errors import DecodeError, UsageError
from ferraris.core.pcapng import LINK_RAW_IP, interface_block, packet_block, section_block
from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.crypto.requests import CertificateRequest
from ferraris.crypto.revocation import RevocationList
from ferraris.crypto.wrap import unwrap_padded
from ferraris.data import axdr, compact
from ferraris.data.kinds import CompactArray
from ferraris.headend.inventory import parse_query, query_text
from ferraris.headend.inventory.shipment_columns import COLUMNS, Checking, Unwrapping, drafted
from ferraris.headend.inventory.shipment_file import read_rows
from ferraris.headend.inventory.shipment_report import Findings
from ferraris.line.packets import ACK, Place, tcp_packet
from ferraris.line.recording import without_secrets
from ferraris.messaging.dlms import apdu
from ferraris.messaging.dlms.association.parameters import ServerOffer
from ferraris.messaging.dlms.association.server import Indication, ServerAssociation
from ferraris.messaging.dlms.explain import explain
from ferraris.messaging.dlms.translation import (
    Node,
    from_tree,
    read_json,
    read_xml,
    to_tree,
    write_json,
    write_xml,
)
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server import short_names
from ferraris.server.device import RequestContext
from ferraris.transport import wrapper
from ferraris.transport.explain import explain_wrapper
from ferraris.transport.explain_hdlc import explain_hdlc
from ferraris.transport.hdlc import frame
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.iec62056_21.messages import Identification, OptionSelect, Request
from ferraris.transport.iec62056_21.opening import Opening
from ferraris.transport.modem.modem import Modem
from ferraris.transport.modem.results import parse_result

__all__ = ["TARGETS", "Target"]

_VECTORS = Path(__file__).resolve().parent.parent / "tests/vectors/apdu.json"
_FRAME = bytes.fromhex(
    "7ea02a410883130413e6e7000f40000000000101020309060100010700ff060000067d02020f00161b1c057e"
)
_DATA = tuple(
    map(
        bytes.fromhex,
        (
            "0101020309060100010700ff060000011802020f00161b",
            "13020211060a01000000020300000004",
            "19ffffffffffffffffff8000ff",
            "0203110109020a0b1840000000000000000004040f",
        ),
    )
)


_KEY = PrivateKey(Curve.P256, 0xFE44A415)
_TITLE = bytes.fromhex("4D4D4D0000BC614E")
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_VALIDITY: Any = {"not_before": _BEGIN, "not_after": _BEGIN + timedelta(days=9)}
_AUTHORITY = Authority.root(_KEY, "Root", **_VALIDITY, entropy=bytes)
_CERTIFICATE = _AUTHORITY.issue(_KEY.public_key, _TITLE, Usage.TLS, **_VALIDITY, entropy=bytes).der
_REQUEST = CertificateRequest.make(_KEY, _TITLE, Usage.SIGNING).der
_REVOKED = _AUTHORITY.revocation_list(
    [(b"\x05", _BEGIN)], number=1, this_update=_BEGIN, next_update=_BEGIN + timedelta(days=9)
).der


class Target(NamedTuple):
    """A decoder, and good octets for it."""

    decode: Callable[[bytes], object]
    seeds: Sequence[bytes]


def _data(octets: bytes) -> None:
    tag, value = data = axdr.decode(octets)
    if isinstance(value, CompactArray):
        compact.elements(value)
    if tag in (1, 2):
        pushed_values(data)
    assert axdr.skip(octets, 0) == len(octets)


def _deframe(octets: bytes) -> None:
    """Fed at once and octet by octet, the same frames come out."""
    slow, fast = Deframer(), Deframer()
    one_by_one = [found for n in range(len(octets)) for found in slow.feed(octets[n : n + 1], 0.0)]
    assert one_by_one == fast.feed(octets, 0.0)


def _line(octets: bytes) -> None:
    """What is read is written the same way; padded names lose their blanks."""
    for kind in (Request, OptionSelect, Identification):
        try:
            found = kind.from_octets(octets)
        except DecodeError as error:
            refused = error
        else:
            assert kind.from_octets(found.to_octets()) == found
            return
    raise refused


def _dialogue(octets: bytes) -> None:
    """What a head or a modem says, at once or in small pieces, the layers end alike."""
    for make in (Opening, lambda: Modem("123")):
        ends = []
        for size in (len(octets) or 1, 3):
            layer = make()
            layer.open(0.0)
            while layer.transmit(0.0) is not None:
                pass
            for start in range(0, len(octets), size):
                layer.receive(octets[start : start + size], 0.0)
            ends.append((layer._state, layer.deadline, layer.transmit(0.0)))
        assert ends[0] == ends[1]


def _telegram(octets: bytes) -> None:
    found = read(octets)
    if found.error is not None:
        raise found.error


def _explain(octets: bytes) -> None:
    assert b"".join(line.octets for line in explain(octets)) == octets


def _translated(octets: bytes) -> None:
    """Whatever is an APDU comes back from XML and JSON to the last octet."""
    tree = to_tree(octets)
    assert from_tree(read_xml(write_xml(tree).encode())) == octets
    assert from_tree(read_json(write_json(tree).encode())) == octets


def _document(read_document: Callable[[bytes], Node]) -> Callable[[bytes], object]:
    """A reader of documents; what it refuses is the caller's fault, and no APDU either."""

    def decode(document: bytes) -> object:
        try:
            return from_tree(read_document(document))
        except UsageError as error:
            raise DecodeError(error.message) from None

    return decode


def _framed(octets: bytes) -> None:
    for framing in (explain_hdlc(octets), explain_wrapper(octets)):
        assert b"".join(line.octets for line in framing.lines) == octets
        assert len(without_secrets(octets)) == len(octets)


def _capture(octets: bytes) -> None:
    for each in captured(octets):
        read(each.octets, session=each.session)


def _shipment(octets: bytes) -> None:
    """Rows become meters, or what is wrong is said; no octet of a cell of keys is repeated."""
    findings = Findings()
    opening = Unwrapping(lambda _: partial(unwrap_padded, bytes(16)), "maker", plain=True)
    checking = Checking(lambda: Trust(()), datetime(2026, 1, 1, tzinfo=UTC))
    for row in read_rows(octets, COLUMNS, findings):
        drafted(row, opening, checking, findings)
    for error in findings.errors:
        assert _WRAPPED_KEY[:24] not in f"{error}".lower()
    if findings.count:
        raise DecodeError(findings.errors[0].what)


def _query(octets: bytes) -> None:
    """What is understood is written so that it is understood again."""
    try:
        query = parse_query(octets.decode("utf-8", "replace"))
    except UsageError as error:
        raise DecodeError(error.message) from None
    assert parse_query(query_text(query)) == query


def _short_names(octets: bytes) -> None:
    """A meter is asked by short name: it answers or keeps silent, whatever the octets."""
    settings = _OLDER[0].associations[2]
    offer = ServerOffer(
        settings.conformance, 512, pre_established=True, short_names=True, client_max_pdu=512
    )
    association = ServerAssociation(offer, bytes)
    outcome = association.receive(octets)
    if isinstance(outcome, Indication):
        context = RequestContext(2, 0, 1_795_003_200.0, settings.conformance, 512)
        answer = short_names.serve(outcome.request, _OLDER[0], settings, context)
        octets = association.respond(answer) or b""
        assert len(octets) <= 512 or octets[:1] == b"\x0d"
        assert not octets or apdu.decode(octets)


def _apdus() -> tuple[bytes, ...]:
    found: list[bytes] = []
    for row in json.loads(_VECTORS.read_text()):
        text = row.get("hex") if isinstance(row, dict) else None
        if text:
            found.append(bytes.fromhex(text))
    return tuple(found) or (bytes.fromhex("6203800100"),)


_APDUS = _apdus()
_OLDER = Fleet(template("residential-sn"), 1, seed=1)
_SHORT_NAME_REQUESTS = tuple(
    map(
        bytes.fromhex,
        (
            "050202fa0802fd08",
            "050104230802020406000000010600000005120001120000",
            "050104fa30000101020312000109060000600100ff0f02",
            "0501050001",
            "050106010001040102fa08",
            "0602021308021f0802090568656c6c6f1100",
            "0601070100010109080102130801090168",
            "0601021460010f00",
            "16010213080109026869",
        ),
    )
)

_SEGMENT = tcp_packet(
    Place("192.0.2.1", 1), Place("192.0.2.2", 4059), _FRAME, flags=ACK, sequence=1, acknowledged=0
)
_CAPTURE = section_block("fuzz") + interface_block(LINK_RAW_IP, "ip") + packet_block(0, 1, _SEGMENT)

_WRAPPED_KEY = "0f1e2d3c" * 6
_SHIPMENTS = (
    b"external_id,model,client,label.street,plain_password,zone\n"
    b'E1,FRR-1,1,"Lane; 5",secret,UTC\nE2,FRR-1,16,,secret,Europe/Berlin\n',
    f"external_id;encryption_key;system_title\nE1;{_WRAPPED_KEY};4652520000000001\n".encode(),
    f'{{"meters":[{{"external_id":"E1","labels":{{"a":"b"}},"master_key":"{_WRAPPED_KEY}"}},'
    '{"external_id":"G1","kind":"sub-meter","behind":"E1","channel":2}]}'.encode(),
)
_QUERIES = (
    b"state=active and (model=FRR-1,FRR-2* or not below=Cell-7)",
    b'label.street="Main \\"Street\\"" and id!=FRR* or differs=firmware',
    b"none or all and not node=a",
)

TARGETS = {
    "shipment": Target(_shipment, _SHIPMENTS),
    "query": Target(_query, _QUERIES),
    "short names": Target(_short_names, _SHORT_NAME_REQUESTS),
    "data": Target(_data, _DATA),
    "apdu": Target(lambda octets: apdu.decode(octets, strict=True), _APDUS),
    "translation": Target(_translated, _APDUS),
    "xml": Target(_document(read_xml), tuple(write_xml(to_tree(each)).encode() for each in _APDUS)),
    "json": Target(
        _document(read_json), tuple(write_json(to_tree(each)).encode() for each in _APDUS)
    ),
    "explain": Target(_explain, _APDUS),
    "frame": Target(frame.parse, (_FRAME[1:-1],)),
    "deframer": Target(_deframe, (_FRAME, _FRAME + _FRAME[1:])),
    "wrapper": Target(wrapper.unpack, tuple(wrapper.pack(1, 16, each) for each in _APDUS)),
    "opening": Target(_line, (b"/?12!\r\n", b"/FER5\\2Ferraris\r\n", b"\x06252\r\n")),
    "dialogue": Target(
        _dialogue,
        (b"/?!\r\n/FER5\\2Ferraris\r\n\x06252\r\n", b"ATZ\r\r\nOK\r\n\r\nCONNECT 9600\r\n~"),
    ),
    "result code": Target(parse_result, (b"CONNECT 9600", b"NO CARRIER", b"12")),
    "framed": Target(_framed, (_FRAME, _FRAME + _FRAME[1:], wrapper.pack(1, 16, _APDUS[0]))),
    "capture": Target(_capture, (_CAPTURE,)),
    "certificate": Target(Certificate.read, (_CERTIFICATE,)),
    "certificate request": Target(CertificateRequest.read, (_REQUEST,)),
    "revocation list": Target(RevocationList.read, (_REVOKED,)),
    "telegram": Target(_telegram, (*_APDUS, *_DATA, _FRAME)),
}
