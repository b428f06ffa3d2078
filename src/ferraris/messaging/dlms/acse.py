"""ACSE: opening and releasing an association, in BER [asn1].

User information is carried raw: an InitiateRequest or InitiateResponse, ciphered or not, or a
confirmed-service-error. Fields may come in any order, unknown ones are skipped, repeated ones are
refused. Authentication values and keys are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, TypeVar

from ferraris.core.errors import DecodeError
from ferraris.data.axdr import Limits, length_octets
from ferraris.messaging.dlms.enumerations import (
    AssociationResult,
    ReleaseRequestReason,
    ReleaseResponseReason,
    ServiceProviderDiagnostic,
    ServiceUserDiagnostic,
    SourceDiagnostic,
)
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS

__all__ = [
    "AUTHENTICATION",
    "CONTEXT_ARC",
    "MECHANISM_ARC",
    "Aare",
    "Aarq",
    "ApplicationContext",
    "Mechanism",
    "Rlre",
    "Rlrq",
]

E_ = TypeVar("E_", bound=IntEnum)

AUTHENTICATION = b"\x07\x80"
"""ACSE requirements with the authentication functional unit: one bit, seven unused."""

CHARACTER_STRING = 0x80
BIT_STRING = 0x81


class ApplicationContext(IntEnum):
    """Application context names, 2.16.756.5.8.1.n [asn1]."""

    LOGICAL_NAMES = 1
    SHORT_NAMES = 2
    LOGICAL_NAMES_CIPHERED = 3
    SHORT_NAMES_CIPHERED = 4

    @classmethod
    def of(cls, *, short_names: bool, ciphered: bool) -> ApplicationContext:
        """The context for a kind of referencing, with ciphering or without."""
        return cls(1 + short_names + 2 * ciphered)

    @property
    def ciphered(self) -> bool:
        """APDUs may be ciphered in this context."""
        return self >= ApplicationContext.LOGICAL_NAMES_CIPHERED


class Mechanism(IntEnum):
    """Authentication mechanism names, 2.16.756.5.8.2.n [asn1]."""

    LOWEST = 0
    LOW = 1
    HIGH = 2
    HIGH_MD5 = 3
    HIGH_SHA1 = 4
    HIGH_GMAC = 5
    HIGH_SHA256 = 6
    HIGH_ECDSA = 7

    @property
    def high(self) -> bool:
        """Challenges follow in both directions (HLS)."""
        return self >= Mechanism.HIGH


CONTEXT_ARC = bytes.fromhex("608574050801")
"""Object identifier 2.16.756.5.8.1, under which application contexts are numbered [asn1]."""

MECHANISM_ARC = bytes.fromhex("608574050802")
"""Object identifier 2.16.756.5.8.2, under which authentication mechanisms are numbered [asn1]."""

_CONTEXTS = {CONTEXT_ARC + bytes((name,)): name for name in ApplicationContext}
_MECHANISMS = {MECHANISM_ARC + bytes((name,)): name for name in Mechanism}


class _Masked:
    """A repr that leaves out absent fields and hides what authenticates."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for each in fields(self):  # type: ignore[arg-type] # every subclass is a dataclass
            value = getattr(self, each.name)
            if value is None or value == each.default:
                continue
            shown.append(f"{each.name}={_shown(each.name, value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _shown(name: str, value: Any) -> str:
    if name.endswith("authentication_value"):
        return f"<{len(value)} octets hidden>"
    if name == "user_information" and value[:2] == b"\x01\x01":
        return f"<{len(value)} octets with a dedicated key hidden>"
    if isinstance(value, IntEnum):
        return value.name
    return bytes(value).hex() if isinstance(value, bytes) else repr(value)


@dataclass(slots=True, repr=False)
class Aarq(_Masked):
    """A-Associate request. Names that we do not know are kept as the octets of the identifier.

    `protocol_version` and `sender_acse_requirements` are the content of their BIT STRING. None for
    the requirements means what belongs there: `AUTHENTICATION` with a mechanism, else nothing;
    empty octets stand for a mechanism that comes without them.
    """

    application_context: ApplicationContext | bytes
    user_information: bytes | None = None
    mechanism: Mechanism | bytes | None = None
    calling_authentication_value: bytes | None = None
    sender_acse_requirements: bytes | None = None
    calling_ap_title: bytes | None = None
    calling_ae_qualifier: bytes | None = None
    calling_ap_invocation_id: int | None = None
    calling_ae_invocation_id: int | None = None
    called_ap_title: bytes | None = None
    called_ae_qualifier: bytes | None = None
    called_ap_invocation_id: int | None = None
    called_ae_invocation_id: int | None = None
    implementation_information: bytes | None = None
    protocol_version: bytes | None = None
    authentication_value_choice: int = CHARACTER_STRING

    def to_octets(self) -> bytes:
        """Encode with tag 60; the fields come in ascending order."""
        context = self.application_context
        parts = [
            _plain(0x80, self.protocol_version),
            _tlv(0xA1, _tlv(0x06, _identifier(CONTEXT_ARC, context))),
            _wrapped(0xA2, self.called_ap_title),
            _wrapped(0xA3, self.called_ae_qualifier),
            _integer(0xA4, self.called_ap_invocation_id),
            _integer(0xA5, self.called_ae_invocation_id),
            _wrapped(0xA6, self.calling_ap_title),
            _wrapped(0xA7, self.calling_ae_qualifier),
            _integer(0xA8, self.calling_ap_invocation_id),
            _integer(0xA9, self.calling_ae_invocation_id),
            _requirements(0x8A, self.sender_acse_requirements, self.mechanism),
            _name(0x8B, self.mechanism),
            _value(0xAC, self.authentication_value_choice, self.calling_authentication_value),
            _plain(0x9D, self.implementation_information),
            _wrapped(0xBE, self.user_information),
        ]
        return _tlv(0x60, b"".join(parts))


@dataclass(slots=True, repr=False)
class Aare(_Masked):
    """A-Associate response. The type of `diagnostic` tells who speaks, service user or provider.

    `responder_acse_requirements` follows the rule of `Aarq.sender_acse_requirements`.
    """

    application_context: ApplicationContext | bytes
    result: AssociationResult = AssociationResult.ACCEPTED
    diagnostic: SourceDiagnostic = ServiceUserDiagnostic.NULL
    user_information: bytes | None = None
    mechanism: Mechanism | bytes | None = None
    responding_authentication_value: bytes | None = None
    responder_acse_requirements: bytes | None = None
    responding_ap_title: bytes | None = None
    responding_ae_qualifier: bytes | None = None
    responding_ap_invocation_id: int | None = None
    responding_ae_invocation_id: int | None = None
    implementation_information: bytes | None = None
    protocol_version: bytes | None = None
    authentication_value_choice: int = CHARACTER_STRING

    def to_octets(self) -> bytes:
        """Encode with tag 61; the fields come in ascending order."""
        source = 0xA2 if isinstance(self.diagnostic, ServiceProviderDiagnostic) else 0xA1
        context = self.application_context
        parts = [
            _plain(0x80, self.protocol_version),
            _tlv(0xA1, _tlv(0x06, _identifier(CONTEXT_ARC, context))),
            bytes((0xA2, 3, 2, 1, self.result)),
            bytes((0xA3, 5, source, 3, 2, 1, self.diagnostic)),
            _wrapped(0xA4, self.responding_ap_title),
            _wrapped(0xA5, self.responding_ae_qualifier),
            _integer(0xA6, self.responding_ap_invocation_id),
            _integer(0xA7, self.responding_ae_invocation_id),
            _requirements(0x88, self.responder_acse_requirements, self.mechanism),
            _name(0x89, self.mechanism),
            _value(0xAA, self.authentication_value_choice, self.responding_authentication_value),
            _plain(0x9D, self.implementation_information),
            _wrapped(0xBE, self.user_information),
        ]
        return _tlv(0x61, b"".join(parts))


@dataclass(slots=True, repr=False)
class Rlrq(_Masked):
    """A-Release request; with ciphering the user information is a ciphered InitiateRequest."""

    reason: ReleaseRequestReason | int | None = ReleaseRequestReason.NORMAL
    user_information: bytes | None = None

    def to_octets(self) -> bytes:
        """Encode with tag 62."""
        return _tlv(0x62, _reason(self.reason) + _wrapped(0xBE, self.user_information))


@dataclass(slots=True, repr=False)
class Rlre(_Masked):
    """A-Release response; with ciphering the user information is a ciphered InitiateResponse."""

    reason: ReleaseResponseReason | int | None = ReleaseResponseReason.NORMAL
    user_information: bytes | None = None

    def to_octets(self) -> bytes:
        """Encode with tag 63."""
        return _tlv(0x63, _reason(self.reason) + _wrapped(0xBE, self.user_information))


def decode_aarq(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Aarq:
    """Decode an AARQ from its tag 60 on."""
    found = _Fields(octets, "dlms aarq")
    choice, value = found.choice(0xAC)
    return Aarq(
        found.context(),
        found.wrapped(0xBE, 0x04),
        found.mechanism(0x8B),
        value,
        found.requirements(0x8A, 0x8B),
        found.wrapped(0xA6, 0x04),
        found.wrapped(0xA7, 0x04),
        found.integer(0xA8),
        found.integer(0xA9),
        found.wrapped(0xA2, 0x04),
        found.wrapped(0xA3, 0x04),
        found.integer(0xA4),
        found.integer(0xA5),
        found.plain(0x9D),
        found.plain(0x80),
        choice,
    )


def decode_aare(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Aare:
    """Decode an AARE from its tag 61 on."""
    found = _Fields(octets, "dlms aare")
    choice, value = found.choice(0xAA)
    return Aare(
        found.context(),
        found.octet(0xA2, AssociationResult),
        found.diagnostic(),
        found.wrapped(0xBE, 0x04),
        found.mechanism(0x89),
        value,
        found.requirements(0x88, 0x89),
        found.wrapped(0xA4, 0x04),
        found.wrapped(0xA5, 0x04),
        found.integer(0xA6),
        found.integer(0xA7),
        found.plain(0x9D),
        found.plain(0x80),
        choice,
    )


def decode_rlrq(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Rlrq:
    """Decode an RLRQ from its tag 62 on."""
    found = _Fields(octets, "dlms rlrq")
    return Rlrq(found.reason(ReleaseRequestReason), found.wrapped(0xBE, 0x04))


def decode_rlre(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Rlre:
    """Decode an RLRE from its tag 63 on."""
    found = _Fields(octets, "dlms rlre")
    return Rlre(found.reason(ReleaseResponseReason), found.wrapped(0xBE, 0x04))


def read_header(octets: bytes, position: int, end: int, where: str) -> tuple[int, int, int]:
    """Read tag and definite length; return (tag, first octet of the content, end of the content).

    A tag of several octets is returned as the number all its octets make.
    """
    try:
        tag = octets[position]
        position += 1
        if tag & 0x1F == 0x1F:
            octet = 0x80
            while octet & 0x80:
                octet = octets[position]
                position += 1
                tag = tag << 8 | octet
                if tag > 0xFFFFFFFF:
                    raise _error("tag of more than four octets", where, position, octets)
        length = octets[position]
        position += 1
        if length >= 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise _error(f"length form {length:02x} is not definite", where, position, octets)
            length = int.from_bytes(octets[position : position + size], "big")
            position += size
    except IndexError:
        raise _error("the octets end within a tag or length", where, position, octets) from None
    if position + length > end:
        left = end - position
        raise _error(f"length {length} exceeds the {left} octets left", where, position, octets)
    return tag, position, position + length


class _Fields:
    """The fields of one ACSE APDU by tag octet: first and last position of their content."""

    __slots__ = ("_found", "_octets", "_where")

    def __init__(self, octets: bytes, where: str) -> None:
        self._octets = octets
        self._where = where
        size = len(octets)
        if size > 1 and octets[1] == size - 2 < 0x80:  # the usual case, nothing else to check
            position = 2
        else:
            _, position, end = read_header(octets, 0, size, where)
            if end != size:
                raise _error(f"{size - end} octets too many", where, end, octets)
        self._found = found = dict[int, tuple[int, int]]()
        while position < size:
            tag = octets[position]
            if position + 1 < size and (stop := octets[position + 1]) < 0x80 and tag & 0x1F != 0x1F:
                start = position + 2
                stop += start
                if stop > size:
                    raise _error(
                        f"length {stop - start} exceeds the {size - start} octets left",
                        where,
                        position + 1,
                        octets,
                    )
            else:
                tag, start, stop = read_header(octets, position, size, where)
            if tag in found:
                raise _error(f"field {tag:02x} comes twice", where, position, octets)
            found[tag] = (start, stop)
            position = stop

    def plain(self, tag: int) -> bytes | None:
        """Content of a primitive field."""
        place = self._found.get(tag)
        return None if place is None else self._octets[place[0] : place[1]]

    def requirements(self, tag: int, mechanism_tag: int) -> bytes | None:
        """ACSE requirements; None when they are what the mechanism, or its absence, asks for."""
        content = self.plain(tag)
        if mechanism_tag not in self._found:
            return content
        return None if content == AUTHENTICATION else content or b""

    def wrapped(self, tag: int, inner: int) -> bytes | None:
        """Content of the one element `inner` within a constructed field."""
        place = self._found.get(tag)
        if place is None:
            return None
        start, stop = self._inside(place, inner)
        return self._octets[start:stop]

    def integer(self, tag: int) -> int | None:
        """An INTEGER within a constructed field."""
        place = self._found.get(tag)
        if place is None:
            return None
        start, stop = self._inside(place, 0x02)
        if not 1 <= stop - start <= 8:
            raise self._error(f"integer of {stop - start} octets", start)
        return int.from_bytes(self._octets[start:stop], "big", signed=True)

    def octet(self, tag: int, kind: type[E_]) -> E_:
        """A mandatory INTEGER 0..255 within a constructed field."""
        number = self.integer(tag)
        if number is None or not 0 <= number <= 255:
            raise self._error(f"field {tag:02x} is missing or out of range", 0)
        return kind(number)

    def context(self) -> ApplicationContext | bytes:
        """The mandatory application context name."""
        name = self.wrapped(0xA1, 0x06)
        if not name:
            raise self._error("the application context name is missing", 0)
        return _CONTEXTS.get(name, name)

    def mechanism(self, tag: int) -> Mechanism | bytes | None:
        """The mechanism name, if any."""
        name = self.plain(tag)
        return None if name is None else _MECHANISMS.get(name, name)

    def choice(self, tag: int) -> tuple[int, bytes | None]:
        """Choice octet and content of an authentication value."""
        place = self._found.get(tag)
        if place is None:
            return CHARACTER_STRING, None
        inner = self._octets[place[0]] if place[0] < place[1] else CHARACTER_STRING
        start, stop = self._inside(place, inner)
        return inner, self._octets[start:stop]

    def diagnostic(self) -> SourceDiagnostic:
        """The mandatory result-source-diagnostic."""
        place = self._found.get(0xA3)
        if place is None:
            raise self._error("the result source diagnostic is missing", 0)
        source = self._octets[place[0]] if place[0] < place[1] else 0
        if source not in (0xA1, 0xA2):
            raise self._error("diagnostic of user (a1) or provider (a2) expected", place[0])
        start, stop = self._inside(self._inside(place, source), 0x02)
        number = int.from_bytes(self._octets[start:stop], "big")
        if start == stop or number > 255:
            raise self._error("diagnostic out of range", start)
        return (
            ServiceUserDiagnostic(number) if source == 0xA1 else ServiceProviderDiagnostic(number)
        )

    def reason(self, kind: type[E_]) -> E_ | None:
        """The reason of a release, if any."""
        content = self.plain(0x80)
        if content is None:
            return None
        if len(content) != 1:
            raise self._error("a reason of one octet expected", self._found[0x80][0])
        return kind(content[0])

    def _inside(self, place: tuple[int, int], inner: int) -> tuple[int, int]:
        """Place of the content of element `inner`, which must fill `place`."""
        start, stop = place
        octets = self._octets
        size = stop - start - 2
        if 0 <= size < 0x80 and octets[start] == inner and octets[start + 1] == size:
            return start + 2, stop
        tag, first, last = read_header(octets, start, stop, self._where)
        if tag != inner or last != stop:
            raise self._error(f"element {inner:02x} expected to fill its field", start)
        return first, last

    def _error(self, message: str, offset: int) -> DecodeError:
        return DecodeError(message, where=self._where, offset=offset)


def _error(message: str, where: str, offset: int, octets: bytes) -> DecodeError:
    # No excerpt: the octets around may be a password.
    return DecodeError(message, where=where, offset=min(offset, len(octets)))


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    return bytes((tag,)) + length_octets(length) + content


def _plain(tag: int, content: bytes | None) -> bytes:
    return b"" if content is None else _tlv(tag, content)


def _requirements(tag: int, content: bytes | None, mechanism: Mechanism | bytes | None) -> bytes:
    if content is None:
        return b"" if mechanism is None else bytes((tag, 2)) + AUTHENTICATION
    return _tlv(tag, content) if content else b""


def _wrapped(tag: int, content: bytes | None) -> bytes:
    return b"" if content is None else _tlv(tag, _tlv(0x04, content))


def _integer(tag: int, number: int | None) -> bytes:
    if number is None:
        return b""
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return _tlv(tag, _tlv(0x02, number.to_bytes(size, "big", signed=True)))


def _identifier(arc: bytes, name: IntEnum | bytes) -> bytes:
    return name if isinstance(name, bytes) else arc + bytes((name,))


def _name(tag: int, name: Mechanism | bytes | None) -> bytes:
    return b"" if name is None else _tlv(tag, _identifier(MECHANISM_ARC, name))


def _value(tag: int, choice: int, value: bytes | None) -> bytes:
    return b"" if value is None else _tlv(tag, _tlv(choice, value))


def _reason(reason: int | None) -> bytes:
    return b"" if reason is None else bytes((0x80, 1, reason))
