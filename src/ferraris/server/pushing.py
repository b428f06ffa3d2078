"""What a logical device sends by itself: notifications made from its own objects.

Plain functions over declared objects: which attributes, in which order, stands in the push object
list of a push set-up object (class 40). When and whereto is the business of whoever calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.axdr import length_octets
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.general import GeneralGlo
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.notify import (
    LONG_CONFIRMED,
    LONG_INVOKE_ID,
    DataNotification,
    EventNotification,
)
from ferraris.messaging.dlms.security.protection import Sealer
from ferraris.model.data_storage import CaptureObject
from ferraris.server.device import LogicalDevice, RequestContext

__all__ = [
    "data_notification",
    "event_notification",
    "protected",
    "push_object_list",
]

_PUSH_SETUP, _PUSH_OBJECT_LIST = 40, 2
_STRUCTURE = b"\x02"
_WHERE = "push"


def push_object_list(
    device: LogicalDevice, setup: bytes, context: RequestContext
) -> list[CaptureObject]:
    """What the push set-up object with this logical name sends, in order.

    Raises `UsageError` when there is no such object or its list cannot be read.
    """
    data = axdr.decode(_value(device, CaptureObject(_PUSH_SETUP, Obis(setup), 2, 0), context))
    found = [_captured(each) for each in data[1]] if isinstance(data[1], list) else []
    if not found:
        raise UsageError(f"{Obis(setup)} lists nothing to push", where=_WHERE)
    return found


def data_notification(
    device: LogicalDevice,
    objects: Sequence[CaptureObject],
    context: RequestContext,
    *,
    invoke_id: int = 0,
    confirmed: bool = False,
    date_time: bytes = b"",
) -> bytes:
    """One push: a structure with one element for each of `objects`, read at this moment.

    Raises `UsageError` for an object that the device does not have, `AccessRefused` for one that
    cannot be read now.
    """
    values = [_value(device, each, context) for each in objects]
    body = _STRUCTURE + length_octets(len(values)) + b"".join(values)
    long_invoke = invoke_id & LONG_INVOKE_ID | (LONG_CONFIRMED if confirmed else 0)
    return DataNotification(long_invoke, date_time, body).to_octets()


def event_notification(
    device: LogicalDevice,
    attribute: AttributeDescriptor,
    context: RequestContext,
    *,
    time: bytes | None = None,
) -> bytes:
    """One event: an attribute and its value now; raises as `data_notification` does."""
    class_id, logical_name, index = attribute
    captured = CaptureObject(class_id, Obis(logical_name), index, 0)
    return EventNotification(time, attribute, _value(device, captured, context)).to_octets()


def protected(plain: bytes, sealer: Sealer, control: int) -> bytes:
    """A notification in general-glo-ciphering: the receiver learns from it who sends."""
    return GeneralGlo(sealer.system_title, sealer.seal(plain, control)).to_octets()


def _value(device: LogicalDevice, captured: CaptureObject, context: RequestContext) -> bytes:
    """The encoded value of one element of a list; logical names the engine knows itself."""
    key = (captured.class_id, bytes(captured.logical_name))
    entry = device.objects.get(key)
    if entry is None:
        name = f"{captured.class_id}/{captured.logical_name}"
        raise UsageError(f"there is no object {name} to push", where=_WHERE)
    if captured.attribute == 1:
        return axdr.encode((9, entry.logical_name))
    octets = device.get(entry, captured.attribute, None, context)
    if not captured.data_index:
        return octets
    elements = axdr.decode(octets)[1]
    if not isinstance(elements, list) or captured.data_index > len(elements):
        raise UsageError(f"{captured.logical_name} has no element {captured.data_index}")
    return axdr.encode(elements[captured.data_index - 1])


def _captured(data: Data) -> CaptureObject:
    """The first four fields of an element, which all versions of the class share."""
    try:
        class_id, name, attribute, index = (field[1] for field in data[1][:4])
        return CaptureObject(class_id, Obis(name), attribute, index)
    except (TypeError, ValueError, DecodeError):
        raise UsageError("a push object list holds something else", where=_WHERE) from None
