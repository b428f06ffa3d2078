"""What a client may wish of a meter, many at a time, and how each wish ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ferraris.core.errors import Error
from ferraris.data import axdr
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.model.interface_class import Attribute, Method

__all__ = [
    "Act",
    "ActData",
    "Name",
    "Outcome",
    "Read",
    "ReadData",
    "Wish",
    "Write",
    "WriteData",
]

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")

Name = str | bytes
"""A logical name in any usual spelling, or its six octets."""


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """Read an attribute of the object `name`; its value is of the type that the class declares."""

    attribute: Attribute[T]
    name: Name
    selection: Selection | None = None

    @property
    def descriptor(self) -> AttributeDescriptor:
        """What goes into the request."""
        declared = self.attribute
        return AttributeDescriptor(declared.class_id, Obis.parse(self.name), declared.index)

    def load(self, octets: bytes) -> T:
        """The typed value of encoded data; raises `DecodeError`."""
        return self.attribute.type.read(octets)


@dataclass(frozen=True, slots=True)
class ReadData:
    """Read an attribute of any class, declared or not, as (tag, value)."""

    class_id: int
    name: Name
    attribute: int
    selection: Selection | None = None

    @property
    def descriptor(self) -> AttributeDescriptor:
        """What goes into the request."""
        return AttributeDescriptor(self.class_id, Obis.parse(self.name), self.attribute)

    def load(self, octets: bytes) -> Data:
        """The data as (tag, value); raises `DecodeError`."""
        return axdr.decode(octets)


@dataclass(frozen=True, slots=True)
class Write(Generic[T]):
    """Write an attribute of the object `name`, or a selection of it."""

    attribute: Attribute[T]
    name: Name
    value: T
    selection: Selection | None = None

    @property
    def descriptor(self) -> AttributeDescriptor:
        """What goes into the request."""
        declared = self.attribute
        return AttributeDescriptor(declared.class_id, Obis.parse(self.name), declared.index)

    def encode(self) -> bytes:
        """The encoded data; raises `UsageError` for a value of another type."""
        return axdr.encode(self.attribute.type.dump(self.value))


@dataclass(frozen=True, slots=True)
class WriteData:
    """Write (tag, value) to an attribute of any class."""

    class_id: int
    name: Name
    attribute: int
    data: Data
    selection: Selection | None = None

    @property
    def descriptor(self) -> AttributeDescriptor:
        """What goes into the request."""
        return AttributeDescriptor(self.class_id, Obis.parse(self.name), self.attribute)

    def encode(self) -> bytes:
        """The encoded data."""
        return axdr.encode(self.data)


@dataclass(frozen=True, slots=True)
class Act(Generic[P, R]):
    """Invoke a method of the object `name`; what it returns is of the declared type, or None."""

    method: Method[P, R]
    name: Name
    value: P

    @property
    def descriptor(self) -> MethodDescriptor:
        """What goes into the request."""
        declared = self.method
        return MethodDescriptor(declared.class_id, Obis.parse(self.name), declared.index)

    def encode(self) -> bytes | None:
        """The encoded parameter; raises `UsageError` for a value of another type."""
        return axdr.encode(self.method.type.dump(self.value))

    def load(self, octets: bytes | None) -> R | None:
        """What the method returned; raises `DecodeError`."""
        if octets is None or self.method.returns is None:
            return None
        return self.method.returns.load(axdr.decode(octets))


@dataclass(frozen=True, slots=True)
class ActData:
    """Invoke a method of any class with (tag, value), or without a parameter."""

    class_id: int
    name: Name
    method: int
    data: Data | None = None

    @property
    def descriptor(self) -> MethodDescriptor:
        """What goes into the request."""
        return MethodDescriptor(self.class_id, Obis.parse(self.name), self.method)

    def encode(self) -> bytes | None:
        """The encoded parameter."""
        return None if self.data is None else axdr.encode(self.data)

    def load(self, octets: bytes | None) -> Data | None:
        """What the method returned as (tag, value)."""
        return None if octets is None else axdr.decode(octets)


Wish = Read[Any] | ReadData | Write[Any] | WriteData | Act[Any, Any] | ActData


class Outcome(Generic[T]):
    """How one wish ended: with a value, or with the error that stands in its place.

    Attributes:
        error: None when the wish came true; `RefusedError` when the meter said no to this one;
            `LineError` and others when the exchange failed; `UsageError` when it cannot be sent.
    """

    __slots__ = ("_value", "error")

    def __init__(self, value: T | None = None, error: Error | None = None) -> None:
        self._value = value
        self.error = error

    @property
    def done(self) -> bool:
        """Whether the wish came true."""
        return self.error is None

    @property
    def unknown(self) -> bool:
        """A write or an action left and was not answered: unknown until read back."""
        return self.error is not None and self.error.outcome_unknown

    @property
    def value(self) -> T:
        """What was read or returned; raises `error` when the wish did not come true."""
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value] # a T, or the None that T allows

    def __repr__(self) -> str:
        return f"Outcome({self._value!r})" if self.error is None else f"Outcome({self.error!r})"
