"""Operations on access: principals, their grants and tokens, roles, and who one is oneself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import Connection, Row, select

from ferraris.core.errors import UsageError
from ferraris.headend.access import principals, tokens
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.rights import ROLES, Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import ConflictError, NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, page
from ferraris.headend.store.tables.access import PRINCIPAL
from ferraris.headend.store.tables.inventory import GROUP, TENANT

__all__ = [
    "IssuedToken",
    "Myself",
    "NewPrincipal",
    "NewToken",
    "PrincipalChange",
    "PrincipalView",
    "RoleView",
    "TokenRow",
]

_DAY_S = 86_400.0
_MOST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role and what it allows."""

    role: str
    rights: list[str]


@dataclass(frozen=True, slots=True)
class Myself:
    """Who the caller is: `rights` hold for the whole tenant, `rights_for_some` for some meters."""

    name: str
    tenant: str
    rights: list[str]
    rights_for_some: list[str]


@dataclass(frozen=True, slots=True)
class GrantView:
    """A role for the meters of a group, or for all of the tenant when `group` is empty."""

    role: Annotated[str, "One of the roles."]
    group: Annotated[str, "A group of meters; all of them when empty."] = ""


@dataclass(frozen=True, slots=True)
class PrincipalView:
    """A person or program; `issuer` is the OpenID provider that vouches for it, if one does."""

    name: str
    active: bool
    created: datetime
    issuer: str
    grants: list[GrantView]


@dataclass(frozen=True, slots=True)
class NewPrincipal:
    """A principal to be, with roles for the whole tenant."""

    name: str
    roles: list[str]


