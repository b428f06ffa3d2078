"""Letting callers in: by a token of ours, or by one of an OpenID provider."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, select

from ferraris.headend.access import principals, tokens
from ferraris.headend.access.identity import Identity, UnknownCallerError
from ferraris.headend.access.openid import Claims, OpenIdProvider
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import TENANT

__all__ = ["Access"]

_LOG: Final = logging.getLogger("ferraris.headend.access")
_KEPT_S: Final = 3.0
_MOST: Final = 10_000
_REFUSED_S: Final = 60.0


class Access:
    """Knows callers by what they show; safe to use from several threads.

    Who was known a moment ago is known for three seconds more without asking the store, so what is
    revoked opens nothing after that. Tokens of ours that are revoked, expired or of a principal
    shut out leave a line in the audit log, one a minute each; `write` is that of its journal.
    """

    def __init__(
        self,
        engine: Engine,
        write: Callable[..., None],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        providers: Sequence[OpenIdProvider] = (),
    ) -> None:
        self._engine = engine
        self._write = write
        self._clock = clock
        self._monotonic = monotonic
        self._providers = tuple(providers)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()
        self._refused: dict[int, float] = {}

    @staticmethod
    def ours(secret: str) -> bool:
        """Whether a secret is one of our own tokens, which only the store knows."""
        return secret.startswith(tokens.PREFIX)

    def known(self, secret: str) -> Identity | None:
        """Who was let in with this a moment ago; never blocks."""
        found = self._known.get(_digest(secret))
        if found is None or found[1] <= self._monotonic():
            return None
        return found[0]

    def identify(self, secret: str) -> Identity:
        """Who shows this; `UnknownCallerError` for nobody. May ask the store, or a provider."""
        identity = self.known(secret)
        if identity is not None:
            return identity
        identity = self._by_token(secret) if self.ours(secret) else self._by_provider(secret)
        kept_s = _KEPT_S
        if identity.until_s is not None:
            kept_s = min(kept_s, identity.until_s - self._clock())
        with self._lock:
            self._known[_digest(secret)] = identity, self._monotonic() + kept_s
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return identity

    def forget(self) -> None:
        """Ask the store about everybody again, at once."""
        with self._lock:
            self._known.clear()

    def _by_token(self, secret: str) -> Identity:
        with self._engine.reading() as connection:
            found = tokens.find(connection, secret, at_s=self._clock())
            if found is not None and not found.fault:
                grants = principals.grants_of(connection, [found.principal])[found.principal]
                return Identity(
                    found.principal,
                    found.tenant,
                    found.name,
                    tuple(grants),
                    found.until_s,
                    found.token,
                )
        if found is not None:
            self._refuse(found)
        raise UnknownCallerError("the token is not known")

    def _refuse(self, found: tokens.Found) -> None:
        now = self._monotonic()
        with self._lock:
            if now - self._refused.get(found.token, now - _REFUSED_S) < _REFUSED_S:
                return
            if len(self._refused) > _MOST:
                self._refused.clear()
            self._refused[found.token] = now
        with self._engine.transaction() as connection:
            self._write(
                connection,
                tenant=found.tenant,
                principal=found.name,
                action="sign_in",
                subject=found.name,
                outcome="refused",
                detail={"token": found.token, "reason": found.fault},
                at_s=self._clock(),
            )

    def _by_provider(self, secret: str) -> Identity:
        for provider in self._providers:
            if provider.issued(secret):
                claims = provider.verify(secret)
                return self._of_claims(provider, claims)
        raise UnknownCallerError("the token is not known")

    def _of_claims(self, provider: OpenIdProvider, claims: Claims) -> Identity:
        """A principal appears when its provider vouches for it the first time."""
        settings = provider.settings
        with self._engine.reading() as connection:
            tenant = _tenant(connection, settings.tenant)
            row = principals.find_external(connection, tenant, settings.issuer, claims.subject)
        if row is None:
            with self._engine.transaction() as connection:
                row = self._appear(connection, tenant, settings.issuer, claims.subject)
        if not row.active:
            raise UnknownCallerError("the token is not known")
        with self._engine.reading() as connection:
            grants = principals.grants_of(connection, [row.id])[row.id]
        both = tuple(sorted({*grants, *claims.grants}))
        return Identity(
            row.id, tenant, row.name, both, claims.until_s, vouched=claims.grants
        )  # fmt: skip

    def _appear(
        self, connection: Connection, tenant: int, issuer: str, subject: str
    ) -> Row[Any]:  # fmt: skip
        now = self._clock()
        host = urlsplit(issuer).hostname or "provider"
        shown = "".join(c if c.isprintable() and c != " " else "·" for c in subject)[:100]
        name = f"{shown}@{host}"
        for each in (name, f"{name}#{_digest(issuer + subject).hex()[:16]}"):
            # Another thread may have been quicker, or another principal have the name.
            made = principals.create(
                connection, tenant, each, at_s=now, issuer=issuer, subject=subject
            )
            row = principals.find_external(connection, tenant, issuer, subject)
            if row is not None:
                break
        else:
            raise UnknownCallerError("the token is not known")
        if made is not None:
            self._write(
                connection,
                tenant=tenant,
                principal=row.name,
                action="appear",
                subject=row.name,
                detail={"issuer": issuer},
                at_s=now,
            )
        return row


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _tenant(connection: Connection, name: str) -> int:
    found = connection.execute(select(TENANT.c.id).where(TENANT.c.name == name)).scalar()
    if found is None:
        _LOG.warning("the tenant of an OpenID provider is not in the store: %s", name)
        raise UnknownCallerError("the token is not known")
    return int(found)
