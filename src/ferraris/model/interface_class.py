"""How an interface class is declared: once, as a class body of typed attributes and methods.

    class Register(InterfaceClass, class_id=3, version=0, source="bluebook-quoted",
                   provenance="two-sources"):
        value = Attribute(2, AnyData, dynamic)
        scaler_unit = Attribute(3, ScalerUnitType, static)
        reset = Method(1, Integer, optional)

Client, server, documentation and tests read everything from here. A declaration holds no value and
no behaviour and is never instantiated. A later version subclasses the earlier one, names what it
adds or changes, and lists in `drop` what is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar, overload

from ferraris.core.errors import UsageError
from ferraris.data.types import DataType, LogicalName

__all__ = [
    "Attribute",
    "InterfaceClass",
    "Method",
    "Provenance",
    "Trait",
    "dynamic",
    "optional",
    "registered",
    "static",
    "unverified",
]

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")

Provenance = Literal["two-sources", "one-source", "memory"]
"""What a declaration rests on: independent sources that agree, one source, or memory alone."""


class Trait(Enum):
    """What the standard says of an attribute or method besides its type."""

    DYNAMIC = "dynamic"
    STATIC = "static"
    OPTIONAL = "optional"
    UNVERIFIED = "unverified"
    """Its index or type rests on memory, while the class as a whole has a better source."""


dynamic = Trait.DYNAMIC
static = Trait.STATIC
optional = Trait.OPTIONAL
unverified = Trait.UNVERIFIED


_NO_SELECTORS: Mapping[int, DataType[Any]] = MappingProxyType({})


class Attribute(Generic[T]):
    """One attribute: index, type, dynamic (the meter changes it) or static, perhaps optional.

    `selectors` maps each access selector the attribute knows to the type of its parameter.
    `owner` and `name` are filled in by the class that declares or inherits it.
    """

    __slots__ = ("index", "name", "owner", "selectors", "traits", "type")

    owner: type[InterfaceClass]

    def __init__(
        self,
        index: int,
        type: DataType[T],  # noqa: A002 - the standard's word
        *traits: Trait,
        selectors: Mapping[int, DataType[Any]] | None = None,
    ) -> None:
        self.index = index
        self.type = type
        self.traits = frozenset(traits)
        self.selectors: Mapping[int, DataType[Any]] = (
            MappingProxyType(dict(selectors)) if selectors else _NO_SELECTORS
        )
        self.name = ""

    def bound(self, owner: type[InterfaceClass], name: str) -> Attribute[T]:
        """The same attribute as one of `owner`."""
        made: Attribute[T] = object.__new__(Attribute)
        made.index, made.type, made.traits = self.index, self.type, self.traits
        made.selectors, made.owner, made.name = self.selectors, owner, name
        return made

    @property
    def class_id(self) -> int:
        """Identifier of the class that the attribute belongs to."""
        return self.owner.class_id

    @property
    def is_static(self) -> bool:
        """Whether the value only changes by configuration, so that it may be kept."""
        return Trait.STATIC in self.traits

    @property
    def is_optional(self) -> bool:
        """Whether a meter may leave it out."""
        return Trait.OPTIONAL in self.traits

    def __repr__(self) -> str:
        return f"<{self.owner.__name__}.{self.name}: attribute {self.index}, {self.type.words}>"


class Method(Generic[P, R]):
    """One method: index, type of its parameter, type of what it returns if anything."""

    __slots__ = ("index", "name", "owner", "returns", "traits", "type")

    owner: type[InterfaceClass]

    @overload
    def __init__(
        self: Method[P, None],
        index: int,
        type: DataType[P],
        *traits: Trait,
    ) -> None: ...
    @overload
    def __init__(
        self: Method[P, R],
        index: int,
        type: DataType[P],
        *traits: Trait,
        returns: DataType[R],
    ) -> None: ...
    def __init__(
        self,
        index: int,
        type: DataType[Any],  # noqa: A002 - as for Attribute
        *traits: Trait,
        returns: DataType[Any] | None = None,
    ) -> None:
        self.index = index
        self.type: DataType[P] = type
        self.traits = frozenset(traits)
        self.returns: DataType[R] | None = returns
        self.name = ""

    def bound(self, owner: type[InterfaceClass], name: str) -> Method[P, R]:
        """The same method as one of `owner`."""
        made: Method[P, R] = object.__new__(Method)
        made.index, made.type, made.traits = self.index, self.type, self.traits
        made.returns, made.owner, made.name = self.returns, owner, name
        return made

    @property
    def class_id(self) -> int:
        """Identifier of the class that the method belongs to."""
        return self.owner.class_id

    @property
    def is_optional(self) -> bool:
        """Whether a meter may leave it out."""
        return Trait.OPTIONAL in self.traits

    def __repr__(self) -> str:
        return f"<{self.owner.__name__}.{self.name}: method {self.index}, {self.type.words}>"


class InterfaceClass:
    """Base of all declarations; see the module for the form.

    Class keywords: `class_id` and `version`, `source` (a citation key), `provenance`, `drop` (names
    of inherited attributes and methods that this version lacks) and `first_method` (distance in
    octets from the base name to method 1 in short-name referencing, where known, whether or not
    this version has it; each further method is 8 more). Declaring a pair of class and version twice
    raises `UsageError`.
    """

    class_id: ClassVar[int] = 0
    version: ClassVar[int] = 0
    source: ClassVar[str] = ""
    provenance: ClassVar[Provenance] = "memory"
    first_method: ClassVar[int | None] = None
    attributes: ClassVar[Mapping[int, Attribute[Any]]] = MappingProxyType({})
    methods: ClassVar[Mapping[int, Method[Any, Any]]] = MappingProxyType({})

    logical_name = Attribute(1, LogicalName, static)

    def __init_subclass__(
        cls,
        *,
        class_id: int | None = None,
        version: int,
        source: str | None = None,
        provenance: Provenance | None = None,
        drop: Sequence[str] = (),
        first_method: int | None = None,
    ) -> None:
        super().__init_subclass__()
        cls.class_id = cls.class_id if class_id is None else class_id
        cls.version = version
        cls.source = cls.source if source is None else source
        cls.provenance = cls.provenance if provenance is None else provenance
        # Not inherited: a version with more attributes may push its methods further out.
        cls.first_method = first_method
        attributes: list[Attribute[Any]] = []
        methods: list[Method[Any, Any]] = []
        for name, member in _members(cls, drop):
            bound = member.bound(cls, name)
            setattr(cls, name, bound)
            if isinstance(bound, Attribute):
                attributes.append(bound)
            else:
                methods.append(bound)
        for name in drop:
            setattr(cls, name, None)
        cls.attributes = _by_index(cls, attributes)
        cls.methods = _by_index(cls, methods)
        _register(cls)

    def __init__(self) -> None:
        raise UsageError(f"{type(self).__name__} is a declaration and has no instances")

    @classmethod
    def words(cls) -> str:
        """The standard's name of the class, for example `Register`."""
        return (cls.__doc__ or cls.__name__).split("\n", 1)[0].split(":", 1)[0].rstrip(".")

    @classmethod
    def title(cls) -> str:
        """Name and key in words, for example `Register (class 3, version 0)`."""
        return f"{cls.words()} (class {cls.class_id}, version {cls.version})"

    @classmethod
    def method_offset(cls, index: int) -> int | None:
        """Distance of a method from the base name in short-name referencing, None if unknown."""
        return None if cls.first_method is None else cls.first_method + 8 * (index - 1)

    @classmethod
    def describe(cls) -> dict[str, Any]:
        """The whole declaration as plain values, for documentation, export and comparison."""
        return {
            "class_id": cls.class_id,
            "version": cls.version,
            "name": cls.__name__,
            "source": cls.source,
            "provenance": cls.provenance,
            "first_method": cls.first_method,
            "attributes": [_describe_attribute(item) for item in cls.attributes.values()],
            "methods": [_describe_method(item) for item in cls.methods.values()],
        }


