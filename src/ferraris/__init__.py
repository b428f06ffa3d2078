"""Ferraris: an open smart-metering stack, from the octets on the wire to the head-end.

    import ferraris

    with ferraris.open("tcp://127.0.0.1:4059") as meter:
        print(meter.read("0-0:42.0.0*255").value)

Names are loaded at first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ferraris._version import __version__

if TYPE_CHECKING:
    from ferraris.client import (
        Access,
        Act,
        ActData,
        BlockingMeter,
        HighDigest,
        HighECDSA,
        HighGMAC,
        Kind,
        KindCache,
        Listening,
        Meter,
        NoSecurity,
        Outcome,
        Password,
        ProfileLayout,
        Push,
        PushedList,
        PushedObject,
        PushFailed,
        PushKeys,
        Read,
        ReadData,
        Write,
        WriteData,
        accept,
        connect,
        learn_push_list,
        listen,
    )
    from ferraris.client import open_meter as open  # noqa: A004 - ferraris.open reads well
    from ferraris.core.errors import (
        DecodeError,
        Error,
        IncompatibleError,
        LineError,
        PeerError,
        RefusedError,
        SecurityError,
        SequenceError,
        UsageError,
    )
    from ferraris.data.obis import Obis
    from ferraris.data.readings import Event, Operation, Reading, Series

__all__ = [
    "Access",
    "Act",
    "ActData",
    "BlockingMeter",
    "DecodeError",
    "Error",
    "Event",
    "HighDigest",
    "HighECDSA",
    "HighGMAC",
    "IncompatibleError",
    "Kind",
    "KindCache",
    "LineError",
    "Listening",
    "Meter",
    "NoSecurity",
    "Obis",
    "Operation",
    "Outcome",
    "Password",
    "PeerError",
    "ProfileLayout",
    "Push",
    "PushFailed",
    "PushKeys",
    "PushedList",
    "PushedObject",
    "Read",
    "ReadData",
    "Reading",
    "RefusedError",
    "SecurityError",
    "SequenceError",
    "Series",
    "UsageError",
    "Write",
    "WriteData",
    "__version__",
    "accept",
    "connect",
    "learn_push_list",
    "listen",
    "open",
]

_HOMES = {
    "ferraris.client": (
        "Access",
        "Act",
        "ActData",
        "KindCache",
        "Outcome",
        "Read",
        "ReadData",
        "Write",
        "WriteData",
        "accept",
        "BlockingMeter",
        "HighDigest",
        "HighECDSA",
        "HighGMAC",
        "Kind",
        "Listening",
        "Meter",
        "NoSecurity",
        "Password",
        "ProfileLayout",
        "Push",
        "PushFailed",
        "PushKeys",
        "PushedList",
        "PushedObject",
        "connect",
        "learn_push_list",
        "listen",
        "open",
    ),
    "ferraris.core.errors": (
        "DecodeError",
        "Error",
        "IncompatibleError",
        "LineError",
        "PeerError",
        "RefusedError",
        "SecurityError",
        "SequenceError",
        "UsageError",
    ),
    "ferraris.data.obis": ("Obis",),
    "ferraris.data.readings": ("Event", "Operation", "Reading", "Series"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'ferraris' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), "open_meter" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
