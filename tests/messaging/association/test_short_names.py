"""Associations with short names: both ends against each other, octet for octet, without a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ferraris.core.errors import IncompatibleError, LineError, RefusedError, SecurityError
from ferraris.core.layer import Closed, Deliver, Failed, Opened
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.parameters import (
    SHORT_NAME_CONFORMANCE,
    ClientParameters,
    ServerOffer,
)
from ferraris.messaging.dlms.association.server import (
    Incident,
    Indication,
    Reply,
    ServerAssociation,
)
from ferraris.messaging.dlms.association.states import State
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult, ServiceError
from ferraris.messaging.dlms.errors import ConfirmedServiceError, ExceptionResponse
from ferraris.messaging.dlms.get import GetRequestNormal
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.short_name import (
    BlockNumberAccess,
    BlockNumberResult,
    DataBlockResult,
    InformationReportRequest,
    ParameterisedAccess,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)

CLIENT_TITLE, SERVER_TITLE = b"FRR00001", b"FRR00002"
SECRET = b"twelve octets"
VALUE = axdr.encode((6, 1234))
LONG = axdr.encode(octet_string(bytes(each % 251 for each in range(700))))


def keys() -> CipherKeys:
    return CipherKeys(0, bytes(range(16)), bytes(range(0xD0, 0xE0)))


class Ends:
    """A client and a server; `served` is what the server has been asked."""

    def __init__(self, **changes: Any) -> None:
        both = {
            name: changes.pop(name)
            for name in ("mechanism", "ciphered", "short_names", "secret", "pre_established")
            if name in changes
        }
        both.setdefault("short_names", True)
        needs_keys = both.get("ciphered") or both.get("mechanism") == 5
        control = 0x30 if both.get("ciphered") else 0
        self.client = ClientAssociation(
            ClientParameters(
                **both,
                control=control,
                system_title=CLIENT_TITLE,
                keys=keys() if needs_keys else None,
                lease=CounterLease(1, 1000) if needs_keys else None,
                challenge=b"c" * 16,
                **{"max_pdu": 300} | changes.pop("client", {}),
            )
        )
        self.server = ServerAssociation(
            ServerOffer(
                **{"conformance": SHORT_NAME_CONFORMANCE, "max_pdu": 250}
                | both
                | changes.pop("server", {}),
                policy=control,
                system_title=SERVER_TITLE,
                keys=keys() if needs_keys else None,
                lease=CounterLease(1, 1000) if needs_keys else None,
            ),
            lambda count: b"s" * count,
        )
        self.incidents: list[Incident] = []
        self.served: list[Any] = []
        self.answer: Callable[[Any], Any] = lambda request: ReadResponse([VALUE])
        self.wire: list[bytes] = []

    def open(self) -> list[Any]:
        self.client.open(0.0)
        return self.pump()

    def ask(self, request: Any) -> Any:
        self.client.send(request, 1.0)
        events = self.pump()
        assert len(events) == 1
        return events[0].unit if isinstance(events[0], Deliver) else events[0]

    def pump(self) -> list[Any]:
        while (octets := self.client.transmit(1.0)) is not None:
            self.wire.append(octets)
            answer = self.take(octets)
            if answer is not None:
                self.wire.append(answer)
                self.client.receive(answer, 1.0)
        events = []
        while (event := self.client.event()) is not None:
            events.append(event)
        return events

    def take(self, octets: bytes) -> bytes | None:
        outcome = self.server.receive(octets)
        if isinstance(outcome, Indication):
            self.served.append(outcome.request)
            return self.server.respond(self.answer(outcome.request))
        assert isinstance(outcome, Reply)
        if outcome.incident is not None:
            self.incidents.append(outcome.incident)
        return outcome.octets


WAYS: dict[str, dict[str, Any]] = {
    "none": {},
    "password": {"mechanism": 1, "secret": SECRET},
    "md5": {"mechanism": 3, "secret": SECRET},
    "sha-1": {"mechanism": 4, "secret": SECRET},
    "gmac": {"mechanism": 5},
    "sha-256": {"mechanism": 6, "secret": SECRET},
    "gmac ciphered": {"mechanism": 5, "ciphered": True},
    "sha-256 ciphered": {"mechanism": 6, "secret": SECRET, "ciphered": True},
    "ciphered alone": {"ciphered": True},
    "general": {"mechanism": 5, "ciphered": True, "client": {"general": True}},
    "dedicated": {"mechanism": 5, "ciphered": True, "client": {"dedicated": lambda n: b"d" * n}},
    "pre-established": {"pre_established": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_opens_reads_writes_and_releases(way: str) -> None:
    ends = Ends(**WAYS[way])
    assert [type(event) for event in ends.open()] == [Opened]
    negotiated = ends.client.negotiated
    assert negotiated is not None
    assert negotiated.has(Conformance.READ)
    assert not negotiated.has(Conformance.GET)
    assert ends.ask(ReadRequest([VariableName(0x2008)])) == ReadResponse([VALUE])
    ends.answer = lambda request: WriteResponse([DataAccessResult.SUCCESS])
    assert ends.ask(WriteRequest([VariableName(0x2008)], [VALUE])) == WriteResponse(
        [DataAccessResult.SUCCESS]
    )
    assert ends.served == [
        ReadRequest([VariableName(0x2008)]),
        WriteRequest([VariableName(0x2008)], [VALUE]),
    ]
    ends.client.close(2.0)
    assert ends.pump() == [Closed(None)]
    is_released = ends.server.state is not State.ASSOCIATED
    assert is_released is (way != "pre-established")
    assert ends.incidents == []


def test_the_contexts_and_the_name_of_the_association_are_those_of_short_names() -> None:
    ends = Ends()
    ends.open()
    assert ends.wire[0][2:13].hex() == "a109060760857405080102"
    assert ends.wire[1][-2:].hex() == "fa00"
    ciphered = Ends(ciphered=True)
    ciphered.open()
    assert bytes.fromhex("60857405080104") in ciphered.wire[0]


def test_the_proof_is_a_read_with_a_parameter_under_fa58() -> None:
    ends = Ends(**WAYS["md5"])
    ends.open()
    assert ends.wire[2][:5].hex() == "050104fa58"


def test_a_proof_that_is_written_is_taken_as_well() -> None:
    ends = Ends(**WAYS["md5"])
    ends.open()
    proof = codec.decode(ends.wire[2])
    again = Ends(**WAYS["md5"])
    again.take(ends.wire[0])
    written = WriteRequest([VariableName(0xFA58)], [proof.variables[0].selection.parameter])  # type: ignore[union-attr]
    assert again.take(written.to_octets()) == bytes.fromhex("0d0100")
    assert again.server.state is State.ASSOCIATED


def test_a_wrong_secret_opens_nothing() -> None:
    ends = Ends(**WAYS["sha-256"])
    ends.client.parameters.secret = b"another"
    (closed,) = ends.open()
    assert isinstance(closed.error, SecurityError)
    assert ends.incidents == [Incident.AUTHENTICATION_FAILED]
    assert ends.server.state is State.IDLE


def test_nothing_but_the_proof_is_served_before_it() -> None:
    ends = Ends(**WAYS["gmac"])
    ends.client.open(0.0)
    aarq = ends.client.transmit(0.0)
    assert aarq is not None
    ends.take(aarq)
    early = ends.take(ReadRequest([VariableName(0x2008)]).to_octets())
    assert early is not None
    assert isinstance(codec.decode(early), ExceptionResponse)
    assert ends.served == []


@pytest.mark.parametrize("short", [True, False])
def test_the_other_kind_of_names_is_refused(short: bool) -> None:
    ends = Ends(server={"short_names": not short}, short_names=short)
    (closed,) = ends.open()
    assert isinstance(closed.error, RefusedError)
    assert "other kind of names" in str(closed.error)


def test_an_association_of_another_name_is_not_taken_for_one_with_short_names() -> None:
    ends = Ends()
    ends.client.open(0.0)
    aarq = ends.client.transmit(0.0)
    assert aarq is not None
    aare = ends.take(aarq)
    assert aare is not None
    ends.client.receive(aare[:-2] + b"\x00\x07", 0.0)
    closed = ends.client.event()
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, IncompatibleError)


def test_requests_by_the_other_kind_of_names_are_refused() -> None:
    ends = Ends()
    ends.open()
    get = GetRequestNormal(0xC1, AttributeDescriptor(3, bytes(6), 2), None)
    answer = ends.take(get.to_octets())
    assert answer is not None
    assert isinstance(codec.decode(answer), ExceptionResponse)


@pytest.mark.parametrize(
    ("lacks", "request_"),
    [
        (Conformance.WRITE, WriteRequest([VariableName(8)], [VALUE])),
        (Conformance.MULTIPLE_REFERENCES, ReadRequest([VariableName(8), VariableName(16)])),
        (
            Conformance.PARAMETERIZED_ACCESS,
            ReadRequest([ParameterisedAccess(8, Selection(1, VALUE))]),
        ),
        (
            Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
            WriteRequest([WriteDataBlockAccess(True, 1)], [axdr.encode(octet_string(b"1"))]),
        ),
    ],
)
def test_what_was_not_negotiated_is_a_service_error(lacks: Conformance, request_: Any) -> None:
    ends = Ends(server={"conformance": SHORT_NAME_CONFORMANCE & ~int(lacks)})
    ends.open()
    answer = ends.ask(request_)
    assert isinstance(answer, ConfirmedServiceError)
    assert answer.reason == ServiceError.SERVICE_UNSUPPORTED
    assert ends.served == []


@pytest.mark.parametrize("way", ["none", "gmac ciphered"])
def test_an_unconfirmed_write_is_met_with_silence(way: str) -> None:
    ends = Ends(**WAYS[way])
    ends.open()
    ends.answer = lambda request: WriteResponse([DataAccessResult.READ_WRITE_DENIED])
    request = UnconfirmedWriteRequest([VariableName(8)], [VALUE])
    before = len(ends.wire)
    assert ends.ask(request) is request
    assert len(ends.wire) == before + 1
    assert ends.served == [request]


@pytest.mark.parametrize("way", ["none", "gmac ciphered", "general"])
def test_a_report_is_delivered_whether_or_not_something_is_asked(way: str) -> None:
    ends = Ends(**WAYS[way])
    ends.open()
    report = InformationReportRequest(None, [VariableName(0x2008)], [VALUE])
    ends.client.send(ReadRequest([VariableName(8)]), 1.0)
    ends.client.receive(ends.server.notification(report), 1.0)
    delivered = ends.client.event()
    assert isinstance(delivered, Deliver)
    assert delivered.unit == report
    assert ends.pump() == [Deliver(ReadResponse([VALUE]))]


# -- blocks -----------------------------------------------------------------------------------


def fetch(ends: Ends, request: Any) -> bytes:
    answer = ends.ask(request)
    gathered = b""
    while isinstance(answer.results[0], DataBlockResult):
        block = answer.results[0]
        gathered += block.raw_data
        if block.last_block:
            break
        answer = ends.ask(ReadRequest([BlockNumberAccess(block.block_number)]))
    return gathered


@pytest.mark.parametrize("way", ["none", "gmac ciphered", "general"])
def test_a_long_answer_comes_in_blocks_that_fit(way: str) -> None:
    ends = Ends(**WAYS[way])
    ends.open()
    ends.answer = lambda request: ReadResponse([LONG])
    assert fetch(ends, ReadRequest([VariableName(8)])) == LONG
    assert max(map(len, ends.wire)) <= 300


def test_long_answers_of_several_variables_are_what_follows_the_tag() -> None:
    ends = Ends()
    ends.open()
    response = ReadResponse([LONG, DataAccessResult.OBJECT_UNDEFINED, VALUE])
    ends.answer = lambda request: response
    gathered = fetch(ends, ReadRequest([VariableName(8)] * 3))
    assert codec.decode(b"\x0c" + gathered) == response


def test_a_wrong_block_number_ends_the_transfer() -> None:
    ends = Ends()
    ends.open()
    ends.answer = lambda request: ReadResponse([LONG])
    ends.ask(ReadRequest([VariableName(8)]))
    for number, expected in (
        (7, DataAccessResult.DATA_BLOCK_NUMBER_INVALID),
        (1, DataAccessResult.NO_LONG_GET_IN_PROGRESS),
    ):
        assert ends.ask(ReadRequest([BlockNumberAccess(number)])) == ReadResponse([expected])


def test_without_blocks_a_long_answer_is_unavailable() -> None:
    ends = Ends(client={"conformance": int(Conformance.READ)})
    ends.open()
    ends.answer = lambda request: ReadResponse([LONG])
    unavailable = ReadResponse([DataAccessResult.DATA_BLOCK_UNAVAILABLE])
    assert ends.ask(ReadRequest([VariableName(8)])) == unavailable


def test_a_long_write_is_gathered_from_blocks() -> None:
    ends = Ends()
    ends.open()
    whole = WriteRequest([VariableName(8)], [LONG])
    body = whole.to_octets()[1:]
    ends.answer = lambda request: WriteResponse([DataAccessResult.SUCCESS])
    parts = [body[start : start + 200] for start in range(0, len(body), 200)]
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        block = WriteRequest(
            [WriteDataBlockAccess(last, number)], [axdr.encode(octet_string(part))]
        )
        expected = DataAccessResult.SUCCESS if last else BlockNumberResult(number)
        assert ends.ask(block) == WriteResponse([expected])
    assert ends.served == [whole]


def test_a_long_read_request_is_gathered_from_blocks() -> None:
    ends = Ends()
    ends.open()
    whole = ReadRequest([ParameterisedAccess(8, Selection(2, LONG))])
    body = whole.to_octets()[1:]
    first = ends.ask(ReadRequest([ReadDataBlockAccess(False, 1, body[:200])]))
    assert first == ReadResponse([BlockNumberResult(1)])
    assert ends.ask(ReadRequest([ReadDataBlockAccess(True, 2, body[200:])])) == ReadResponse(
        [VALUE]
    )
    assert ends.served == [whole]


def test_blocks_out_of_order_are_refused() -> None:
    ends = Ends()
    ends.open()
    lost = ends.ask(ReadRequest([ReadDataBlockAccess(False, 2, b"x")]))
    assert lost == ReadResponse([DataAccessResult.NO_LONG_GET_IN_PROGRESS])
    ends.ask(ReadRequest([ReadDataBlockAccess(False, 1, b"x")]))
    wrong = ends.ask(ReadRequest([ReadDataBlockAccess(False, 3, b"x")]))
    assert wrong == ReadResponse([DataAccessResult.DATA_BLOCK_NUMBER_INVALID])


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x01\x05\x00\x01", b"\xff" * 40])
def test_blocks_that_make_no_request_are_answered_and_forgotten(body: bytes) -> None:
    ends = Ends()
    ends.open()
    answer = ends.ask(ReadRequest([ReadDataBlockAccess(True, 1, body)]))
    assert isinstance(answer, ExceptionResponse | ConfirmedServiceError)
    assert ends.ask(ReadRequest([VariableName(8)])) == ReadResponse([VALUE])


# -- answers that do not come -----------------------------------------------------------------


@pytest.mark.parametrize("is_write", [False, True])
def test_silence_ends_the_association_since_late_answers_have_no_number(is_write: bool) -> None:
    ends = Ends()
    ends.open()
    request: Any = ReadRequest([VariableName(8)])
    if is_write:
        request = WriteRequest([VariableName(8)], [VALUE])
    ends.client.send(request, 1.0)
    while ends.client.transmit(1.0) is not None:
        pass
    ends.client.wake(100.0)
    failed, closed = ends.client.event(), ends.client.event()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, LineError)
    assert failed.error.outcome_unknown is is_write
    assert isinstance(closed, Closed)
    assert not ends.client.room


def test_an_exchange_that_is_given_up_ends_the_association() -> None:
    ends = Ends()
    ends.open()
    ends.client.send(ReadRequest([VariableName(8)]), 1.0)
    ends.client.cancel(2.0)
    assert isinstance(ends.client.event(), Closed)
    assert not ends.client.room
