"""Interface classes of management: image transfer, functions, arrays, ports."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.kinds import Data, Tag
from ferraris.data.types import (
    AnyData,
    AnyNumber,
    AnyOf,
    ArrayOf,
    BitStringType,
    Boolean,
    Choice,
    DoubleLongUnsigned,
    Enum,
    Integer,
    LogicalName,
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
    optional,
    static,
    unverified,
)
from ferraris.model.references import (
    AttributeIdentity,
    AttributeIdentityType,
    ObjectIdentity,
    ObjectIdentityType,
)

__all__ = [
    "ArrayEntry",
    "ArrayManagement",
    "ArrayRange",
    "CommunicationPortProtection",
    "EntryAtIndex",
    "EntrySpan",
    "FunctionControl",
    "FunctionObjects",
    "FunctionStatus",
    "ImageBlock",
    "ImageInitiation",
    "ImageToActivate",
    "ImageTransfer",
    "ImageTransferStatus",
    "ManagedArray",
    "PortProtectionMode",
    "PortProtectionStatus",
]


class ImageTransferStatus(IntEnum):
    """How far an image transfer has come [facts-g]."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFICATION_SUCCESSFUL = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATION_SUCCESSFUL = 6
    ACTIVATION_FAILED = 7


class ImageToActivate(NamedTuple):
    """An image that can be activated: size in octets, name and signature."""

    size: int
    identification: bytes
    signature: bytes


class ImageInitiation(NamedTuple):
    """An image about to come: its name, and its size in octets."""

    identifier: bytes
    size: int


class ImageBlock(NamedTuple):
    """One block of an image; the first has number 0."""

    number: int
    value: bytes


class ImageTransfer(
    InterfaceClass,
    class_id=18,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x40,
):
    """Image transfer: firmware, or anything else, block by block; `image_block_size` in octets."""

    image_block_size = Attribute(2, DoubleLongUnsigned, static)
    image_transferred_blocks_status = Attribute(3, BitStringType(), dynamic)
    image_first_not_transferred_block_number = Attribute(4, DoubleLongUnsigned, dynamic)
    image_transfer_enabled = Attribute(5, Boolean, static)
    image_transfer_status = Attribute(6, Enum(ImageTransferStatus), dynamic)
    image_to_activate_info = Attribute(
        7,
        ArrayOf(Structure(ImageToActivate, DoubleLongUnsigned, OctetString, OctetString)),
        dynamic,
    )
    image_transfer_initiate = Method(1, Structure(ImageInitiation, OctetString, DoubleLongUnsigned))
    image_block_transfer = Method(2, Structure(ImageBlock, DoubleLongUnsigned, OctetString))
    image_verify = Method(3, Integer)
    image_activate = Method(4, Integer)


class FunctionStatus(NamedTuple):
    """A function of the meter by name, and whether it is active."""

    name: bytes
    active: bool


class FunctionObjects(NamedTuple):
    """The objects that a function of the meter consists of."""

    name: bytes
    objects: list[ObjectIdentity]


_FUNCTION_STATUS = Structure(FunctionStatus, OctetString, Boolean)
_FUNCTION_OBJECTS = Structure(FunctionObjects, OctetString, ArrayOf(ObjectIdentityType))

_FUNCTION_STATUS_OR_ONE = Choice(ArrayOf(_FUNCTION_STATUS), _FUNCTION_STATUS)
_FUNCTION_OBJECTS_OR_ONE = Choice(ArrayOf(_FUNCTION_OBJECTS), _FUNCTION_OBJECTS)


class FunctionControl(
    InterfaceClass, class_id=122, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Function control: functions of the meter that can be switched on and off by name.

    The types of the parameters rest on memory: an array or one element.
    """

    activation_status = Attribute(2, ArrayOf(_FUNCTION_STATUS), dynamic)
    function_list = Attribute(3, ArrayOf(_FUNCTION_OBJECTS), static)
    set_function_status = Method(1, _FUNCTION_STATUS_OR_ONE, unverified)
    add_function = Method(2, _FUNCTION_OBJECTS_OR_ONE, optional, unverified)
    remove_function = Method(3, _FUNCTION_OBJECTS_OR_ONE, optional, unverified)


class ManagedArray(NamedTuple):
    """An attribute that is an array, under a number."""

    array_object_id: int
    attribute: AttributeIdentity


class EntrySpan(NamedTuple):
    """Entries of an array by their index, both ends included."""

    from_index: int
    to_index: int


class ArrayRange(NamedTuple):
    """Entries of one of the managed arrays."""

    array_object_id: int
    entries: EntrySpan


class EntryAtIndex(NamedTuple):
    """An entry, and its place in the array."""

    entry_index: int
    entry: Data


class ArrayEntry(NamedTuple):
    """An entry for one of the managed arrays."""

    array_object_id: int
    entry: EntryAtIndex


_ARRAY_RANGE = Structure(ArrayRange, Unsigned, Structure(EntrySpan, LongUnsigned, LongUnsigned))
_ARRAY_ENTRY = Structure(ArrayEntry, Unsigned, Structure(EntryAtIndex, LongUnsigned, AnyData))


class ArrayManagement(
    InterfaceClass, class_id=123, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Array manager: entries of long arrays one by one."""

    array_object_list = Attribute(
        2, ArrayOf(Structure(ManagedArray, Unsigned, AttributeIdentityType)), static
    )
    retrieve_number_of_entries = Method(1, Unsigned, unverified, returns=AnyNumber)
    retrieve_entries = Method(
        2, _ARRAY_RANGE, returns=AnyOf((Tag.ARRAY, Tag.COMPACT_ARRAY), "array of entries")
    )
    insert_entry = Method(3, _ARRAY_ENTRY, unverified)
    update_entry = Method(4, _ARRAY_ENTRY)
    remove_entries = Method(5, _ARRAY_RANGE, unverified)


class PortProtectionMode(IntEnum):
    """Whether a communication port is locked [facts-g]."""

    LOCKED = 0
    LOCKED_ON_FAILED_ATTEMPTS = 1
    UNLOCKED = 2


class PortProtectionStatus(IntEnum):
    """Whether a communication port is locked at present [facts-g]."""

    UNLOCKED = 0
    TEMPORARILY_LOCKED = 1
    LOCKED = 2


class CommunicationPortProtection(
    InterfaceClass, class_id=124, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Communication port protection: locks a port after failed attempts; times are in seconds."""

    protection_mode = Attribute(2, Enum(PortProtectionMode), static)
    allowed_failed_attempts = Attribute(3, LongUnsigned, static)
    initial_lockout_time = Attribute(4, DoubleLongUnsigned, static)
    steepness_factor = Attribute(5, Unsigned, static)
    max_lockout_time = Attribute(6, DoubleLongUnsigned, static)
    port_reference = Attribute(7, LogicalName, static)
    protection_status = Attribute(8, Enum(PortProtectionStatus), dynamic)
    failed_attempts = Attribute(9, DoubleLongUnsigned, dynamic)
    cumulative_failed_attempts = Attribute(10, DoubleLongUnsigned, dynamic)
    reset = Method(1, Integer)
