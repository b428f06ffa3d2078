"""Signing in: a token becomes a session of a browser, known by a secret in a cookie.

The cookie holds 256 bits by lot, the store only their hash. A session ends after twelve hours,
after four hours in which nobody asked for a page, by signing out, and with the token or principal
it stands on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from ferraris.headend.access.grants import Grant
from ferraris.headend.access.identity import Identity
from ferraris.headend.access.principals import identity_of
from ferraris.headend.operations import Caller
from ferraris.headend.operations.callers import caller_of
from ferraris.headend.store.tables.access import PRINCIPAL, SIGN_IN, TOKEN

__all__ = [
    "IDLE_S",
    "LONGEST_S",
    "Session",
    "begin",
    "caller_in",
    "end",
    "form_key",
    "found",
    "fresh",
    "matches",
    "seen",
]

LONGEST_S: Final = 12 * 3600
IDLE_S: Final = 4 * 3600
_SEEN_EVERY_S: Final = 60
_LONGEST_SECRET: Final = 100


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has signed in; `stale` when its last sight should be written down.

    `grants` are those that an OpenID provider vouched for, beside what the store has.
    """

    tenant: int
    principal: int
    grants: tuple[Grant, ...]
    until_s: float
    stale: bool


def fresh() -> str:
    """A secret for a cookie."""
    return secrets.token_urlsafe(32)


def form_key(secret: str) -> str:
    """What the forms of a page carry: it proves that we made them for the owner of the cookie."""
    return hashlib.blake2b(secret.encode(), digest_size=24, person=b"form").hexdigest()


def matches(secret: str, key: str) -> bool:
    """Whether a form was made for the owner of the cookie; in constant time."""
    return bool(secret) and hmac.compare_digest(form_key(secret).encode(), key.encode())


def begin(connection: Connection, identity: Identity, now_s: float) -> str:
    """Open a session and return its secret; those that have ended go."""
    connection.execute(delete(SIGN_IN).where(SIGN_IN.c.until_s <= now_s))
    secret = fresh()
    longest, until_s = now_s + LONGEST_S, identity.until_s
    connection.execute(
        insert(SIGN_IN).values(
            tenant=identity.tenant,
            principal=identity.principal,
            token=identity.token,
            grants=json.dumps([[each.role, each.group] for each in identity.vouched]),
            digest=_digest(secret),
            created_s=now_s,
            seen_s=now_s,
            until_s=longest if until_s is None else min(longest, until_s),
        )
    )
    return secret


def found(connection: Connection, secret: str, now_s: float) -> Session | None:
    """The session of a secret, if it and what it stands on still hold."""
    if not secret or len(secret) > _LONGEST_SECRET:
        return None
    row = connection.execute(
        select(SIGN_IN, TOKEN.c.revoked_s, TOKEN.c.expires_s, PRINCIPAL.c.active)
        .select_from(SIGN_IN)
        .join(PRINCIPAL, PRINCIPAL.c.id == SIGN_IN.c.principal)
        .outerjoin(TOKEN, TOKEN.c.id == SIGN_IN.c.token)
        .where(SIGN_IN.c.digest == _digest(secret))
    ).one_or_none()
    if row is None or not row.active or row.revoked_s is not None:
        return None
    ends = (row.until_s, row.seen_s + IDLE_S, row.expires_s)
    if any(end is not None and end <= now_s for end in ends):
        return None
    stale = now_s - row.seen_s >= _SEEN_EVERY_S
    grants = tuple(Grant(role, group) for role, group in json.loads(row.grants))
    return Session(row.tenant, row.principal, grants, row.until_s, stale)


def caller_in(connection: Connection, session: Session) -> Caller | None:
    """Who that is, with the rights of this moment."""
    identity = identity_of(connection, session.tenant, session.principal)
    if identity is None:
        return None
    both = tuple(sorted({*identity.grants, *session.grants}))
    return caller_of(connection, replace(identity, grants=both))


def seen(connection: Connection, secret: str, now_s: float) -> None:
    """Write down that a session is in use."""
    connection.execute(
        update(SIGN_IN).where(SIGN_IN.c.digest == _digest(secret)).values(seen_s=now_s)
    )


def end(connection: Connection, secret: str) -> None:
    """Sign out."""
    connection.execute(delete(SIGN_IN).where(SIGN_IN.c.digest == _digest(secret)))


def _digest(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"session").digest()
