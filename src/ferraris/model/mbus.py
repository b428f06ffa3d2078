"""Interface classes for M-Bus: meters read by this one, its ports, and what was heard."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.kinds import Data
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    Choice,
    DoubleLongUnsigned,
    Enum,
    EnumCode,
    Integer,
    LogicalName,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static
from ferraris.model.local_ports import BaudRate
from ferraris.model.references import AttributeCapture, AttributeCaptureType, WindowsType

__all__ = [
    "AttributeCapture",
    "CaptureDefinition",
    "DataHeaderType",
    "DataToSend",
    "EncryptionKeyStatus",
    "LinkStatus",
    "MBusClient",
    "MBusClientV1",
    "MBusDiagnostic",
    "MBusMasterPortSetup",
    "MBusPortSetup",
    "MBusSlavePortSetup",
    "PortCommunicationStatus",
    "WirelessModeQChannel",
]


class MBusSlavePortSetup(
    InterfaceClass, class_id=25, version=0, source="bluebook-quoted", provenance="one-source"
):
    """M-Bus slave port set-up: speed and address of a meter that is read over M-Bus."""

    default_baud = Attribute(2, Enum(BaudRate), static)
    available_baud = Attribute(3, Enum(BaudRate), static)
    address_state = Attribute(4, EnumCode, dynamic)
    bus_address = Attribute(5, Unsigned, static)


class CaptureDefinition(NamedTuple):
    """Which data record is captured, by its data and value information blocks."""

    data_information_block: bytes
    value_information_block: bytes


class DataToSend(NamedTuple):
    """A data record for the device."""

    data_information_block: bytes
    value_information_block: bytes
    data: Data


class EncryptionKeyStatus(IntEnum):
    """What is known of the key of an M-Bus device [facts-g]."""

    NO_KEY = 0
    KEY_SET = 1
    KEY_TRANSFERRED = 2
    KEY_SET_AND_TRANSFERRED = 3
    KEY_IN_USE = 4


class MBusClient(
    InterfaceClass,
    class_id=72,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x60,
):
    """M-Bus client: one M-Bus device that this meter reads; `capture_period` is in seconds.

    `identification_number` is coded in decimal digits as on the bus. `slave_install` takes the
    primary address; it and `slave_deinstall` come with either sign, as editions differ.
    """

    mbus_port_reference = Attribute(2, LogicalName, static)
    capture_definition = Attribute(
        3, ArrayOf(Structure(CaptureDefinition, OctetString, OctetString)), static
    )
    capture_period = Attribute(4, DoubleLongUnsigned, static)
    primary_address = Attribute(5, Unsigned, dynamic)
    identification_number = Attribute(6, DoubleLongUnsigned, dynamic)
    manufacturer_id = Attribute(7, LongUnsigned, dynamic)
    device_version = Attribute(8, Unsigned, dynamic)
    device_type = Attribute(9, Unsigned, dynamic)
    access_number = Attribute(10, Unsigned, dynamic)
    status = Attribute(11, Unsigned, dynamic)
    alarm = Attribute(12, Unsigned, dynamic)
    slave_install = Method(1, Choice(Unsigned, Integer))
    slave_deinstall = Method(2, Choice(Integer, Unsigned))
    capture = Method(3, Integer)
    reset_alarm = Method(4, Integer)
    synchronize_clock = Method(5, Integer)
    data_send = Method(6, ArrayOf(Structure(DataToSend, OctetString, OctetString, AnyData)))
    set_encryption_key = Method(7, OctetString)
    transfer_key = Method(8, OctetString)


class MBusClientV1(MBusClient, version=1, provenance="two-sources", first_method=0x70):
    """M-Bus client: with the device's configuration and the state of its key.

    Where its methods start among the short names was computed from its attributes.
    """

    configuration = Attribute(13, LongUnsigned, dynamic)
    encryption_key_status = Attribute(14, Enum(EncryptionKeyStatus), dynamic)


class WirelessModeQChannel(
    InterfaceClass, class_id=73, version=1, source="bluebook-quoted", provenance="one-source"
):
    """Wireless mode Q channel: addresses of a radio channel."""

    address_state = Attribute(2, EnumCode, dynamic)
    device_address = Attribute(3, OctetString, static)
    address_mask = Attribute(4, OctetString, static)


class MBusMasterPortSetup(
    InterfaceClass, class_id=74, version=0, source="bluebook-quoted", provenance="one-source"
):
    """M-Bus master port set-up: speed of a port with M-Bus devices."""

    comm_speed = Attribute(2, Enum(BaudRate), static)


class PortCommunicationStatus(IntEnum):
    """When a device on M-Bus can be reached [facts-g]."""

    NO_ACCESS = 0
    TEMPORARILY_NO_ACCESS = 1
    LIMITED_ACCESS = 2
    UNLIMITED_ACCESS = 3
    WIRELESS_MBUS = 4


class DataHeaderType(IntEnum):
    """Header of application data on M-Bus [facts-g]."""

    NONE = 0
    SHORT = 1
    LONG = 2


class MBusPortSetup(
    InterfaceClass, class_id=76, version=0, source="bluebook-quoted", provenance="one-source"
):
    """DLMS server M-Bus port set-up: a meter that is reached by DLMS over M-Bus."""

    profile_selection = Attribute(2, OctetString, static)
    port_communication_status = Attribute(3, Enum(PortCommunicationStatus), dynamic)
    data_header_type = Attribute(4, Enum(DataHeaderType), static)
    primary_address = Attribute(5, Unsigned, static)
    identification_number = Attribute(6, DoubleLongUnsigned, static)
    manufacturer_id = Attribute(7, LongUnsigned, static)
    mbus_version = Attribute(8, Unsigned, static)
    device_type = Attribute(9, Unsigned, static)
    max_pdu_size = Attribute(10, LongUnsigned, static)
    listening_window = Attribute(11, WindowsType, static)


class LinkStatus(IntEnum):
    """State of the link to an M-Bus device [facts-g]."""

    NONE = 0
    NORMAL = 1
    TEMPORARILY_INTERRUPTED = 2
    PERMANENTLY_INTERRUPTED = 3


class MBusDiagnostic(
    InterfaceClass, class_id=77, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """M-Bus diagnostic: how well an M-Bus device is heard."""

    received_signal_strength = Attribute(2, Unsigned, dynamic)
    channel_id = Attribute(3, Unsigned, dynamic)
    link_status = Attribute(4, Enum(LinkStatus), dynamic)
    broadcast_frames_counter = Attribute(5, ArrayOf(AnyData), dynamic)
    transmissions_counter = Attribute(6, DoubleLongUnsigned, dynamic)
    fcs_ok_frames_counter = Attribute(7, DoubleLongUnsigned, dynamic)
    fcs_nok_frames_counter = Attribute(8, DoubleLongUnsigned, dynamic)
    capture_time = Attribute(9, AttributeCaptureType, dynamic)
    reset = Method(1, Integer)
