"""Everything that a meter shows a client: objects, rights, and what can be read, secrets aside.

The object list says it in the terms of its version of the association class; here rights are bits,
whatever the version, so that meters can be compared and written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ferraris.client.wishes import Outcome, ReadData
from ferraris.core.errors import DecodeError, RefusedError
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.model import registry
from ferraris.model.access_control import AssociationLn, AssociationLnV2, ObjectListElement
from ferraris.model.withheld import is_secret

if TYPE_CHECKING:
    from ferraris.client.meter import Meter

__all__ = [
    "AUTHENTICATED",
    "LONG",
    "READABLE",
    "WRITABLE",
    "FoundObject",
    "client_address",
    "known_attributes",
    "object_lists",
    "read_objects",
    "take_inventory",
]

READABLE, WRITABLE, AUTHENTICATED = 1, 2, 4
"""Bits of rights, those of the association class from version 3 on [facts-g]; for a method the
first one says that it may be invoked."""

LONG = frozenset(((7, 2), (12, 2), (12, 3), (15, 2), (30, 2), (61, 2), (62, 2)))
"""Attributes that are read on demand: buffers, protected ones too, and the object lists."""

_CURRENT = Obis.of(0, 0, 40, 0, 0)
_FIRST_WITH_BITS = 3
_FIRST_AUTHENTICATED = 4
_AT_A_TIME = 24


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object of a meter.

    Attributes:
        attributes, methods: rights as bits, by index; empty where the meter does not tell them.
        selectors: access selectors, by attribute.
        values: what was read, as (tag, value), by attribute.
        unread: why there is no value, by attribute.
    """

    class_id: int
    version: int
    logical_name: Obis
    attributes: Mapping[int, int] = field(default_factory=dict)
    methods: Mapping[int, int] = field(default_factory=dict)
    selectors: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    values: dict[int, Data] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)


async def object_lists(meter: Meter) -> list[FoundObject]:
    """Every object that the client sees, without values, in the order of the list."""
    if meter.parameters.short_names:
        listed = list(await meter.object_list())
    else:
        # Two objects may share a name when their classes differ: the list itself has both.
        listed = await meter.get(AssociationLnV2.object_list, _CURRENT)
    version = _version(listed)
    return [_found(element, version) for element in listed]


async def client_address(meter: Meter) -> int | None:
    """The address of the client as the current association names it, None where it does not."""
    try:
        partners = await meter.get(AssociationLn.associated_partners_id, _CURRENT)
    except (RefusedError, DecodeError):
        return None
    return partners.client_sap


async def take_inventory(
    meter: Meter,
    wanted: Callable[[FoundObject], Iterable[int]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FoundObject]:
    """Every object with the attributes that `wanted` names: by default all that can be read.

    Secrets are never read, nor are long buffers. What the meter refuses, or answers with what is no
    data, is noted beside the attribute. `progress(done, all)` is called after each object.
    """
    found = await object_lists(meter)
    await read_objects(meter, found, wanted or known_attributes, progress)
    return found


async def read_objects(
    meter: Meter,
    found: Sequence[FoundObject],
    wanted: Callable[[FoundObject], Iterable[int]],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Read attributes of objects that were found, into these objects; as `take_inventory`."""
    for done, each in enumerate(found, 1):
        await _read(meter, each, sorted(wanted(each)))
        if progress is not None:
            progress(done, len(found))


def known_attributes(found: FoundObject) -> list[int]:
    """The attributes that an object has, as far as its class or the meter tells."""
    declared = registry.find(found.class_id, found.version)
    listed = set(found.attributes) or set(declared.attributes if declared is not None else (1, 2))
    return sorted(listed)


async def _read(meter: Meter, found: FoundObject, attributes: Sequence[int]) -> None:
    wanted: list[int] = []
    for index in attributes:
        if index == 1:
            continue
        if is_secret(found.class_id, found.logical_name, index):
            found.unread[index] = "secret"
        elif (found.class_id, index) in LONG:
            found.unread[index] = "long"
        elif found.attributes and not found.attributes.get(index, 0) & READABLE:
            found.unread[index] = "no right to read"
        else:
            wanted.append(index)
    for start in range(0, len(wanted), _AT_A_TIME):
        part = wanted[start : start + _AT_A_TIME]
        wishes = [ReadData(found.class_id, found.logical_name, index) for index in part]
        for index, outcome in zip(part, await meter.do(wishes), strict=True):
            _keep(found, index, outcome)


def _keep(found: FoundObject, index: int, outcome: Outcome[Data]) -> None:
    error = outcome.error
    if error is None:
        found.values[index] = outcome.value
    elif isinstance(error, RefusedError):
        found.unread[index] = str(getattr(error.reason, "words", error.message))
    elif isinstance(error, DecodeError):
        found.unread[index] = f"no data: {error.message}"
    else:
        raise error


def _version(listed: Sequence[ObjectListElement]) -> int:
    """The version of the association class that the list belongs to."""
    versions = {
        element.logical_name: element.version
        for element in listed
        if element.class_id == AssociationLn.class_id
    }
    return versions.get(_CURRENT, min(versions.values(), default=0))


def _found(element: ObjectListElement, version: int) -> FoundObject:
    rights = element.access_rights
    return FoundObject(
        element.class_id,
        element.version,
        element.logical_name,
        {each.attribute_id: _bits(each.mode, version) for each in rights.attributes},
        {each.method_id: _method_bits(int(each.mode), version) for each in rights.methods},
        {each.attribute_id: tuple(each.selectors) for each in rights.attributes if each.selectors},
    )


def _bits(mode: int, version: int) -> int:
    """The bits of an access mode: an enumeration of seven before version 3 [facts-g]."""
    if version >= _FIRST_WITH_BITS or mode < _FIRST_AUTHENTICATED:
        return mode
    return mode - _FIRST_AUTHENTICATED + 1 | AUTHENTICATED


def _method_bits(mode: int, version: int) -> int:
    if version >= _FIRST_WITH_BITS:
        return mode
    return READABLE | AUTHENTICATED if mode > 1 else mode
