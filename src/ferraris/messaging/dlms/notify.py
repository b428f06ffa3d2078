"""What a server sends unasked: data-notification and event-notification [asn1]."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.invoke import LONG_CONFIRMED, LONG_INVOKE_ID
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS, ApduReader, octet_string

__all__ = [
    "LONG_CONFIRMED",
    "LONG_INVOKE_ID",
    "DataNotification",
    "DataNotificationConfirm",
    "EventNotification",
]

_OCTET_STRING_TAG = 0x09
_DATE_TIME_LENGTH = 12
_FULL_DATE_TIME = bytes((_DATE_TIME_LENGTH,))
_BODY_AT = 1 + 4 + 1 + _DATE_TIME_LENGTH


@dataclass(slots=True)
class DataNotification:
    """A push: `body` is encoded Data, `date_time` empty or twelve octets.

    `date_time_tagged` marks senders that put the tag of an octet-string before the date-time.
    """

    long_invoke_id_and_priority: int
    date_time: bytes
    body: bytes
    date_time_tagged: bool = False

    @property
    def wants_receipt(self) -> bool:
        """Whether the service class is confirmed: a data-notification-confirm is expected."""
        return bool(self.long_invoke_id_and_priority & LONG_CONFIRMED)

    def to_octets(self) -> bytes:
        """Encode with tag 0F."""
        head = b"\x0f" + self.long_invoke_id_and_priority.to_bytes(4, "big")
        if self.date_time_tagged:
            head += bytes((_OCTET_STRING_TAG,))
        return head + octet_string(self.date_time) + self.body


@dataclass(slots=True)
class DataNotificationConfirm:
    """The receipt of a push that asked for one; its layout rests on memory [memory]."""

    long_invoke_id_and_priority: int
    date_time: bytes = b""

    def to_octets(self) -> bytes:
        """Encode with tag 10."""
        head = b"\x10" + self.long_invoke_id_and_priority.to_bytes(4, "big")
        return head + octet_string(self.date_time)


@dataclass(slots=True)
class EventNotification:
    """An attribute and its value, encoded; `time` is twelve octets or None."""

    time: bytes | None
    attribute: AttributeDescriptor
    data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C2."""
        time = b"\x00" if self.time is None else b"\x01" + octet_string(self.time)
        return b"\xc2" + time + self.attribute.to_octets() + self.data


def decode_data_notification(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> DataNotification:
    """Decode a data-notification from its tag 0F on."""
    if octets[5:6] == _FULL_DATE_TIME and len(octets) > _BODY_AT:  # the usual one
        invoke_id = int.from_bytes(octets[1:5], "big")
        return DataNotification(invoke_id, octets[6:_BODY_AT], octets[_BODY_AT:])
    reader = ApduReader(octets, "dlms data-notification", limits, 1)
    invoke_id = reader.u32()
    # A date-time has 0 or 12 octets, so `09 0C` can only be a tag that does not belong here; one
    # manufacturer's meters send it [facts-g].
    tagged = octets[5:7] == bytes((_OCTET_STRING_TAG, _DATE_TIME_LENGTH))
    if tagged:
        reader.take(1)
    date_time = reader.octet_string()
    if not reader.remaining:
        raise reader.error("Data expected, none left")
    return DataNotification(invoke_id, date_time, reader.rest(), tagged)


def decode_data_notification_confirm(
    octets: bytes, limits: Limits = DEFAULT_LIMITS
) -> DataNotificationConfirm:
    """Decode a data-notification-confirm from its tag 10 on."""
    reader = ApduReader(octets, "dlms data-notification-confirm", limits, 1)
    invoke_id = reader.u32()
    date_time = reader.octet_string()
    reader.finish()
    return DataNotificationConfirm(invoke_id, date_time)


def decode_event_notification(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> EventNotification:
    """Decode an event-notification-request from its tag C2 on."""
    reader = ApduReader(octets, "dlms event-notification-request", limits, 1)
    time = reader.octet_string() if reader.present() else None
    attribute = reader.attribute()
    if not reader.remaining:
        raise reader.error("Data expected, none left")
    return EventNotification(time, attribute, reader.rest())
