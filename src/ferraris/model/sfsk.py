"""Interface classes of the S-FSK power line (IEC 61334): layers, counters, who is in the network.

Where the source tells no type, numbers are any number and the rest is any data.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.types import (
    AnyData,
    AnyNumber,
    ArrayOf,
    Boolean,
    DoubleLongUnsigned,
    Enum,
    EnumCode,
    Integer,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)
from ferraris.model.interface_class import (
    Attribute,
    InterfaceClass,
    Method,
    dynamic,
    static,
    unverified,
)

__all__ = [
    "ActiveInitiator",
    "Frequencies",
    "Iec61334LlcSetup",
    "Repeater",
    "SfskActiveInitiator",
    "SfskMacCounters",
    "SfskPhyMacSetup",
    "SfskReportingSystemList",
    "SfskSynchronizationTimeouts",
]


class Frequencies(NamedTuple):
    """Frequencies of mark and space in hertz."""

    mark: int
    space: int


class Repeater(IntEnum):
    """Whether a station repeats frames [facts-g]."""

    NEVER = 0
    ALWAYS = 1
    DYNAMIC = 2


class SfskPhyMacSetup(
    InterfaceClass, class_id=50, version=1, source="bluebook-quoted", provenance="one-source"
):
    """S-FSK Phy&MAC set-up: phase, gains, frequencies, addresses and repeating."""

    initiator_electrical_phase = Attribute(2, AnyData, static)
    delta_electrical_phase = Attribute(3, AnyData, dynamic)
    max_receiving_gain = Attribute(4, AnyNumber, static)
    max_transmitting_gain = Attribute(5, AnyNumber, static)
    search_initiator_threshold = Attribute(6, AnyNumber, static)
    frequencies = Attribute(7, Structure(Frequencies, DoubleLongUnsigned, DoubleLongUnsigned))
    mac_address = Attribute(8, LongUnsigned, dynamic)
    mac_group_addresses = Attribute(9, ArrayOf(LongUnsigned), static)
    repeater = Attribute(10, Enum(Repeater), static)
    repeater_status = Attribute(11, Boolean, dynamic)
    min_delta_credit = Attribute(12, AnyNumber, dynamic)
    initiator_mac_address = Attribute(13, AnyNumber, dynamic)
    synchronization_locked = Attribute(14, Boolean, dynamic)
    transmission_speed = Attribute(15, EnumCode, dynamic)


class ActiveInitiator(NamedTuple):
    """Who leads the network: system title, MAC address, LLC address."""

    system_title: bytes
    mac_address: int
    l_sap_selector: int


class SfskActiveInitiator(
    InterfaceClass, class_id=51, version=0, source="bluebook-quoted", provenance="one-source"
):
    """S-FSK active initiator: who leads the network."""

    active_initiator = Attribute(
        2, Structure(ActiveInitiator, OctetString, LongUnsigned, Unsigned), dynamic
    )
    reset_new_not_synchronized = Method(1, Integer)


class SfskSynchronizationTimeouts(
    InterfaceClass, class_id=52, version=0, source="bluebook-quoted", provenance="one-source"
):
    """S-FSK MAC synchronization timeouts: when a station looks for its initiator again."""

    search_initiator_timeout = Attribute(2, LongUnsigned, static)
    synchronization_confirmation_timeout = Attribute(3, LongUnsigned, static)
    time_out_not_addressed = Attribute(4, LongUnsigned, static)
    time_out_frame_not_ok = Attribute(5, LongUnsigned, static)


class SfskMacCounters(
    InterfaceClass, class_id=53, version=0, source="bluebook-quoted", provenance="one-source"
):
    """S-FSK MAC counters: frames sent, repeated, received well and badly."""

    synchronization_register = Attribute(2, AnyData, dynamic)
    desynchronization_listing = Attribute(3, AnyData, dynamic)
    broadcast_frames_counter = Attribute(4, AnyData, dynamic)
    repetitions_counter = Attribute(5, AnyNumber, dynamic)
    transmissions_counter = Attribute(6, AnyNumber, dynamic)
    crc_ok_frames_counter = Attribute(7, AnyNumber, dynamic)
    crc_nok_frames_counter = Attribute(8, AnyNumber, dynamic)
    reset = Method(1, Integer)


class Iec61334LlcSetup(
    InterfaceClass, class_id=55, version=1, source="bluebook-quoted", provenance="one-source"
):
    """IEC 61334-4-32 LLC set-up: the longest frame, and replies that wait."""

    max_frame_length = Attribute(2, AnyNumber, static)
    reply_status_list = Attribute(3, AnyData, dynamic, unverified)


class SfskReportingSystemList(
    InterfaceClass, class_id=56, version=0, source="bluebook-quoted", provenance="one-source"
):
    """S-FSK reporting system list: system titles of the stations that reported themselves."""

    reporting_system_list = Attribute(2, ArrayOf(OctetString), dynamic)
