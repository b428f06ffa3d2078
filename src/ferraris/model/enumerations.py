"""Every enumeration of the model by name: states, modes, reasons and bits, wherever declared.

Those that belong to an interface class are declared beside it; this only finds them.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from enum import IntEnum, IntFlag
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.clock_status import ClockStatus
from ferraris.data.device_types import DEVICE_TYPES
from ferraris.model.registry import GROUPS

__all__ = ["Enumeration", "enumeration", "enumerations"]

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CITATION = re.compile(r" ?\[[a-z-]+\]")


class Enumeration(NamedTuple):
    """A table of numbers and words: its name, what it is about, whether its numbers are bits."""

    name: str
    about: str
    bits: bool
    values: Mapping[int, str]


@cache
def enumerations() -> Mapping[str, Enumeration]:
    """All enumerations by name, such as `image-transfer-status` or `control-state`."""
    found: dict[str, Enumeration] = {}
    for group in GROUPS:
        for module in group.modules:
            declared = importlib.import_module(f"ferraris.model.{module}")
            for name in declared.__all__:
                item = getattr(declared, name)
                if isinstance(item, type) and issubclass(item, IntEnum):
                    found[_name(item)] = _of(item)
    found["clock-status"] = _of(ClockStatus)
    types = {code: each.name for code, each in DEVICE_TYPES.items()}
    about = "Device types of M-Bus."
    found["device-type"] = Enumeration("device-type", about, False, MappingProxyType(types))
    return MappingProxyType(dict(sorted(found.items())))


def enumeration(name: str) -> Enumeration:
    """One enumeration; `UsageError` when there is none of this name."""
    found = enumerations().get(name)
    if found is None:
        raise UsageError(f"no enumeration is named {name[:60]!r}")
    return found


def _name(declared: type[IntEnum | IntFlag]) -> str:
    return _WORD.sub("-", declared.__name__).lower()


def _of(declared: type[IntEnum | IntFlag]) -> Enumeration:
    about = _CITATION.sub("", (declared.__doc__ or "").split("\n", 1)[0])
    values = {int(member): str(member.name).lower().replace("_", " ") for member in declared}
    bits = issubclass(declared, IntFlag)
    return Enumeration(_name(declared), about, bits, MappingProxyType(values))
