"""Every declared interface class, found by class identifier and version."""

from __future__ import annotations

from ferraris.model import access_control, data_storage, internet, push, short_names, time_control
from ferraris.model.interface_class import InterfaceClass, registered

__all__ = ["classes", "find", "newest"]

# Importing a group declares its classes.
_GROUPS = (access_control, data_storage, internet, push, short_names, time_control)


def find(class_id: int, version: int) -> type[InterfaceClass] | None:
    """The class with exactly this identifier and version, or None when it is not declared.

    An object of an undeclared class can still be read: its attributes are plain data.
    """
    return registered().get((class_id, version))


def newest(class_id: int) -> type[InterfaceClass] | None:
    """The latest declared version of a class, or None."""
    versions = [key for key in registered() if key[0] == class_id]
    return registered()[max(versions)] if versions else None


def classes() -> list[type[InterfaceClass]]:
    """All declared classes, ordered by identifier and version."""
    return [declared for _, declared in sorted(registered().items())]