@dataclass(frozen=True, slots=True)
class PrincipalChange:
    """Whether the principal is let in."""

    active: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token, without the secret."""

    number: int
    name: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be."""

    name: Annotated[str, "What it is for."]
    days: Annotated[int, "How long it opens anything."] = 365


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token; `token` is the secret, which is shown this once."""

    number: int
    name: str
    expires: datetime
    token: str


@operation("GET /roles", command="roles", right=None)
def list_roles(desk: Desk) -> list[RoleView]:
    """List the roles and what each allows."""
    return [RoleView(name, sorted(rights)) for name, rights in ROLES.items()]


@operation("GET /me", command="me", right=None)
def show_myself(desk: Desk) -> Myself:
    """Show who the caller is, and what it may do."""
    rights = desk.caller.rights
    tenant = desk.connection.execute(select(TENANT.c.name).where(TENANT.c.id == desk.tenant))
    return Myself(
        desk.caller.name,
        tenant.scalar_one(),
        sorted(right for right, among in rights.items() if among is None),
        sorted(right for right, among in rights.items() if among is not None),
    )


@operation("GET /principals", command="principals list", right=Right.MANAGE_ACCESS)
def list_principals(desk: Desk, after: str = "", limit: int = 100) -> Page[PrincipalView]:
    """List principals with their grants, in the order of their names."""
    desk.demand_everywhere(Right.MANAGE_ACCESS)
    rows = desk.connection.execute(
        select(PRINCIPAL)
        .where(PRINCIPAL.c.tenant == desk.tenant, PRINCIPAL.c.name > after)
        .order_by(PRINCIPAL.c.name)
        .limit(checked_limit(limit) + 1)
    ).all()
    grants = principals.grants_of(desk.connection, [row.id for row in rows])
    return page(rows, limit, lambda row: _view(row, grants[row.id]), lambda row: row.name)


@operation("GET /principals/{principal}", command="principals show", right=Right.MANAGE_ACCESS)
def show_principal(desk: Desk, principal: str) -> PrincipalView:
    """Show a principal with its grants."""
    return _shown(desk, principal)


@operation("POST /principals", command="principals add", right=Right.MANAGE_ACCESS)
def add_principal(desk: Desk, body: NewPrincipal) -> PrincipalView:
    """Add a person or program, with roles for the whole tenant."""
    desk.demand_everywhere(Right.MANAGE_ACCESS)
    desk.subject = body.name
    granted = [Grant(role) for role in body.roles]
    number = principals.create(desk.connection, desk.tenant, body.name, at_s=desk.now)
    if number is None:
        raise ConflictError(f"there is a principal {body.name!r} already")
    for each in granted:
        principals.grant(desk.connection, desk.tenant, number, each)
    desk.detail["roles"] = body.roles
    return _shown(desk, body.name)


@operation("PATCH /principals/{principal}", command="principals change", right=Right.MANAGE_ACCESS)
def change_principal(desk: Desk, principal: str, body: PrincipalChange) -> PrincipalView:
    """Let a principal in, or shut it out with all of its tokens."""
    row = _row(desk, principal)
    principals.change_active(desk.connection, row.id, active=body.active)
    desk.detail["active"] = body.active
    _keep_an_administrator(desk)
    return _shown(desk, principal)


@operation(
    "POST /principals/{principal}/grants", command="principals grant", right=Right.MANAGE_ACCESS
)
def grant_role(desk: Desk, principal: str, body: GrantView) -> PrincipalView:
    """Give a principal a role, for a group of meters or for all of the tenant."""
    row, granted = _row(desk, principal), Grant(body.role, body.group)
    if granted.group and not _group_exists(desk.connection, desk.tenant, granted.group):
        raise NotFoundError(f"no group {granted.group!r}")
    if not principals.grant(desk.connection, desk.tenant, row.id, granted):
        raise ConflictError(f"{principal} has that role already")
    desk.detail.update(role=granted.role, group=granted.group)
    return _shown(desk, principal)


@operation(
    "POST /principals/{principal}/grants/withdraw",
    command="principals withdraw",
    right=Right.MANAGE_ACCESS,
)
def withdraw_role(desk: Desk, principal: str, body: GrantView) -> PrincipalView:
    """Take a role away from a principal."""
    row, granted = _row(desk, principal), Grant(body.role, body.group)
    if not principals.withdraw(desk.connection, row.id, granted):
        raise NotFoundError(f"{principal} does not have that role")
    desk.detail.update(role=granted.role, group=granted.group)
    _keep_an_administrator(desk)
    return _shown(desk, principal)


@operation("GET /principals/{principal}/tokens", command="tokens list", right=Right.MANAGE_ACCESS)
def list_tokens(desk: Desk, principal: str) -> list[TokenRow]:
    """List the tokens of a principal, the newest first; no secrets."""
    found = tokens.tokens_of(desk.connection, _row(desk, principal).id)
    return [
        TokenRow(each.number, each.name, each.created, each.expires, each.revoked) for each in found
    ]


@operation(
    "POST /principals/{principal}/tokens",
    command="tokens add",
    right=Right.MANAGE_ACCESS,
    secret=True,
)
def add_token(desk: Desk, principal: str, body: NewToken) -> IssuedToken:
    """Make a token for a principal; the answer is the only place where it stands."""
    if not 1 <= body.days <= _MOST_DAYS:
        raise UsageError(f"a token lives 1 to {_MOST_DAYS} days")
    if not 1 <= len(body.name) <= 200 or not body.name.isprintable():
        raise UsageError("the name of a token is 1 to 200 printable characters")
    row, until_s = _row(desk, principal), desk.now + body.days * _DAY_S
    made, secret = tokens.issue(
        desk.connection, desk.tenant, row.id, body.name, at_s=desk.now, expires_s=until_s
    )
    desk.detail.update(token=made.number, name=body.name, days=body.days)
    return IssuedToken(made.number, made.name, datetime.fromtimestamp(until_s, UTC), secret)


@operation(
    "DELETE /principals/{principal}/tokens/{token}",
    command="tokens revoke",
    right=Right.MANAGE_ACCESS,
)
def revoke_token(desk: Desk, principal: str, token: int) -> None:
    """Revoke a token: within five seconds it opens nothing any more."""
    row = _row(desk, principal)
    if not tokens.revoke(desk.connection, row.id, token, at_s=desk.now):
        raise NotFoundError("no such token, or it was revoked before")


def _row(desk: Desk, name: str) -> Row[Any]:
    desk.demand_everywhere(Right.MANAGE_ACCESS)
    row = principals.principal_row(desk.connection, desk.tenant, name)
    if row is None:
        raise NotFoundError(f"no principal {name!r}")
    return row


def _shown(desk: Desk, name: str) -> PrincipalView:
    row = _row(desk, name)
    return _view(row, principals.grants_of(desk.connection, [row.id])[row.id])


def _view(row: Row[Any], grants: list[Grant]) -> PrincipalView:
    return PrincipalView(
        row.name,
        bool(row.active),
        datetime.fromtimestamp(row.created_s, UTC),
        row.issuer,
        [GrantView(each.role, each.group) for each in grants],
    )


def _group_exists(connection: Connection, tenant: int, name: str) -> bool:
    wanted = select(GROUP.c.id).where(GROUP.c.tenant == tenant, GROUP.c.name == name)
    return connection.execute(wanted).scalar() is not None


def _keep_an_administrator(desk: Desk) -> None:
    # Two administrators who shut each other out at once come one after the other here.
    desk.connection.execute(select(TENANT.c.id).where(TENANT.c.id == desk.tenant).with_for_update())
    if not principals.administrators(desk.connection, desk.tenant):
        raise ConflictError("this would leave nobody who can manage access")
