"""Interface classes for local ports: optical and electrical ports, HDLC, twisted pair."""

from __future__ import annotations

from enum import IntEnum

from ferraris.data.types import (
    AnyData,
    ArrayOf,
    Enum,
    EnumCode,
    LongUnsigned,
    OctetString,
    Unsigned,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, dynamic, static, unverified

__all__ = [
    "BaudRate",
    "HdlcSetup",
    "LocalPortMode",
    "LocalPortSetup",
    "ResponseTime",
    "TwistedPairSetup",
    "TwistedPairSetupV1",
]


class BaudRate(IntEnum):
    """Speed of a port in bits a second [facts-g]."""

    BAUD_300 = 0
    BAUD_600 = 1
    BAUD_1200 = 2
    BAUD_2400 = 3
    BAUD_4800 = 4
    BAUD_9600 = 5
    BAUD_19200 = 6
    BAUD_38400 = 7
    BAUD_57600 = 8
    BAUD_115200 = 9


class LocalPortMode(IntEnum):
    """What a local port speaks at first [facts-g]."""

    MODE_E = 0
    HDLC = 1
    OTHER = 2


class ResponseTime(IntEnum):
    """Least time between request and answer at a local port, in milliseconds [facts-g]."""

    MS_20 = 0
    MS_200 = 1


class LocalPortSetup(
    InterfaceClass, class_id=19, version=1, source="bluebook-quoted", provenance="two-sources"
):
    """IEC local port set-up: speeds, address and passwords of an IEC 62056-21 port."""

    default_mode = Attribute(2, Enum(LocalPortMode), static)
    default_baud = Attribute(3, Enum(BaudRate), static)
    proposed_baud = Attribute(4, Enum(BaudRate), static)
    response_time = Attribute(5, Enum(ResponseTime), static)
    device_address = Attribute(6, OctetString, static)
    password_1 = Attribute(7, OctetString, static)
    password_2 = Attribute(8, OctetString, static)
    password_5 = Attribute(9, OctetString, static)


class HdlcSetup(
    InterfaceClass, class_id=23, version=1, source="bluebook-quoted", provenance="two-sources"
):
    """IEC HDLC set-up: speed, windows and sizes of an HDLC port.

    `inter_octet_time_out` is in milliseconds, `inactivity_time_out` in seconds, sizes in octets.
    """

    comm_speed = Attribute(2, Enum(BaudRate), static)
    window_size_transmit = Attribute(3, Unsigned, static)
    window_size_receive = Attribute(4, Unsigned, static)
    max_info_field_length_transmit = Attribute(5, LongUnsigned, static)
    max_info_field_length_receive = Attribute(6, LongUnsigned, static)
    inter_octet_time_out = Attribute(7, LongUnsigned, static)
    inactivity_time_out = Attribute(8, LongUnsigned, static)
    device_address = Attribute(9, LongUnsigned, static)


class TwistedPairSetup(
    InterfaceClass, class_id=24, version=0, source="bluebook-quoted", provenance="one-source"
):
    """IEC twisted pair set-up: addresses of a station on Euridis, in the older layout.

    Two sources give two layouts for this class; each is taken for one of its versions.
    """

    secondary_address = Attribute(2, OctetString, static, unverified)
    primary_address_list = Attribute(3, ArrayOf(AnyData), static, unverified)
    tabi_list = Attribute(4, ArrayOf(AnyData), static, unverified)
    fatal_error = Attribute(5, EnumCode, dynamic, unverified)


class TwistedPairSetupV1(
    InterfaceClass, class_id=24, version=1, source="bluebook-quoted", provenance="one-source"
):
    """IEC twisted pair set-up: mode, speed and addresses of a station on Euridis.

    Two sources give two layouts for this class; each is taken for one of its versions.
    """

    mode = Attribute(2, EnumCode, static, unverified)
    comm_speed = Attribute(3, Enum(BaudRate), static, unverified)
    primary_address_list = Attribute(4, ArrayOf(AnyData), static, unverified)
    tabi_list = Attribute(5, ArrayOf(AnyData), static, unverified)
