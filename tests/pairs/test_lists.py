"""Lists, blocks and unconfirmed requests, on an object that takes long values."""

from __future__ import annotations

import pytest
from pairing import PROPOSED, Pair, fleet_with, watch

from ferraris.client import services
from ferraris.client.meter import Meter
from ferraris.core.errors import LineError, RefusedError, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.action import ActionOutcome
from ferraris.messaging.dlms.association.parameters import FULL_CONFORMANCE
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor
from ferraris.model.time_control import DisconnectControl

ALL = [
    pytest.param(scheme, security, id=f"{scheme} {security}")
    for scheme in ("tcp", "tcp+hdlc")
    for security in ("password", "gmac", "gmac general")
]
FIRST = AttributeDescriptor(1, Obis.parse("0-0:96.13.0*255"), 2)
SECOND = AttributeDescriptor(1, Obis.parse("0-0:96.13.1*255"), 2)
NOBODY = AttributeDescriptor(1, Obis.parse("0-0:96.13.9*255"), 2)
SWITCH = MethodDescriptor(70, Obis.parse("0-0:96.3.10*255"), 1)
OPENED = AttributeDescriptor(70, Obis.parse("0-0:96.3.10*255"), 2)


def text(count: int, seed: int = 0) -> bytes:
    return axdr.encode(octet_string(bytes((seed + each * 7) % 251 for each in range(count))))


def how(meter: Meter) -> bool:
    return meter._association.parameters.ciphered


@pytest.mark.parametrize(("scheme", "security"), ALL)
@pytest.mark.parametrize("count", [1, 2040, 5000])
def test_a_text_of_any_length_is_written_and_read_back(
    scheme: str, security: str, count: int
) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> bytes:
        await services.set_(
            meter._driver, meter.negotiated, FIRST, text(count), protected=how(meter)
        )
        return await services.get(meter._driver, FIRST)

    assert pair.run(pair.security(security), procedure, max_pdu=700) == text(count)


@pytest.mark.parametrize(("scheme", "security"), ALL)
@pytest.mark.parametrize("count", [10, 1500, 5000])
def test_lists_are_written_whole_or_in_blocks(scheme: str, security: str, count: int) -> None:
    pair = Pair(scheme)
    items = [
        (FIRST, None, text(count)),
        (NOBODY, None, text(3)),
        (SECOND, None, text(count, 9)),
        (OPENED, None, b"\x00"),
    ]

    async def procedure(meter: Meter) -> None:
        results = await services.set_list(
            meter._driver, meter.negotiated, items, protected=how(meter)
        )
        assert results == [
            DataAccessResult.SUCCESS,
            DataAccessResult.OBJECT_UNDEFINED,
            DataAccessResult.SUCCESS,
            DataAccessResult.READ_WRITE_DENIED,
        ]
        names = [(FIRST, None), (SECOND, None), (NOBODY, None)]
        read = await services.get_list(meter._driver, meter.negotiated, names)
        assert read == [text(count), text(count, 9), DataAccessResult.OBJECT_UNDEFINED]

    pair.run(pair.security(security), procedure, max_pdu=600)


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_a_list_of_actions_whole_and_in_blocks(scheme: str) -> None:
    pair = Pair(scheme)
    nobody = MethodDescriptor(70, Obis.parse("0-0:96.3.11*255"), 1)
    denied = ActionOutcome(ActionResult.OBJECT_UNDEFINED)

    async def procedure(meter: Meter) -> None:
        driver, negotiated = meter._driver, meter.negotiated
        short = [(SWITCH, axdr.encode((15, 0))), (nobody, None)]
        outcomes = await services.act_list(driver, negotiated, short, protected=True)
        assert outcomes == [ActionOutcome(ActionResult.SUCCESS), denied]
        assert await meter.get(DisconnectControl.output_state, "0-0:96.3.10") is False
        long = [(SWITCH, text(3000)), (nobody, text(1000))]
        outcomes = await services.act_list(driver, negotiated, long, protected=True)
        assert outcomes == [ActionOutcome(ActionResult.TYPE_UNMATCHED), denied]

    pair.run(pair.security("gmac"), procedure)


