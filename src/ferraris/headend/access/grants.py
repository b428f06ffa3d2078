"""What a grant is: a role, for some meters or for all of a tenant."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import ROLES, Right

__all__ = ["Grant"]


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role for the meters of a group; for the whole tenant when `group` is empty."""

    role: str
    group: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise UsageError(f"no role {self.role!r}: there are {', '.join(ROLES)}")

    @property
    def rights(self) -> frozenset[Right]:
        """What the role allows."""
        return ROLES[self.role]
