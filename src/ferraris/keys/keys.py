"""What every key store offers, and the kinds of secrets that it holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from secrets import token_bytes
from typing import NamedTuple, Protocol

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import AgreementKey, SigningKey
from ferraris.keys.wallet import PRIVATE_KINDS, TokenKeys
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT, disown_leases

__all__ = [
    "KINDS",
    "RECEIVE",
    "RENEWED",
    "SEND",
    "Entry",
    "Keys",
    "check_count",
    "check_kind",
    "check_name",
]

RENEWED = ("encryption_key", "authentication_key", "broadcast_key", "master_key")
"""Kinds that are renewed: each has a current value, and now and then a next and a previous one."""

KINDS = (
    *RENEWED,
    "dedicated_key",
    "password",
    "hls_secret",
    "customer_key",
    *(f"{stage}_{kind}" for stage in ("next", "previous") for kind in RENEWED),
    *PRIVATE_KINDS.values(),
)
"""Kinds of secrets: global unicast encryption, authentication, global broadcast encryption, master
(key encryption) and dedicated key, password of low level and secret of high level security; the key
that seals a customer's readings; the next and previous values of the first four; private keys for
signing, agreement, TLS and of authorities."""

SEND = "send"
RECEIVE = "receive"
"""Usual directions, seen by the owner of the store. Any other word names a further originator."""

_NAME_CHARACTERS = 200

if hasattr(os, "register_at_fork"):
    # A forked child shares no counter values with its parent: it has to lease its own.
    os.register_at_fork(after_in_child=disown_leases)


class Entry(NamedTuple):
    """That a secret exists: of which meter (or tenant), of which kind. Never the secret."""

    id: str
    kind: str


class Keys(Protocol):
    """Secrets and counters by id, usually the meter's.

    Counters belong to the *value* of a key, not to its name: two meters that share an encryption
    key by mistake share the counter, a new key starts at 1, and a key that comes back goes on
    where it stopped.
    """

    def put(self, key_id: str, kind: str, secret: bytes) -> None:
        """Keep a secret, in place of an older one."""

    def put_many(self, secrets: Iterable[tuple[str, str, bytes]]) -> None:
        """`put` for many (id, kind, secret) at the price of one; all of them or none."""

    def get(self, key_id: str, kind: str) -> bytes:
        """The secret; `UsageError` when there is none, `SecurityError` when it was altered."""

    def delete(self, key_id: str, kind: str) -> None:
        """Forget a secret; its counters stay. Unknown ones are ignored."""

    def make_missing(
        self,
        key_ids: Iterable[str],
        kind: str,
        octets: int = 32,
        entropy: Callable[[int], bytes] = token_bytes,
    ) -> dict[str, bytes]:
        """The secrets of many ids at the price of one; where there is none it is made, once.

        Processes that ask for the same id at the same time are given the same secret.
        """

    def destroy(self, key_id: str, kind: str, remains: bytes) -> None:
        """Forget a secret for good; `remains` stands in its place and tells that it was here.

        Nothing of the secret stays in the file; copies made before still hold it.
        """

    def destructions(self) -> int:
        """How many secrets were destroyed; quickly, so that it can be asked before each use."""

    def entries(self) -> list[Entry]:
        """What is kept, in order, without the secrets."""

    def lease(
        self, key_id: str, direction: str = SEND, n: int = 1, *, kind: str = "encryption_key"
    ) -> range:
        """The next `n` counter values, never handed out again, whatever happens afterwards.

        Raises `SecurityError` when the key has not that many left.
        """

    def lease_many(
        self,
        key_ids: Iterable[str],
        direction: str = SEND,
        n: int = 1,
        *,
        kind: str = "encryption_key",
    ) -> dict[str, range]:
        """`lease` for many ids at the price of one; all of them or none."""

    def raise_next(
        self,
        key_id: str,
        direction: str,
        value: int,
        *,
        kind: str = "encryption_key",
        most: int = 1 << 24,
    ) -> None:
        """Hand out nothing below `value`, what a meter said that it expects. Never lowers.

        Raises `SecurityError` for a step of more than `most`.
        """

    def floor(self, key_id: str, direction: str = RECEIVE, *, kind: str = "encryption_key") -> int:
        """The last accepted counter under the present key, -1 for none."""

    def floors(
        self, key_ids: Iterable[str], direction: str = RECEIVE, *, kind: str = "encryption_key"
    ) -> dict[str, int]:
        """`floor` for many ids."""

    def raise_floor(
        self, key_id: str, direction: str, value: int, *, kind: str = "encryption_key"
    ) -> None:
        """Raise the floor; a lower value changes nothing."""

    def raise_floors(
        self, values: Mapping[str, int], direction: str = RECEIVE, *, kind: str = "encryption_key"
    ) -> None:
        """`raise_floor` for many ids at the price of one; all of them or none."""

    def transaction_floor(self, key_id: str) -> int:
        """The last transaction-id accepted from this id, whatever its key; -1 for none."""

    def raise_transaction_floor(self, key_id: str, number: int) -> None:
        """Raise that floor; a lower number changes nothing."""

    def transaction_offset(
        self, key_id: str, values: range, *, kind: str = "encryption_key"
    ) -> int:
        """What to add to leased counters so that transaction-ids go on rising over other keys."""

    def signing_key(self, key_id: str, usage: Usage = Usage.SIGNING) -> SigningKey:
        """The private key that signs for this id, in memory or in a token."""

    def agreement_key(self, key_id: str) -> AgreementKey:
        """The private key that agrees on keys for this id, in memory or in a token."""

    def certificate(self, title: bytes, usage: Usage, *, at: datetime | None = None) -> Certificate:
        """The certificate in use for a system title; `UsageError` when there is none."""

    def put_certificate(self, certificate: Certificate, *, trusted: bool = False) -> None:
        """Keep a certificate; the one put last is in use for its title and usage."""

    def put_certificates(self, certificates: Iterable[Certificate]) -> None:
        """`put_certificate` for many of no authorities at the price of one; all or none."""

    def token_keys(self) -> TokenKeys:
        """The token that keys lie in; `UsageError` when the store was opened without."""

    def trust(self, *, require_revocation_lists: bool = False) -> Trust:
        """The roots, the authorities below them and the revocation lists that are kept."""

    def close(self) -> None:
        """Let go of files and keys."""


def check_name(name: str) -> str:
    """The id or direction itself; `UsageError` when it is empty, too long or not printable."""
    if not name or len(name) > _NAME_CHARACTERS or not name.isprintable():
        raise UsageError(f"an id has 1 to {_NAME_CHARACTERS} printable characters")
    return name


def check_kind(kind: str) -> str:
    """The kind itself; `UsageError` when there is no such kind."""
    if kind not in KINDS:
        raise UsageError(f"there is no kind of secret {kind!r}; there are {', '.join(KINDS)}")
    return kind


def check_count(n: int) -> int:
    """The number itself; `UsageError` unless it may be the size of a lease."""
    if not 1 <= n < COUNTER_LIMIT:
        raise UsageError(f"a lease has 1 to 2**32 - 1 values, not {n}")
    return n