InterfaceClass.logical_name.name = "logical_name"
InterfaceClass.logical_name.owner = InterfaceClass

_REGISTERED: dict[tuple[int, int], type[InterfaceClass]] = {}


def registered() -> Mapping[tuple[int, int], type[InterfaceClass]]:
    """Every class declared so far, by class identifier and version."""
    return MappingProxyType(_REGISTERED)


def _register(cls: type[InterfaceClass]) -> None:
    key = (cls.class_id, cls.version)
    if not 0 < cls.class_id <= 0xFFFF or not 0 <= cls.version <= 0xFF or not cls.source:
        raise UsageError(f"{cls.__name__} needs a class identifier, a version and a source")
    if key in _REGISTERED:
        other = _REGISTERED[key].__name__
        raise UsageError(f"class {key[0]} version {key[1]} is {other} already, not {cls.__name__}")
    _REGISTERED[key] = cls


def _members(
    cls: type[InterfaceClass], drop: Sequence[str]
) -> Iterator[tuple[str, Attribute[Any] | Method[Any, Any]]]:
    """Attributes and methods of the class and its parents, the class's own first."""
    seen = set(drop)
    for parent in cls.__mro__:
        for name, member in list(vars(parent).items()):
            if member is None:  # dropped by a version between
                seen.add(name)
            elif isinstance(member, Attribute | Method) and name not in seen:
                seen.add(name)
                yield name, member


M = TypeVar("M", Attribute[Any], Method[Any, Any])


def _by_index(cls: type[InterfaceClass], members: list[M]) -> Mapping[int, M]:
    table = {member.index: member for member in sorted(members, key=lambda item: item.index)}
    if len(table) != len(members):
        raise UsageError(f"{cls.__name__} declares an index twice")
    return MappingProxyType(table)


def _describe_attribute(item: Attribute[Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "index": item.index,
        "name": item.name,
        "type": item.type.describe(),
        "traits": sorted(trait.value for trait in item.traits),
    }
    if item.selectors:
        described["selectors"] = {str(k): v.describe() for k, v in item.selectors.items()}
    return described


def _describe_method(item: Method[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "index": item.index,
        "name": item.name,
        "type": item.type.describe(),
        "traits": sorted(trait.value for trait in item.traits),
    }
    if item.returns is not None:
        described["returns"] = item.returns.describe()
    return described