def test_lists_are_split_where_they_do_not_fit() -> None:
    pair = Pair()
    without = FULL_CONFORMANCE & ~int(
        Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE | Conformance.BLOCK_TRANSFER_WITH_ACTION
    )
    items = [(name, None, text(900, seed)) for seed, name in enumerate((FIRST, SECOND) * 20)]

    async def procedure(meter: Meter) -> None:
        driver, negotiated = meter._driver, meter.negotiated
        results = await services.set_list(driver, negotiated, items, protected=True)
        assert results == [DataAccessResult.SUCCESS] * 40
        assert await services.get(driver, SECOND) == text(900, 39)
        with pytest.raises(UsageError, match="in blocks"):
            await services.set_list(
                driver, negotiated, [(FIRST, None, text(9)), (SECOND, None, text(3000))]
            )
        assert await services.get(driver, FIRST) == text(900, 38)  # nothing was sent at all

    pair.run(pair.security("gmac"), procedure, conformance=without)


def test_without_multiple_references_one_request_each() -> None:
    pair = Pair()
    without = FULL_CONFORMANCE & ~int(Conformance.MULTIPLE_REFERENCES)

    async def procedure(meter: Meter) -> None:
        driver, negotiated = meter._driver, meter.negotiated
        items = [(FIRST, None, text(9)), (NOBODY, None, text(9))]
        assert await services.set_list(driver, negotiated, items) == [
            DataAccessResult.SUCCESS,
            DataAccessResult.OBJECT_UNDEFINED,
        ]
        outcomes = await services.act_list(
            driver, negotiated, [(SWITCH, text(9)), (SWITCH, axdr.encode((15, 0)))]
        )
        assert [outcome.result for outcome in outcomes] == [
            ActionResult.TYPE_UNMATCHED,
            ActionResult.SUCCESS,
        ]

    pair.run(pair.security("gmac"), procedure, conformance=without)


@pytest.mark.parametrize(("scheme", "security"), ALL)
def test_an_unconfirmed_write_has_no_answer_and_takes_effect(scheme: str, security: str) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> bytes:
        driver, negotiated = meter._driver, meter.negotiated
        for count in (100, 200):
            await services.set_(driver, negotiated, FIRST, text(count), confirmed=False)
        with pytest.raises(UsageError, match="confirmed"):
            await services.set_(driver, negotiated, FIRST, text(5000), confirmed=False)
        await services.set_(driver, negotiated, NOBODY, text(1), confirmed=False)
        return await services.get(driver, FIRST, high_priority=False)

    assert pair.run(pair.security(security), procedure) == text(200)


def test_an_unconfirmed_action() -> None:
    pair = Pair("tcp+hdlc")

    async def procedure(meter: Meter) -> bool:
        data = axdr.encode((15, 0))
        assert (
            await services.act(meter._driver, meter.negotiated, SWITCH, data, confirmed=False)
            is None
        )
        return await meter.get(DisconnectControl.output_state, "0-0:96.3.10")

    assert pair.run(pair.security("gmac"), procedure) is False


@pytest.mark.parametrize("how_it_ends", ["silence", "disconnect"])
def test_a_write_without_an_answer_is_unknown_and_a_read_is_not(how_it_ends: str) -> None:
    for write in (True, False):
        pair = Pair()

        async def procedure(meter: Meter, pair: Pair = pair, write: bool = write) -> None:
            assert pair.line is not None
            pair.time.at(pair.time.now + 0.005, getattr(pair.line, how_it_ends))
            if write:
                await services.set_(meter._driver, meter.negotiated, FIRST, text(9))
            else:
                await services.get(meter._driver, FIRST)

        with pytest.raises(LineError) as caught:
            pair.run(pair.security("gmac"), procedure)
        assert caught.value.outcome_unknown is write
        assert ("unknown until read back" in str(caught.value)) is write


def test_class_and_priority_are_the_callers() -> None:
    pair = Pair()
    seen: list[int] = []

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        arrive = pair.line.station.arrive

        def look(octets: bytes) -> None:
            seen.append(octets[10])  # invoke-id-and-priority, after wrapper, tag and choice
            arrive(octets)

        pair.line.station.arrive = look  # type: ignore[method-assign]
        driver, negotiated = meter._driver, meter.negotiated
        await services.get(driver, FIRST)
        await services.get(driver, FIRST, high_priority=False)
        await services.set_(driver, negotiated, FIRST, text(5), confirmed=False)
        await services.set_(
            driver, negotiated, FIRST, text(5), confirmed=False, high_priority=False
        )
        await services.set_(driver, negotiated, FIRST, text(5000), high_priority=False)

    pair.run(pair.security("password"), procedure)
    requests = seen[:-1]  # the release has none
    assert [octet & 0xF0 for octet in requests] == [0xC0, 0x40, 0x80, 0x00, 0x40, 0x40, 0x40]
    numbers = [octet & 0x0F for octet in requests]
    assert len(set(numbers[:5])) == 5
    assert set(numbers[4:]) == {numbers[4]}  # blocks of one write have one number


