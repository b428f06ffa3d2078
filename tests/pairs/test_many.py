"""Many wishes in one association: packed, in order, each with its own outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pairing import NOON, PROPOSED, Pair

from ferraris.client.by_lists import LONGEST_LIST
from ferraris.client.kind import Kind
from ferraris.client.meter import Meter
from ferraris.client.wishes import Act, ActData, Read, ReadData, Wish, Write, WriteData
from ferraris.core.errors import DecodeError, LineError, RefusedError, UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import octet_string, unsigned
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
    ExceptionServiceError,
    StateError,
)
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.messaging.dlms.get import GetRequestWithList, GetResponseWithList
from ferraris.model.data_storage import DataObject, Register
from ferraris.model.time_control import Clock, DisconnectControl

NOT_SERVED = ExceptionResponse(
    StateError.SERVICE_NOT_ALLOWED, ExceptionServiceError.SERVICE_NOT_SUPPORTED
)
SECURITIES = ["password", "gmac", "gmac general"]
REGISTERS = [f"1-0:{c}.8.{e}" for c in (1, 2) for e in (0, 1, 2)]


class Tap:
    """Sees every request of a meter's driver, and may answer in its place."""

    def __init__(self, meter: Meter) -> None:
        self.requests: list[Any] = []
        self.sizes: list[int] = []
        self.answer_with: Any = None
        self._exchange = meter._driver.exchange
        meter._driver.exchange = self.exchange  # type: ignore[method-assign]
        self._layer = meter._driver.layer.upper  # type: ignore[attr-defined]
        meter._driver.layer._asked = None  # type: ignore[attr-defined] # all go the long way, past us
        self._put = self._layer._put
        self._layer._put = self.put

    async def exchange(self, unit: Any) -> Any:
        self.requests.append(unit)
        answer = self.answer_with(unit) if self.answer_with else None
        return await self._exchange(unit) if answer is None else answer

    def put(self, octets: bytes, *rest: Any) -> None:
        self.sizes.append(len(octets))
        self._put(octets, *rest)

    @property
    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.requests]


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_reads_are_typed_and_share_one_request(scheme: str, security: str) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> list[Any]:
        tap = Tap(meter)
        outcomes = await meter.get_many([Read(Register.scaler_unit, name) for name in REGISTERS])
        assert tap.kinds == ["GetRequestWithList"]
        return [outcome.value for outcome in outcomes]

    assert {tuple(each) for each in pair.run(pair.security(security), procedure)} == {(0, 30)}


@pytest.mark.parametrize("security", SECURITIES)
def test_one_refusal_is_the_outcome_of_one_wish(security: str) -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        good, missing, wrong = await meter.do(
            [
                ReadData(1, "0-0:42.0.0", 2),
                ReadData(1, "0-0:1.2.3", 2),
                Read(Clock.time, "1-0:1.8.0"),
            ]
        )
        assert good.value[1] == pair.fleet[0].logical_device_name
        assert missing.error.reason == DataAccessResult.OBJECT_UNDEFINED
        assert not missing.done
        assert not missing.unknown
        with pytest.raises(RefusedError, match=r"0-0:1\.2\.3"):
            _ = missing.value
        assert isinstance(wrong.error, RefusedError)

    pair.run(pair.security(security), procedure)


def test_a_value_of_another_type_is_the_outcome_of_one_wish() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        def another(request: Any) -> Any:
            return GetResponseWithList(0, [b"\x11\x05", b"\x06\x00\x00\x00\x01"])

        Tap(meter).answer_with = another
        wrong, good = await meter.get_many(
            [Read(Clock.time, "0-0:1.0.0"), Read(Register.value, "1-0:1.8.0")]
        )
        assert isinstance(wrong.error, DecodeError)
        assert good.done

    pair.run(pair.security("gmac"), procedure)


