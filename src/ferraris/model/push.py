"""Interface class for messages that a meter sends by itself: push set-up, versions 0 to 2."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    DateTimeTagged,
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
from ferraris.model.data_storage import CaptureObject, CaptureObjectType
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static
from ferraris.model.references import (
    RestrictedObject,
    RestrictedObjectType,
    Restriction,
    RestrictionType,
    Window,
    WindowsType,
)

__all__ = [
    "ConfirmationParameters",
    "Destination",
    "PushObject",
    "PushObjectWithColumns",
    "PushOperationMethod",
    "PushProtection",
    "PushSetup",
    "PushSetupV1",
    "PushSetupV2",
    "RepetitionDelay",
    "Restriction",
    "TransportService",
    "Window",
]


class TransportService(IntEnum):
    """How a push travels [facts-g]; 200 and above belong to the manufacturer."""

    TCP = 0
    UDP = 1
    FTP = 2
    SMTP = 3
    SMS = 4
    HDLC = 5
    M_BUS = 6
    ZIGBEE = 7
    DLMS_GATEWAY = 8
    COAP_RELIABLE = 9
    COAP_UNRELIABLE = 10


class Destination(NamedTuple):
    """Where a push goes, and how it is coded: message 0 is A-XDR, 1 is XML."""

    transport_service: TransportService | int
    destination: bytes
    message: int


class PushSetup(
    InterfaceClass,
    class_id=40,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x38,
):
    """Push set-up: what is sent where and when.

    `randomisation_start_interval` and `repetition_delay` are in seconds; an empty
    `communication_window` means always.
    """

    push_object_list = Attribute(2, ArrayOf(CaptureObjectType), static)
    send_destination_and_method = Attribute(
        3, Structure(Destination, Enum(TransportService), OctetString, EnumCode), static
    )
    communication_window = Attribute(4, WindowsType, static)
    randomisation_start_interval = Attribute(5, LongUnsigned, static)
    number_of_retries = Attribute(6, Unsigned, static)
    repetition_delay = Attribute(7, LongUnsigned, static)
    push = Method(1, Integer)


PushObject = RestrictedObject
"""What versions 1 and later list."""


class PushProtection(NamedTuple):
    """How a push is protected: 0 authenticated, 1 encrypted, 2 both, 3 signed."""

    protection_type: int
    options: Data


class PushSetupV1(PushSetup, version=1, provenance="one-source"):
    """Push set-up: with restrictions and protection."""

    push_object_list: Attribute[list[PushObject]] = Attribute(  # type: ignore[assignment] # longer elements
        2, ArrayOf(RestrictedObjectType), static
    )
    port_reference = Attribute(8, LogicalName, static)
    push_client_sap = Attribute(9, Integer, static)
    push_protection_parameters = Attribute(
        10, ArrayOf(Structure(PushProtection, EnumCode, AnyData)), static
    )


class PushObjectWithColumns(NamedTuple):
    """An attribute to be sent, with a restriction and the columns of a profile's buffer."""

    class_id: int
    logical_name: Obis
    attribute: int
    data_index: int
    restriction: Restriction
    columns: list[CaptureObject]


class RepetitionDelay(NamedTuple):
    """Seconds before a further try: growing from `minimum` by `exponent` percent to `maximum`."""

    minimum: int
    exponent: int
    maximum: int


class PushOperationMethod(IntEnum):
    """What makes the meter try again [facts-g]."""

    RETRY_ON_SUPPORTING_LAYER_FAILURE = 0
    RETRY_ON_MISSING_LAYER_CONFIRMATION = 1
    RETRY_ON_MISSING_CONFIRMATION = 2


class ConfirmationParameters(NamedTuple):
    """From when on, and how often in seconds, a push wants a confirmation."""

    start: DateTime
    interval: int


class PushSetupV2(PushSetupV1, version=2):
    """Push set-up: with confirmed pushes and growing delays."""

    push_object_list: Attribute[list[PushObjectWithColumns]] = Attribute(  # type: ignore[assignment] # longer elements
        2,
        ArrayOf(
            Structure(
                PushObjectWithColumns,
                LongUnsigned,
                LogicalName,
                Integer,
                LongUnsigned,
                RestrictionType,
                ArrayOf(CaptureObjectType),
            )
        ),
        static,
    )
    repetition_delay: Attribute[RepetitionDelay] = Attribute(  # type: ignore[assignment] # was a number
        7, Structure(RepetitionDelay, LongUnsigned, LongUnsigned, LongUnsigned), static
    )
    push_operation_method = Attribute(11, Enum(PushOperationMethod), static)
    confirmation_parameters = Attribute(
        12, Structure(ConfirmationParameters, DateTimeTagged, DoubleLongUnsigned), static
    )
    last_confirmation_date_time = Attribute(13, DateTimeTagged, dynamic)
    reset = Method(2, Integer)
