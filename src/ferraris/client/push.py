"""What a meter sent unasked, as a value: `Push`, or `PushFailed` when it could not be taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any, NamedTuple

from ferraris.client.push_shapes import ShapedBody
from ferraris.client.pushed import PushedList, PushedValue, pushed_values, recipes
from ferraris.core.errors import Error
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data, structure
from ferraris.data.obis import Obis
from ferraris.data.readings import Quality, Reading, Series, instant
from ferraris.messaging.dlms.notify import DataNotification, EventNotification
from ferraris.messaging.dlms.short_name import (
    InformationReportRequest,
    ParameterisedAccess,
    VariableName,
)
from ferraris.transport.addresses import Addresses

__all__ = ["NO_PROTECTION", "Protection", "Push", "PushFailed"]

_DATA_NOTIFICATION = "data-notification"
_EVENT_NOTIFICATION = "event-notification"
_INFORMATION_REPORT = "information-report"
_CLOCK_OCTETS = 12
_NAMED = (VariableName, ParameterisedAccess)
_GENERALIZED_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:[.,]\d+)?(Z?)")
_PROFILE, _BUFFER = 7, 2
_IDENTITIES: dict[bytes, int] = {
    bytes((0, 0, 42, 0, 0, 255)): 0,
    bytes((0, 0, 96, 1, 0, 255)): 1,
    bytes((1, 1, 0, 0, 5, 255)): 2,
}
"""Where a list names its device: logical device name, device number, number of Nordic lists."""


class _Origins(dict[tuple[int, int], str]):
    """Where a reading came from, in words: the service, class and attribute where known."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def __missing__(self, key: tuple[int, int]) -> str:
        class_id, attribute = key
        words = f"{self._service} {class_id}/{attribute}" if class_id else self._service
        if len(self) < _MOST_ORIGINS:
            self[key] = words
        return words


_MOST_ORIGINS = 1024
_ORIGINS = {
    name: _Origins(name) for name in (_DATA_NOTIFICATION, _EVENT_NOTIFICATION, _INFORMATION_REPORT)
}

Notification = DataNotification | EventNotification | InformationReportRequest
"""What a meter sends unasked; an information report where objects go by short names."""


class Protection(NamedTuple):
    """What an APDU came under; `counter` is None for one without an invocation counter.

    `authenticated` says that a tag or a signature was there *and* verified: without it anybody may
    have written the APDU, encrypted or not.
    """

    control: int = 0
    counter: int | None = None
    authenticated: bool = False
    encrypted: bool = False
    signed: bool = False

    def __str__(self) -> str:
        words = [
            word
            for word, there in (
                ("authenticated", self.authenticated),
                ("encrypted", self.encrypted),
                ("signed", self.signed),
            )
            if there
        ]
        return "+".join(words) or "none"


NO_PROTECTION = Protection()


