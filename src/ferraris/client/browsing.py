"""Browsing: every object that a client sees, with the attributes that it may read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import RefusedError
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.model.access_control import ObjectListElement
from ferraris.model.interface_class import InterfaceClass
from ferraris.model.registry import find, name, nearest

if TYPE_CHECKING:
    from ferraris.client.meter import Meter

__all__ = ["BrowsedAttribute", "BrowsedObject", "browse"]

_LONG = frozenset(((7, 2), (12, 2), (12, 3), (15, 2)))  # buffers and the object lists themselves


class BrowsedAttribute(NamedTuple):
    """One attribute as a browse found it: its value as (tag, value), or why there is none."""

    attribute_id: int
    name: str
    data: Data | None
    refused: str = ""


class BrowsedObject(NamedTuple):
    """One object of the object list, with its attributes when they were asked for.

    `layout` is empty where class and version are declared. Otherwise it says what the names of the
    attributes are taken from, or that the layout is not known; values are plain data in any case.
    """

    class_id: int
    version: int
    logical_name: Obis
    class_name: str
    attributes: tuple[BrowsedAttribute, ...] = ()
    layout: str = ""


async def browse(
    meter: Meter, values: bool, progress: Callable[[int, int], None] | None
) -> list[BrowsedObject]:
    """Every object, and with `values` every attribute that can be read but long buffers."""
    elements = await meter.object_list()
    found = []
    for done, element in enumerate(elements, 1):
        found.append(await _object(meter, element, values))
        if progress is not None:
            progress(done, len(elements))
    return found


async def _object(meter: Meter, element: ObjectListElement, values: bool) -> BrowsedObject:
    class_id, version, logical_name, _ = element
    declared = nearest(class_id, version)
    attributes: list[BrowsedAttribute] = []
    if values:
        for index in _attributes(element, declared):
            attributes.append(await _attribute(meter, element, declared, index))
    exact = find(class_id, version)
    class_name = name(class_id) if exact is None else exact.__name__
    return BrowsedObject(
        class_id, version, logical_name, class_name, tuple(attributes), _layout(element, declared)
    )


def _layout(element: ObjectListElement, declared: type[InterfaceClass] | None) -> str:
    if declared is None:
        return "layout not known"
    if declared.version == element.version:
        return ""
    return f"version not known, names as in version {declared.version}"


async def _attribute(
    meter: Meter, element: ObjectListElement, declared: type[InterfaceClass] | None, index: int
) -> BrowsedAttribute:
    known = None if declared is None else declared.attributes.get(index)
    words = f"attribute {index}" if known is None else known.name
    if (element.class_id, index) in _LONG:
        return BrowsedAttribute(index, words, None, "long: ask for it by name")
    try:
        data = await meter.get_data(element.class_id, element.logical_name, index)
    except RefusedError as refused:
        why = getattr(refused.reason, "words", refused.message)
        return BrowsedAttribute(index, words, None, str(why))
    return BrowsedAttribute(index, words, data)


def _attributes(element: ObjectListElement, declared: type[InterfaceClass] | None) -> Sequence[int]:
    listed = [item.attribute_id for item in element.access_rights.attributes]
    if listed:
        return sorted(index for index in listed if index > 0)
    return sorted(declared.attributes) if declared is not None else (1, 2)
