"""What goes into the store and comes out of it, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ferraris.core.errors import Error

__all__ = [
    "BlockVersion",
    "Brought",
    "ChannelKey",
    "PackedBlock",
    "PackedEvent",
    "PackedRead",
    "PackedUndated",
    "StoreAwayError",
    "StoreConflictError",
    "StoreError",
    "StoreFullError",
    "StoreSummary",
    "Stored",
    "Total",
]


class StoreError(Error):
    """The store cannot do its work: full disk, damaged or newer database, locked by another."""


class StoreAwayError(StoreError):
    """The store is not there at the moment, or busy: nothing happened, so try again later."""


class StoreConflictError(StoreAwayError):
    """Another transaction was in the way (a deadlock, or it was quicker), and this one was undone
    whole: repeat it whole, as `Engine.repeated` does."""


class StoreFullError(StoreError):
    """There is no room to write; what was written is safe, and is read on. Somebody has to act."""


class ChannelKey(NamedTuple):
    """What makes a channel the same channel; another scaler or unit makes another one.

    `name` is an OBIS code in its canonical spelling, or a family's own name when `is_obis` is 0.
    `unit` is the code of `ferraris.data.units`, -1 for none.
    """

    name: str
    is_obis: int
    class_id: int
    attribute: int
    element: int
    scaler: int
    unit: int
    origin: str = ""


class Total(NamedTuple):
    """What a day's whole numbers come to: how many, the first and last in time, least and most."""

    rows: int
    first: int
    last: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class PackedBlock:
    """One day of one profile, packed (`blocks`) and ready to be written.

    `totals` has one for each channel, None for one that has anything but whole numbers.
    """

    profile: str
    day: int
    channels: tuple[ChannelKey, ...]
    rows: int
    body: bytes
    digest: bytes
    totals: tuple[Total | None, ...] = ()


@dataclass(frozen=True, slots=True)
class PackedRead:
    """Registers read at one moment (`read_s`, UTC epoch seconds) for a day of the plan.

    `heard` are the places of those that intervals may begin or end with, and when.
    """

    day: int
    read_s: int
    channels: tuple[ChannelKey, ...]
    body: bytes
    digest: bytes
    heard: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PackedUndated:
    """Rows of a profile whose stamps tell no instant: no day holds them, so they are kept apart."""

    profile: str
    rows: int
    body: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class PackedEvent:
    """One line of an event log; `turn` tells lines of one second and code apart.

    `at_s` is 0 for a line whose stamp tells no instant; `detail` is JSON, or empty.
    """

    log: str
    at_s: int
    turn: int
    code: int
    stamp: bytes = b""
    detail: str = ""


@dataclass(slots=True)
class Brought:
    """What a session, a push or a file brought of one meter, packed (`exchange`)."""

    blocks: list[PackedBlock] = field(default_factory=list)
    reads: list[PackedRead] = field(default_factory=list)
    undated: list[PackedUndated] = field(default_factory=list)
    events: list[PackedEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BlockVersion:
    """One version of a block: what it was written for, when, and from where."""

    day: int
    channels: tuple[ChannelKey, ...]
    version: int
    rows: int
    stored_s: int
    source: str
    sealed: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What was not there before: profile rows, register values, lines of event logs."""

    intervals: int = 0
    registers: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """What a store holds for its tenant; `octets` are those of the whole store."""

    meters: int
    blocks: int
    intervals: int
    register_reads: int
    registers: int
    sessions: int
    octets: int
    events: int = 0
