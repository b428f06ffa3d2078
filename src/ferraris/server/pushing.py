"""What a logical device sends by itself: notifications made from its own objects.

Plain functions over declared objects: which attributes, in which order, stands in the push object
list of a push set-up object (class 40). When and whereto is the business of whoever calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.axdr import length_octets
from ferraris.data.kinds import Data, array, null_data, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.general import GeneralGlo
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.messaging.dlms.notify import (
    LONG_CONFIRMED,
    LONG_INVOKE_ID,
    DataNotification,
    EventNotification,
)
from ferraris.messaging.dlms.security.protection import Sealer
from ferraris.model.data_storage import (
    CaptureObject,
    CaptureObjectType,
    EntryDescriptor,
    EntryDescriptorType,
    RangeDescriptor,
    RangeDescriptorType,
)
from ferraris.server.device import LogicalDevice, ObjectEntry, RequestContext

__all__ = [
    "PushItem",
    "data_notification",
    "event_notification",
    "protected",
    "push_object_list",
    "restriction_span",
    "selection_of",
]

_PUSH_SETUP = 40
_BUFFER, _CAPTURE_OBJECTS, _ENTRIES_IN_USE = (7, 2), 3, 7
_BY_DATE, _BY_ENTRY = 1, 2  # restrictions, and selectors of a buffer [facts-g]
_RESTRICTION_AT, _COLUMNS_AT = 4, 5
_CLOCK = CaptureObject(8, Obis.of(0, 0, 1, 0, 0), 2, 0)
_NOTHING = null_data()
_ANY_DATE = b"\xff" * 5
_STRUCTURE = b"\x02"
_WHERE = "push"


class PushItem(NamedTuple):
    """One element of a push object list: an attribute, or rows and columns of a profile.

    `restriction` is 0 for all rows, 1 by date, 2 by entry, with `span` as its two ends; without
    `columns` all columns are sent.
    """

    class_id: int
    logical_name: Obis
    attribute: int
    data_index: int
    restriction: int = 0
    span: tuple[Data, ...] = ()
    columns: tuple[CaptureObject, ...] = ()


def push_object_list(
    device: LogicalDevice, setup: bytes, context: RequestContext
) -> list[PushItem]:
    """What the push set-up object with this logical name sends, in order.

    Raises `UsageError` when there is no such object or its list cannot be read.
    """
    data = axdr.decode(_value(device, PushItem(_PUSH_SETUP, Obis(setup), 2, 0), context, None))
    found = [_item(each) for each in data[1]] if isinstance(data[1], list) else []
    if not found:
        raise UsageError(f"{Obis(setup)} lists nothing to push", where=_WHERE)
    return found


def data_notification(
    device: LogicalDevice,
    objects: Sequence[PushItem],
    context: RequestContext,
    *,
    invoke_id: int = 0,
    confirmed: bool = False,
    date_time: bytes = b"",
    since: bytes | None = None,
) -> bytes:
    """One push: a structure with one element for each of `objects`, read at this moment.

    `since` is a date-time of 12 octets, where profiles begin whose restriction by date leaves the
    beginning open. Raises `UsageError` for an object that the device does not have, `AccessRefused`
    for one that cannot be read now.
    """
    values = [_value(device, each, context, since) for each in objects]
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
    item = PushItem(class_id, Obis(logical_name), index, 0)
    return EventNotification(time, attribute, _value(device, item, context, None)).to_octets()


def selection_of(item: PushItem, since: bytes | None = None) -> Selection | None:
    """The selective access that gives the rows which a restriction leaves, None for all of them."""
    if (item.class_id, item.attribute) != _BUFFER or not (item.restriction or item.columns):
        return None
    if item.restriction == _BY_ENTRY:
        first_entry, last_entry = (each[1] for each in item.span)
        entries = EntryDescriptor(first_entry, last_entry, 1, 0)
        return Selection(_BY_ENTRY, axdr.encode(EntryDescriptorType.dump(entries)))
    first, last = item.span if item.restriction == _BY_DATE else (_NOTHING, _NOTHING)
    if item.restriction == _BY_DATE and since is not None and _is_open(first):
        first = octet_string(since)
    wanted = RangeDescriptor(_CLOCK, first, last, list(item.columns))
    return Selection(_BY_DATE, axdr.encode(RangeDescriptorType.dump(wanted)))


def restriction_span(kind: int, value: Data) -> tuple[Data, ...]:
    """The two ends of a restriction, none for kind 0; `UsageError` for any other form."""
    span = tuple(value[1]) if kind and isinstance(value[1], list) else ()
    if kind not in (0, _BY_DATE, _BY_ENTRY) or len(span) != (2 if kind else 0):
        raise UsageError("a push object list has a restriction of no kind", where=_WHERE)
    return span


def protected(plain: bytes, sealer: Sealer, control: int) -> bytes:
    """A notification in general-glo-ciphering: the receiver learns from it who sends."""
    return GeneralGlo(sealer.system_title, sealer.seal(plain, control)).to_octets()


def _value(
    device: LogicalDevice, item: PushItem, context: RequestContext, since: bytes | None
) -> bytes:
    """The encoded value of one element of a list; logical names the engine knows itself."""
    key = (item.class_id, bytes(item.logical_name))
    entry = device.objects.get(key)
    if entry is None:
        name = f"{item.class_id}/{item.logical_name}"
        raise UsageError(f"there is no object {name} to push", where=_WHERE)
    if item.attribute == 1:
        return axdr.encode((9, entry.logical_name))
    if (item.class_id, item.attribute) == _BUFFER and (item.restriction or item.columns):
        return _rows(device, entry, item, context, since)
    octets = device.get(entry, item.attribute, None, context)
    if not item.data_index:
        return octets
    elements = axdr.decode(octets)[1]
    if not isinstance(elements, list) or item.data_index > len(elements):
        raise UsageError(f"{item.logical_name} has no element {item.data_index}")
    return axdr.encode(elements[item.data_index - 1])


def _rows(
    device: LogicalDevice,
    entry: ObjectEntry,
    item: PushItem,
    context: RequestContext,
    since: bytes | None,
) -> bytes:
    """Rows and columns of a profile, by the selective access that clients have too."""
    if item.restriction != _BY_ENTRY:
        return device.get(entry, _BUFFER[1], selection_of(item, since), context)
    first_entry, last_entry = item.span
    if not first_entry[1]:  # the last ones: no client can ask for entry 0
        held = axdr.decode(device.get(entry, _ENTRIES_IN_USE, None, context))[1]
        first_entry = (first_entry[0], max(1, held - last_entry[1] + 1))
        last_entry = (last_entry[0], 0)
    selection = selection_of(item._replace(span=(first_entry, last_entry)))
    rows = device.get(entry, _BUFFER[1], selection, context)
    return _columns(device, entry, rows, item, context) if item.columns else rows


def _columns(
    device: LogicalDevice,
    entry: ObjectEntry,
    rows: bytes,
    item: PushItem,
    context: RequestContext,
) -> bytes:
    """The columns of `item`, which access by entry can name by neighbours only."""
    captured = axdr.decode(device.get(entry, _CAPTURE_OBJECTS, None, context))[1]
    names = [CaptureObjectType.load(each) for each in captured]
    try:
        places = [names.index(each) for each in item.columns]
    except ValueError:
        raise UsageError(f"{item.logical_name} has not all of its columns", where=_WHERE) from None
    picked = [structure(*(row[1][place] for place in places)) for row in axdr.decode(rows)[1]]
    return axdr.encode(array(*picked))


def _is_open(bound: Data) -> bool:
    """A date that is not there, or has wildcards only."""
    return bound[1] is None or bytes(bound[1])[:5] == _ANY_DATE


def _item(data: Data) -> PushItem:
    """An element of any version of the class: four fields, restriction, columns."""
    try:
        class_id, name, attribute, index = (field[1] for field in data[1][:4])
        kind = 0
        span: tuple[Data, ...] = ()
        columns: tuple[CaptureObject, ...] = ()
        if len(data[1]) > _RESTRICTION_AT:
            restriction = data[1][_RESTRICTION_AT][1]
            kind = restriction[0][1]
            span = restriction_span(kind, restriction[1])
        if len(data[1]) > _COLUMNS_AT:
            columns = tuple(CaptureObjectType.load(each) for each in data[1][_COLUMNS_AT][1])
        return PushItem(class_id, Obis(name), attribute, index, kind, span, columns)
    except (TypeError, ValueError, IndexError, DecodeError):
        raise UsageError("a push object list holds something else", where=_WHERE) from None
