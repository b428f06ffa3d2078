"""The tags of all APDUs and their names [asn1]."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["DEDICATED", "GLOBAL", "ApduTag", "tag_name"]


class ApduTag(IntEnum):
    """The first octet of an unciphered APDU."""

    INITIATE_REQUEST = 0x01
    READ_REQUEST = 0x05
    WRITE_REQUEST = 0x06
    INITIATE_RESPONSE = 0x08
    READ_RESPONSE = 0x0C
    WRITE_RESPONSE = 0x0D
    CONFIRMED_SERVICE_ERROR = 0x0E
    DATA_NOTIFICATION = 0x0F
    DATA_NOTIFICATION_CONFIRM = 0x10
    UNCONFIRMED_WRITE_REQUEST = 0x16
    INFORMATION_REPORT_REQUEST = 0x18
    AARQ = 0x60
    AARE = 0x61
    RLRQ = 0x62
    RLRE = 0x63
    GET_REQUEST = 0xC0
    SET_REQUEST = 0xC1
    EVENT_NOTIFICATION_REQUEST = 0xC2
    ACTION_REQUEST = 0xC3
    GET_RESPONSE = 0xC4
    SET_RESPONSE = 0xC5
    ACTION_RESPONSE = 0xC7
    EXCEPTION_RESPONSE = 0xD8
    ACCESS_REQUEST = 0xD9
    ACCESS_RESPONSE = 0xDA
    GENERAL_GLO_CIPHERING = 0xDB
    GENERAL_DED_CIPHERING = 0xDC
    GENERAL_CIPHERING = 0xDD
    GENERAL_SIGNING = 0xDF
    GENERAL_BLOCK_TRANSFER = 0xE0
    GATEWAY_REQUEST = 0xE6
    GATEWAY_RESPONSE = 0xE7


_OLD = (0x01, 0x05, 0x06, 0x08, 0x0C, 0x0D, 0x0E, 0x16, 0x18)
_NEW = (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)

GLOBAL: dict[int, int] = {tag: tag | 0x20 for tag in _OLD} | {tag: tag | 0x08 for tag in _NEW}
"""Plain tag to the tag of its glo- form."""

DEDICATED: dict[int, int] = {tag: tag | 0x40 for tag in _OLD} | {tag: tag | 0x10 for tag in _NEW}
"""Plain tag to the tag of its ded- form."""

_NAMES = {tag.value: tag.name.lower().replace("_", "-") for tag in ApduTag}
_NAMES |= {glo: f"glo-{_NAMES[tag]}" for tag, glo in GLOBAL.items()}
_NAMES |= {ded: f"ded-{_NAMES[tag]}" for tag, ded in DEDICATED.items()}


def tag_name(tag: int) -> str:
    """Name of an APDU tag, for example `get-request`, `glo-get-request`; `unknown` for others."""
    return _NAMES.get(tag, "unknown")
