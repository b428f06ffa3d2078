"""Who may do what: rights, roles, grants, tokens and identities from an OpenID provider.

`opening` and `openid` are imported where callers are let in: they need the network's libraries.
"""

from __future__ import annotations

from ferraris.headend.access.rights import ROLES, Right

__all__ = ["ROLES", "Right"]
