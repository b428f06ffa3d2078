"""Interface class for data that are protected by themselves, whoever carries them: class 30."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    EnumCode,
    Integer,
    LogicalName,
    LongUnsigned,
    OctetString,
    Structure,
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
from ferraris.model.references import RestrictedObject, RestrictedObjectType

__all__ = [
    "DataProtection",
    "KeyInformation",
    "ProtectedAnswer",
    "ProtectedInvocation",
    "ProtectedMethod",
    "ProtectedRead",
    "ProtectedWrite",
    "ProtectionOptions",
    "ProtectionParameters",
]


class KeyInformation(NamedTuple):
    """Where the key of a layer comes from: 0 it is named, 1 it comes wrapped, 2 it is agreed on
    [facts-g].

    `options` is an enum with the identifier of the key, or a structure: identifier of the wrapping
    key and wrapped key, or scheme and what it carries [memory].
    """

    key_info_type: int
    options: Data


class ProtectionOptions(NamedTuple):
    """The header of one layer."""

    transaction_id: bytes
    originator_system_title: bytes
    recipient_system_title: bytes
    other_information: bytes
    key_info: KeyInformation


class ProtectionParameters(NamedTuple):
    """One layer of protection: 0 authenticated, 1 encrypted, 2 both, 3 signed [facts-g].

    The first of several is applied first [memory].
    """

    protection_type: int
    options: ProtectionOptions


class ProtectedRead(NamedTuple):
    """What is to be read, and how it is to be protected."""

    object_list: list[RestrictedObject]
    parameters: list[ProtectionParameters]


class ProtectedWrite(NamedTuple):
    """What is to be written; `protected` holds a structure with one element for each object."""

    object_list: list[RestrictedObject]
    parameters: list[ProtectionParameters]
    protected: bytes


class ProtectedMethod(NamedTuple):
    """A method that is invoked with a protected parameter."""

    class_id: int
    logical_name: Obis
    method: int


class ProtectedInvocation(NamedTuple):
    """A method and its parameter, protected."""

    object_method: ProtectedMethod
    parameters: list[ProtectionParameters]
    protected: bytes


class ProtectedAnswer(NamedTuple):
    """What was read or returned, and how it was protected."""

    parameters: list[ProtectionParameters]
    protected: bytes


_OBJECTS = ArrayOf(RestrictedObjectType)
_PARAMETERS = ArrayOf(
    Structure(
        ProtectionParameters,
        EnumCode,
        Structure(
            ProtectionOptions,
            OctetString,
            OctetString,
            OctetString,
            OctetString,
            Structure(KeyInformation, EnumCode, AnyData),
        ),
    )
)
_ANSWER = Structure(ProtectedAnswer, _PARAMETERS, OctetString)


class DataProtection(
    InterfaceClass,
    class_id=30,
    version=0,
    source="facts-g",
    provenance="one-source",
):
    """Data protection: attributes and methods whose data are protected from end to end.

    `protection_buffer`, when read, holds the objects of the list under the parameters for get; what
    is written to it goes to them under the parameters for set. Bits of `required_protection`:
    4 authenticated, 8 encrypted, 16 signed requests, 32, 64 and 128 the same of answers.
    """

    protection_buffer = Attribute(2, OctetString, dynamic)
    protection_object_list = Attribute(3, _OBJECTS, static)
    protection_parameters_get = Attribute(4, _PARAMETERS, static)
    protection_parameters_set = Attribute(5, _PARAMETERS, static)
    required_protection: Attribute[int] = Attribute(6, EnumCode, static)
    get_protected_attributes = Method(
        1, Structure(ProtectedRead, _OBJECTS, _PARAMETERS), optional, unverified, returns=_ANSWER
    )
    set_protected_attributes = Method(
        2, Structure(ProtectedWrite, _OBJECTS, _PARAMETERS, OctetString), optional, unverified
    )
    invoke_protected_method = Method(
        3,
        Structure(
            ProtectedInvocation,
            Structure(ProtectedMethod, LongUnsigned, LogicalName, Integer),
            _PARAMETERS,
            OctetString,
        ),
        optional,
        unverified,
        returns=_ANSWER,
    )
