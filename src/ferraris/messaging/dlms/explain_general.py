"""Telling what stands around other APDUs: protection, signatures, blocks, the gateway's prefix."""

from __future__ import annotations

from ferraris.core.errors import DecodeError
from ferraris.messaging.dlms.explain_services import MOMENT
from ferraris.messaging.dlms.security import SecurityControl
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL, ApduTag
from ferraris.messaging.dlms.telling import (
    Deciphered,
    Part,
    Protected,
    Teller,
    choice,
    number,
    optional,
    sequence,
    string,
    system_title,
)

__all__ = ["general_parts"]


def general_parts(apdu: Part) -> dict[int, Part]:
    """Tag to part, for all that holds another APDU; `apdu` tells that one."""
    nested = _nested(apdu)
    ciphered = _content("ciphered content", _ciphered(apdu))
    dedicated = _content("ciphered content", _ciphered(apdu, dedicated=True))
    title = _titled("system title")
    gateway = sequence(number(1, "network id"), string("physical device address"), nested)
    return {
        **dict.fromkeys(GLOBAL.values(), ciphered),
        **dict.fromkeys(DEDICATED.values(), dedicated),
        ApduTag.GENERAL_GLO_CIPHERING: sequence(title, ciphered),
        ApduTag.GENERAL_DED_CIPHERING: sequence(title, dedicated),
        ApduTag.GENERAL_CIPHERING: sequence(
            _header, optional("key information", _KEY_INFO), ciphered
        ),
        ApduTag.GENERAL_SIGNING: sequence(
            _header, _content("content", nested), string("signature")
        ),
        ApduTag.GENERAL_BLOCK_TRANSFER: _block_transfer(nested),
        ApduTag.GATEWAY_REQUEST: gateway,
        ApduTag.GATEWAY_RESPONSE: gateway,
    }


_TAG_OCTETS = 12
_LAST_BLOCK = 0x80


def _control(octet: int) -> str:
    control = SecurityControl(octet)
    words = [f"suite {control.suite}"]
    words += ["authenticated"] if control.authentication else []
    words += ["encrypted"] if control.encryption else []
    words += ["broadcast key" if control.broadcast else "unicast key"]
    words += ["compressed"] if control.compression else []
    return ", ".join(words)


def _ciphered(apdu: Part, *, dedicated: bool = False) -> Part:
    def tell(teller: Teller) -> None:
        control = SecurityControl(teller.peek() or 0)
        number(1, "security control", _control)(teller)
        number(4, "invocation counter")(teller)
        size = teller.remaining - (_TAG_OCTETS if control.authentication else 0)
        if size < 0:
            raise teller.error("too short for an authentication tag")
        found = Deciphered(None, "")
        if teller.open is not None:
            content = teller.octets[teller.position - 5 : teller.end]
            fields, teller.fields = teller.fields, b""
            found = teller.open(Protected(content, teller.title, fields, dedicated))
        in_place = found.plain == teller.octets[teller.position : teller.position + size]
        if control.compression:
            teller.tell(size, f"compressed APDU, {size} octets")
        elif control.encryption and not in_place:
            teller.tell(size, f"ciphertext, {size} octets")
        else:
            teller.apdu(size, apdu)
        verdict = f", {found.verdict}" if found.verdict else ""
        if teller.remaining:
            teller.tell(teller.remaining, f"authentication tag{verdict}")
        elif verdict:
            teller.say(f"no authentication tag{verdict}")
        if found.plain is not None and not in_place:
            teller.say("deciphered")
            with teller.deeper():
                teller.deciphered(found.plain, apdu)

    return tell


def _content(name: str, part: Part) -> Part:
    def tell(teller: Teller) -> None:
        try:
            size = teller.tell_length(f"{name}, {{}} octets")
        except DecodeError:  # an APDU cut short may hold a key that nothing tells from the rest
            teller.hiding = True
            raise
        with teller.deeper():
            teller.within(size, part)

    return tell


def _nested(apdu: Part) -> Part:
    def tell(teller: Teller) -> None:
        if teller.remaining:
            teller.apdu(teller.remaining, apdu)

    return tell


def _titled(name: str) -> Part:
    """The sender's system title; with length 0 the one known before goes on."""
    part = string(name, system_title)

    def tell(teller: Teller) -> None:
        start = teller.position
        part(teller)
        teller.title = teller.octets[start + 1 : teller.position] or teller.title

    return tell


_FIELDS = sequence(
    string("transaction id"),
    _titled("originator system title"),
    string("recipient system title"),
    MOMENT,
    string("other information"),
)
_KEY_IDS = {0: "global unicast encryption key", 1: "global broadcast encryption key"}
_KEY_INFO = choice(
    {
        0: ("identified key", number(1, "key id", lambda value: _KEY_IDS.get(value, str(value)))),
        1: (
            "wrapped key",
            sequence(
                number(1, "kek id", lambda value: "master key" if value == 0 else str(value)),
                string("key ciphered data", secret=True),
            ),
        ),
        2: ("agreed key", sequence(string("key parameters"), string("key ciphered data"))),
    }
)


def _header(teller: Teller) -> None:
    """The fields of general-ciphering, which its tag covers as well."""
    start = teller.position
    _FIELDS(teller)
    teller.fields = teller.octets[start : teller.position]


def _block_control(value: int) -> str:
    words = ["last block"] if value & _LAST_BLOCK else []
    words += ["streaming"] if value & 0x40 else []
    return ", ".join([*words, f"window {value & 0x3F}"])


def _block_transfer(nested: Part) -> Part:
    only = _content("block data", nested)
    some = string("block data")

    def tell(teller: Teller) -> None:
        last = (teller.peek() or 0) & _LAST_BLOCK
        number(1, "block control", _block_control)(teller)
        first = teller.octets[teller.position : teller.position + 2] == b"\0\1"
        number(2, "block number")(teller)
        number(2, "block number acknowledged")(teller)
        (only if first and last else some)(teller)

    return tell
