"""Tokens of an OpenID provider: verified by its keys, and its claims made into roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from ferraris.core.errors import SecurityError, UsageError
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.keys_of_issuer import Fetch, KeysOfIssuer, fetch

__all__ = ["ALGORITHMS", "Claims", "OpenIdProvider", "OpenIdSettings"]

ALGORITHMS: Final = frozenset(
    {
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
    }
)
"""Signatures that can be allowed: asymmetric ones only."""

_SKEW_S: Final = 60.0
_LONGEST: Final = 16 * 1024
_MOST_VALUES: Final = 200
_WHERE: Final = "openid"


@dataclass(frozen=True, slots=True)
class OpenIdSettings:
    """A provider, and which of its words mean which roles.

    `claim` is the name of a claim, or a path to it with dots (`realm_access.roles`); `roles` maps
    its values to roles, `"operator"` or `"operator @ GROUP"`. `tenant` is a name.
    """

    issuer: str
    audience: str
    claim: str = "roles"
    roles: Mapping[str, str] = field(default_factory=dict)
    tenant: str = "main"
    algorithms: tuple[str, ...] = ("RS256", "ES256")

    def __post_init__(self) -> None:
        strange = set(self.algorithms) - ALGORITHMS
        if strange or not self.algorithms:
            raise UsageError(f"not an algorithm to allow: {', '.join(strange)}", where=_WHERE)
        if not self.audience:
            raise UsageError("without an audience all of its tokens would do", where=_WHERE)
        for role in self.roles.values():
            granted(role)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    subject: str
    until_s: float
    grants: tuple[Grant, ...]


def granted(text: str) -> Grant:
    """The grant of `ROLE` or `ROLE @ GROUP`."""
    role, _, group = text.partition("@")
    return Grant(role.strip(), group.strip())


class OpenIdProvider:
    """Verifies tokens of one issuer; safe to use from several threads."""

    def __init__(
        self,
        settings: OpenIdSettings,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        fetch: Fetch = fetch,
    ) -> None:
        """`clock` is UTC in epoch seconds."""
        self.settings = settings
        self._clock = clock
        self._keys = KeysOfIssuer(settings.issuer, clock=monotonic, fetch=fetch)

    def issued(self, token: str) -> bool:
        """Whether a token says that it is of this issuer; nothing is verified yet."""
        return _unverified(token).get("iss") == self.settings.issuer

    def verify(self, token: str) -> Claims:
        """What the token says; `SecurityError` unless all of it holds."""
        if len(token) > _LONGEST:
            raise SecurityError("too long a token", where=_WHERE)
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in self.settings.algorithms or not isinstance(key_id, str):
                raise SecurityError("a token of this kind is not allowed", where=_WHERE)
            key = self._keys.key(key_id)
            # The algorithm of the key decides, too: what is said twice must agree.
            if key.algorithm_name != algorithm and not _fits(key, algorithm):
                raise SecurityError("the key is not for this algorithm", where=_WHERE)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self.settings.audience,
                issuer=self.settings.issuer,
                options={
                    "require": ["exp", "sub", "iss", "aud"],
                    "verify_exp": False,  # by our clock, below
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            reason = type(error).__name__
            raise SecurityError(f"the token does not hold: {reason}", where=_WHERE) from None
        return self._claims(claims)

    def _claims(self, claims: Mapping[str, Any]) -> Claims:
        now = self._clock()
        until, subject = _number(claims, "exp"), claims["sub"]
        if until is None or now >= until + _SKEW_S:
            raise SecurityError("the token has expired", where=_WHERE)
        for name in ("nbf", "iat"):
            since = _number(claims, name)
            if since is not None and now < since - _SKEW_S:
                raise SecurityError("the token is of the future", where=_WHERE)
        if not isinstance(subject, str) or not subject:
            raise SecurityError("the token names nobody", where=_WHERE)
        found: Any = claims
        for part in self.settings.claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        values = found.split() if isinstance(found, str) else found
        values = values[:_MOST_VALUES] if isinstance(values, list) else []
        roles = self.settings.roles
        texts = {roles[each] for each in values if isinstance(each, str) and each in roles}
        return Claims(subject, until + _SKEW_S, tuple(sorted({granted(text) for text in texts})))


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SecurityError(f"{name} of the token is no moment", where=_WHERE)
    return float(value)


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    """One RSA key serves all of its algorithms where the provider names none."""
    unsaid = key.algorithm_name == "RS256"
    return unsaid and key.key_type == "RSA" and algorithm[:2] in ("RS", "PS")


def _unverified(token: str) -> Mapping[str, Any]:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return {}
    return claims if isinstance(claims, Mapping) else {}
