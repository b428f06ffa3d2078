"""What an envelope of a push says of itself: on what its proof rests, whether it came before."""

from __future__ import annotations

from ferraris.client import Push
from ferraris.core.errors import Error
from ferraris.messaging.dlms.general import decode_general_ciphering, decode_general_glo
from ferraris.messaging.dlms.security.counters import ReplayError, SpentTransactionError
from ferraris.messaging.dlms.security.forms import KeySource, source_of
from ferraris.messaging.dlms.tags import ApduTag

__all__ = ["came_last", "rests_on_certificates"]

_AGREED = (KeySource.ONE_PASS, KeySource.STATIC)


def rests_on_certificates(push: Push) -> bool:
    """Whether a certificate of its sender proves it: it is signed, or its key was agreed on."""
    if push.protection.signed:
        return True
    if push.raw[:1] != bytes((ApduTag.GENERAL_CIPHERING,)):
        return False
    return source_of(decode_general_ciphering(push.raw).key_info) in _AGREED


def came_last(raw: bytes, error: ReplayError | SpentTransactionError) -> bool:
    """Whether what was refused, which is proved, is the last one that was taken, once more."""
    if isinstance(error, SpentTransactionError):
        return error.number == error.floor
    return _counter(raw) == error.lowest - 1


def _counter(raw: bytes) -> int | None:
    """The invocation counter of a push in general-glo-ciphering or general-ciphering."""
    try:
        if raw[:1] == bytes((ApduTag.GENERAL_CIPHERING,)):
            content = decode_general_ciphering(raw).content
        else:
            content = decode_general_glo(raw).content
    except Error:
        return None
    return int.from_bytes(content[1:5], "big")
