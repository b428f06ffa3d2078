"""What the table of APDUs is built from: descriptors, blocks and lists that many of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
)
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.translation.data import DATA
from ferraris.messaging.dlms.translation.kinds import (
    FLAG,
    U8,
    U16,
    U32,
    Enumeration,
    Integer,
    Octets,
)
from ferraris.messaging.dlms.translation.records import (
    Alternative,
    Field,
    Group,
    ListOf,
    Part,
    Record,
    any_value,
    of_type,
)

__all__ = [
    "ACTION_RESULT",
    "ATTRIBUTE",
    "ATTRIBUTES_FIELD",
    "ATTRIBUTE_FIELD",
    "BLOCK",
    "BLOCK_NUMBER",
    "DATABLOCK",
    "DATA_LIST",
    "DATA_OR_RESULT",
    "DATE_TIME",
    "I8",
    "I64",
    "INVOKE",
    "LONG_INVOKE",
    "METHOD",
    "METHODS_FIELD",
    "METHOD_FIELD",
    "OCTETS",
    "PBLOCK",
    "RESULT",
    "RESULTS",
    "SELECTION",
    "SELECTION_FIELD",
    "SHORT_BLOCK",
    "SUCCESS",
    "Layout",
    "chosen",
    "single",
]


@dataclass(frozen=True, slots=True)
class Layout:
    """One APDU: its element, the element of its choice within if it has one, and its record."""

    element: str
    choice: str
    record: Record


OCTETS = Octets()
I8 = Integer(-128, 127)
I64 = Integer(-(1 << 63), (1 << 63) - 1)
RESULT = Enumeration(DataAccessResult)
ACTION_RESULT = Enumeration(ActionResult)
SUCCESS = DataAccessResult.SUCCESS

# What services speak of

ATTRIBUTE = Record(
    AttributeDescriptor,
    (
        Field("class_id", "class-id", U16),
        Field("logical_name", "instance-id", Octets(6)),
        Field("attribute", "attribute-id", I8),
    ),
)
METHOD = Record(
    MethodDescriptor,
    (
        Field("class_id", "class-id", U16),
        Field("logical_name", "instance-id", Octets(6)),
        Field("method", "method-id", I8),
    ),
)
SELECTION = Record(
    Selection,
    (
        Field("selector", "access-selector", U8),
        Field("parameter", "access-parameters", DATA),
    ),
)


class _Selected(NamedTuple):
    attribute: AttributeDescriptor
    selection: Selection | None


ATTRIBUTE_FIELD = Field("attribute", "cosem-attribute-descriptor", ATTRIBUTE)
METHOD_FIELD = Field("method", "cosem-method-descriptor", METHOD)
SELECTION_FIELD = Field("selection", "access-selection", SELECTION, absent=None)
ATTRIBUTES_FIELD = Field(
    "attributes",
    "attribute-descriptor-list",
    ListOf(
        (
            Alternative(
                "Cosem-Attribute-Descriptor-With-Selection",
                any_value,
                Record(
                    lambda attribute, selection: (attribute, selection),
                    (ATTRIBUTE_FIELD, SELECTION_FIELD),
                    view=_Selected._make,
                ),
            ),
        )
    ),
)
METHODS_FIELD = Field(
    "methods",
    "cosem-method-descriptor-list",
    ListOf((Alternative("Cosem-Method-Descriptor", any_value, METHOD),)),
)

# What many have in common

INVOKE = Field("invoke_id_and_priority", "invoke-id-and-priority", U8)
LONG_INVOKE = Field("long_invoke_id_and_priority", "long-invoke-id-and-priority", U32)
DATE_TIME = Field("date_time", "date-time", OCTETS)
BLOCK_NUMBER = Field("block_number", "block-number", U32)
BLOCK = (
    Field("last_block", "last-block", FLAG),
    BLOCK_NUMBER,
    Field("raw_data", "raw-data", OCTETS),
)
SHORT_BLOCK = (
    Field("last_block", "last-block", FLAG),
    Field("block_number", "block-number", U16),
)
DATABLOCK, PBLOCK = Group("datablock", BLOCK), Group("pblock", BLOCK)
DATA_LIST = ListOf((Alternative("Data", any_value, DATA),))
RESULTS = ListOf((Alternative("data-access-result", any_value, RESULT),))
DATA_OR_RESULT = (
    Alternative("data", of_type(bytes), DATA),
    Alternative("data-access-result", any_value, RESULT),
)


def chosen(kind: type, element: str, choice: str, *parts: Part) -> tuple[type, Layout]:
    return kind, Layout(element, choice, Record(kind, parts))


def single(kind: type, element: str, *parts: Part, listed: bool = False) -> tuple[type, Layout]:
    return kind, Layout(element, "", Record(kind, parts, listed=listed))
