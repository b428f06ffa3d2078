"""Answers that are well formed and wrong: a plain APDU in, another one out.

GET, SET and ACTION responses are struck, what else there is stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import MappingProxyType

from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.tags import ApduTag

__all__ = ["distorted"]

_GET, _SET, _ACTION = (
    int(ApduTag.GET_RESPONSE),
    int(ApduTag.SET_RESPONSE),
    int(ApduTag.ACTION_RESPONSE),
)
_RESPONSES = frozenset((_GET, _SET, _ACTION))
_NORMAL, _BLOCK = 1, 2
_SUCCESS = 0
_REFUSED = int(DataAccessResult.TEMPORARY_FAILURE)
_EMPTY_STRUCTURE = b"\x02\x00"
_NUMBER = slice(4, 8)  # of a block, after tag, choice, invoke id and last-block
_LARGEST_NUMBER = 0xFFFF_FFFF


def distorted(apdu: bytes, faults: Collection[str]) -> bytes:
    """The APDU after every fault of `faults` that fits it."""
    for name in faults:
        change = _CHANGES.get(name)
        if change is not None and len(apdu) > 3 and apdu[0] in _RESPONSES:
            apdu = change(apdu)
    return apdu


def _wrong_invoke_id(apdu: bytes) -> bytes:
    return apdu[:2] + bytes((apdu[2] ^ 0x0F,)) + apdu[3:]


def _other_service(apdu: bytes) -> bytes:
    invoke = apdu[2]
    if apdu[0] == _GET:
        return bytes((_SET, _NORMAL, invoke, _SUCCESS))
    return bytes((_GET, _NORMAL, invoke, 0, 0))  # null-data


def _refuse(apdu: bytes) -> bytes:
    head = apdu[:3]
    if apdu[0] == _GET and apdu[1] == _NORMAL:
        return head + bytes((1, _REFUSED))
    if apdu[0] == _GET and apdu[1] == _BLOCK:
        return head + b"\x01" + apdu[_NUMBER] + bytes((1, _REFUSED))
    if apdu[0] == _SET and apdu[1] == _NORMAL:
        return head + bytes((_REFUSED,))
    if apdu[0] == _ACTION and apdu[1] == _NORMAL:
        return head + bytes((_REFUSED, 0))
    return apdu


def _wrong_type(apdu: bytes) -> bytes:
    if apdu[0] == _GET and apdu[1] == _NORMAL and apdu[3] == 0:
        return apdu[:4] + _EMPTY_STRUCTURE
    return apdu


def _renumbered(by: int) -> Callable[[bytes], bytes]:
    def change(apdu: bytes) -> bytes:
        if apdu[0] == _SET or apdu[1] != _BLOCK or len(apdu) < _NUMBER.stop:
            return apdu
        number = int.from_bytes(apdu[_NUMBER], "big") + by & _LARGEST_NUMBER
        return apdu[: _NUMBER.start] + number.to_bytes(4, "big") + apdu[_NUMBER.stop :]

    return change


_CHANGES = MappingProxyType(
    {
        "wrong invoke id": _wrong_invoke_id,
        "other service": _other_service,
        "refuse data": _refuse,
        "wrong type": _wrong_type,
        "repeat block": _renumbered(-1),
        "skip block": _renumbered(1),
    }
)
