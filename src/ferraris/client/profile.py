"""Reading a profile: what its columns are, which rows are wanted, and the rows as a `Series`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from ferraris.core.errors import RefusedError, UsageError
from ferraris.data import axdr, layout
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series
from ferraris.data.units import UNITLESS
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.model.data_storage import (
    CaptureObject,
    DemandRegister,
    ExtendedRegister,
    ProfileGeneric,
    RangeDescriptor,
    RangeDescriptorType,
    Register,
)

if TYPE_CHECKING:
    from ferraris.client.meter import Meter

__all__ = ["ProfileLayout", "bare_layout", "read_layout", "read_rows"]

_CLOCK_CLASS = 8
_RANGE = 1  # access selector [facts-g]
_SCALERS: dict[int, Any] = {
    3: Register.scaler_unit,
    4: ExtendedRegister.scaler_unit,
    5: DemandRegister.scaler_unit,
}
_STATUS_GROUP = (96, 10)  # C and D of profile status objects [bluebook-quoted]


@dataclass(frozen=True, slots=True)
class ProfileLayout:
    """What one profile captures: the same for every meter of a kind, so worth keeping.

    Attributes:
        profile: logical name.
        columns: the capture objects, in order.
        channels: identity of every column but clock and status, in order.
        clock: index of the clock column, None when the profile has none.
        status: index of the status column, None when the profile has none.
        period_s: capture period, 0 when captured by events.
    """

    profile: Obis
    columns: tuple[CaptureObject, ...]
    channels: tuple[Channel, ...]
    clock: int | None
    status: int | None
    period_s: int

    def selection(self, since: datetime | None, until: datetime | None) -> Selection | None:
        """Select the rows whose clock lies after `since` and not after `until`.

        Interval ends in (since, until]; None leaves that side open. `UsageError` without a clock
        column or for times without a zone.
        """
        if since is None and until is None:
            return None
        if self.clock is None:
            raise UsageError(f"{self.profile} has no clock column to select by", where="profile")
        first = None if since is None else since + timedelta(seconds=1)
        descriptor = RangeDescriptor(
            self.columns[self.clock]._replace(data_index=0),
            octet_string(_stamp(first, _EARLIEST)),
            octet_string(_stamp(until, _LATEST)),
            [],
        )
        return Selection(_RANGE, axdr.encode(RangeDescriptorType.dump(descriptor)))

    def only(self, columns: Sequence[CaptureObject]) -> ProfileLayout:
        """The layout of rows with these columns alone, in this order."""
        places = (self.clock, self.status)
        others = [each for place, each in enumerate(self.columns) if place not in places]
        known = dict(zip(others, self.channels, strict=True))
        bare = bare_layout(self.profile, columns)
        chosen = [each for n, each in enumerate(columns) if n not in (bare.clock, bare.status)]
        channels = zip(chosen, bare.channels, strict=True)
        found = tuple(known.get(each, channel) for each, channel in channels)
        return replace(bare, channels=found, period_s=self.period_s)

    def series(self, octets: bytes, device: str, zone: tzinfo | None = None) -> Series:
        """The rows in encoded data of the buffer as a `Series`.

        `zone` serves meters whose clock has no deviation. Raises `DecodeError`.
        """
        rows = layout.rows(octets, fill_null=True, clock=self.clock, capture_period=self.period_s)
        if self.clock is None:
            raise UsageError(f"{self.profile} has no clock: read its rows instead", where="profile")
        return Series.from_rows(
            rows,
            self.channels,
            device=device,
            profile=self.profile,
            clock=self.clock,
            status=self.status,
            zone=zone,
        )


def bare_layout(profile: Obis, columns: Sequence[CaptureObject]) -> ProfileLayout:
    """The layout of columns of which nothing else is known: scalers 0, without units."""
    clock, status = _find_clock(columns), _find_status(columns)
    channels = tuple(
        Channel(each.logical_name, each.class_id, each.attribute, element=each.data_index)
        for place, each in enumerate(columns)
        if place not in (clock, status)
    )
    return ProfileLayout(profile, tuple(columns), channels, clock, status, 0)


async def read_layout(meter: Meter, profile: Obis) -> ProfileLayout:
    """Ask the meter what `profile` captures, and for the scalers of what it captures.

    A scaler that the meter does not tell is taken as 0 without unit.
    """
    captured = await meter.get(ProfileGeneric.capture_objects, profile)
    columns = tuple(captured)
    period_s = await meter.get(ProfileGeneric.capture_period, profile)
    clock = _find_clock(columns)
    status = _find_status(columns)
    channels = [
        await _channel(meter, column)
        for place, column in enumerate(columns)
        if place not in (clock, status)
    ]
    return ProfileLayout(profile, columns, tuple(channels), clock, status, period_s)


async def read_rows(
    meter: Meter, profile: ProfileLayout, since: datetime | None, until: datetime | None
) -> bytes:
    """The encoded rows of the buffer; whole, and cut to the wish later, where the meter cannot."""
    attribute = AttributeDescriptor(7, profile.profile, 2)
    return await meter.get_raw(attribute, profile.selection(since, until))


def _find_clock(columns: Sequence[CaptureObject]) -> int | None:
    for place, column in enumerate(columns):
        if column.class_id == _CLOCK_CLASS and column.attribute == 2:
            return place
    return None


def _find_status(columns: Sequence[CaptureObject]) -> int | None:
    for place, column in enumerate(columns):
        name = column.logical_name
        if (name.c, name.d) == _STATUS_GROUP and column.attribute == 2:
            return place
    return None


async def _channel(meter: Meter, column: CaptureObject) -> Channel:
    scaler, unit = 0, UNITLESS
    described = _SCALERS.get(column.class_id)
    if described is not None and column.attribute in (2, 3):
        # The object itself may be hidden from this client while its profile is not.
        with suppress(RefusedError):
            scaler, unit = await meter.get(described, column.logical_name)
    return Channel(
        column.logical_name,
        column.class_id,
        column.attribute,
        scaler,
        unit,
        column.data_index,
    )


_EARLIEST = DateTime.of(2000, 1, 1, None, 0, 0, 0, 0, 0, 0)
_LATEST = DateTime.of(2099, 12, 31, None, 23, 59, 59, 0, 0, 0)


def _stamp(moment: datetime | None, default: DateTime) -> bytes:
    if moment is None:
        return bytes(default)
    if moment.tzinfo is None:
        raise UsageError("a time without a time zone selects nothing exactly", where="profile")
    return bytes(DateTime.from_datetime(moment, status=0))
