"""Asks a simulated meter through the server engine, as an association would."""

from __future__ import annotations

from typing import Any

from ferraris.client.security import DEFAULT_SYSTEM_TITLE
from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    array,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.action import ActionRequestNormal, ActionResponseNormal
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.get import GetRequestNormal, GetResponseNormal
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.set import SetRequestNormal, SetResponseNormal
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server.device import RequestContext
from ferraris.server.dispatch import serve

NOW = 1_790_000_123  # Monday 2026-09-21, 16:15:23 local summer time
LOAD, DAILY, MONTHLY = "1-0:99.1.0*255", "1-0:99.2.0*255", "0-0:98.1.0*255"
CLOCK, SWITCH = "0-0:1.0.0*255", "0-0:96.3.10*255"


def _ask(meter: SimulatedMeter, request: Any, client: int, now: float) -> Any:
    association = meter.associations[client]
    context = RequestContext(client, 0x30 if association.ciphered else 0, now)
    if association.ciphered:
        context = context._replace(client_system_title=DEFAULT_SYSTEM_TITLE)
    return serve(request, meter, association, context)


def raw(
    meter: SimulatedMeter,
    name: str,
    class_id: int,
    attribute: int = 2,
    *,
    selection: Selection | None = None,
    client: int = 1,
    now: float = NOW,
) -> bytes | DataAccessResult:
    descriptor = AttributeDescriptor(class_id, bytes(Obis.parse(name)), attribute)
    response = _ask(meter, GetRequestNormal(0xC1, descriptor, selection), client, now)
    assert isinstance(response, GetResponseNormal)
    return response.data if response.data is not None else DataAccessResult(response.result or 0)


def get(meter: SimulatedMeter, name: str, class_id: int, attribute: int = 2, **more: Any) -> Any:
    """The plain value of an attribute, or the result that refuses it."""
    octets = raw(meter, name, class_id, attribute, **more)
    return octets if isinstance(octets, DataAccessResult) else axdr.decode(octets)[1]


def rows(meter: SimulatedMeter, name: str, selection: Selection | None = None, **more: Any) -> Any:
    """The rows of a profile as tuples of plain values."""
    data = get(meter, name, 7, selection=selection, **more)
    if isinstance(data, DataAccessResult):
        return data
    return [tuple(value for _, value in row) for _, row in data]


def put(
    meter: SimulatedMeter,
    name: str,
    class_id: int,
    attribute: int,
    data: Data,
    *,
    client: int = 1,
    now: float = NOW,
) -> DataAccessResult:
    descriptor = AttributeDescriptor(class_id, bytes(Obis.parse(name)), attribute)
    request = SetRequestNormal(0xC1, descriptor, None, axdr.encode(data))
    response = _ask(meter, request, client, now)
    assert isinstance(response, SetResponseNormal)
    return DataAccessResult(response.result)


def act(
    meter: SimulatedMeter,
    name: str,
    class_id: int,
    method: int,
    data: Data | None = None,
    *,
    client: int = 1,
    now: float = NOW,
) -> ActionResult:
    descriptor = MethodDescriptor(class_id, bytes(Obis.parse(name)), method)
    parameter = axdr.encode(integer(0) if data is None else data)
    response = _ask(meter, ActionRequestNormal(0xC1, descriptor, parameter), client, now)
    assert isinstance(response, ActionResponseNormal)
    return ActionResult(response.result)


def captured(class_id: int, name: str) -> Data:
    return structure(
        long_unsigned(class_id), octet_string(Obis.parse(name)), integer(2), long_unsigned(0)
    )


def between(first: Data, last: Data, *columns: Data) -> Selection:
    parameter = structure(captured(8, CLOCK), first, last, array(*columns))
    return Selection(1, axdr.encode(parameter))


def stamped(meter: SimulatedMeter, first: int, last: int, *columns: Data) -> Selection:
    zone = meter.zone
    return between(octet_string(zone.stamp(first)), octet_string(zone.stamp(last)), *columns)


def entries(first: int, last: int, from_column: int = 1, to_column: int = 0) -> Selection:
    parameter = structure(
        double_long_unsigned(first),
        double_long_unsigned(last),
        long_unsigned(from_column),
        long_unsigned(to_column),
    )
    return Selection(2, axdr.encode(parameter))