class Push:
    """One data-notification, event-notification or information-report.

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
        apdu: Notification,
        body: Data | ShapedBody,
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
        self.on_confirm: Callable[[Push], None] | None = None
        self._body = body
        self._known = known
        self._zone = zone

    def confirm(self) -> None:
        """Answer that it is kept, once, where `listen` was told to leave that for later.

        Nothing happens for a push that asks for no confirmation, and where its line is gone.
        """
        confirm, self.on_confirm = self.on_confirm, None
        if confirm is not None:
            confirm(self)

    @property
    def service(self) -> str:
        """`data-notification`, `event-notification` or `information-report`."""
        if isinstance(self.apdu, InformationReportRequest):
            return _INFORMATION_REPORT
        of_data = isinstance(self.apdu, DataNotification)
        return _DATA_NOTIFICATION if of_data else _EVENT_NOTIFICATION

    @property
    def base_names(self) -> tuple[int, ...]:
        """The short names in an information report, one for each element of `data`; else none.

        Which attributes they stand for is told by the object list of the association alone.
        """
        if not isinstance(self.apdu, InformationReportRequest):
            return ()
        return tuple(
            getattr(each, "name", 0) if isinstance(each, _NAMED) else 0
            for each in self.apdu.variables
        )

    @cached_property
    def data(self) -> Data:
        """The body, decoded."""
        return body_of(self.apdu) if isinstance(self._body, ShapedBody) else self._body

    @cached_property
    def values(self) -> list[PushedValue]:
        """The named values of the body, scaled; an event-notification has one."""
        apdu, body = self.apdu, self._body
        if isinstance(body, ShapedBody):
            return body.values()
        if not isinstance(apdu, EventNotification):
            return pushed_values(self.data, self._known)
        name = Obis(apdu.attribute.logical_name)
        value = self.data[1]
        if isinstance(value, bytes) and len(value) == _CLOCK_OCTETS:
            value = DateTime(value)
        return [PushedValue(name, value, None, apdu.attribute.class_id, apdu.attribute.attribute)]

    @cached_property
    def device(self) -> str:
        """How the meter calls itself in the list; else its system title, else where it is."""
        ranks = _IDENTITIES
        found = [
            (ranks[each[0]], each[1])
            for each in self.values
            if each[0] in ranks and isinstance(each[1], str)
        ]
        return min(found)[1] if found else self.system_title.hex() or self.peer

    @cached_property
    def stamp(self) -> DateTime | None:
        """The meter's own time: that of the notification, else the clock in its list."""
        apdu = self.apdu
        octets = _time_of(apdu)
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
        stamp = self.stamp
        found = None if stamp is None else instant(stamp, self._zone)
        if found is None:
            return None, Quality.GOOD
        seconds, marks = found
        return datetime.fromtimestamp(seconds, UTC), Quality(marks) if marks else Quality.GOOD

    @cached_property
    def series(self) -> list[Series]:
        """The profiles of the body whose columns are known, from the list sent along or learnt.

        Without scalers of a list that was learnt, the columns have none. Raises `DecodeError` for
        rows that are not what the list says.
        """
        if isinstance(self._body, ShapedBody) or not isinstance(self.apdu, DataNotification):
            return []
        return [
            each.layout.series(axdr.encode(each.held), self.device, self._zone)
            for each in recipes(self.data, self._known)
            if each.layout is not None and each.layout.clock is not None
        ]

    @cached_property
    def readings(self) -> list[Reading]:
        """The named values, exact, of this device at this time; rows of profiles are `series`."""
        time, quality = self._moment
        device = self.device
        origins = _ORIGINS[self.service]
        make = tuple.__new__  # the fields are all there: no need to name them seventeen times
        return [
            make(
                Reading,
                (device, name, value, unit, time, quality, origins[class_id, attribute]),
            )
            for name, value, unit, class_id, attribute in self.values
            if class_id != _PROFILE or attribute != _BUFFER
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
    on_confirm: Callable[[Push], None] | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        who = f" ({self.system_title.hex()})" if self.system_title else ""
        return f"{self.peer}{who}: {self.error}"


def body_of(apdu: Any) -> Data:
    """The data of a notification, decoded, of a report a structure of all; `DecodeError`."""
    if isinstance(apdu, InformationReportRequest):
        return structure(*(axdr.decode(each) for each in apdu.data))
    return axdr.decode(apdu.body if isinstance(apdu, DataNotification) else apdu.data)


def _time_of(apdu: Notification) -> bytes | None:
    """The date-time of a notification, 12 octets, where it says one."""
    if isinstance(apdu, DataNotification):
        return apdu.date_time
    if isinstance(apdu, EventNotification):
        return apdu.time
    if apdu.cosem_time or apdu.current_time is None:
        return apdu.current_time
    return _of_generalized_time(apdu.current_time)


def _of_generalized_time(text: bytes) -> bytes | None:
    """`20260131235959Z` as a COSEM date-time; None for another text. Without a Z its zone is
    not known."""
    found = _GENERALIZED_TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(each) for each in found.groups()[:6])
    deviation = b"\x00\x00" if found.group(7) else b"\x80\x00"
    moment = bytes((month, day, 0xFF, hour, minute, second, 0xFF)) + deviation + b"\x00"
    return year.to_bytes(2, "big") + moment
