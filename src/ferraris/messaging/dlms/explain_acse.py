"""Telling ACSE APDUs field by field: the BER tags, lengths and what is in them [asn1]."""

from __future__ import annotations

from collections.abc import Callable

from ferraris.messaging.dlms.acse import (
    ApplicationContext,
    Mechanism,
    read_header,
)
from ferraris.messaging.dlms.enumerations import (
    AssociationResult,
    OctetEnum,
    ReleaseRequestReason,
    ReleaseResponseReason,
    ServiceProviderDiagnostic,
    ServiceUserDiagnostic,
)
from ferraris.messaging.dlms.telling import Part, Teller, system_title

__all__ = ["acse_part"]

_MOST_OCTETS = 8
"""No field is longer but the free ones: challenge, certificate, text."""

_MOST_FREE = 1 << 16
_CHALLENGING = {
    bytes((0x60, 0x85, 0x74, 0x05, 0x08, 2, mechanism)) for mechanism in Mechanism if mechanism.high
}
_UNIVERSAL = {0x02: "INTEGER", 0x03: "BIT STRING", 0x04: "OCTET STRING", 0x06: "OBJECT IDENTIFIER"}
_CHOICES = {0x80: "charstring", 0x81: "bitstring", 0x82: "external"}


def acse_part(nested: Part) -> Part:
    """Tell an AARQ, AARE, RLRQ or RLRE; `nested` tells the APDU in user information."""
    fields = _fields(nested)

    def tell(teller: Teller) -> None:
        tag = teller.peek()
        names = fields.get(tag or 0)
        if names is None:
            raise teller.error("not an ACSE APDU")
        teller.challenge = False
        teller.hiding = True  # whatever is wrong around a password may be the password
        size = _header(teller, names[0])
        with teller.deeper():
            teller.within(size, lambda inner: _each_field(inner, names[1]))

    return tell


Names = dict[int, tuple[str, Part]]


def _fields(nested: Part) -> dict[int, tuple[str, Names]]:
    title = _element(_octets(system_title))
    sender = _element(_sender)
    qualifier = _element(_free("qualifier"))
    invocation = _element(_integer("identifier"))
    requirements = _octets(_requirements)
    information = _element(lambda teller: teller.apdu(teller.remaining, nested))
    version = ("protocol-version", _octets("one octet of unused bits, then the bits"))
    context = ("application-context-name", _element(_identifier("context", ApplicationContext)))
    mechanism = ("mechanism-name", _identifier("mechanism", Mechanism))
    implementation = ("implementation-information", _free("text"))
    user = ("user-information", information)
    value = _element(_secret, _CHOICES)
    diagnostic = _diagnostic
    aarq: Names = {
        0x80: version,
        0xA1: context,
        0xA2: ("called-AP-title", title),
        0xA3: ("called-AE-qualifier", qualifier),
        0xA4: ("called-AP-invocation-id", invocation),
        0xA5: ("called-AE-invocation-id", invocation),
        0xA6: ("calling-AP-title", sender),
        0xA7: ("calling-AE-qualifier", qualifier),
        0xA8: ("calling-AP-invocation-id", invocation),
        0xA9: ("calling-AE-invocation-id", invocation),
        0x8A: ("sender-acse-requirements", requirements),
        0x8B: mechanism,
        0xAC: ("calling-authentication-value", value),
        0x9D: implementation,
        0xBE: user,
    }
    aare: Names = {
        0x80: version,
        0xA1: context,
        0xA2: ("result", _element(_integer("result", AssociationResult))),
        0xA3: ("result-source-diagnostic", diagnostic),
        0xA4: ("responding-AP-title", sender),
        0xA5: ("responding-AE-qualifier", qualifier),
        0xA6: ("responding-AP-invocation-id", invocation),
        0xA7: ("responding-AE-invocation-id", invocation),
        0x88: ("responder-acse-requirements", requirements),
        0x89: mechanism,
        0xAA: ("responding-authentication-value", value),
        0x9D: implementation,
        0xBE: user,
    }
    return {
        0x60: ("aarq", aarq),
        0x61: ("aare", aare),
        0x62: ("rlrq", {0x80: ("reason", _integer("reason", ReleaseRequestReason)), 0xBE: user}),
        0x63: ("rlre", {0x80: ("reason", _integer("reason", ReleaseResponseReason)), 0xBE: user}),
    }


