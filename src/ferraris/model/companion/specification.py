"""What a companion specification says: which objects a meter has, and what each is like.

A specification is written for all kinds of meter and for a number of channels, with `x` in names
for the channel; `Companion.expected` tells what one meter must have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.model import obis_names
from ferraris.model.companion.shapes import Shape
from ferraris.model.interface_class import Provenance

__all__ = [
    "READABLE",
    "RIGHTS",
    "WRITABLE",
    "Client",
    "Companion",
    "CompanionColumn",
    "CompanionObject",
    "Profile",
]

READABLE, WRITABLE = 1, 2
RIGHTS = {"R": READABLE, "W": WRITABLE, "RW": READABLE | WRITABLE}
"""Rights to an attribute, as a specification writes them."""

_CHANNEL = re.compile(r"(?<=-)x(?=:)")


def placed(pattern: str, channel: int | None) -> Obis:
    """The name that a pattern gives for a channel."""
    return Obis.parse(_CHANNEL.sub(str(channel or 0), pattern))


def has_channel(pattern: str) -> bool:
    """Whether a name is one for each channel."""
    return _CHANNEL.search(pattern) is not None


class CompanionColumn(NamedTuple):
    """One column of a profile; `name` is a pattern until it is expected of a meter.

    Attribute 0 stands for any, where a specification names the object alone.
    """

    class_id: int
    name: str
    attribute: int
    data_index: int = 0

    def __str__(self) -> str:
        index = f"/{self.data_index}" if self.data_index else ""
        return f"{self.class_id}/{self.name}/{self.attribute}{index}"


class Client(NamedTuple):
    """A client that a specification knows: its address, how it proves itself, its association.

    `authentication` is "none", "password", "gmac" or "ecdsa".
    """

    address: int
    name: str
    authentication: str
    association: Obis


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile captures; None, or no columns, where the specification leaves it open.

    `selectable` are the columns it may have where a client chooses; `period_s` is 0 where something
    else triggers the captures.
    """

    columns: tuple[CompanionColumn, ...] | None = None
    selectable: tuple[CompanionColumn, ...] = ()
    period_s: int | None = None
    entries: int | None = None


@dataclass(frozen=True, slots=True)
class CompanionObject:
    """One object of a specification, or with `x` in its name one for each channel.

    Attributes:
        class_id, versions: its class, and the versions of it that are right.
        pattern: its logical name.
        name: what it is, in words.
        kinds: the kinds of meter that have it; none named means all.
        optional: whether a meter may leave it out.
        shapes: what attributes are to be, beyond what their class declares: any one of some.
        scalers, units: what scaler and unit may be; none named means any.
        values: whole numbers and logical names that attributes always have.
        profile: what it captures, if it is a profile.
        usual: the same as found in a meter that nobody has configured; this is not demanded.
        rights: `READABLE` and `WRITABLE` for attributes, as far as a source states them.
        events: where the codes of a log are listed: a companion and a log.
        provenance, source, note: what the row rests on.
        origin: the specification that has the row itself, and not from one that it extends.
    """

    class_id: int
    versions: tuple[int, ...]
    pattern: str
    name: str
    kinds: tuple[str, ...] = ()
    optional: bool = False
    shapes: Mapping[int, tuple[Shape, ...]] = field(default_factory=dict)
    scalers: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    values: Mapping[int, int | Obis] = field(default_factory=dict)
    profile: Profile = Profile()
    usual: Profile = Profile()
    rights: Mapping[int, int] = field(default_factory=dict)
    events: str = ""
    provenance: Provenance = "memory"
    source: str = "memory"
    note: str = ""
    origin: str = ""

    @property
    def key(self) -> tuple[int, str]:
        """Class and name, by which a later specification replaces the row."""
        return (self.class_id, self.pattern)

    @property
    def logical_name(self) -> Obis:
        """The name of an object that is expected of a meter."""
        return placed(self.pattern, None)


@dataclass(frozen=True, slots=True)
class Companion:
    """A companion specification, with everything it takes over from those it extends.

    Attributes:
        name: how commands call it.
        title: the specification in words.
        kinds: the kinds of meter it is for, the simplest first.
        channels: how many channels it has names for.
        client: the address of the client whose rights it states, None where it states none.
        clients: those it knows.
        objects: its rows.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    channels: int
    client: int | None
    clients: tuple[Client, ...]
    objects: tuple[CompanionObject, ...]
    provenance: Provenance = "memory"
    source: str = "memory"
    note: str = ""

    def expected(
        self, kind: str | None = None, channels: int | None = None
    ) -> list[CompanionObject]:
        """What a meter of a kind with so many channels has, each object under its own name.

        By default a meter of the last kind, with all channels. Raises `UsageError` for a kind or a
        number of channels that the specification does not know.
        """
        kind = self.kinds[-1] if kind is None else kind
        channels = self.channels if channels is None else channels
        if kind not in self.kinds:
            raise UsageError(f"{self.name} knows no {kind!r}; it knows: {', '.join(self.kinds)}")
        if not 0 <= channels <= self.channels:
            raise UsageError(f"{self.name} has up to {self.channels} channels, not {channels}")
        numbers = range(1, channels + 1)
        rows: dict[tuple[int, str], tuple[CompanionObject, int | None]] = {}
        for row in self.objects:
            if not row.kinds or kind in row.kinds:
                for channel in numbers if has_channel(row.pattern) else (None,):
                    key = (row.class_id, str(placed(row.pattern, channel)))
                    # A row of one channel says more than the row of all channels.
                    if key not in rows or channel is None:
                        rows[key] = (row, channel)
        known = frozenset(rows)
        return [_on_channel(row, channel, numbers, known) for row, channel in rows.values()]


def _on_channel(
    row: CompanionObject,
    channel: int | None,
    channels: range,
    known: frozenset[tuple[int, str]],
) -> CompanionObject:
    """The row with concrete names; columns of objects that such a meter lacks are left out."""
    pattern = str(placed(row.pattern, channel))
    name = row.name
    if not name:
        name = obis_names.name(placed(row.pattern, channel))
    elif channel is not None:
        name = f"{name}, channel {channel}"

    def concrete(profile: Profile) -> Profile:
        columns = profile.columns
        if columns is not None:
            columns = tuple(_columns(columns, channel, channels, known))
        chosen = tuple(_columns(profile.selectable, channel, channels, known))
        return replace(profile, columns=columns, selectable=chosen)

    return replace(
        row,
        pattern=pattern,
        name=name,
        profile=concrete(row.profile),
        usual=concrete(row.usual),
    )


def _columns(
    columns: tuple[CompanionColumn, ...],
    channel: int | None,
    channels: range,
    known: frozenset[tuple[int, str]],
) -> Iterator[CompanionColumn]:
    """Columns of one channel, or those of all channels, one channel after the other."""
    for by_channel, group in groupby(columns, lambda column: has_channel(column.name)):
        listed = list(group)
        for number in channels if by_channel and channel is None else (channel,):
            for column in listed:
                named = column._replace(name=str(placed(column.name, number)))
                if named[:2] in known:
                    yield named