@pytest.mark.parametrize("security", ["gmac", "gmac general"])
@pytest.mark.parametrize("max_pdu", [100, 0xFFFF])
def test_order_is_kept_between_writes_actions_and_reads(security: str, max_pdu: int) -> None:
    pair = Pair()
    wanted = DateTime.from_datetime(datetime.fromtimestamp(NOON + 3600, UTC))
    switch = "0-0:96.3.10"
    wishes: list[Wish] = [
        Read(DisconnectControl.output_state, switch),
        Act(DisconnectControl.remote_disconnect, switch, 0),
        Read(DisconnectControl.output_state, switch),
        Write(Clock.time, "0-0:1.0.0", wanted),
        WriteData(1, "0-0:42.0.0", 2, octet_string(b"other")),
        ReadData(8, "0-0:1.0.0", 2),
        ActData(70, switch, 9, unsigned(1)),
        Act(DisconnectControl.remote_disconnect, switch, 0),
        Read(DisconnectControl.output_state, switch),
    ]

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        before, off, after, clock, name, back, strange, again, last = await meter.do(wishes)
        assert (before.value, off.value, after.value, last.value) == (True, None, False, False)
        assert clock.value is None
        assert name.error.reason == DataAccessResult.READ_WRITE_DENIED
        stamp = DateTime(back.value[1]).to_datetime()
        assert abs(stamp.timestamp() - NOON - 3600) < 5
        assert strange.error.reason in set(ActionResult)
        assert again.done
        if max_pdu > 1000:
            assert tap.kinds == [
                "GetRequestNormal",
                "ActionRequestNormal",
                "GetRequestNormal",
                "SetRequestWithList",
                "GetRequestNormal",
                "ActionRequestWithList",
                "GetRequestNormal",
            ]

    pair.run(pair.security(security), procedure, max_pdu=max_pdu)


@pytest.mark.parametrize("security", ["password", "gmac", "gmac general"])
@pytest.mark.parametrize("limit", [64, 65, 85, 93, 94, 120, 200, 333])
def test_requests_fill_what_the_meter_takes_and_no_more(security: str, limit: int) -> None:
    pair = Pair()
    names = [f"1-0:{c}.8.{e}" for c in range(1, 5) for e in range(5)]

    async def procedure(meter: Meter) -> None:
        opening = meter._association._opening
        opening.negotiated = replace(meter.negotiated, max_send=limit)
        tap = Tap(meter)
        outcomes = await meter.do([ReadData(3, name, 2) for name in names])
        assert len(outcomes) == len(names)
        # All but the last have no room for the ten octets of one more name.
        assert all(limit - 11 <= size <= limit for size in tap.sizes[:-1])
        assert tap.sizes[-1] <= limit

    pair.run(pair.security(security), procedure)


def test_a_long_list_is_split() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        outcomes = await meter.do([ReadData(3, "1-0:1.8.0", 2)] * (LONGEST_LIST + 2))
        assert all(outcome.done for outcome in outcomes)
        assert [len(each.attributes) for each in tap.requests] == [LONGEST_LIST, 2]

    pair.run(pair.security("password"), procedure)


def test_without_lists_negotiated_each_goes_alone() -> None:
    pair = Pair()
    conformance = PROPOSED & ~int(Conformance.MULTIPLE_REFERENCES)

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        outcomes = await meter.do(
            [
                ReadData(3, "1-0:1.8.0", 2),
                ReadData(3, "1-0:1.8.1", 2),
                WriteData(1, "0-0:42.0.0", 2, octet_string(b"x")),
                WriteData(1, "0-0:42.0.0", 2, octet_string(b"y")),
            ]
        )
        assert [outcome.done for outcome in outcomes] == [True, True, False, False]
        assert tap.kinds == ["GetRequestNormal"] * 2 + ["SetRequestNormal"] * 2

    pair.run(pair.security("gmac"), procedure, conformance=conformance)


def refusing(request: Any) -> Any:
    return NOT_SERVED if isinstance(request, GetRequestWithList) else None


def short(request: Any) -> Any:
    if isinstance(request, GetRequestWithList):
        return GetResponseWithList(0, [b"\x11\x01"])
    return None


