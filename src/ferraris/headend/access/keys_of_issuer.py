"""The public keys of an OpenID provider: fetched, kept, and fetched again when they change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from ferraris.core.errors import LineError, SecurityError, UsageError

__all__ = ["Fetch", "KeysOfIssuer", "check_url", "fetch"]

Fetch = Callable[[str], Any]
"""The JSON document at a URL; raises `LineError`."""

_FRESH_S: Final = 3600.0
_AGAIN_S: Final = 10.0
_MOST_OCTETS: Final = 256 * 1024
_MOST_KEYS: Final = 64
_LEAST_RSA_BITS: Final = 2048
_TIMEOUT_S: Final = 5.0
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_WHERE: Final = "openid"


def check_url(url: str) -> str:
    """A URL over TLS, or of this machine itself."""
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    if not secure or not parts.hostname or parts.username or parts.fragment:
        raise UsageError("an OpenID provider has an https:// URL", where=_WHERE)
    return url


def fetch(url: str) -> Any:
    """Get a small JSON document; no redirects, no proxies' word for it, no waiting for long."""
    try:
        with (
            httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise LineError(f"{url} answered {response.status_code}", where=_WHERE)
            octets = b""
            for chunk in response.iter_bytes():
                octets += chunk
                if len(octets) > _MOST_OCTETS:
                    raise LineError(f"{url} answered too much", where=_WHERE)
        return json.loads(octets)
    except httpx.HTTPError as error:
        raise LineError(f"{url}: {type(error).__name__}", where=_WHERE) from None
    except (ValueError, RecursionError):
        raise LineError(f"{url} answered no JSON", where=_WHERE) from None


class KeysOfIssuer:
    """Signing keys by their id; safe to use from several threads.

    Keys are good for an hour. A token that names an unknown key makes them be fetched again, at
    most every ten seconds, so that whoever invents key ids cannot make us ask all the time. While
    the provider does not answer, the keys that are known go on.
    """

    def __init__(
        self, issuer: str, *, clock: Callable[[], float], fetch: Fetch = fetch
    ) -> None:  # fmt: skip
        """`clock` is monotonic."""
        self.issuer = check_url(issuer)
        self._clock = clock
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None

    def key(self, key_id: str) -> jwt.PyJWK:
        """A key; `SecurityError` when the provider has none of that id.

        Who names a known key does not wait while another asks the provider.
        """
        found = self._keys.get(key_id)
        if found is None or self._stale():
            if self._lock.acquire(blocking=found is None):
                try:
                    if self._due(key_id):
                        self._refresh()
                finally:
                    self._lock.release()
            found = self._keys.get(key_id)
        if found is None:
            raise SecurityError("the provider has no such key", where=_WHERE)
        return found

    def _stale(self) -> bool:
        return self._fetched_s is None or self._clock() - self._fetched_s > _FRESH_S

    def _due(self, key_id: str) -> bool:
        if self._tried_s is not None and self._clock() - self._tried_s < _AGAIN_S:
            return False
        return self._stale() or key_id not in self._keys

    def _refresh(self) -> None:
        self._tried_s = self._clock()
        try:
            place = self._fetch(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if not isinstance(place, dict) or place.get("issuer") != self.issuer:
                raise LineError("the provider calls itself otherwise", where=_WHERE)
            document = self._fetch(check_url(str(place.get("jwks_uri"))))
            self._keys = _read(document)
        except (LineError, UsageError) as error:
            if not self._keys:
                raise LineError(error.message, where=_WHERE) from None
            return
        self._fetched_s = self._tried_s


def _read(document: Any) -> dict[str, jwt.PyJWK]:
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise LineError("the provider's keys are no list", where=_WHERE)
    keys = {}
    for each in listed[:_MOST_KEYS]:
        key = _one(each)
        if key is not None:
            keys[str(each["kid"])] = key
    return keys


def _one(each: Any) -> jwt.PyJWK | None:
    """A public key for signatures, None for all others: they are none of ours."""
    if not isinstance(each, dict) or not each.get("kid") or each.get("use", "sig") != "sig":
        return None
    if each.get("kty") not in ("RSA", "EC", "OKP"):
        return None  # a shared secret is none that others can verify
    try:
        key = jwt.PyJWK({name: each[name] for name in each if name not in _PRIVATE})
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if each["kty"] == "RSA" and key.key.key_size < _LEAST_RSA_BITS:
        return None
    return key


_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
