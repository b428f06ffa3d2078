"""What a meter sent unasked, as a value: `Push`, or `PushFailed` when it could not be taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any, NamedTuple

from ferraris.client.pushed import PushedList, PushedValue, pushed_values
from ferraris.core.errors import Error
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.readings import Quality, Reading, instant
from ferraris.messaging.dlms.notify import DataNotification, EventNotification
from ferraris.transport.addresses import Addresses

__all__ = ["NO_PROTECTION", "Protection", "Push", "PushFailed"]

_DATA_NOTIFICATION = "data-notification"
_EVENT_NOTIFICATION = "event-notification"
_CLOCK_OCTETS = 12
_IDENTITIES = (
    bytes((0, 0, 42, 0, 0, 255)),
    bytes((0, 0, 96, 1, 0, 255)),
    bytes((1, 1, 0, 0, 5, 255)),
)
"""Where a list names its device: logical device name, device number, number of Nordic lists."""


class Protection(NamedTuple):
    """What an APDU came under; `counter` is None for a plain one.

    `authenticated` says that a tag was there *and* verified: without it anybody may have written
    the APDU, encrypted or not.
    """

    control: int = 0
    counter: int | None = None
    authenticated: bool = False
    encrypted: bool = False

    def __str__(self) -> str:
        words = [
            word
            for word, there in (
                ("authenticated", self.authenticated),
                ("encrypted", self.encrypted),
            )
            if there
        ]
        return "+".join(words) or "none"


NO_PROTECTION = Protection()


class Push:
    """One data-notification or event-notification.

    Attributes:
        peer: where it came from, such as `udp://192.0.2.7:4059`.
        addresses: access points of client and server, None where the line has none.
        system_title: of the sender, b"" for a plain push.
        apdu: the notification as decoded.
        protection: what it came under.
        raw: the APDU as it came, blocks joined, protection included.
    """

    def __init__(
        self,
        peer: str,
        addresses: Addresses | None,
        system_title: bytes,
        *,
        apdu: DataNotification | EventNotification,
        data: Data,
        protection: Protection,
        raw: bytes,
        known: PushedList | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self.peer = peer
        self.addresses = addresses
        self.system_title = system_title
        self.apdu = apdu
        self.protection = protection
        self.raw = raw
        self.data = data
        """The body, decoded."""
        self._known = known
        self._zone = zone

    @property
    def service(self) -> str:
        """`data-notification` or `event-notification`."""
        of_data = isinstance(self.apdu, DataNotification)
        return _DATA_NOTIFICATION if of_data else _EVENT_NOTIFICATION

    @cached_property
    def values(self) -> list[PushedValue]:
        """The named values of the body, scaled; an event-notification has one."""
        apdu = self.apdu
        if isinstance(apdu, DataNotification):
            return pushed_values(self.data, self._known)
        name = Obis(apdu.attribute.logical_name)
        value = self.data[1]
        if isinstance(value, bytes) and len(value) == _CLOCK_OCTETS:
            value = DateTime(value)
        return [PushedValue(name, value, None, apdu.attribute.class_id, apdu.attribute.attribute)]

    @cached_property
    def device(self) -> str:
        """How the meter calls itself in the list; else its system title, else where it is."""
        for identity in _IDENTITIES:
            for each in self.values:
                if each.name == identity and isinstance(each.value, str):
                    return each.value
        return self.system_title.hex() or self.peer

    @cached_property
    def stamp(self) -> DateTime | None:
        """The meter's own time: that of the notification, else the clock in its list."""
        apdu = self.apdu
        octets = apdu.date_time if isinstance(apdu, DataNotification) else apdu.time
        if octets and len(octets) == _CLOCK_OCTETS:
            return DateTime(octets)
        for each in self.values:
            if isinstance(each.value, DateTime) and (each.name.c, each.name.d) == (1, 0):
                return each.value
        return None

    @property
    def time(self) -> datetime | None:
        """The instant of `stamp` in UTC; None when there is none or its zone is not known."""
        return self._moment[0]

    @cached_property
    def _moment(self) -> tuple[datetime | None, Quality]:
        found = None if self.stamp is None else instant(bytes(self.stamp), self._zone)
        if found is None:
            return None, Quality.GOOD
        return datetime.fromtimestamp(found[0], UTC), Quality(found[1])

    @cached_property
    def readings(self) -> list[Reading]:
        """The named values, exact, of this device at this time."""
        time, quality = self._moment
        device, service = self.device, self.service
        return [
            Reading(
                device,
                each.name,
                each.value,
                each.unit,
                time,
                quality,
                f"{service} {each.class_id}/{each.attribute}" if each.class_id else service,
            )
            for each in self.values
        ]

    def __repr__(self) -> str:
        return (
            f"<Push {self.service} of {self.system_title.hex() or '(no title)'} from {self.peer}: "
            f"{self.protection}, {len(self.raw)} octets>"
        )


@dataclass(slots=True)
class PushFailed:
    """Something came that is no push to be trusted; `error` says why. The listening goes on.

    Attributes:
        peer: where it came from.
        error: `DecodeError` for garbage and truncation, `SecurityError` for unknown senders, wrong
            keys and too little protection, `ReplayError` for spent counters, `SequenceError` for
            lost blocks and what is no notification.
        system_title: of the alleged sender, b"" when the octets tell none.
        raw: the octets, at most 65535.
    """

    peer: str
    error: Error
    system_title: bytes = b""
    addresses: Addresses | None = None
    raw: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        who = f" ({self.system_title.hex()})" if self.system_title else ""
        return f"{self.peer}{who}: {self.error}"


def body_of(apdu: Any) -> Data:
    """The data of a notification, decoded; `DecodeError`."""
    return axdr.decode(apdu.body if isinstance(apdu, DataNotification) else apdu.data)
