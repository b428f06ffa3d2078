"""What can be allowed, and the roles that bundle it: eight, so that somebody can know them all."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["ROLES", "Right"]


class Right(StrEnum):
    """One thing that a caller may be allowed to do."""

    SEE_METERS = "see meters"
    """Inventory, sessions, events, alarms and read success: nothing about a customer."""
    SEE_READINGS = "see readings"
    """Readings and what was made of them; each look is audited where a customer is concerned."""
    MANAGE_METERS = "manage meters"
    """Inventory, shipments, life cycle, segments, groups, strangers."""
    COMMAND = "command"
    """Reads and commands at a meter now; acknowledging alarms."""
    PLAN = "plan"
    """Plans of collection and rules of validation."""
    EDIT_READINGS = "edit readings"
    MANAGE_KEYS = "manage keys"
    """Renewal of keys; nobody sees them."""
    PRIVACY = "privacy"
    """Export and erasure of a customer's readings."""
    SEE_AUDIT = "see audit"
    MANAGE_ACCESS = "manage access"
    """Principals, tokens, grants; retention."""


_SEES: Final = frozenset({Right.SEE_METERS})
_READS: Final = _SEES | {Right.SEE_READINGS}

ROLES: Final[Mapping[str, frozenset[Right]]] = MappingProxyType(
    {
        "viewer": _SEES,
        "analyst": _READS | {Right.EDIT_READINGS},
        "operator": _READS | {Right.COMMAND},
        "planner": _READS | {Right.PLAN, Right.MANAGE_METERS},
        "keeper of keys": _SEES | {Right.MANAGE_KEYS},
        "privacy officer": _READS | {Right.PRIVACY},
        "auditor": _SEES | {Right.SEE_AUDIT},
        "administrator": frozenset(Right),
    }
)
"""Name of each role and what it allows."""
