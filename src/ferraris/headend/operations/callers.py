"""Callers: what the grants of an identity allow, and for which meters."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, or_, select

from ferraris.headend.access.identity import Identity
from ferraris.headend.access.principals import identity_of
from ferraris.headend.access.rights import Right
from ferraris.headend.inventory.groups import group_selection
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.operations.desk import Caller
from ferraris.headend.operations.errors import NotFoundError
from ferraris.headend.store.tables.inventory import METER

__all__ = ["caller_of", "caller_of_principal", "local_caller"]


def local_caller(connection: Connection, user: str, tenant: str) -> Caller:
    """Who can open the store can do everything; the audit log tells their name."""
    return Caller(f"local:{user}", tenant_number(connection, tenant), dict.fromkeys(Right))


def caller_of_principal(connection: Connection, tenant: int, principal: int) -> Caller | None:
    """A principal with the rights of this moment; None when it is not active any more."""
    identity = identity_of(connection, tenant, principal)
    return None if identity is None else caller_of(connection, identity)


def caller_of(connection: Connection, identity: Identity) -> Caller:
    """What an identity may do: all of its grants together.

    A group that is not there any more has no members.
    """
    everywhere: set[Right] = set()
    some: dict[Right, set[str]] = {}
    for grant in identity.grants:
        for right in grant.rights:
            if grant.group:
                some.setdefault(right, set()).add(grant.group)
            else:
                everywhere.add(right)
    names = {name for right, groups in some.items() if right not in everywhere for name in groups}
    members = {name: _members(connection, identity.tenant, name) for name in names}
    rights: dict[Right, Select[Any] | None] = dict.fromkeys(everywhere)
    for right, groups in some.items():
        if right not in everywhere:
            rights[right] = _together([members[name] for name in sorted(groups)])
    return Caller(identity.name, identity.tenant, rights, identity.principal)


def _members(connection: Connection, tenant: int, group: str) -> Select[Any]:
    try:
        return group_selection(connection, tenant, group)
    except NotFoundError:
        return select(METER.c.id).where(METER.c.id.is_(None))


def _together(selections: list[Select[Any]]) -> Select[Any]:
    if len(selections) == 1:
        return selections[0]
    return select(METER.c.id).where(or_(*(METER.c.id.in_(each) for each in selections)))
