"""Any APDU, octet by octet, for people: what `ferraris decode --explain` shows.

The lines with octets are leaves; joined in order they are the input, whatever it was. Octets that
are no APDU end in a line that says so; nothing is raised.
"""

from __future__ import annotations

from ferraris.core.explain import Line, masked
from ferraris.messaging.dlms.explain_acse import acse_part
from ferraris.messaging.dlms.explain_general import general_parts
from ferraris.messaging.dlms.explain_services import SERVICE_PARTS
from ferraris.messaging.dlms.tags import ApduTag, tag_name
from ferraris.messaging.dlms.telling import Open, Part, Teller

__all__ = ["conceal", "explain"]


def explain(octets: bytes, opens: Open | None = None, title: bytes | None = None) -> list[Line]:
    """Name every octet of an APDU; never raises, marks what is a password or a key.

    `opens` opens what is ciphered, and the plain APDU is explained behind it. `title` is the
    sender's system title, for an APDU that does not bring it.
    """
    teller = Teller(bytes(octets), opens=opens, title=title)
    teller.within(len(octets), _apdu)
    return teller.lines


def conceal(octets: bytes) -> bytes:
    """The APDU with asterisks in place of passwords and keys; whatever else stays as it is."""
    if octets[:1] in _OPEN_HEARTED:
        return octets
    return masked(octets, explain(octets))


def _apdu(teller: Teller) -> None:
    tag = teller.peek()
    if tag is None:
        raise teller.error("no octets")
    part = _PARTS.get(tag)
    if part is None:
        raise teller.error(f"unknown tag {tag:02x}")
    if tag in _ACSE:
        part(teller)
        return
    teller.tell(1, tag_name(tag))
    with teller.deeper():
        part(teller)


_OPEN_HEARTED = (bytes((ApduTag.GET_REQUEST,)), bytes((ApduTag.GET_RESPONSE,)))
"""APDUs in which nothing says that a value is a secret; they are the bulk of all traffic."""

_ACSE = (ApduTag.AARQ, ApduTag.AARE, ApduTag.RLRQ, ApduTag.RLRE)
_PARTS: dict[int, Part] = {
    **SERVICE_PARTS,
    **general_parts(_apdu),
    **dict.fromkeys(_ACSE, acse_part(_apdu)),
}
