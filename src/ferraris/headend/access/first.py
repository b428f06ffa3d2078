"""The first administrator of a head-end, who can then let in all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from ferraris.core.errors import UsageError
from ferraris.headend.access import principals, tokens
from ferraris.headend.access.grants import Grant

__all__ = ["NAME", "first_administrator"]

NAME: Final = "administrator"
_DAYS: Final = 90


def first_administrator(
    connection: Connection,
    tenant: int,
    write: Callable[..., None],
    *,
    at_s: float,
    name: str = NAME,
    days: int = _DAYS,
) -> str:
    """Make an administrator of a tenant and return the secret of its token, shown this once.

    `write` is that of the process's `Journal`. Raises `UsageError` when the name is taken.
    """
    number = principals.create(connection, tenant, name, at_s=at_s)
    if number is None:
        raise UsageError(f"there is a principal {name!r} already")
    principals.grant(connection, tenant, number, Grant("administrator"))
    until_s = at_s + days * 86_400
    made, secret = tokens.issue(connection, tenant, number, "first", at_s=at_s, expires_s=until_s)
    write(
        connection,
        tenant=tenant,
        principal="init",
        action="first_administrator",
        subject=name,
        detail={"token": made.number, "days": days},
        at_s=at_s,
    )
    return secret
