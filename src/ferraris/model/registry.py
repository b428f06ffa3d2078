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

__all__ = [
    "GROUPS",
    "Group",
    "classes",
    "find",
    "group_of",
    "is_layout_known",
    "name",
    "nearest",
    "newest",
    "versions",
]


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
            "management": (18, 122, 123, 124),
            "data_protection": (30,),
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
        {"local_ports": (19, 23, 24), "modem": (27, 28, 29), "mobile": (45, 47, 151)},
    ),
    Group("M-Bus", {"mbus": (25, 72, 73, 74, 76, 77)}),
    Group("Internet", {"internet": (41, 42, 43, 44, 46, 48, 100), "coap": (152, 153)}),
    Group("S-FSK power line", {"sfsk": (50, 51, 52, 53, 55, 56)}),
    Group("ISO/IEC 8802-2 link control", {"llc": (57, 58, 59)}),
    Group("PRIME power line", {"prime": (80, 81, 82, 83, 84, 85, 86)}),
    Group("G3 power line", {"g3": (90, 91, 92)}),
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
    found = versions(class_id)
    return found[0] if found else None


def nearest(class_id: int, version: int) -> type[InterfaceClass] | None:
    """The version itself, else the latest declared one before it, else None.

    A version that is not declared keeps the attributes of the one before it, as far as the classes
    that are known tell, but perhaps not their types: take names from here, and no more.
    """
    return next((each for each in versions(class_id) if each.version <= version), None)


def versions(class_id: int) -> list[type[InterfaceClass]]:
    """Every declared version of a class, the latest first."""
    declared = _declared(class_id)
    return [declared[key] for key in sorted(declared, reverse=True) if key[0] == class_id]


def classes() -> list[type[InterfaceClass]]:
    """All declared classes, ordered by identifier and version."""
    for class_id in _MODULES:
        declared = _declared(class_id)
    return [each for _, each in sorted(declared.items())]


def is_layout_known(class_id: int, version: int | None = None) -> bool:
    """Whether the class is declared, in this version where one is told."""
    return bool(versions(class_id)) if version is None else find(class_id, version) is not None


def name(class_id: int) -> str:
    """The name of a class in words, declared or known by name alone, or "" for any other."""
    declared = newest(class_id)
    if declared is not None:
        return declared.words()
    from ferraris.model.known_by_name import NAMED_CLASSES  # noqa: PLC0415 - seldom needed

    known = NAMED_CLASSES.get(class_id)
    return "" if known is None else known.name


def group_of(class_id: int) -> Group | None:
    """The group that declares a class, None where it is not declared."""
    return next(
        (group for group in GROUPS if any(class_id in ids for ids in group.modules.values())), None
    )


def _declared(class_id: int) -> Mapping[tuple[int, int], type[InterfaceClass]]:
    """What is declared, with every version of this class in it."""
    from ferraris.model.interface_class import registered  # noqa: PLC0415 - only when asked

    module = _MODULES.get(class_id)
    if module is not None:
        importlib.import_module(f"ferraris.model.{module}")
    return registered()
