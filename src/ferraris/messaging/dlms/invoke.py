"""Invoke-id-and-priority: which exchange it is, whether it wants an answer, its urgency [asn1].

The association numbers exchanges; service class and priority are the caller's.
"""

from __future__ import annotations

__all__ = ["CALLERS_BITS", "CONFIRMED", "HIGH_PRIORITY", "INVOKE_ID", "service_class"]

INVOKE_ID = 0x0F
CONFIRMED = 0x40
HIGH_PRIORITY = 0x80
CALLERS_BITS = CONFIRMED | HIGH_PRIORITY


def service_class(*, confirmed: bool = True, high_priority: bool = True) -> int:
    """The caller's bits of invoke-id-and-priority; an unconfirmed request has no answer."""
    return CONFIRMED * confirmed | HIGH_PRIORITY * high_priority
