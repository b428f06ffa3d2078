"""The keys of one meter while they change: which value an association goes under, what it leaves.

A meter has its current keys, or the next ones, or went back to the previous ones; which it has is
told by the association that opens (`keys.renewal`).
"""

from __future__ import annotations

from ferraris.client import HighGMAC
from ferraris.core.errors import UsageError
from ferraris.headend.collect.securing import Pairs, is_enveloped, protected
from ferraris.headend.registration.recognition import Known
from ferraris.keys import RECEIVE, SEND, KeyStore
from ferraris.keys.renewal import Renewals
from ferraris.keys.states import State
from ferraris.keys.wallet import token_label
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease

__all__ = [
    "CURRENT",
    "NEXT",
    "ON_ITS_WAY",
    "OPERATIONAL",
    "PREVIOUS",
    "MeterKeys",
    "keep_floor",
    "stages_to_try",
]

CURRENT, NEXT, PREVIOUS = "", "next_", "previous_"
"""Before the kind of a key: which of its values is meant."""

_UNICAST, _AUTHENTICATION, _MASTER = "encryption_key", "authentication_key", "master_key"
OPERATIONAL = (_UNICAST, _AUTHENTICATION, "broadcast_key")
"""Kinds of keys that a meter gets from the head-end in place of those of the shipment."""

ON_ITS_WAY = (State.SENT, State.ACCEPTED)
"""States of a key that the meter may have."""

_COUNTERS = 512
"""Leased for one association; what is left of them is burnt."""


def stages_to_try(store: KeyStore, key_id: str) -> list[str]:
    """Before the kinds of the keys that the meter may have, the likeliest first."""
    renewals = Renewals(store)
    kinds = renewals.kinds_to_try(key_id, _UNICAST)
    if kinds == [_UNICAST]:
        # The authentication key may travel alone.
        others = renewals.kinds_to_try(key_id, _AUTHENTICATION)
        return [kind.removesuffix(_AUTHENTICATION) for kind in others]
    return [kind.removesuffix(_UNICAST) for kind in kinds]


class MeterKeys:
    """What one association with a meter needs of the key store, and gives back to it.

    `stage` says which values of the keys it goes under. All methods wait for the disk: call them
    away from an event loop.
    """

    def __init__(self, store: KeyStore, key_id: str, stage: str = CURRENT) -> None:
        self.store = store
        self.key_id = key_id
        self.stage = stage
        self.renewals = Renewals(store)
        self._floor_kind = self._kind(stage, _UNICAST)
        self._in_use = b""

    def security(self, known: Known, pairs: Pairs, system_title: bytes) -> HighGMAC:
        """What `connect` needs; counters are leased, the floor comes back when it is over.

        Raises `UsageError` for what the key store lacks, `CertificateError` for certificates of
        the meter that do not hold.
        """
        encryption, authentication = self.keys(self.stage)
        self._in_use, kind = encryption, self._floor_kind
        found = pairs.of(known, self.key_id)
        values = self.store.lease(self.key_id, SEND, _COUNTERS, kind=kind)
        offset = 0
        if is_enveloped(known):
            offset = self.store.transaction_offset(self.key_id, values, kind=kind)
        return protected(
            known,
            encryption,
            authentication,
            keys=self.store,
            key_id=self.key_id,
            pairs=found,
            system_title=system_title,
            lease=CounterLease.of(values),
            receive_floor=self.store.floor(self.key_id, RECEIVE, kind=kind),
            transaction_floor=self.store.transaction_floor(self.key_id),
            transaction_offset=offset,
            client=known.client,
            on_end=self._keep,
        )

    def keys(self, stage: str) -> tuple[bytes, bytes]:
        """Encryption and authentication key of a stage; the current one where only one changes."""
        return (
            self.store.get(self.key_id, self._kind(stage, _UNICAST)),
            self.store.get(self.key_id, self._kind(stage, _AUTHENTICATION)),
        )

    def cipher_keys(self, stage: str, suite: int) -> CipherKeys:
        """The keys of a stage for an association that is open and goes on under them."""
        pair = self.keys(stage)
        self._in_use = pair[0]
        return CipherKeys(suite, *pair)

    def lease(self, kind: str = _UNICAST) -> CounterLease:
        """Counters that nobody else gets."""
        return CounterLease.of(self.store.lease(self.key_id, SEND, _COUNTERS, kind=kind))

    def next_counter(self) -> int:
        """The next counter under the keys of the association; it is burnt."""
        return self.store.lease(self.key_id, SEND, kind=self._floor_kind).start

    def lease_for(self, stage: str) -> CounterLease:
        """Counters under the encryption key of a stage."""
        return self.lease(self._kind(stage, _UNICAST))

    def settle(self) -> None:
        """The meter answered under the keys of this stage: what was unknown is known by that."""
        renewals, key_id = self.renewals, self.key_id
        on_its_way = [
            kind for kind in OPERATIONAL if renewals.state(key_id, kind) in ON_ITS_WAY
        ]  # fmt: skip
        if self.stage == NEXT:
            renewals.proved(key_id, on_its_way)
        elif self.stage == PREVIOUS:
            kept = [kind for kind in OPERATIONAL if self._is_kept(PREVIOUS + kind)]
            renewals.went_back(key_id, kept)
        elif on_its_way:
            renewals.not_followed(key_id, on_its_way)
        self.under(CURRENT)

    def under(self, stage: str) -> None:
        """The association goes on under the keys of another stage."""
        self.stage, self._floor_kind = stage, self._kind(stage, _UNICAST)

    def to_renew(self) -> list[str]:
        """The kinds that are operational: encryption, authentication, and broadcast where kept."""
        return [kind for kind in OPERATIONAL if self._is_kept(kind)]

    def has_master(self) -> bool:
        """Whether keys can travel to the meter."""
        return self._is_kept(_MASTER) or self._is_kept(NEXT + _MASTER)

    def may_agree(self) -> bool:
        """Whether a master key that is agreed on may take the place of the one that is kept.

        One in a token stays there.
        """
        try:
            return token_label(self.store.get(self.key_id, _MASTER)) is None
        except UsageError:
            return True

    def ask_master(self) -> bool:
        """A new master key is asked for; False where one is on its way already.

        What an earlier question came to is unknown: the meter is asked again.
        """
        state = self.renewals.state(self.key_id, _MASTER)
        if state is State.ASKED:
            self.renewals.not_followed(self.key_id, [_MASTER])
        elif state is not State.SETTLED:
            return False
        self.renewals.ask(self.key_id, _MASTER)
        return True

    def _kind(self, stage: str, kind: str) -> str:
        return stage + kind if stage and self._is_kept(stage + kind) else kind

    def _is_kept(self, kind: str) -> bool:
        try:
            self.store.get(self.key_id, kind)
        except UsageError:
            return False
        return True

    def _keep(self, receive: int, transaction: int) -> None:
        keep_floor(self.store, self.key_id, self._floor_kind, self._in_use, receive)
        self.store.raise_transaction_floor(self.key_id, transaction)


def keep_floor(store: KeyStore, key_id: str, kind: str, key: bytes, floor: int) -> bool:
    """Raise the floor of a key, unless that kind holds another value by now.

    A new key begins at 0: the floor of the old one would shut the meter out.
    """
    try:
        is_same = store.get(key_id, kind) == key
    except UsageError:
        return False
    if is_same:
        store.raise_floor(key_id, RECEIVE, floor, kind=kind)
    return is_same
