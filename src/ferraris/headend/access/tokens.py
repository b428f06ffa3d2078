"""Tokens: drawn by lot, shown once, kept as a hash only."""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.store.tables.access import PRINCIPAL, TOKEN

__all__ = ["PREFIX", "Found", "TokenView", "digest_of", "find", "issue", "revoke", "tokens_of"]

PREFIX: Final = "ferraris_"
"""Begins every token, so that scanners of leaked secrets can know it."""

_OCTETS = 32


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token, never the secret itself."""

    number: int
    name: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """Whose token it is, and why it does not open anything: `fault` is empty when it does."""

    principal: int
    tenant: int
    name: str
    token: int
    until_s: float | None
    fault: str


def digest_of(secret: str) -> bytes:
    """What is kept. A plain hash will do: 256 bits drawn by lot cannot be guessed."""
    return sha256(secret.encode("utf-8", "replace")).digest()


def issue(
    connection: Connection,
    tenant: int,
    principal: int,
    name: str,
    *,
    at_s: float,
    expires_s: float | None = None,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> tuple[TokenView, str]:
    """Make a token; the second value is the secret, which nobody can be shown again."""
    if expires_s is not None and expires_s <= at_s:
        raise UsageError("the token would have expired already")
    secret = PREFIX + _text(entropy(_OCTETS))
    number = connection.execute(
        insert(TOKEN)
        .values(
            tenant=tenant,
            principal=principal,
            name=name,
            digest=digest_of(secret),
            created_s=at_s,
            expires_s=expires_s,
        )
        .returning(TOKEN.c.id)
    ).scalar_one()
    return TokenView(number, name, _moment(at_s), _perhaps(expires_s), None), secret


def revoke(connection: Connection, principal: int, number: int, *, at_s: float) -> bool:
    """Revoke a token of a principal; False when there is none, or it was revoked before."""
    mine = (TOKEN.c.principal == principal) & (TOKEN.c.id == number) & TOKEN.c.revoked_s.is_(None)
    return connection.execute(update(TOKEN).where(mine).values(revoked_s=at_s)).rowcount > 0


def tokens_of(connection: Connection, principal: int) -> list[TokenView]:
    """The tokens of a principal, the newest first."""
    rows = connection.execute(
        select(TOKEN).where(TOKEN.c.principal == principal).order_by(TOKEN.c.id.desc())
    )
    return [
        TokenView(
            row.id,
            row.name,
            _moment(row.created_s),
            _perhaps(row.expires_s),
            _perhaps(row.revoked_s),
        )
        for row in rows
    ]


def find(connection: Connection, secret: str, *, at_s: float) -> Found | None:
    """Whose token a secret is; None when nobody's."""
    digest = digest_of(secret)
    row = connection.execute(_FIND, {"sought": digest}).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.digest), digest):
        return None
    return Found(row.principal, row.tenant, row.name, row.id, row.expires_s, _fault(row, at_s))


def _fault(row: Any, at_s: float) -> str:
    if row.revoked_s is not None:
        return "revoked"
    if row.expires_s is not None and row.expires_s <= at_s:
        return "expired"
    return "" if row.active else "of a principal that is not active"


_FIND = (
    select(
        TOKEN.c.id,
        TOKEN.c.digest,
        TOKEN.c.expires_s,
        TOKEN.c.revoked_s,
        TOKEN.c.principal,
        PRINCIPAL.c.tenant,
        PRINCIPAL.c.name,
        PRINCIPAL.c.active,
    )
    .join_from(TOKEN, PRINCIPAL, TOKEN.c.principal == PRINCIPAL.c.id)
    .where(TOKEN.c.digest == bindparam("sought"))
)


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _perhaps(at_s: float | None) -> datetime | None:
    return None if at_s is None else _moment(at_s)