@pytest.mark.parametrize("lists", [True, False])
def test_the_priority_of_lists_is_the_callers(lists: bool) -> None:
    pair = Pair()
    seen: list[int] = []

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        watch(pair.line.station, lambda octets: seen.append(octets[10]))
        driver, negotiated = meter._driver, meter.negotiated
        low = {"protected": False, "high_priority": False}
        await services.get_list(driver, negotiated, [(FIRST, None)] * 2, **low)
        await services.set_list(driver, negotiated, [(FIRST, None, text(5))] * 2, **low)
        await services.act_list(driver, negotiated, [(SWITCH, None)] * 2, **low)

    without = PROPOSED & ~int(Conformance.MULTIPLE_REFERENCES)
    pair.run(pair.security("password"), procedure, conformance=PROPOSED if lists else without)
    requests = seen[:-1]  # the release has none
    assert [octet & 0xF0 for octet in requests] == [0x40] * (3 if lists else 6)


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("what", ["write", "act"])
def test_a_later_part_that_fails_leaves_the_results_of_those_before(what: str, lists: bool) -> None:
    """Three requests: one answered, one not, one not sent."""
    pair = Pair()
    blocks = Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE | Conformance.BLOCK_TRANSFER_WITH_ACTION
    without = FULL_CONFORMANCE & ~int(blocks)
    if not lists:
        without &= ~int(Conformance.MULTIPLE_REFERENCES)

    async def procedure(meter: Meter) -> list[object]:
        line = pair.line
        assert line is not None
        driver, negotiated = meter._driver, meter.negotiated
        arrive, heard = line.station.arrive, 0

        def deaf_after_one(octets: bytes) -> None:
            nonlocal heard
            heard += 1
            if heard != 2:
                arrive(octets)

        line.station.arrive = deaf_after_one  # type: ignore[method-assign]
        if what == "write":
            items = [(FIRST, None, text(1500, each)) for each in range(3)]
            return list(await services.set_list(driver, negotiated, items, protected=True))
        acts = [(SWITCH, text(1500)) for _ in range(3)]
        return list(await services.act_list(driver, negotiated, acts, protected=True))

    first, second, third = pair.run(pair.security("gmac"), procedure, conformance=without)
    refused = ActionOutcome(ActionResult.TYPE_UNMATCHED)
    assert first == (DataAccessResult.SUCCESS if what == "write" else refused)
    assert isinstance(second, LineError)
    assert second.outcome_unknown
    assert isinstance(third, LineError)
    assert not third.outcome_unknown
    assert "not sent" in str(third)


def test_a_first_part_that_fails_is_an_error() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        pair.line.station.arrive = lambda octets: None  # type: ignore[method-assign]
        items = [(FIRST, None, text(9))] * 40
        with pytest.raises(LineError) as caught:
            await services.set_list(meter._driver, meter.negotiated, items, protected=True)
        assert caught.value.outcome_unknown

    pair.run(pair.security("gmac"), procedure)


def test_a_part_that_is_refused_does_not_stop_those_behind_it() -> None:
    pair = Pair(fleet=fleet_with(c1={"max_list": 8}))
    long, short = (FIRST, None, text(1500)), (FIRST, None, text(1))
    items = [long, long, *[short] * 9, long]
    without = FULL_CONFORMANCE & ~int(Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE)

    async def procedure(meter: Meter) -> list[object]:
        negotiated = meter.negotiated
        return list(await services.set_list(meter._driver, negotiated, items, protected=True))

    results = pair.run(pair.security("gmac"), procedure, conformance=without)
    assert results[0] == results[-1] == DataAccessResult.SUCCESS
    assert all(isinstance(each, RefusedError) for each in results[1:-1])
