"""Principals - people and programs - and what roles they have for which meters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.identity import Identity
from ferraris.headend.access.rights import ROLES, Right
from ferraris.headend.store.tables.access import GRANT, PRINCIPAL
from ferraris.headend.store.upsert import add

__all__ = [
    "administrators",
    "change_active",
    "create",
    "find_external",
    "grant",
    "grants_of",
    "identity_of",
    "principal_row",
    "withdraw",
]

_LONGEST_NAME = 200


def create(
    connection: Connection,
    tenant: int,
    name: str,
    *,
    at_s: float,
    issuer: str = "",
    subject: str = "",
) -> int | None:
    """Make a principal; its number, or None when the name is taken."""
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise UsageError("the name of a principal is 1 to 200 printable characters")
    if name.startswith("local:"):
        raise UsageError("names that begin with local: are for users of the machine itself")
    row = {
        "tenant": tenant,
        "name": name,
        "issuer": issuer,
        "subject": subject,
        "created_s": at_s,
    }
    if not add(connection, PRINCIPAL, [row]):
        return None
    made = principal_row(connection, tenant, name)
    assert made is not None
    return int(made.id)


def principal_row(connection: Connection, tenant: int, name: str) -> Row[Any] | None:
    """A principal of a tenant by name."""
    return connection.execute(
        select(PRINCIPAL).where(PRINCIPAL.c.tenant == tenant, PRINCIPAL.c.name == name)
    ).one_or_none()


def find_external(
    connection: Connection, tenant: int, issuer: str, subject: str
) -> Row[Any] | None:  # fmt: skip
    """A principal whom an OpenID provider vouches for."""
    return connection.execute(
        select(PRINCIPAL).where(
            PRINCIPAL.c.tenant == tenant,
            PRINCIPAL.c.issuer == issuer,
            PRINCIPAL.c.subject == subject,
        )
    ).one_or_none()


def identity_of(connection: Connection, tenant: int, principal: int) -> Identity | None:
    """A principal by number with the grants of this moment; None when it is not active."""
    row = connection.execute(
        select(PRINCIPAL).where(
            PRINCIPAL.c.id == principal, PRINCIPAL.c.tenant == tenant, PRINCIPAL.c.active == 1
        )
    ).one_or_none()
    if row is None:
        return None
    grants = grants_of(connection, [principal])[principal]
    return Identity(principal, tenant, row.name, tuple(grants))


def change_active(connection: Connection, principal: int, *, active: bool) -> None:
    """Let a principal in, or shut it out with all its tokens."""
    connection.execute(
        update(PRINCIPAL).where(PRINCIPAL.c.id == principal).values(active=int(active))
    )


def grant(connection: Connection, tenant: int, principal: int, granted: Grant) -> bool:
    """Give a role; False when the principal had it."""
    row = {
        "tenant": tenant,
        "principal": principal,
        "role": granted.role,
        "group_name": granted.group,
    }
    return add(connection, GRANT, [row]) > 0


def withdraw(connection: Connection, principal: int, granted: Grant) -> bool:
    """Take a role away; False when the principal did not have it."""
    mine = GRANT.c.principal == principal
    same = (GRANT.c.role == granted.role) & (GRANT.c.group_name == granted.group)
    return connection.execute(delete(GRANT).where(mine, same)).rowcount > 0


def grants_of(connection: Connection, principals: Iterable[int]) -> dict[int, list[Grant]]:
    """The grants of principals, in order; roles that a later version knew allow nothing here."""
    wanted = list(principals)
    found: dict[int, list[Grant]] = {each: [] for each in wanted}
    rows = connection.execute(
        select(GRANT.c.principal, GRANT.c.role, GRANT.c.group_name)
        .where(GRANT.c.principal.in_(wanted))
        .order_by(GRANT.c.role, GRANT.c.group_name)
    )
    for row in rows:
        if row.role in ROLES:
            found[row.principal].append(Grant(row.role, row.group_name))
    return found


def administrators(connection: Connection, tenant: int) -> int:
    """How many active principals can manage access in the whole tenant."""
    roles = [name for name, rights in ROLES.items() if Right.MANAGE_ACCESS in rights]
    return int(
        connection.execute(
            select(func.count(PRINCIPAL.c.id.distinct()))
            .join_from(PRINCIPAL, GRANT, GRANT.c.principal == PRINCIPAL.c.id)
            .where(
                PRINCIPAL.c.tenant == tenant,
                PRINCIPAL.c.active == 1,
                GRANT.c.group_name == "",
                GRANT.c.role.in_(roles),
            )
        ).scalar_one()
    )
