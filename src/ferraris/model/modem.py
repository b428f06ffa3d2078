"""Interface classes for modems: their commands, calls that they answer, calls that they make."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.types import (
    ArrayOf,
    Enum,
    EnumCode,
    Integer,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static
from ferraris.model.local_ports import BaudRate
from ferraris.model.references import WindowsType

__all__ = [
    "AllowedCaller",
    "AutoAnswer",
    "AutoAnswerStatus",
    "AutoAnswerV2",
    "AutoConnect",
    "AutoConnectMode",
    "AutoConnectV1",
    "AutoConnectV2",
    "CallType",
    "InitializationString",
    "ModemConfiguration",
    "NumberOfRings",
]


class InitializationString(NamedTuple):
    """A command for the modem, the answer expected, and milliseconds to wait before the next."""

    request: bytes
    response: bytes
    delay: int


class ModemConfiguration(
    InterfaceClass, class_id=27, version=1, source="bluebook-quoted", provenance="two-sources"
):
    """Modem configuration: speed and commands of a modem."""

    comm_speed = Attribute(2, Enum(BaudRate), static)
    initialization_string = Attribute(
        3,
        ArrayOf(Structure(InitializationString, OctetString, OctetString, LongUnsigned)),
        static,
    )
    modem_profile = Attribute(4, ArrayOf(OctetString), static)


class AutoAnswerStatus(IntEnum):
    """Whether calls are answered at present [facts-g]."""

    INACTIVE = 0
    ACTIVE = 1
    LOCKED = 2


class NumberOfRings(NamedTuple):
    """Rings before a call is answered, inside and outside the listening window."""

    inside_window: int
    outside_window: int


class CallType(IntEnum):
    """What a call of an allowed caller is for [facts-g]."""

    NORMAL = 0
    WAKE_UP = 1


class AllowedCaller(NamedTuple):
    """A caller by number, and what its call is for."""

    caller_id: bytes
    call_type: CallType | int


class AutoAnswer(
    InterfaceClass, class_id=28, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """Auto answer: when a modem answers calls."""

    mode = Attribute(2, EnumCode, static)
    listening_window = Attribute(3, WindowsType, static)
    status = Attribute(4, Enum(AutoAnswerStatus), dynamic)
    number_of_calls = Attribute(5, Unsigned, static)
    number_of_rings = Attribute(6, Structure(NumberOfRings, Unsigned, Unsigned), static)


class AutoAnswerV2(AutoAnswer, version=2, provenance="one-source"):
    """Auto answer: with allowed callers."""

    list_of_allowed_callers = Attribute(
        7, ArrayOf(Structure(AllowedCaller, OctetString, Enum(CallType))), static
    )


class AutoConnectMode(IntEnum):
    """When a modem connects; 200 and above belong to the manufacturer [facts-g]."""

    NONE = 0
    ANY_TIME = 1
    IN_WINDOW = 2
    REGULAR_IN_WINDOW_ALARMS_ANY_TIME = 3
    SMS_PLMN = 4
    SMS_PSTN = 5
    E_MAIL = 6
    PERMANENT = 101
    PERMANENT_IN_WINDOW = 102
    PERMANENT_AND_CONNECT = 103
    CONNECT_ON_INVOKE = 104


class AutoConnect(
    InterfaceClass, class_id=29, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """Auto connect: when and whom a modem calls; `repetition_delay` is in seconds."""

    mode = Attribute(2, Enum(AutoConnectMode), static)
    repetitions = Attribute(3, Unsigned, static)
    repetition_delay = Attribute(4, LongUnsigned, static)
    calling_window = Attribute(5, WindowsType, static)
    destination_list = Attribute(6, ArrayOf(OctetString), static)


class AutoConnectV1(AutoConnect, version=1, provenance="one-source"):
    """Auto connect: attributes as before."""


class AutoConnectV2(AutoConnectV1, version=2):
    """Auto connect: with a method that connects."""

    connect = Method(1, Integer)
