"""The parts that the table of APDUs is made of: fields, groups, choices and lists.

A `Record` maps the attributes of one class to elements. Its parts show what they find in a value
and take from elements what the class is made from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ferraris.messaging.dlms.translation.kinds import Kind
from ferraris.messaging.dlms.translation.node import Node, attach, only_child, unfit
from ferraris.messaging.dlms.translation.way import Way

__all__ = [
    "REQUIRED",
    "Alternative",
    "Choice",
    "Field",
    "Group",
    "Items",
    "ListOf",
    "OneOf",
    "Part",
    "Record",
    "Wrapped",
    "any_value",
    "of_type",
]

REQUIRED: Any = object()
"""Mark of a field that is always there."""

Found = dict[str, Node]
Values = dict[str, Any]


class Part(Protocol):
    """Some attributes of a class, and the element that shows them."""

    @property
    def element(self) -> str:
        """The name of its element."""

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """Put the element, if there is one, among the children of `parent`."""

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """The attributes, from the elements of `parent` by name."""


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute; `absent` is its value without an element, `always` shows that value too."""

    attribute: str
    element: str
    kind: Kind
    absent: Any = REQUIRED
    always: bool = False

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """The attribute as its kind shows it."""
        found = getattr(value, self.attribute)
        hidden = found is None or (self.absent is not REQUIRED and found == self.absent)
        if not hidden or self.always:
            attach(parent, self.kind.show(self.element, found, way))

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """The attribute as its kind takes it."""
        node = found.get(self.element)
        if node is not None:
            return {self.attribute: self.kind.take(node, way)}
        if self.absent is REQUIRED:
            raise unfit(parent, f"the element {self.element} is missing")
        return {self.attribute: self.absent}


@dataclass(frozen=True, slots=True)
class Group:
    """Attributes of the same class in an element of their own."""

    element: str
    parts: tuple[Part, ...]

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """An element with the parts."""
        node = Node(self.element)
        for part in self.parts:
            part.show(node, value, way)
        attach(parent, node)

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """The parts of the element."""
        node = found.get(self.element)
        if node is None:
            raise unfit(parent, f"the element {self.element} is missing")
        return _taken(node, self.parts, way)


@dataclass(frozen=True, slots=True)
class OneOf:
    """An element that holds one of several attributes; the others have their value of `absent`.

    The first attribute that is not None is shown; without any the element is missing.
    """

    element: str
    fields: tuple[Field, ...]
    absent: Values
    optional: bool = False

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """An element with the attribute that is there."""
        for field in self.fields:
            if getattr(value, field.attribute) is not None:
                field.show(attach(parent, Node(self.element)), value, way)
                return

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """The attribute that is there."""
        node = found.get(self.element)
        if node is None:
            if self.optional:
                return dict(self.absent)
            raise unfit(parent, f"the element {self.element} is missing")
        names = " or ".join(field.element for field in self.fields)
        child = only_child(node, names)
        for field in self.fields:
            if field.element == child.name:
                return self.absent | field.take(node, {child.name: child}, way)
        raise unfit(child, f"{names} expected")


@dataclass(frozen=True, slots=True)
class Record:
    """A value of several attributes: what it is made by, and its parts in order.

    `view` gives a value that only has places the names of its attributes.
    """

    make: Callable[..., Any]
    parts: tuple[Part, ...]
    view: Callable[[Any], Any] | None = None
    listed: bool = False

    def show(self, name: str, value: Any, way: Way) -> Node:
        """An element with all parts."""
        node = Node(name, listed=self.listed)
        seen = value if self.view is None else self.view(value)
        for part in self.parts:
            part.show(node, seen, way)
        return node

    def take(self, node: Node, way: Way) -> Any:
        """The value made of the parts."""
        return self.make(**_taken(node, self.parts, way))


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A value that has a class of its own for its one attribute: shown as that attribute."""

    make: Callable[[Any], Any]
    attribute: str
    kind: Kind

    def show(self, name: str, value: Any, way: Way) -> Node:
        """The attribute."""
        return self.kind.show(name, getattr(value, self.attribute), way)

    def take(self, node: Node, way: Way) -> Any:
        """The value made of the attribute."""
        return self.make(self.kind.take(node, way))


@dataclass(frozen=True, slots=True)
class Alternative:
    """One element of a choice: which values it is for, and their kind."""

    element: str
    fits: Callable[[Any], bool]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Choice:
    """An element around the one of several that fits."""

    alternatives: tuple[Alternative, ...]

    def show(self, name: str, value: Any, way: Way) -> Node:
        """An element with the fitting one inside."""
        node = Node(name)
        attach(node, _choose(self.alternatives, value, way))
        return node

    def take(self, node: Node, way: Way) -> Any:
        """The value of the one inside."""
        return _chosen(self.alternatives, only_child(node, _names(self.alternatives)), way)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list: elements of the alternatives, in order."""

    alternatives: tuple[Alternative, ...]

    def show(self, name: str, value: Any, way: Way) -> Node:
        """An element with one inside for each value."""
        node = Node(name, listed=True)
        for each in value:
            attach(node, _choose(self.alternatives, each, way))
        return node

    def take(self, node: Node, way: Way) -> list[Any]:
        """The values of the elements inside."""
        _check_no_text(node)
        return [_chosen(self.alternatives, child, way) for child in node.children]


@dataclass(frozen=True, slots=True)
class Items:
    """A list whose elements are the only children of their record."""

    attribute: str
    alternatives: tuple[Alternative, ...]
    element: str = ""

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """One element for each value."""
        for each in getattr(value, self.attribute):
            attach(parent, _choose(self.alternatives, each, way))

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """The values of the elements."""
        children = parent.children
        return {self.attribute: [_chosen(self.alternatives, child, way) for child in children]}


def of_type(kind: type) -> Callable[[Any], bool]:
    """Fits values of this type."""
    return lambda value: isinstance(value, kind)


def any_value(value: Any) -> bool:
    """Fits every value."""
    return True


def _taken(node: Node, parts: Sequence[Part], way: Way) -> Values:
    _check_no_text(node)
    names = [part.element for part in parts]
    found: Found = {}
    if names != [""]:
        for child in node.children:
            if child.name not in names:
                raise unfit(child, f"{', '.join(names)} expected in {node.name}")
            if child.name in found:
                raise unfit(child, f"{child.name} comes twice")
            found[child.name] = child
    values: Values = {}
    for part in parts:
        values |= part.take(node, found, way)
    return values


def _check_no_text(node: Node) -> None:
    if node.value is not None and not (isinstance(node.value, str) and not node.value.strip()):
        raise unfit(node, "elements expected, no text")


def _choose(alternatives: Sequence[Alternative], value: Any, way: Way) -> Node:
    found = next(each for each in alternatives if each.fits(value))
    return found.kind.show(found.element, value, way)


def _chosen(alternatives: Sequence[Alternative], node: Node, way: Way) -> Any:
    for each in alternatives:
        if each.element == node.name:
            return each.kind.take(node, way)
    raise unfit(node, f"{_names(alternatives)} expected")


def _names(alternatives: Sequence[Alternative]) -> str:
    return " or ".join(each.element for each in alternatives)