@pytest.mark.parametrize("fault", [refusing, short])
def test_a_meter_that_is_bad_at_lists_is_read_one_by_one_and_remembered(fault: Any) -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        tap.answer_with = fault
        wishes = [ReadData(3, name, 2) for name in ("1-0:1.8.0", "1-0:1.2.99", "1-0:1.8.1")]
        outcomes = await meter.do(wishes)
        assert [outcome.done for outcome in outcomes] == [True, False, True]
        assert tap.kinds == ["GetRequestWithList"] + ["GetRequestNormal"] * 3
        assert meter.kind.lists is False
        await meter.do(wishes)
        assert tap.kinds[4:] == ["GetRequestNormal"] * 3

    pair.run(pair.security("gmac"), procedure)


def test_a_meter_that_refuses_everything_is_not_taken_for_bad_at_lists() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        Tap(meter).answer_with = lambda request: NOT_SERVED
        outcomes = await meter.do([ReadData(3, "1-0:1.8.0", 2)] * 2)
        assert not any(outcome.done for outcome in outcomes)
        assert meter.kind.lists is True

    pair.run(pair.security("gmac"), procedure)


def test_writes_and_actions_are_never_sent_again_when_a_list_of_them_is_refused() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        tap.answer_with = lambda request: NOT_SERVED
        write = WriteData(1, "0-0:42.0.0", 2, octet_string(b"x"))
        outcomes = await meter.do([write, write])
        assert tap.kinds == ["SetRequestWithList"]
        assert all(isinstance(outcome.error, RefusedError) for outcome in outcomes)

    pair.run(pair.security("gmac"), procedure)


def test_silence_makes_a_write_unknown_and_stops_what_follows() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        await meter.do([ReadData(8, "0-0:1.0.0", 2)])
        assert pair.line is not None
        pair.line.silence()
        write = WriteData(8, "0-0:1.0.0", 3, (16, 60))
        outcomes = await meter.do([write, write, ReadData(8, "0-0:1.0.0", 3), write])
        assert [outcome.unknown for outcome in outcomes] == [True, True, False, False]
        assert all(isinstance(outcome.error, LineError) for outcome in outcomes)
        assert "not sent" in str(outcomes[2].error)
        assert tap.kinds == ["GetRequestNormal", "SetRequestWithList"]

    pair.run(pair.security("gmac"), procedure)


def test_a_wish_that_cannot_be_encoded_stops_everything_before_it_is_sent() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        with pytest.raises(UsageError):
            await meter.do(
                [
                    Act(DisconnectControl.remote_disconnect, "0-0:96.3.10", 0),
                    Act(DisconnectControl.remote_disconnect, "0-0:96.3.10", "text"),  # type: ignore[arg-type]
                ]
            )
        assert tap.requests == []

    pair.run(pair.security("gmac"), procedure)


def test_several_methods_in_one_request() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        tap = Tap(meter)
        switch = "0-0:96.3.10"
        off = Act(DisconnectControl.remote_disconnect, switch, 0)
        on = Act(DisconnectControl.remote_reconnect, switch, 0)
        outcomes = await meter.act_many([off, on])
        assert outcomes[0].done
        assert tap.kinds == ["ActionRequestWithList"]

    pair.run(pair.security("gmac"), procedure)


def test_readings_by_name_come_in_two_requests_for_a_new_kind_and_in_one_for_a_known() -> None:
    pair = Pair()
    names = ["1-0:1.8.0", "1-0:1.6.0", "0-0:96.14.0", "0-0:1.0.0", "0-0:42.0.0"]
    kind = Kind()

    async def procedure(meter: Meter) -> list[Any]:
        meter.kind = kind
        tap = Tap(meter)
        found = await meter.read_many(names)
        single = [await meter.read(name) for name in names]
        assert [each.name for each in found] == [each.name for each in single]
        assert [each.unit for each in found] == [each.unit for each in single]
        assert found[1].time == single[1].time
        return tap.kinds[: -len(names)]

    first = pair.run(pair.security("gmac"), procedure)
    assert first.count("GetRequestWithList") == 1
    assert len(kind.classes) == len(names)


def test_the_data_object_of_any_class_is_read_as_it_is() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        (outcome,) = await meter.get_many([Read(DataObject.value, "0-0:42.0.0")])
        assert "Outcome(" in repr(outcome)
        assert outcome.done

    pair.run(pair.security("none"), procedure)
