"""Parts of the table whose attributes do not each have an element of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferraris.messaging.dlms.acse import AUTHENTICATION, BIT_STRING, CHARACTER_STRING
from ferraris.messaging.dlms.enumerations import ConfirmedService, OctetEnum, ServiceErrorChoice
from ferraris.messaging.dlms.errors import ConfirmedServiceError
from ferraris.messaging.dlms.translation.kinds import U8, BitsKind, Enumeration, Octets
from ferraris.messaging.dlms.translation.node import Node, attach, hexadecimal, only_child, unfit
from ferraris.messaging.dlms.translation.records import Found, Values
from ferraris.messaging.dlms.translation.way import Way

__all__ = ["AuthenticationValue", "BlockControl", "Requirements", "ServiceErrorPart"]

_BITS = BitsKind()
_LAST_BLOCK, _STREAMING, _WINDOW = 0x80, 0x40, 0x3F


@dataclass(frozen=True, slots=True)
class Requirements:
    """ACSE requirements: what the mechanism asks for is shown, though the class leaves it out."""

    attribute: str
    element: str

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """The bits that are on the wire."""
        content = getattr(value, self.attribute)
        if content is None and value.mechanism is not None:
            content = AUTHENTICATION
        if content:
            attach(parent, _BITS.show(self.element, content, way))

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """None for what the mechanism asks for, empty for a mechanism without them."""
        node = found.get(self.element)
        with_mechanism = "mechanism-name" in found
        if node is None:
            return {self.attribute: b"" if with_mechanism else None}
        content = _BITS.take(node, way)
        if not content:
            raise unfit(node, "bits expected")
        return {self.attribute: None if with_mechanism and content == AUTHENTICATION else content}


@dataclass(frozen=True, slots=True)
class AuthenticationValue:
    """An authentication value: a character string, a bit string, or octets under another tag."""

    attribute: str
    element: str

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """The octets under the name of their choice."""
        octets = getattr(value, self.attribute)
        if octets is None:
            return
        node = attach(parent, Node(self.element))
        choice = value.authentication_value_choice
        name = {CHARACTER_STRING: "charstring", BIT_STRING: "bitstring"}.get(choice)
        if name is None:
            attach(node, Node("choice", choice))
        attach(node, Node(name or "octets", hexadecimal(octets)))

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """Octets and choice."""
        node = found.get(self.element)
        if node is None:
            return {self.attribute: None}
        names = [child.name for child in node.children]
        if names == ["choice", "octets"]:
            choice = U8.take(node.children[0], way)
        elif names in (["charstring"], ["bitstring"]):
            choice = CHARACTER_STRING if names == ["charstring"] else BIT_STRING
        else:
            raise unfit(node, "charstring or bitstring expected, or choice and octets")
        octets = Octets().take(node.children[-1], way)
        return {self.attribute: octets, "authentication_value_choice": choice}


@dataclass(frozen=True, slots=True)
class BlockControl:
    """Last block, streaming and window of general block transfer in one octet."""

    element: str = "block-control"

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """The octet."""
        control = value.last_block * _LAST_BLOCK | value.streaming * _STREAMING | value.window
        attach(parent, Node(self.element, int(control)))

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """The three of them."""
        node = found.get(self.element)
        if node is None:
            raise unfit(parent, f"the element {self.element} is missing")
        control = U8.take(node, way)
        return {
            "last_block": control >= _LAST_BLOCK,
            "streaming": bool(control & _STREAMING),
            "window": control & _WINDOW,
        }


_SERVICES = Enumeration(ConfirmedService)
_CHOICES = Enumeration(ServiceErrorChoice)
_SERVICE_SUFFIX = "Error"


@dataclass(frozen=True, slots=True)
class ServiceErrorPart:
    """A confirmed service error: the service names an element, the kind of error one within."""

    element: str = ""

    def show(self, parent: Node, value: Any, way: Way) -> None:
        """For example `initiateError`, in it `initiate`, in it `dlms-version-too-low`."""
        service = ConfirmedService(value.service)
        suffix = _SERVICE_SUFFIX if service is ConfirmedService.INITIATE else ""
        node = attach(parent, Node(service.words + suffix))
        reason = value.reason
        word = reason.words if isinstance(reason, OctetEnum) else str(int(reason))
        attach(node, Node(ServiceErrorChoice(value.choice).words, word))

    def take(self, parent: Node, found: Found, way: Way) -> Values:
        """Service, choice and value."""
        outer = only_child(parent, "initiateError, read or write")
        service = _SERVICES.named(outer.name.removesuffix(_SERVICE_SUFFIX))
        if service is None:
            raise unfit(outer, "initiateError, read, write or unassigned-N expected")
        inner = only_child(outer, _CHOICES.words)
        choice = _CHOICES.named(inner.name)
        if not isinstance(choice, ServiceErrorChoice):
            raise unfit(inner, f"{_CHOICES.words} or unassigned-N expected")
        reasons = ConfirmedServiceError(ConfirmedService.INITIATE, choice, 0).reason
        if isinstance(reasons, OctetEnum):
            value = int(Enumeration(type(reasons)).take(inner, way))
        else:
            value = U8.take(inner, way)
        return {"service": service, "choice": choice, "value": value}
