"""Tags of plain APDUs and of their ciphered twins [asn1]."""

from __future__ import annotations

from ferraris.core.errors import UsageError

__all__ = ["ded_tag", "glo_tag", "is_dedicated", "plain_tag"]

# initiate-, read-, write-request; initiate-, read-, write-response; confirmed-service-error;
# unconfirmed-write-request; information-report
_SHORT_NAME = (0x01, 0x05, 0x06, 0x08, 0x0C, 0x0D, 0x0E, 0x16, 0x18)
# get-, set-request; event-notification; action-request; get-, set-, action-response
_LOGICAL_NAME = (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)

_GLO = {tag: tag + 0x20 for tag in _SHORT_NAME} | {tag: tag + 0x08 for tag in _LOGICAL_NAME}
_DED = {tag: tag + 0x40 for tag in _SHORT_NAME} | {tag: tag + 0x10 for tag in _LOGICAL_NAME}
_PLAIN = {ciphered: tag for table in (_GLO, _DED) for tag, ciphered in table.items()}
_DEDICATED = frozenset(_DED.values())


def glo_tag(tag: int) -> int:
    """The tag of the globally ciphered twin; `UsageError` when the APDU has none.

    Such APDUs (access, data-notification) travel in general-glo-ciphering.
    """
    return _find(_GLO, tag)


def ded_tag(tag: int) -> int:
    """The tag of the twin ciphered with the dedicated key; `UsageError` when there is none."""
    return _find(_DED, tag)


def plain_tag(tag: int) -> int:
    """The tag of the plain APDU behind a glo- or ded- tag; `UsageError` for any other."""
    return _find(_PLAIN, tag)


def is_dedicated(tag: int) -> bool:
    """Whether `tag` is ciphered with the dedicated key."""
    return tag in _DEDICATED


def _find(table: dict[int, int], tag: int) -> int:
    found = table.get(tag)
    if found is None:
        raise UsageError(f"tag {tag:02X} has no such twin")
    return found
