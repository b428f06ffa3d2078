"""ACCESS between a client and a meter: all kinds in one exchange, each with its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pairing import NOON, Mailbox, Pair, fleet_with

from ferraris.client import services
from ferraris.client.access import AccessAnswer, specification
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC
from ferraris.client.wishes import Act, ActData, Outcome, Read, ReadData, Write, WriteData
from ferraris.core.errors import LineError, RefusedError, SequenceError, UsageError
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.access import (
    AccessChoice,
    AccessRequest,
    AccessResponse,
    AccessResult,
)
from ferraris.messaging.dlms.association.parameters import FULL_CONFORMANCE
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
    ExceptionServiceError,
    StateError,
)
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.meter.templates import template
from ferraris.model.data_storage import Register
from ferraris.model.time_control import DisconnectControl
from ferraris.server.device import AccessMode, AccessRights, ObjectRights

OFFERED = int(Conformance.ACCESS | Conformance.GENERAL_PROTECTION)
BOX = AttributeDescriptor(*Mailbox.KEY, 2)
REVERSE = MethodDescriptor(*Mailbox.KEY, 1)
NAME = AttributeDescriptor(1, Obis.parse("0-0:42.0.0*255"), 2)
NOBODY = AttributeDescriptor(1, Obis.parse("0-0:96.13.9*255"), 2)
CLOCK = AttributeDescriptor(8, Obis.parse("0-0:1.0.0*255"), 2)
PROFILE = AttributeDescriptor(7, Obis.parse("1-0:99.1.0*255"), 2)
NEWEST = Selection(2, axdr.encode((2, [(6, 1), (6, 2), (18, 1), (18, 0)])))
SWITCH = "0-0:96.3.10"
PDU_TOO_LONG = ExceptionServiceError.PDU_TOO_LONG
BOX_NAME = Mailbox.KEY[1]
ALL = [
    pytest.param(scheme, security, id=f"{scheme} {security}")
    for scheme in ("tcp", "udp", "tcp+hdlc")
    for security in ("password", "gmac", "gmac general", "gmac dedicated")
]


def text(octets: bytes) -> bytes:
    return axdr.encode(octet_string(octets))


def letters(count: int) -> bytes:
    return bytes(each * 7 % 251 for each in range(count))


def pair_of(scheme: str = "tcp", extra: int = OFFERED, **settings: Any) -> Pair:
    changes = {
        f"c{client}": {"conformance": known.conformance | extra, **settings}
        for client, known in template("residential").associations.items()
    }
    pair = Pair(scheme, fleet=fleet_with(**changes))
    pair.conformance = FULL_CONFORMANCE
    return pair


def security_of(pair: Pair, name: str) -> Any:
    security = pair.security(name)
    if isinstance(security, HighGMAC):
        return replace(security, server_system_title=pair.fleet[0].system_title)
    return security


def count_exchanges(meter: Meter) -> list[Any]:
    """The requests that leave from now on."""
    sent: list[Any] = []
    driver: Any = meter._driver
    send = driver.layer.upper.send

    def counted(unit: Any, now: float) -> None:
        sent.append(unit)
        send(unit, now)

    driver.layer.upper.send = counted
    driver.layer._asked = None  # all go the long way, past us
    return sent


def how(meter: Meter) -> bool:
    return meter._association.parameters.ciphered


# -- the service ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "security"), ALL)
@pytest.mark.parametrize("self_descriptive", [False, True])
def test_all_five_kinds_in_one_exchange(scheme: str, security: str, self_descriptive: bool) -> None:
    pair = pair_of(scheme)
    selected = Selection(1, b"\x00")
    items = [
        (specification(NAME), None),
        (specification(BOX, writes=True), text(b"abc")),
        (specification(REVERSE), text(b"def")),
        (specification(PROFILE, NEWEST), None),
        (specification(BOX, selected, writes=True), text(b"no such selector")),
        (specification(NOBODY), None),
        (specification(BOX), None),
    ]
    kinds = [item[0].choice for item in items]
    assert set(kinds) == set(AccessChoice)

    async def procedure(meter: Meter) -> None:
        sent = count_exchanges(meter)
        answers = await services.access(
            meter._driver,
            meter.negotiated,
            items,
            protected=how(meter),
            self_descriptive=self_descriptive,
        )
        name, written, acted, rows, refused, nobody, box = answers
        assert name == AccessAnswer(
            DataAccessResult.SUCCESS, text(pair.fleet[0].logical_device_name)
        )
        assert written == AccessAnswer(DataAccessResult.SUCCESS)
        assert acted == AccessAnswer(ActionResult.SUCCESS, text(b"fed"))
        assert rows.data is not None
        assert rows.data[:2] == b"\x01\x02"
        assert refused == AccessAnswer(DataAccessResult.OTHER_REASON)
        assert nobody == AccessAnswer(DataAccessResult.OBJECT_UNDEFINED)
        assert box.data == text(b"def")  # in order: written, then acted upon, then read
        assert len(sent) == 1
        single = await services.get(meter._driver, BOX)  # the usual services go on
        assert single == text(b"def")

    pair.run(security_of(pair, security), procedure)


@pytest.mark.parametrize("security", ["gmac", "gmac general", "gmac dedicated"])
def test_under_protection_it_takes_the_general_form(security: str) -> None:
    pair = pair_of()
    tags: list[int] = []

    async def procedure(meter: Meter) -> None:
        line = pair.line
        assert line is not None
        for end in (line.driver, line.station):
            arrive = end.arrive

            def seen(octets: bytes, arrive: Any = arrive) -> None:
                tags.append(octets[8])
                arrive(octets)

            end.arrive = seen  # type: ignore[method-assign]
        await meter.access([ReadData(1, "0-0:42.0.0", 2)])

    pair.run(security_of(pair, security), procedure)
    assert tags[:2] == [0xDC if "dedicated" in security else 0xDB] * 2


def test_the_date_and_time_go_along_and_come_back() -> None:
    pair = pair_of()

    async def procedure(meter: Meter) -> None:
        answers: list[AccessResponse] = []
        driver: Any = meter._driver
        happened = driver.happened

        def watch(what: Any) -> None:
            if isinstance(getattr(what, "unit", None), AccessResponse):
                answers.append(what.unit)
            happened(what)

        driver.happened = watch
        await meter.access([ReadData(1, "0-0:42.0.0", 2)])
        await meter.access(
            [ReadData(1, "0-0:42.0.0", 2)], date_time=DateTime.from_epoch(int(NOON) + 5)
        )
        without, with_time = answers
        assert without.date_time == b""
        seconds = DateTime(with_time.date_time).to_datetime().timestamp()
        assert NOON <= seconds < NOON + 10
        numbers = [each.long_invoke_id_and_priority & 0xFFFFFF for each in answers]
        assert numbers[1] == numbers[0] + 1

    pair.run(security_of(pair, "password"), procedure)


def test_break_on_error_touches_nothing_behind_the_first_failure() -> None:
    pair = pair_of()
    wishes = [
        WriteData(*Mailbox.KEY, 2, octet_string(b"first")),
        ReadData(1, "0-0:96.13.9", 2),
        WriteData(*Mailbox.KEY, 2, octet_string(b"second")),
        ActData(*Mailbox.KEY, 1, octet_string(b"third")),
        ReadData(*Mailbox.KEY, 2),
    ]

    async def procedure(meter: Meter) -> None:
        sent = count_exchanges(meter)
        outcomes = await meter.access(wishes, break_on_error=True)
        assert [outcome.done for outcome in outcomes] == [True, False, False, False, False]
        assert not any(outcome.unknown for outcome in outcomes)
        assert await meter.get_data(*Mailbox.KEY, 2) == octet_string(b"first")
        outcomes = await meter.access(wishes)
        assert [outcome.done for outcome in outcomes] == [True, False, True, True, True]
        assert outcomes[4].value == octet_string(b"third")
        many = [ReadData(1, "0-0:96.13.9", 2), *[ReadData(1, "0-0:42.0.0", 2)] * 70]
        before = len(sent)
        outcomes = await meter.access(many, break_on_error=True)
        assert len(sent) == before + 1  # the second request did not leave
        assert "not sent" in str(outcomes[-1].error)

    pair.run(security_of(pair, "gmac"), procedure)


def test_an_unconfirmed_one_has_no_answer() -> None:
    pair = pair_of()
    items = [(specification(BOX, writes=True), text(b"silent"))]

    async def procedure(meter: Meter) -> bytes:
        driver, negotiated = meter._driver, meter.negotiated
        assert await services.access(driver, negotiated, items, confirmed=False) == []
        with pytest.raises(UsageError, match="confirmed"):
            long = [(specification(BOX, writes=True), text(letters(5000)))]
            await services.access(driver, negotiated, long, confirmed=False)
        return await services.get(driver, BOX)

    assert pair.run(security_of(pair, "password"), procedure) == text(b"silent")


# -- rights ---------------------------------------------------------------------------------------


def test_rights_are_those_of_single_services() -> None:
    mode = AccessMode.READ | AccessMode.AUTHENTICATED_RESPONSE
    pair = pair_of()
    template_ = pair.fleet.template
    settings = template_.associations[2]
    rights = AccessRights(
        {**settings.rights.objects, (NAME.class_id, NAME.logical_name): ObjectRights({2: mode})}
    )
    template_.associations = {**template_.associations, 2: replace(settings, rights=rights)}

    async def procedure(meter: Meter) -> None:
        outcomes = await meter.access(
            [
                ReadData(1, "0-0:42.0.0", 2),  # its answer would have to be protected
                ReadData(1, "0-0:42.0.0", 0),
                WriteData(70, SWITCH, 2, (3, True)),
                WriteData(1, "0-0:96.13.0", 2, (18, 5)),
                ActData(70, SWITCH, 1, (15, 0)),
                ActData(15, "0-0:40.0.0", 1, octet_string(bytes(17))),
            ]
        )
        reasons = [outcome.error.reason for outcome in outcomes]  # type: ignore[union-attr]
        assert reasons == [
            DataAccessResult.READ_WRITE_DENIED,
            DataAccessResult.READ_WRITE_DENIED,
            DataAccessResult.READ_WRITE_DENIED,
            DataAccessResult.TYPE_UNMATCHED,
            ActionResult.READ_WRITE_DENIED,
            ActionResult.READ_WRITE_DENIED,
        ]

    pair.run(security_of(pair, "password"), procedure)


def test_the_public_client_has_it_only_when_it_is_offered() -> None:
    pair = Pair()
    pair.conformance = FULL_CONFORMANCE

    async def procedure(meter: Meter) -> None:
        with pytest.raises(UsageError, match="does not offer ACCESS"):
            await meter.access([ReadData(1, "0-0:42.0.0", 2)])
        request = AccessRequest(1 << 30, b"", [specification(NAME)], [b"\x00"])
        answer = await meter._driver.exchange(request)
        assert isinstance(answer, ExceptionResponse)

    pair.run(security_of(pair, "none"), procedure)


# -- wishes ---------------------------------------------------------------------------------------


def test_fifty_attributes_of_all_sorts_in_one_round_trip() -> None:
    pair = pair_of()
    names = ["1-0:1.8.0", "1-0:2.8.0", "1-0:3.8.0", "1-0:4.8.0"] * 12

    async def procedure(meter: Meter) -> None:
        sent = count_exchanges(meter)
        outcomes = await meter.access([Read(Register.scaler_unit, name) for name in names])
        assert [outcome.value.unit for outcome in outcomes] == [30, 30, 32, 32] * 12
        assert len(sent) == 1
        wishes = [
            *(Read(Register.value, name) for name in names),
            Act(DisconnectControl.remote_disconnect, SWITCH, 0),
            Read(DisconnectControl.output_state, SWITCH),
        ]
        outcomes = await meter.do(wishes)
        assert len(sent) == 2
        assert all(outcome.done for outcome in outcomes)
        assert outcomes[-1].value is False

    pair.run(security_of(pair, "gmac"), procedure)


def test_lists_are_used_where_they_do_as_well() -> None:
    pair = pair_of()

    async def procedure(meter: Meter) -> None:
        sent = count_exchanges(meter)
        await meter.do([Read(Register.value, "1-0:1.8.0")])
        await meter.do([Read(Register.value, "1-0:1.8.0"), Read(Register.value, "1-0:2.8.0")])
        await meter.do(
            [Read(Register.value, "1-0:1.8.0"), Write(Register.value, "1-0:1.8.0", (6, 5))]
        )
        assert [type(each).__name__ for each in sent] == [
            "GetRequestNormal",
            "GetRequestWithList",
            "AccessRequest",
        ]

    pair.run(security_of(pair, "gmac"), procedure)


def test_what_does_not_fit_goes_in_blocks_by_itself() -> None:
    pair = pair_of()
    wishes = [
        WriteData(*Mailbox.KEY, 2, octet_string(letters(4000))),  # longer than the meter takes
        ReadData(1, "0-0:42.0.0", 2),
        ReadData(*Mailbox.KEY, 2),  # longer than the client takes
        ActData(*Mailbox.KEY, 1, octet_string(b"abc")),
        ReadData(*Mailbox.KEY, 2),
    ]

    async def procedure(meter: Meter) -> list[Outcome[Any]]:
        return await meter.access(wishes)

    outcomes = pair.run(security_of(pair, "gmac"), procedure, max_pdu=1000)
    assert [outcome.done for outcome in outcomes] == [True] * 5
    assert outcomes[3].value == octet_string(b"cba")
    assert outcomes[4].value == octet_string(b"abc")


@pytest.mark.parametrize("scheme", ["tcp", "udp", "tcp+hdlc"])
def test_in_general_blocks_whatever_the_size(scheme: str) -> None:
    pair = pair_of(scheme, general_blocks=True)
    long = octet_string(letters(9000))
    wishes = [
        WriteData(*Mailbox.KEY, 2, long),
        ReadData(*Mailbox.KEY, 2),
        ActData(*Mailbox.KEY, 1, long),
        ReadData(*Mailbox.KEY, 2),
    ]

    async def procedure(meter: Meter) -> list[Outcome[Any]]:
        sent = count_exchanges(meter)
        outcomes = await meter.do(wishes)
        assert len(sent) == 1
        return outcomes

    security = security_of(pair, "gmac")
    outcomes = pair.run(security, procedure, general_blocks=True, max_pdu=700)
    assert [outcome.value for outcome in outcomes] == [
        None,
        long,
        octet_string(letters(9000)[::-1]),
        long,
    ]


# -- endings --------------------------------------------------------------------------------------


def test_without_an_answer_writes_are_unknown_and_reads_are_not() -> None:
    pair = pair_of()
    wishes = [
        ReadData(1, "0-0:42.0.0", 2),
        WriteData(*Mailbox.KEY, 2, octet_string(b"x")),
        *[ReadData(1, "0-0:42.0.0", 2)] * 70,
    ]

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        pair.line.driver.arrive = lambda octets: None  # type: ignore[method-assign]
        outcomes = await meter.do(wishes)
        assert [outcome.unknown for outcome in outcomes] == [False, True, *[False] * 70]
        assert not any(outcome.done for outcome in outcomes)
        assert "not sent" in str(outcomes[-1].error)
        with pytest.raises(LineError) as caught:
            await services.access(
                meter._driver, meter.negotiated, [(specification(NAME), None)], protected=True
            )
        assert not caught.value.outcome_unknown

    pair.run(security_of(pair, "gmac"), procedure)


def test_a_meter_that_refuses_it_as_a_whole_is_asked_by_lists() -> None:
    pair = pair_of(max_list=3)
    wishes = [
        ReadData(1, "0-0:42.0.0", 2),
        WriteData(*Mailbox.KEY, 2, octet_string(b"x")),
        ReadData(*Mailbox.KEY, 2),
        ActData(*Mailbox.KEY, 1, octet_string(b"yz")),
    ]

    async def procedure(meter: Meter) -> None:
        sent = count_exchanges(meter)
        outcomes = await meter.do(wishes)
        assert [outcome.done for outcome in outcomes] == [True] * 4
        assert outcomes[2].value == octet_string(b"x")
        assert [type(each).__name__[:3] for each in sent] == ["Acc", "Get", "Set", "Get", "Act"]
        before = len(sent)
        await meter.do(wishes)  # it is not tried again with this kind of meter
        assert not any(isinstance(each, AccessRequest) for each in sent[before:])

    pair.run(security_of(pair, "gmac"), procedure)


def test_an_answer_that_is_too_long_may_be_that_of_what_was_done() -> None:
    class Driver:
        async def exchange(self, unit: Any) -> Any:
            return ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, PDU_TOO_LONG)

    async def procedure(meter: Meter) -> None:
        for writes in (False, True):
            asked = [(specification(BOX, writes=writes), text(b"x"))]
            with pytest.raises(RefusedError) as caught:
                await services.access(Driver(), meter.negotiated, asked)
            assert caught.value.outcome_unknown is writes

    pair = pair_of()
    pair.run(security_of(pair, "password"), procedure)


def test_an_answer_with_no_room_for_results_is_refused_beforehand() -> None:
    pair = pair_of()
    wishes = [WriteData(*Mailbox.KEY, 2, octet_string(b"x"))] * 40

    async def procedure(meter: Meter) -> None:
        with pytest.raises(RefusedError):
            items = [(specification(BOX, writes=True), text(b"x"))] * 40
            await services.access(meter._driver, meter.negotiated, items)
        outcomes = await meter.do([ReadData(1, "0-0:42.0.0", 2), *wishes])
        assert all(outcome.done for outcome in outcomes)

    pair.run(security_of(pair, "password"), procedure, max_pdu=100)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda response: replace(response, results=response.results[:-1]),
        lambda response: replace(response, data=response.data[:-1]),
        lambda response: replace(response, specifications=[specification(BOX)]),
        lambda response: replace(
            response, results=[AccessResult(AccessChoice.SET, DataAccessResult.SUCCESS)] * 2
        ),
    ],
)
def test_a_strange_answer_leaves_what_was_written_unknown(spoil: Any) -> None:
    asked = [(specification(NAME), None), (specification(BOX, writes=True), text(b"x"))]
    success = DataAccessResult.SUCCESS

    class Driver:
        async def exchange(self, unit: Any) -> Any:
            results = [
                AccessResult(AccessChoice.GET, success),
                AccessResult(AccessChoice.SET, success),
            ]
            return spoil(AccessResponse(0, b"", None, [b"\x00", b"\x00"], results))

    async def procedure(meter: Meter) -> None:
        with pytest.raises(SequenceError) as caught:
            await services.access(Driver(), meter.negotiated, asked)
        assert caught.value.outcome_unknown

    pair = pair_of()
    pair.run(security_of(pair, "password"), procedure)


def test_it_is_proposed_by_default_and_may_be_left_out() -> None:
    pair = pair_of()

    async def procedure(meter: Meter) -> bool:
        return meter.negotiated.has(Conformance.ACCESS)

    assert pair.run(security_of(pair, "gmac"), procedure)
    without = FULL_CONFORMANCE & ~int(Conformance.ACCESS)
    assert not pair.run(security_of(pair, "gmac"), procedure, conformance=without)
