"""Security out of a key store: keys, leased counters, and floors that are kept by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ferraris.client.peer_certificates import trusted_pairs
from ferraris.client.security import HighECDSA, HighGMAC
from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.keys.keys import RECEIVE, Keys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.forms import KeyPairs

__all__ = ["kept_security"]


def kept_security(
    keys: Keys,
    key_id: str,
    *,
    kind: type[HighGMAC] = HighGMAC,
    counters: int = 256,
    suite: int | None = None,
    own: str = "",
    title: bytes = b"",
    at: datetime | None = None,
    **how: Any,
) -> HighGMAC:
    """What `connect` takes as `security` for one association, with all that the store keeps.

    Counters are leased, and transaction-ids go on rising over changes of keys. When the association
    is over its floors are in the store again: no answer of it is taken once more, whoever asks
    next.

    Args:
        keys: the store, open until the association is over.
        key_id: the meter's id in it.
        kind: `HighGMAC` or `HighECDSA`.
        counters: how many APDUs may be sent.
        suite: with 1 or 2 private keys and certificates are looked up as well; by default that
            of the kind.
        own: the id of our private keys.
        title: the meter's system title, by which its certificates are found.
        at: when these have to be valid; they are checked against the roots in the store.
        how: what else `kind` takes.

    Raises `UsageError` for what is not kept, `CertificateError` for certificates that do not hold.
    """
    if suite is None:
        suite = 1 if issubclass(kind, HighECDSA) else 0
    values = keys.lease(key_id, n=counters)
    known: dict[str, Any] = {
        "lease": CounterLease.of(values),
        "receive_floor": keys.floor(key_id),
        "transaction_floor": keys.transaction_floor(key_id),
        "transaction_offset": keys.transaction_offset(key_id, values),
        "server_system_title": title,
        "suite": suite,
    }
    if suite:
        known["pairs"] = _pairs(keys, key_id, own, suite=suite, title=title, at=at)

    def keep(receive: int, transaction: int) -> None:
        keys.raise_floor(key_id, RECEIVE, receive)
        keys.raise_transaction_floor(key_id, transaction)

    encryption = keys.get(key_id, "encryption_key")
    authentication = keys.get(key_id, "authentication_key")
    return kind(encryption, authentication, on_end=keep, **known, **how)


def _pairs(
    keys: Keys, key_id: str, own: str, *, suite: int, title: bytes, at: datetime | None
) -> KeyPairs:
    pairs = KeyPairs(master_key=_master(keys, key_id))
    if own:
        pairs = KeyPairs(
            signing=keys.signing_key(own),
            agreement=_or_none(keys.agreement_key, own),
            master_key=pairs.master_key,
        )
    if not title:
        return pairs
    if at is None:
        raise UsageError("certificates are checked at some time: give `at`", where="security")
    found: list[Certificate] = []
    for usage in (Usage.SIGNING, Usage.KEY_AGREEMENT):
        certificate = _or_none(lambda name, usage=usage: keys.certificate(name, usage), title)
        found += [] if certificate is None else [certificate]
    checked, _ = trusted_pairs(pairs, found, keys.trust(), at=at, suite=suite, title=title)
    return checked


def _master(keys: Keys, key_id: str) -> bytes | None:
    """The master key; None when none is kept, or it lies in a token, which wraps by itself."""
    from ferraris.keys.wallet import token_label  # noqa: PLC0415

    found = _or_none(lambda name: keys.get(name, "master_key"), key_id)
    return None if found is None or token_label(found) is not None else found


def _or_none(look_up: Any, name: Any) -> Any:
    """What is kept under a name, None when nothing is."""
    try:
        return look_up(name)
    except UsageError:
        return None
