"""Who may do what: rights, roles, grants, tokens and identities from an OpenID provider."""

from __future__ import annotations

from ferraris.headend.access.rights import ROLES, Right

__all__ = ["ROLES", "Right"]
