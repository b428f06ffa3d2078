"""Interface classes for data storage: data, registers, demand registers, profiles."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.kinds import Data, Tag
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    AnyOf,
    ArrayOf,
    DateTimeType,
    DoubleLongUnsigned,
    Enum,
    Integer,
    LogicalName,
    LongUnsigned,
    OctetString,
    ScalerUnit,
    ScalerUnitType,
    Structure,
    Unsigned,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static
from ferraris.model.references import ObjectIdentityType

__all__ = [
    "CaptureObject",
    "CaptureObjectType",
    "DataObject",
    "DemandRegister",
    "EntryDescriptor",
    "EntryDescriptorType",
    "ExtendedRegister",
    "ProfileGeneric",
    "RangeDescriptor",
    "RangeDescriptorType",
    "Register",
    "RegisterActivation",
    "RegisterMask",
    "RegisterTable",
    "ScalerUnit",
    "SortMethod",
    "TableCells",
    "UtilityTables",
]


class CaptureObject(NamedTuple):
    """One column of a profile: an attribute, or with `data_index` > 0 one element of it.

    The first element has index 1; index 0 is the whole attribute [facts-g].
    """

    class_id: int
    logical_name: Obis
    attribute: int
    data_index: int


CaptureObjectType = Structure(CaptureObject, LongUnsigned, LogicalName, Integer, LongUnsigned)


class RangeDescriptor(NamedTuple):
    """Selector 1 of a profile buffer: rows whose `restricting` column lies in from..to.

    Both ends are included; an empty list of columns means all [facts-g].
    """

    restricting: CaptureObject
    from_value: Data
    to_value: Data
    selected_values: list[CaptureObject]


RangeDescriptorType = Structure(
    RangeDescriptor, CaptureObjectType, AnyData, AnyData, ArrayOf(CaptureObjectType)
)


class EntryDescriptor(NamedTuple):
    """Selector 2 of a profile buffer: rows and columns by number from 1, 0 being the last."""

    from_entry: int
    to_entry: int
    from_selected_value: int
    to_selected_value: int


EntryDescriptorType = Structure(
    EntryDescriptor, DoubleLongUnsigned, DoubleLongUnsigned, LongUnsigned, LongUnsigned
)


class SortMethod(IntEnum):
    """Which entry of a full profile gives way [facts-g]."""

    FIFO = 1
    LIFO = 2
    LARGEST = 3
    SMALLEST = 4
    NEAREST_TO_ZERO = 5
    FARTHEST_FROM_ZERO = 6


class DataObject(
    InterfaceClass, class_id=1, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """Data: one value of any type without unit."""

    value = Attribute(2, AnyData, dynamic)


class Register(
    InterfaceClass,
    class_id=3,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x28,
):
    """Register: one value with scaler and unit."""

    value = Attribute(2, AnyData, dynamic)
    scaler_unit = Attribute(3, ScalerUnitType, static)
    reset = Method(1, Integer)


class ExtendedRegister(
    InterfaceClass,
    class_id=4,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x38,
):
    """Extended register: a register that knows the status and time of its value."""

    value = Attribute(2, AnyData, dynamic)
    scaler_unit = Attribute(3, ScalerUnitType, static)
    status = Attribute(4, AnyData, dynamic)
    capture_time = Attribute(5, DateTimeType, dynamic)
    reset = Method(1, Integer)


class DemandRegister(
    InterfaceClass,
    class_id=5,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x48,
):
    """Demand register: averages over a block or sliding window.

    `period` is in seconds; both averages share `scaler_unit`.
    """

    current_average_value = Attribute(2, AnyData, dynamic)
    last_average_value = Attribute(3, AnyData, dynamic)
    scaler_unit = Attribute(4, ScalerUnitType, static)
    status = Attribute(5, AnyData, dynamic)
    capture_time = Attribute(6, DateTimeType, dynamic)
    start_time_current = Attribute(7, DateTimeType, dynamic)
    period = Attribute(8, DoubleLongUnsigned, static)
    number_of_periods = Attribute(9, LongUnsigned, static)
    reset = Method(1, Integer)
    next_period = Method(2, Integer)


class RegisterMask(NamedTuple):
    """Registers that count together, by their place in the assignment, the first being 1."""

    mask_name: bytes
    indices: list[int]


_MASK = Structure(RegisterMask, OctetString, ArrayOf(Unsigned))


class RegisterActivation(
    InterfaceClass,
    class_id=6,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x30,
):
    """Register activation: which registers of a tariff count at present; `active_mask` names one.

    That the first register of a mask has index 1 rests on memory.
    """

    register_assignment = Attribute(2, ArrayOf(ObjectIdentityType), static)
    mask_list = Attribute(3, ArrayOf(_MASK), static)
    active_mask = Attribute(4, OctetString, dynamic)
    add_register = Method(1, ObjectIdentityType)
    add_mask = Method(2, _MASK)
    delete_mask = Method(3, OctetString)


class ProfileGeneric(
    InterfaceClass,
    class_id=7,
    version=1,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x58,
):
    """Profile generic: a table of captured attributes, one structure a row.

    `capture_period` is in seconds, 0 meaning that something else triggers the captures.
    """

    buffer = Attribute(
        2,
        AnyOf((Tag.ARRAY, Tag.COMPACT_ARRAY), "array of rows or compact-array"),
        dynamic,
        selectors={1: RangeDescriptorType, 2: EntryDescriptorType},
    )
    capture_objects = Attribute(3, ArrayOf(CaptureObjectType), static)
    capture_period = Attribute(4, DoubleLongUnsigned, static)
    sort_method = Attribute(5, Enum(SortMethod), static)
    sort_object = Attribute(6, CaptureObjectType, static)
    entries_in_use = Attribute(7, DoubleLongUnsigned, dynamic)
    profile_entries = Attribute(8, DoubleLongUnsigned, static)
    reset = Method(1, Integer)
    capture = Method(2, Integer)


class UtilityTables(
    InterfaceClass, class_id=26, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """Utility tables: a table of ANSI C12.19 as octets; `length` is in octets."""

    table_id = Attribute(2, LongUnsigned, static)
    length = Attribute(3, DoubleLongUnsigned, dynamic)
    buffer = Attribute(4, OctetString, dynamic)


class TableCells(NamedTuple):
    """One attribute of all objects whose logical names differ in their value of group E."""

    class_id: int
    logical_name: Obis
    group_e_values: list[int]
    attribute: int


class RegisterTable(
    InterfaceClass,
    class_id=61,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x28,
):
    """Register table: the same attribute of many objects, captured together."""

    table_cell_values = Attribute(
        2, AnyOf((Tag.ARRAY, Tag.COMPACT_ARRAY), "array of cells or compact-array"), dynamic
    )
    table_cell_definition = Attribute(
        3, Structure(TableCells, LongUnsigned, LogicalName, ArrayOf(Unsigned), Integer), static
    )
    scaler_unit = Attribute(4, ScalerUnitType, static)
    reset = Method(1, Integer)
    capture = Method(2, Integer)
