"""The octets of ciphered APDUs without an envelope: glo-, ded- and their general forms [asn1]."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.messaging.dlms.reading import octet_string
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL, ApduTag

__all__ = ["FORMS", "CoverForm", "cover", "uncover"]

_WHERE = "protection"
_GENERAL_GLO = int(ApduTag.GENERAL_GLO_CIPHERING)
_GENERAL_DED = int(ApduTag.GENERAL_DED_CIPHERING)


class CoverForm(NamedTuple):
    """How an APDU is ciphered: with which key, under a tag of its own or a general one."""

    dedicated: bool
    plain: int | None  # tag of the APDU within, None for the general forms


FORMS: dict[int, CoverForm] = {
    **{glo: CoverForm(False, plain) for plain, glo in GLOBAL.items()},
    **{ded: CoverForm(True, plain) for plain, ded in DEDICATED.items()},
    _GENERAL_GLO: CoverForm(False, None),
    _GENERAL_DED: CoverForm(True, None),
}


def cover(tag: int, content: bytes, title: bytes, dedicated: bool, general: bool) -> bytes:
    """The octets of a ciphered APDU."""
    twin = None if general else (DEDICATED if dedicated else GLOBAL).get(tag)
    if twin is not None:
        return bytes((twin,)) + octet_string(content)
    head = bytes((_GENERAL_DED if dedicated else _GENERAL_GLO,))
    return head + octet_string(title) + octet_string(content)


def uncover(octets: bytes) -> tuple[CoverForm, bytes, bytes]:
    """Form, system title (often empty) and protected content of a ciphered APDU."""
    tag = octets[0] if octets else 0
    form = FORMS.get(tag)
    if form is None:
        raise SecurityError(
            f"an unprotected APDU ({tag:02X}) came in a protected association", where=_WHERE
        )
    if form.plain is not None:
        return form, b"", octets[_content_start(octets, 1) :]
    start = _content_start(octets, 1, whole=False)
    title_end = start + octets[1]
    return form, octets[start:title_end], octets[_content_start(octets, title_end) :]


def _content_start(octets: bytes, position: int, *, whole: bool = True) -> int:
    """Step over a length; with `whole` it must announce exactly the octets that are left."""
    left = len(octets) - position
    if left < 1:
        raise DecodeError("no length", where=_WHERE, offset=position, octets=octets[:8])
    first = octets[position]
    size = 1
    length = first
    if first >= 0x80:
        size = 1 + (first & 0x7F)
        length = int.from_bytes(octets[position + 1 : position + size], "big")
    start = position + size
    if start > len(octets) or (start + length != len(octets) if whole else first >= 0x80):
        raise DecodeError(
            f"length {length} does not fit", where=_WHERE, offset=position, octets=octets[:8]
        )
    if not whole and start + length > len(octets):
        raise DecodeError("the title is cut", where=_WHERE, offset=position, octets=octets[:8])
    return start
