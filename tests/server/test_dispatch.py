"""Serving requests: what is carried out, what is refused, and in which words of the standard."""

from __future__ import annotations

from typing import Any

import pytest

from ferraris.data.obis import Obis
from ferraris.messaging.dlms.action import (
    ActionOutcome,
    ActionRequestNormal,
    ActionRequestWithList,
    ActionResponseNormal,
    ActionResponseWithList,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
    ExceptionServiceError,
    StateError,
)
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.messaging.dlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithList,
)
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.set import (
    SetRequestNormal,
    SetRequestWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from ferraris.server.device import SIGNED, RequestContext
from ferraris.server.dispatch import refuse, serve

AUTHENTICATED = 0x10
BOTH = 0x30
IIP = 0xC1
Result = DataAccessResult


def ln(code: str) -> bytes:
    return bytes(Obis.parse(code))


ENERGY, CLOCK, PROFILE = ln("1-0:1.8.0*255"), ln("0-0:1.0.0*255"), ln("1-0:99.1.0*255")
SWITCH, CURRENT, MAKER = ln("0-0:96.3.10*255"), ln("0-0:40.0.0*255"), ln("0-0:128.0.0*255")
SECRET = ln("0-0:96.1.9*255")


def ask(device: Any, request: Apdu, *, client: int = 1, protection: int = BOTH) -> Apdu:
    context = RequestContext(client, protection, 0.0)
    return serve(request, device, device.associations[client], context)


def get(device: Any, descriptor: tuple[int, bytes, int], **how: Any) -> Any:
    selection = how.pop("selection", None)
    request = GetRequestNormal(IIP, AttributeDescriptor(*descriptor), selection)
    response = ask(device, request, **how)
    assert isinstance(response, GetResponseNormal)
    assert response.invoke_id_and_priority == IIP
    assert (response.data is None) == (response.result is not Result.SUCCESS)
    return response.result if response.data is None else response.data.hex()


def put(device: Any, descriptor: tuple[int, bytes, int], data: str, **how: Any) -> Any:
    selection = how.pop("selection", None)
    attribute = AttributeDescriptor(*descriptor)
    response = ask(device, SetRequestNormal(IIP, attribute, selection, bytes.fromhex(data)), **how)
    assert isinstance(response, SetResponseNormal)
    return response.result


def act(device: Any, descriptor: tuple[int, bytes, int], data: str | None, **how: Any) -> Any:
    parameter = None if data is None else bytes.fromhex(data)
    request = ActionRequestNormal(IIP, MethodDescriptor(*descriptor), parameter)
    response = ask(device, request, **how)
    assert isinstance(response, ActionResponseNormal)
    return response.result


def test_read(device: Any) -> None:
    assert get(device, (3, ENERGY, 2)) == "0600003039"
    assert get(device, (3, ENERGY, 2)) == "0600003039"
    assert get(device, (3, ENERGY, 1)) == "0906" + ENERGY.hex()
    assert get(device, (9999, MAKER, -1)) == "1106"


@pytest.mark.parametrize(
    ("descriptor", "result"),
    [
        ((3, ln("1-0:77.7.7*255"), 2), Result.OBJECT_UNDEFINED),
        ((1, SECRET, 2), Result.OBJECT_UNDEFINED),
        ((3, ln("0-0:96.1.9*255"), 2), Result.OBJECT_UNDEFINED),
        ((4, ENERGY, 2), Result.OBJECT_CLASS_INCONSISTENT),
        ((3, ENERGY, 9), Result.OBJECT_UNDEFINED),
        ((3, ENERGY, 0), Result.READ_WRITE_DENIED),
        ((8, CLOCK, 4), Result.READ_WRITE_DENIED),
        ((8, CLOCK, 5), Result.READ_WRITE_DENIED),
        ((9999, MAKER, 7), Result.READ_WRITE_DENIED),
        ((70, SWITCH, 2), Result.TEMPORARY_FAILURE),
    ],
)
def test_read_refused(device: Any, descriptor: tuple[int, bytes, int], result: Result) -> None:
    assert get(device, descriptor) is result


def test_protection_demanded_by_a_right(device: Any) -> None:
    assert get(device, (8, CLOCK, 3), protection=BOTH) == "10ffc4"
    for protection in (0, AUTHENTICATED, SIGNED):
        assert get(device, (8, CLOCK, 3), protection=protection) is Result.READ_WRITE_DENIED
    assert put(device, (8, CLOCK, 3), "100000", protection=BOTH) is Result.SUCCESS
    assert put(device, (8, CLOCK, 3), "100000", protection=0) is Result.READ_WRITE_DENIED
    assert act(device, (70, SWITCH, 1), "0f00", protection=BOTH) is ActionResult.SUCCESS
    assert act(device, (70, SWITCH, 1), "0f00", protection=0) is ActionResult.READ_WRITE_DENIED


def test_rights_of_one_association_are_not_those_of_another(device: Any) -> None:
    assert get(device, (3, ENERGY, 2), client=16) is Result.OBJECT_UNDEFINED
    assert get(device, (8, CLOCK, 2), client=16) != Result.READ_WRITE_DENIED
    assert get(device, (8, CLOCK, 3), client=16) is Result.READ_WRITE_DENIED


def test_selection(device: Any) -> None:
    entries = Selection(2, bytes.fromhex("0204060000000106000000001200011200 00".replace(" ", "")))
    assert get(device, (7, PROFILE, 2), selection=entries) == "0100"
    assert device.calls[-1] == ("get", 7, 2, entries)
    broken = Selection(2, b"\x02")
    assert get(device, (7, PROFILE, 2), selection=broken) is Result.TYPE_UNMATCHED
    for refused in ((7, PROFILE, 3), (8, CLOCK, 2)):
        assert get(device, refused, selection=entries) is Result.OTHER_REASON
    unknown = Selection(9, b"\x00")
    assert get(device, (7, PROFILE, 2), selection=unknown) is Result.OTHER_REASON


def test_selection_must_be_negotiated(device: Any) -> None:
    request = GetRequestNormal(IIP, AttributeDescriptor(7, PROFILE, 2), Selection(2, b"\x00"))
    context = RequestContext(1, BOTH, 0.0, conformance=int(Conformance.GET))
    response = serve(request, device, device.associations[1], context)
    assert response == GetResponseNormal(IIP, Result.OTHER_REASON)


def test_services_must_be_negotiated(device: Any) -> None:
    request = SetRequestNormal(IIP, AttributeDescriptor(8, CLOCK, 2), None, b"\x00")
    assert ask(device, request, client=16) == refuse()
    listed = GetRequestWithList(IIP, [(AttributeDescriptor(8, CLOCK, 2), None)])
    assert ask(device, listed, client=16) == refuse()


def test_what_is_not_a_service(device: Any) -> None:
    response = ask(device, GetRequestNext(IIP, 1))
    assert response == ExceptionResponse(
        StateError.SERVICE_UNKNOWN, ExceptionServiceError.SERVICE_NOT_SUPPORTED
    )


def test_write(device: Any) -> None:
    moment = "090c07e80101ff0c0000ff800000"
    assert put(device, (8, CLOCK, 2), moment) is Result.SUCCESS
    assert device.calls == [("set", 8, 2, bytes.fromhex(moment))]
    assert put(device, (9999, MAKER, 2), "1107") is Result.SUCCESS


@pytest.mark.parametrize(
    ("descriptor", "data", "result"),
    [
        ((8, CLOCK, 2), "0905010203040506", Result.TYPE_UNMATCHED),
        ((8, CLOCK, 2), "1105", Result.TYPE_UNMATCHED),
        ((8, CLOCK, 2), "0901", Result.TYPE_UNMATCHED),
        ((70, SWITCH, 4), "1101", Result.TYPE_UNMATCHED),
        ((9999, MAKER, 2), "1105ff", Result.TYPE_UNMATCHED),
        ((9999, MAKER, 2), "11ff", Result.HARDWARE_FAULT),
        ((3, ENERGY, 2), "0600000000", Result.READ_WRITE_DENIED),
        ((3, ENERGY, 1), "0906" + ENERGY.hex(), Result.READ_WRITE_DENIED),
        ((3, ENERGY, 0), "00", Result.READ_WRITE_DENIED),
        ((3, ENERGY, 9), "00", Result.OBJECT_UNDEFINED),
        ((4, ENERGY, 2), "00", Result.OBJECT_CLASS_INCONSISTENT),
        ((1, SECRET, 2), "00", Result.OBJECT_UNDEFINED),
    ],
)
def test_write_refused(
    device: Any, descriptor: tuple[int, bytes, int], data: str, result: Result
) -> None:
    assert put(device, descriptor, data) is result
    assert result is Result.HARDWARE_FAULT or not device.calls


def test_write_with_a_selection_that_is_not_offered(device: Any) -> None:
    assert put(device, (8, CLOCK, 2), "00", selection=Selection(1, b"\x00")) is Result.OTHER_REASON


def test_invoke(device: Any) -> None:
    assert act(device, (8, CLOCK, 6), "100005") is ActionResult.SUCCESS
    assert device.calls == [("act", 8, 6, bytes.fromhex("100005"))]
    request = ActionRequestNormal(IIP, MethodDescriptor(9999, MAKER, 1), b"\x11\x07")
    assert ask(device, request) == ActionResponseNormal(IIP, ActionResult.SUCCESS, b"\x11\x07")


def test_a_parameter_of_nothing_is_none(device: Any) -> None:
    for data in (None, "00"):
        assert act(device, (70, SWITCH, 1), data) is ActionResult.SUCCESS
        assert device.calls[-1] == ("act", 70, 1, None)


@pytest.mark.parametrize(
    ("descriptor", "data", "result"),
    [
        ((8, CLOCK, 6), "0f05", ActionResult.TYPE_UNMATCHED),
        ((8, CLOCK, 1), "0f00", ActionResult.READ_WRITE_DENIED),
        ((8, CLOCK, 0), "0f00", ActionResult.READ_WRITE_DENIED),
        ((8, CLOCK, 9), "0f00", ActionResult.OBJECT_UNDEFINED),
        ((3, ENERGY, 1), "0f00", ActionResult.READ_WRITE_DENIED),
        ((1, CLOCK, 1), "0f00", ActionResult.OBJECT_CLASS_INCONSISTENT),
        ((1, SECRET, 1), "0f00", ActionResult.OBJECT_UNDEFINED),
        ((70, SWITCH, 2), "0f00", ActionResult.TEMPORARY_FAILURE),
        ((9999, MAKER, 1), None, ActionResult.TYPE_UNMATCHED),
        ((9999, MAKER, 1), "11", ActionResult.TYPE_UNMATCHED),
        ((15, CURRENT, 1), "0900", ActionResult.READ_WRITE_DENIED),
    ],
)
def test_invoke_refused(
    device: Any, descriptor: tuple[int, bytes, int], data: str | None, result: ActionResult
) -> None:
    assert act(device, descriptor, data) is result


def test_lists_answer_item_by_item(device: Any) -> None:
    energy = AttributeDescriptor(3, ENERGY, 2)
    clock = AttributeDescriptor(8, CLOCK, 4)
    response = ask(device, GetRequestWithList(IIP, [(energy, None), (clock, None)]))
    assert response == GetResponseWithList(
        IIP, [bytes.fromhex("0600003039"), Result.READ_WRITE_DENIED]
    )
    response = ask(
        device, SetRequestWithList(IIP, [(clock, None), (energy, None)], [b"\x11\x00", b"\x00"])
    )
    assert response == SetResponseWithList(IIP, [Result.SUCCESS, Result.READ_WRITE_DENIED])
    shift, switch = MethodDescriptor(8, CLOCK, 6), MethodDescriptor(70, SWITCH, 2)
    response = ask(
        device, ActionRequestWithList(IIP, [shift, switch], [bytes.fromhex("100001"), b"\x00"])
    )
    assert response == ActionResponseWithList(
        IIP, [ActionOutcome(ActionResult.SUCCESS), ActionOutcome(ActionResult.TEMPORARY_FAILURE)]
    )


def test_lists_have_a_limit(device: Any) -> None:
    energy = AttributeDescriptor(3, ENERGY, 2)
    method = MethodDescriptor(70, SWITCH, 1)
    too_long = refuse(service=ExceptionServiceError.PDU_TOO_LONG)
    assert ask(device, GetRequestWithList(IIP, [(energy, None)] * 5)) == too_long
    assert ask(device, SetRequestWithList(IIP, [(energy, None)] * 5, [b"\x00"] * 5)) == too_long
    assert ask(device, ActionRequestWithList(IIP, [method] * 5, [b"\x00"] * 5)) == too_long
    assert not device.calls


def test_lists_that_do_not_match(device: Any) -> None:
    energy = AttributeDescriptor(3, ENERGY, 2)
    method = MethodDescriptor(70, SWITCH, 1)
    impossible = refuse(service=ExceptionServiceError.OPERATION_NOT_POSSIBLE)
    assert ask(device, SetRequestWithList(IIP, [(energy, None)], [])) == impossible
    assert ask(device, ActionRequestWithList(IIP, [method], [])) == impossible


def test_strangers_do_not_fill_the_memory(device: Any) -> None:
    kept = device.associations[1].rights.readable
    get(device, (3, ENERGY, 2))
    before = len(kept)
    for number in range(200):
        get(device, (3, ln(f"1-0:{number}.7.7*255"), 2))
        get(device, (3, ENERGY, number - 100 or 3))
    assert len(kept) <= before + 3


def test_two_devices_with_other_objects_share_no_answer(device: Any) -> None:
    assert get(device, (3, ENERGY, 2)) == "0600003039"
    other = type(device)()
    other.objects = {key: entry for key, entry in device.objects.items() if key[0] != 3}
    assert get(other, (3, ENERGY, 2)) is Result.OBJECT_UNDEFINED
    assert get(device, (3, ENERGY, 2)) == "0600003039"
