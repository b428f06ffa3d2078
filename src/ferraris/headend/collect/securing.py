"""How an association with a meter is secured, out of what inventory and key store have of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

from ferraris.client import (
    HighDigest,
    HighECDSA,
    HighGMAC,
    NoSecurity,
    Password,
    Security,
    trusted_pairs,
)
from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.keys import Keys
from ferraris.keys.wallet import token_label
from ferraris.messaging.dlms.security.forms import NO_PAIRS, KeyPairs

__all__ = ["DIGESTS", "Pairs", "Secured", "is_enveloped", "plain", "protected", "uses_keys"]

DIGESTS: Final = ("md5", "sha1", "sha256")
"""Mechanisms by which both ends prove that they know a secret."""

_BY_FORM: Final = ("service", "general", "envelope")
_KEPT_S: Final = 600.0
_MOST_KEPT: Final = 50_000


class Secured(Protocol):
    """What has to be known of a meter: columns of the inventory."""

    @property
    def authentication(self) -> str: ...
    @property
    def suite(self) -> int: ...
    @property
    def ciphering(self) -> str: ...
    @property
    def system_title(self) -> bytes: ...
    @property
    def client(self) -> int: ...


def uses_keys(meter: Secured) -> bool:
    """Whether associations go under keys that are shared with the meter, and can be renewed."""
    if meter.authentication in DIGESTS:
        return meter.ciphering != "none"
    return meter.authentication in ("gmac", "ecdsa")


def is_enveloped(meter: Secured) -> bool:
    """Whether APDUs carry transaction-ids, which the key store then counts."""
    return meter.ciphering not in ("none", "service", "general")


def plain(meter: Secured, keys: Keys, key_id: str, *, system_title: bytes) -> Security:
    """Of a meter without keys: nothing, a password, or a secret; `UsageError` without that."""
    if meter.authentication == "none":
        return NoSecurity()
    if meter.authentication == "password":
        return Password(keys.get(key_id, "password"))
    secret = _secret(keys, key_id)
    return HighDigest(secret, meter.authentication, system_title=system_title, weak=True)


def protected(
    meter: Secured,
    encryption_key: bytes,
    authentication_key: bytes,
    *,
    keys: Keys,
    key_id: str,
    pairs: KeyPairs = NO_PAIRS,
    **how: Any,
) -> HighGMAC:
    """Of a meter with keys; `how` is what else `HighGMAC` takes, the lease above all."""
    form, _, signed = meter.ciphering.partition("+")
    is_form = form in _BY_FORM
    kind = HighECDSA if meter.authentication == "ecdsa" else HighGMAC
    made = kind(
        encryption_key,
        authentication_key,
        suite=meter.suite,
        pairs=pairs,
        server_system_title=meter.system_title,
        ciphered=form != "none",
        form="service" if form == "none" else form if is_form else "envelope",
        message_key="identified" if is_form or form == "none" else form,
        sign="first" if signed else "",
        **how,
    )
    if meter.authentication in DIGESTS:
        secret = _secret(keys, key_id)
        made = replace(made, mechanism=meter.authentication, secret=secret, weak=True)
    return made


class _Kept(NamedTuple):
    pairs: KeyPairs
    at_s: float


class Pairs:
    """Key pairs for associations in suites 1 and 2: ours by the head-end's system title, the
    meters' by their certificates, which are checked against the roots in the key store.

    What was checked is believed for ten minutes; a meter without certificates is looked up each
    time. Any thread may ask; it waits for the key store.
    """

    def __init__(self, keys: Keys, system_title: bytes, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._own = system_title.hex().upper()
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[tuple[str, bytes, int], _Kept] = {}

    def of(self, meter: Secured, key_id: str) -> KeyPairs:
        """The pairs for a meter, empty where nothing of it needs them.

        Raises `UsageError` for what is missing, `CertificateError` for certificates that do not
        hold.
        """
        wraps = meter.ciphering.startswith("wrapped")
        if not meter.suite:
            return KeyPairs(master_key=self._master(key_id)) if wraps else NO_PAIRS
        place, now = (key_id, meter.system_title, meter.suite), self._clock()
        with self._lock:
            kept = self._kept.get(place)
        if kept is None or not 0 <= now - kept.at_s < _KEPT_S:
            kept = _Kept(self._checked(meter, now), now)
            if kept.pairs.peer_signing or kept.pairs.peer_agreement:
                self._keep(place, kept)
        return replace(kept.pairs, master_key=self._master(key_id)) if wraps else kept.pairs

    def _keep(self, place: tuple[str, bytes, int], kept: _Kept) -> None:
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[place] = kept

    def _checked(self, meter: Secured, now: float) -> KeyPairs:
        own = self._own_pairs(meter)
        at = datetime.fromtimestamp(now, UTC)
        found = [
            certificate
            for usage in (Usage.SIGNING, Usage.KEY_AGREEMENT)
            if (certificate := self._certificate(meter.system_title, usage, at)) is not None
        ]
        title, suite = meter.system_title, meter.suite
        pairs, _ = trusted_pairs(own, found, self._keys.trust(), at=at, suite=suite, title=title)
        if meter.authentication == "ecdsa" and not pairs.peer_signing:
            raise UsageError(
                f"no certificate of {title.hex().upper()} for signing: "
                "import it with the shipment, or by `ferraris pki import`",
                where="keys",
            )
        return pairs

    def _own_pairs(self, meter: Secured) -> KeyPairs:
        signing = _or_none(self._keys.signing_key, self._own)
        if signing is None and meter.authentication == "ecdsa":
            raise UsageError(
                f"the head-end has no key to sign with: ferraris pki issue client {self._own}",
                where="keys",
            )
        return KeyPairs(signing=signing, agreement=_or_none(self._keys.agreement_key, self._own))

    def _certificate(self, title: bytes, usage: Usage, at: datetime) -> Certificate | None:
        """The one that is valid now; else the last one, so that the error says what is wrong."""
        try:
            return self._keys.certificate(title, usage, at=at)
        except UsageError:
            found: Certificate | None = _or_none(
                lambda each: self._keys.certificate(each, usage), title
            )
            return found

    def _master(self, key_id: str) -> bytes | None:
        found: bytes | None = _or_none(lambda name: self._keys.get(name, "master_key"), key_id)
        return None if found is None or token_label(found) is not None else found


def _secret(keys: Keys, key_id: str) -> bytes:
    """The secret of high security; where it has no name of its own, it is the password."""
    try:
        return keys.get(key_id, "hls_secret")
    except UsageError:
        return keys.get(key_id, "password")


def _or_none(look_up: Callable[[Any], Any], name: Any) -> Any:
    try:
        return look_up(name)
    except UsageError:
        return None
