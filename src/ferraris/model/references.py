"""How objects of a meter speak of one another: by object, attribute, script, or span of time."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    DateTimeTagged,
    DateTimeType,
    EnumCode,
    Integer,
    LogicalName,
    LongUnsigned,
    Structure,
    Unsigned,
)

__all__ = [
    "AttributeCapture",
    "AttributeCaptureType",
    "AttributeIdentity",
    "AttributeIdentityType",
    "ExecutedScript",
    "ExecutedScriptType",
    "ObjectIdentity",
    "ObjectIdentityType",
    "RestrictedObject",
    "RestrictedObjectType",
    "Restriction",
    "RestrictionType",
    "Window",
    "WindowsType",
]


class ObjectIdentity(NamedTuple):
    """Class and logical name."""

    class_id: int
    logical_name: Obis


class AttributeIdentity(NamedTuple):
    """One attribute by class and logical name, 0 for all attributes."""

    class_id: int
    logical_name: Obis
    attribute: int


class AttributeCapture(NamedTuple):
    """Which attribute of the object itself changed last, and when."""

    attribute: int
    time: DateTime


class ExecutedScript(NamedTuple):
    """A script of a script table."""

    script_logical_name: Obis
    script_selector: int


class Restriction(NamedTuple):
    """Which rows of a profile are meant: 0 all, 1 by date, 2 by entry, with the span as data."""

    restriction_type: int
    span: Data


class RestrictedObject(NamedTuple):
    """An attribute, or one element of it, with a restriction when it is a profile's buffer."""

    class_id: int
    logical_name: Obis
    attribute: int
    data_index: int
    restriction: Restriction


class Window(NamedTuple):
    """A span of time, wildcards allowed."""

    start: DateTime
    end: DateTime


ObjectIdentityType = Structure(ObjectIdentity, LongUnsigned, LogicalName)
AttributeIdentityType = Structure(AttributeIdentity, LongUnsigned, LogicalName, Integer)
AttributeCaptureType = Structure(AttributeCapture, Unsigned, DateTimeTagged)
ExecutedScriptType = Structure(ExecutedScript, LogicalName, LongUnsigned)
RestrictionType = Structure(Restriction, EnumCode, AnyData)
RestrictedObjectType = Structure(
    RestrictedObject, LongUnsigned, LogicalName, Integer, LongUnsigned, RestrictionType
)
WindowsType = ArrayOf(Structure(Window, DateTimeType, DateTimeType))
