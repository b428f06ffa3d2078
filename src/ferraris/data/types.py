"""The type tree: what a COSEM value looks like, in words, as `Data`, and as a Python value.

A type is an object with `load(data)`, which turns `Data` into a Python value or raises
`DecodeError`, and `dump(value)`, which goes back or raises `UsageError`. `tags` are the kinds it
accepts at its top; `describe()` says in words what it is. Interface classes are declared from
these types, so one line serves client, server, documentation and tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar, cast

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import RANGES, BitString, Data, Tag, kind_name
from ferraris.data.obis import Obis

__all__ = [
    "AnyData",
    "AnyNumber",
    "AnyOf",
    "ArrayOf",
    "Bcd",
    "BitStringType",
    "Boolean",
    "Choice",
    "DataType",
    "DateTimeTagged",
    "DateTimeType",
    "DateType",
    "DoubleLong",
    "DoubleLongUnsigned",
    "Enum",
    "EnumCode",
    "Float32",
    "Float64",
    "Integer",
    "LogicalName",
    "Long",
    "Long64",
    "Long64Unsigned",
    "LongUnsigned",
    "Null",
    "Nullable",
    "OctetString",
    "ScalerUnit",
    "ScalerUnitType",
    "Structure",
    "TimeType",
    "Unsigned",
    "Utf8",
    "VisibleString",
    "sized_octets",
]

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E", bound=IntEnum)
M = TypeVar("M", bound=Date | DateTime | Time)

_WHERE = "data type"


class DataType(Generic[T]):
    """A COSEM type whose Python value is a `T`."""

    __slots__ = ("tags", "words")

    def __init__(self, tags: Iterable[int], words: str) -> None:
        self.tags = frozenset(int(tag) for tag in tags)
        self.words = words

    def load(self, data: Data) -> T:
        """The Python value of `data`; `DecodeError` when it is of another type."""
        if data[0] not in self.tags:
            raise self._mismatch(data)
        return self._load(data)

    def read(self, octets: bytes) -> T:
        """The Python value of encoded data; `DecodeError` as from `axdr.decode` and `load`."""
        return self.load(axdr.decode(octets))

    def dump(self, value: T) -> Data:
        """The `Data` of a Python value; `UsageError` when the value does not fit."""
        raise NotImplementedError

    def describe(self) -> str:
        """The type in words, for documentation and messages."""
        return self.words

    def knows(self, data: Data) -> bool:
        """Whether each enum in `data`, which is of this type, has a number that has a name."""
        return True

    def _load(self, data: Data) -> T:
        return cast("T", data[1])

    def _mismatch(self, data: Data) -> DecodeError:
        return DecodeError(f"{self.words} expected, {kind_name(data[0])} found", where=_WHERE)

    def _misfit(self, value: object) -> UsageError:
        return UsageError(f"{self.words} expected, not {type(value).__name__}", where=_WHERE)

    def __repr__(self) -> str:
        return f"<{self.words}>"


class _Whole(DataType[int]):
    """Integers of a fixed size."""

    __slots__ = ("high", "low", "tag")

    def __init__(self, tag: Tag) -> None:
        super().__init__((tag,), kind_name(tag))
        self.tag = int(tag)
        self.low, self.high = RANGES[tag]

    def dump(self, value: int) -> Data:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._misfit(value)
        if not self.low <= value <= self.high:
            raise UsageError(f"{value} is outside {self.low}..{self.high}", where=_WHERE)
        return (self.tag, int(value))


Integer: DataType[int] = _Whole(Tag.INTEGER)
Long: DataType[int] = _Whole(Tag.LONG)
DoubleLong: DataType[int] = _Whole(Tag.DOUBLE_LONG)
Long64: DataType[int] = _Whole(Tag.LONG64)
Unsigned: DataType[int] = _Whole(Tag.UNSIGNED)
LongUnsigned: DataType[int] = _Whole(Tag.LONG_UNSIGNED)
DoubleLongUnsigned: DataType[int] = _Whole(Tag.DOUBLE_LONG_UNSIGNED)
Long64Unsigned: DataType[int] = _Whole(Tag.LONG64_UNSIGNED)
EnumCode: DataType[int] = _Whole(Tag.ENUM)
Bcd: DataType[int] = _Whole(Tag.BCD)


class Enum(DataType[E | int], Generic[E]):
    """An enum octet; a number that the standard or we do not name stays a plain int."""

    __slots__ = ("members",)

    def __init__(self, members: type[E]) -> None:
        names = ", ".join(f"{m.value} {m.name.lower().replace('_', ' ')}" for m in members)
        super().__init__((Tag.ENUM,), f"enum ({names})")
        self.members = members

    def _load(self, data: Data) -> E | int:
        try:
            return self.members(data[1])
        except ValueError:
            return int(data[1])

    def dump(self, value: E | int) -> Data:
        return EnumCode.dump(value)

    def knows(self, data: Data) -> bool:
        return isinstance(self._load(data), self.members)


class _Scalar(DataType[T]):
    """A kind whose `Data` value is already the Python value."""

    __slots__ = ("kind", "tag")

    def __init__(self, tag: Tag, kind: type[T], words: str) -> None:
        super().__init__((tag,), words)
        self.tag = int(tag)
        self.kind = kind

    def dump(self, value: T) -> Data:
        if not isinstance(value, self.kind):
            raise self._misfit(value)
        return (self.tag, value)


class _Boolean(_Scalar[bool]):
    __slots__ = ()

    def _load(self, data: Data) -> bool:
        return bool(data[1])


class _Float(_Scalar[float]):
    __slots__ = ()

    def dump(self, value: float) -> Data:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._misfit(value)
        return (self.tag, float(value))


class _Null(DataType[None]):
    __slots__ = ()

    def _load(self, data: Data) -> None:
        return None

    def dump(self, value: None) -> Data:
        if value is not None:
            raise self._misfit(value)
        return (int(Tag.NULL), None)


Boolean: DataType[bool] = _Boolean(Tag.BOOLEAN, bool, "boolean")
Float32: DataType[float] = _Float(Tag.FLOAT32, float, "float32")
Float64: DataType[float] = _Float(Tag.FLOAT64, float, "float64")
VisibleString: DataType[str] = _Scalar(Tag.VISIBLE_STRING, str, "visible-string")
Utf8: DataType[str] = _Scalar(Tag.UTF8_STRING, str, "utf8-string")
Null: DataType[None] = _Null((Tag.NULL,), "null-data")


class _Octets(DataType[bytes]):
    """An octet-string, of a fixed length when one is given."""

    __slots__ = ("length",)

    def __init__(self, length: int | None = None) -> None:
        words = "octet-string" if length is None else f"octet-string of {length}"
        super().__init__((Tag.OCTET_STRING,), words)
        self.length = length

    def _load(self, data: Data) -> bytes:
        octets = bytes(data[1])
        if self.length is not None and len(octets) != self.length:
            raise DecodeError(f"{self.words} expected, {len(octets)} octets found", where=_WHERE)
        return octets

    def dump(self, value: bytes) -> Data:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise self._misfit(value)
        octets = bytes(value)
        if self.length is not None and len(octets) != self.length:
            raise UsageError(f"{self.words} expected, {len(octets)} octets given", where=_WHERE)
        return (int(Tag.OCTET_STRING), octets)


OctetString: DataType[bytes] = _Octets()


def sized_octets(length: int) -> DataType[bytes]:
    """An octet-string of exactly `length` octets."""
    return _Octets(length)


class BitStringType(DataType[BitString]):
    """A bit-string, of a fixed number of bits when one is given; bit 0 is the leftmost.

    `names` names bits by their number; the others mean nothing that we know.
    """

    __slots__ = ("bits", "names")

    def __init__(self, bits: int | None = None, names: type[IntEnum] | None = None) -> None:
        words = f"bit-string of {bits}" if bits else "bit-string"
        if names is not None:
            told = ", ".join(f"{bit.value} {bit.name.lower().replace('_', ' ')}" for bit in names)
            words = f"{words} ({told})"
        super().__init__((Tag.BIT_STRING,), words)
        self.bits = bits
        self.names = names

    def _load(self, data: Data) -> BitString:
        value = cast("BitString", data[1])
        if self.bits is not None and value.length != self.bits:
            raise DecodeError(f"{self.words} expected, {value.length} bits found", where=_WHERE)
        return value

    def dump(self, value: BitString) -> Data:
        if not isinstance(value, BitString):
            raise self._misfit(value)
        if self.bits is not None and value.length != self.bits:
            raise UsageError(f"{self.words} expected, {value.length} bits given", where=_WHERE)
        return (int(Tag.BIT_STRING), value)


class _LogicalName(DataType[Obis]):
    __slots__ = ()

    def _load(self, data: Data) -> Obis:
        if len(data[1]) != 6:
            raise DecodeError(f"logical name of {len(data[1])} octets", where=_WHERE)
        return Obis(data[1])

    def dump(self, value: Obis) -> Data:
        if not isinstance(value, bytes) or len(value) != 6:
            raise self._misfit(value)
        return (int(Tag.OCTET_STRING), bytes(value))


LogicalName: DataType[Obis] = _LogicalName((Tag.OCTET_STRING,), "logical name")


class _Moment(DataType[M]):
    """A date-time, date or time, under its own tag or as an octet-string; meters mix the two."""

    __slots__ = ("make", "tag")

    def __init__(self, kind: Tag, make: type[M], words: str, *, tagged: bool = False) -> None:
        super().__init__((kind, Tag.OCTET_STRING), words)
        self.make = make
        self.tag = int(kind if tagged else Tag.OCTET_STRING)

    def _load(self, data: Data) -> M:
        try:
            return self.make(data[1])
        except UsageError as error:
            raise DecodeError(error.message, where=_WHERE) from error

    def dump(self, value: M) -> Data:
        if not isinstance(value, self.make):
            raise self._misfit(value)
        return (self.tag, bytes(value) if self.tag == Tag.OCTET_STRING else value)


DateTimeType: DataType[DateTime] = _Moment(Tag.DATE_TIME, DateTime, "date-time")
DateTimeTagged: DataType[DateTime] = _Moment(
    Tag.DATE_TIME, DateTime, "date-time (own tag)", tagged=True
)
DateType: DataType[Date] = _Moment(Tag.DATE, Date, "date")
TimeType: DataType[Time] = _Moment(Tag.TIME, Time, "time")


class _AnyData(DataType[Data]):
    """Anything goes: the value is the `Data` itself."""

    __slots__ = ()

    def load(self, data: Data) -> Data:
        return data

    def dump(self, value: Data) -> Data:
        if not isinstance(value, tuple) or len(value) != 2 or not isinstance(value[0], int):
            raise self._misfit(value)
        return value


AnyData: DataType[Data] = _AnyData(Tag, "any data")


class AnyOf(_AnyData):
    """Any of some kinds, kept as `Data`."""

    __slots__ = ()

    def load(self, data: Data) -> Data:
        if data[0] not in self.tags:
            raise self._mismatch(data)
        return data

    def dump(self, value: Data) -> Data:
        data = super().dump(value)
        if data[0] not in self.tags:
            raise self._misfit(value)
        return data


_NUMBERS = (
    *(Tag.INTEGER, Tag.LONG, Tag.DOUBLE_LONG, Tag.LONG64, Tag.UNSIGNED, Tag.LONG_UNSIGNED),
    *(Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG64_UNSIGNED, Tag.FLOAT32, Tag.FLOAT64),
)
AnyNumber: DataType[Data] = AnyOf(_NUMBERS, "any number")


class ArrayOf(DataType[list[T]], Generic[T]):
    """An array whose elements have one type."""

    __slots__ = ("element",)

    def __init__(self, element: DataType[T]) -> None:
        super().__init__((Tag.ARRAY,), f"array of {element.words}")
        self.element = element

    def _load(self, data: Data) -> list[T]:
        load = self.element.load
        return [load(item) for item in data[1]]

    def dump(self, value: Sequence[T]) -> Data:
        if isinstance(value, bytes | str) or not isinstance(value, Sequence):
            raise self._misfit(value)
        return (int(Tag.ARRAY), [self.element.dump(item) for item in value])

    def knows(self, data: Data) -> bool:
        return all(self.element.knows(item) for item in data[1])


class Structure(DataType[T]):
    """A structure whose fields are those of a NamedTuple class, in order.

    Raises `UsageError` when the number of types differs from the number of fields.
    """

    __slots__ = ("fields", "made")

    def __init__(self, made: type[T], *fields: DataType[Any]) -> None:
        names: tuple[str, ...] = getattr(made, "_fields", ())
        if len(names) != len(fields):
            raise UsageError(f"{made.__name__} has {len(names)} fields, {len(fields)} types given")
        inner = ", ".join(
            f"{name}: {field.words}" for name, field in zip(names, fields, strict=True)
        )
        super().__init__((Tag.STRUCTURE,), f"structure {{{inner}}}")
        self.made = made
        self.fields = fields

    def _load(self, data: Data) -> T:
        items = data[1]
        if len(items) != len(self.fields):
            raise DecodeError(
                f"structure of {len(self.fields)} expected, {len(items)} elements found",
                where=_WHERE,
            )
        return self.made(
            *(field.load(item) for field, item in zip(self.fields, items, strict=True))
        )

    def dump(self, value: T) -> Data:
        if not isinstance(value, tuple) or len(value) != len(self.fields):
            raise self._misfit(value)
        pairs = zip(self.fields, value, strict=True)
        return (int(Tag.STRUCTURE), [field.dump(item) for field, item in pairs])

    def knows(self, data: Data) -> bool:
        return all(field.knows(item) for field, item in zip(self.fields, data[1], strict=True))


class Choice(DataType[A | B], Generic[A, B]):
    """Either of two types; the first that fits is taken. Nest it for more."""

    __slots__ = ("first", "second")

    def __init__(self, first: DataType[A], second: DataType[B]) -> None:
        super().__init__(first.tags | second.tags, f"{first.words} or {second.words}")
        self.first = first
        self.second = second

    def _load(self, data: Data) -> A | B:
        if data[0] not in self.first.tags:
            return self.second.load(data)
        if data[0] not in self.second.tags:
            return self.first.load(data)
        try:
            return self.first.load(data)
        except DecodeError:
            return self.second.load(data)

    def dump(self, value: A | B) -> Data:
        try:
            return self.first.dump(cast("A", value))
        except UsageError:
            return self.second.dump(cast("B", value))

    def knows(self, data: Data) -> bool:
        try:
            self.first.load(data)
        except DecodeError:
            return self.second.knows(data)
        return self.first.knows(data)


class Nullable(Choice[None, B], Generic[B]):
    """The type or null-data, which is None."""

    __slots__ = ()

    def __init__(self, inner: DataType[B]) -> None:
        super().__init__(Null, inner)
        self.words = f"{inner.words} or nothing"


class ScalerUnit(NamedTuple):
    """Power of ten and unit of a value: physical value = stored value x 10^scaler unit."""

    scaler: int
    unit: int


ScalerUnitType = Structure(ScalerUnit, Integer, EnumCode)
