"""Every declared interface class, found by class identifier and version.

The modules that declare the classes are loaded when one of their classes is first asked for, so
that a program pays for what it meets.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ferraris.model.interface_class import InterfaceClass

__all__ = ["GROUPS", "Group", "classes", "find", "newest"]


class Group(NamedTuple):
    """A group of the Blue Book: its title, and the identifiers that each module declares."""

    title: str
    modules: Mapping[str, tuple[int, ...]]


GROUPS = (
    Group(
        "Data storage",
        {"data_storage": (1, 3, 4, 5, 6, 7, 26, 61), "packed_data": (62, 63, 66, 67)},
    ),
    Group(
        "Access control and management",
        {
            "access_control": (15, 17, 64),
            "short_names": (12,),
            "management": (18, 30, 122, 123, 124),
            "push": (40,),
        },
    ),
    Group(
        "Time and event bound control",
        {"time_control": (8, 9, 11, 20, 22, 70), "event_control": (10, 21, 65, 68, 71)},
    ),
    Group("Payment", {"payment": (111, 112, 113, 115, 116)}),
    Group(
        "Local ports and modems",
        {"local_ports": (19, 23, 24), "mobile": (45, 47, 151)},
    ),
    Group("M-Bus", {"mbus": (25, 72, 73, 74, 76, 77)}),
    Group("Internet", {"internet": (41, 42)}),
)
"""All groups; that identifiers and modules agree with the declarations is tested."""

_MODULES = {
    class_id: module
    for group in GROUPS
    for module, class_ids in group.modules.items()
    for class_id in class_ids
}


def find(class_id: int, version: int) -> type[InterfaceClass] | None:
    """The class with exactly this identifier and version, or None when it is not declared.

    An object of an undeclared class can still be read: its attributes are plain data.
    """
    return _declared(class_id).get((class_id, version))


def newest(class_id: int) -> type[InterfaceClass] | None:
    """The latest declared version of a class, or None."""
    declared = _declared(class_id)
    versions = [key for key in declared if key[0] == class_id]
    return declared[max(versions)] if versions else None


def classes() -> list[type[InterfaceClass]]:
    """All declared classes, ordered by identifier and version."""
    for class_id in _MODULES:
        declared = _declared(class_id)
    return [each for _, each in sorted(declared.items())]


def _declared(class_id: int) -> Mapping[tuple[int, int], type[InterfaceClass]]:
    """What is declared, with every version of this class in it."""
    from ferraris.model.interface_class import registered  # noqa: PLC0415 - only when asked

    module = _MODULES.get(class_id)
    if module is not None:
        importlib.import_module(f"ferraris.model.{module}")
    return registered()