def _each_field(teller: Teller, names: Names) -> None:
    while teller.remaining:
        tag = read_header(teller.octets, teller.position, teller.end, teller.where)[0]
        name, part = names.get(tag, (f"unknown field {tag:02x}", _skipped))
        size = _header(teller, name)
        with teller.deeper():
            teller.within(size, part)


def _header(teller: Teller, name: str) -> int:
    """Tell tag and length; return the length."""
    start, stop = read_header(teller.octets, teller.position, teller.end, teller.where)[1:]
    size = stop - start
    teller.tell(start - teller.position, f"{name}, {size} octets")
    return size


def _element(part: Part, names: dict[int, str] = _UNIVERSAL) -> Part:
    """One BER element inside a field."""

    def tell(teller: Teller) -> None:
        name = names.get(teller.peek() or 0)
        size = _header(teller, name or "element that does not belong here")
        with teller.deeper():
            teller.within(size, part if name else _skipped)

    return tell


def _requirements(octets: bytes) -> str:
    known = octets[-1:] == b"\x80"
    return f"unused bits and bits: {'authentication' if known else 'none that is known'}"


def _octets(words: str | Callable[[bytes], str]) -> Part:
    return lambda teller: _rest(teller, words)


def _free(name: str) -> Part:
    return lambda teller: _rest(teller, name, _MOST_FREE)


def _skipped(teller: Teller) -> None:
    teller.tell_rest("skipped")


def _sender(teller: Teller) -> None:
    teller.title = teller.octets[teller.position : teller.end]
    _rest(teller, system_title)


def _secret(teller: Teller) -> None:
    if teller.challenge:
        _rest(teller, "challenge", _MOST_FREE)
    elif teller.remaining:
        teller.tell_hidden(teller.remaining, "password")


def _identifier(name: str, kind: type[ApplicationContext] | type[Mechanism]) -> Part:
    def words(octets: bytes) -> str:
        arc = 1 if kind is ApplicationContext else 2
        if octets[:-1] == bytes((0x60, 0x85, 0x74, 0x05, 0x08, arc)):
            known = {member.value: member.name.lower().replace("_", " ") for member in kind}
            return f"{name} {octets[-1]}: {known.get(octets[-1], 'unassigned')}"
        return f"{name} of another arc"

    def tell(teller: Teller) -> None:
        octets = teller.octets[teller.position : teller.end]
        if kind is Mechanism:
            teller.challenge = octets in _CHALLENGING
        _rest(teller, words)

    return tell


def _integer(name: str, kind: type[OctetEnum] | None = None) -> Part:
    def words(octets: bytes) -> str:
        value = int.from_bytes(octets, "big", signed=True)
        if kind is None or not 0 <= value <= 255:
            return f"{name} {value}"
        return f"{name}: {kind(value).words} ({value})"

    return lambda teller: _rest(teller, words)


def _rest(teller: Teller, words: str | Callable[[bytes], str], most: int = _MOST_OCTETS) -> None:
    """The octets that are left; more than `most` have swallowed what follows, be it a password."""
    if teller.remaining > most:
        _skipped(teller)
    elif teller.remaining:
        teller.tell(teller.remaining, words)


def _diagnostic(teller: Teller) -> None:
    user = teller.peek() != 0xA2
    source = "acse-service-user" if user else "acse-service-provider"
    kind = ServiceUserDiagnostic if user else ServiceProviderDiagnostic
    size = _header(teller, source)
    with teller.deeper():
        teller.within(size, _element(_integer("diagnostic", kind)))
