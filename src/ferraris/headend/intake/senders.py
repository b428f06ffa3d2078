"""Who may push: looked up in the inventory and the key store when first heard, kept for a while.

The receiver asks for keys in the event loop, where nothing may wait. So a sender that is not known
yet fails there first; what failed is looked up away from the loop, many at a time, and taken again
in the order in which it came. The same way finds the next keys of a meter whose keys are renewed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ferraris.client import PushedList, PushKeys
from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import CertificateError
from ferraris.headend.collect.securing import Pairs
from ferraris.headend.inventory import key_id
from ferraris.headend.registration.meter_keys import CURRENT, PREVIOUS, MeterKeys, stages_to_try
from ferraris.headend.registration.push_lists import PushLists
from ferraris.headend.registration.recognition import (
    KeyName,
    Known,
    Reason,
    Verdict,
    called,
    known_meters,
    verdict,
)
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import METER, PUSH_LISTS, REGISTRATION
from ferraris.keys import RECEIVE, KeyStore
from ferraris.messaging.dlms.security.forms import NO_PAIRS, KeyPairs

__all__ = ["Sender", "Senders"]

_MOST_UNKNOWN = 20_000
_CHUNK = 400
_NOBODY = Verdict(None, Reason.UNKNOWN)


@dataclass(slots=True)
class Sender:
    """A system title as it is known: who it is, its keys by stage, its lists; from when.

    `pairs` are what its certificates say and the keys of ours that go with them; `trouble` says why
    there are none.
    """

    title: bytes
    verdict: Verdict
    looked_up_s: float
    stages: dict[str, tuple[bytes, bytes]]
    stage: str = CURRENT
    floor: int = -1
    floor_key: bytes = b""
    lists: PushLists | None = None
    pairs: KeyPairs = NO_PAIRS
    trouble: str = ""
    transaction: int = -1

    @property
    def known(self) -> Known | None:
        """The meter, unless it is a stranger."""
        return None if self.verdict.reason is not None else self.verdict.known

    def accepted(self, counter: int) -> None:
        """A counter verified under the keys in use."""
        key = self.stages[self.stage][0]
        self.floor = counter if key != self.floor_key else max(self.floor, counter)
        self.floor_key = key

    def is_certified_as(self, other: Sender) -> bool:
        """Whether what is known of its certificates is what the other one knows."""
        return self._certified() == other._certified()

    def _certified(self) -> tuple[object, ...]:
        pairs = self.pairs
        own = b"" if pairs.agreement is None else pairs.agreement.public_key
        return own, pairs.peer_signing, pairs.peer_agreement, pairs.master_key, self.trouble


class Senders:
    """The senders of one tenant. `push_keys` and `push_list` are for the event loop, the rest for
    threads; a sender is looked up again after `again_s`."""

    def __init__(
        self,
        engine: Engine,
        keys: KeyStore,
        tenant: int,
        *,
        system_title: bytes,
        clock: Callable[[], float],
        key_name: KeyName = key_id,
        again_s: float = 60.0,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._tenant = tenant
        self._system_title = system_title
        self._clock = clock
        self._key_name = key_name
        self._again_s = again_s
        self._pairs = Pairs(keys, system_title, clock)
        self._kept: dict[bytes, Sender] = {}  # at most as many as the inventory has
        self._unknown: OrderedDict[bytes, Sender] = OrderedDict()
        self._lists: dict[int, PushLists] = {}
        self._merged: dict[int, PushedList] = {}

    # -- in the event loop ------------------------------------------------------------------

    def push_keys(self, title: bytes) -> PushKeys | None:
        """The keys of a sender under its present stage, None while it is not known."""
        sender = self._kept.get(title)
        if sender is None:
            return None
        pair = sender.stages.get(sender.stage)
        if pair is None:
            return None
        floor = sender.floor if sender.floor_key in (b"", pair[0]) else -1
        pairs = sender.pairs
        return PushKeys(
            *pair,
            system_title=title,
            floor=floor,
            client_system_title=self._system_title,
            sender_signing=pairs.peer_signing,
            master_key=pairs.master_key,
            agreement_key=pairs.agreement,
            sender_agreement=pairs.peer_agreement,
            transaction_floor=sender.transaction,
        )

    def push_list(self, title: bytes) -> PushedList | None:
        """What the sender is known to push."""
        sender = self._kept.get(title)
        if sender is None or sender.lists is None:
            return None
        merged = self._merged.get(id(sender.lists))
        if merged is None:
            merged = self._merged[id(sender.lists)] = sender.lists.merged
        return merged

    def get(self, title: bytes) -> Sender | None:
        """The sender as it was looked up last; None for one that never was, or long ago."""
        return self._kept.get(title) or self._unknown.get(title)

    def is_stale(self, sender: Sender) -> bool:
        """Whether it is time to look it up again: its life may have gone on."""
        return self._clock() - sender.looked_up_s > self._again_s

    def keep(self, senders: Iterable[Sender]) -> list[bytes]:
        """What was looked up is what is known now; floors only rise.

        Returns the titles whose certificates are others now, or hold no more: what was made of the
        old ones is to be forgotten.
        """
        others = []
        for fresh in senders:
            old = self._kept.pop(fresh.title, None)
            if old is not None and old.floor_key:
                for stage, (encryption, _) in fresh.stages.items():
                    if encryption == old.floor_key:
                        fresh.stage, fresh.floor_key = stage, encryption
                        fresh.floor = max(fresh.floor, old.floor)
                        break
            if old is not None:
                fresh.transaction = max(fresh.transaction, old.transaction)
                if not fresh.is_certified_as(old):
                    others.append(fresh.title)
            if fresh.verdict.known is None:
                self._unknown[fresh.title] = fresh
            else:
                self._unknown.pop(fresh.title, None)
                self._kept[fresh.title] = fresh
        while len(self._unknown) > _MOST_UNKNOWN:
            self._unknown.popitem(last=False)
        return others

    # -- in threads -------------------------------------------------------------------------

    def look_up(self, titles: Iterable[bytes]) -> list[Sender]:
        """Everything about these titles, strangers included."""
        wanted = list(dict.fromkeys(titles))
        known: dict[bytes, Known] = {}
        numbers: dict[int, int | None] = {}
        with self._engine.reading() as connection:
            for start in range(0, len(wanted), _CHUNK):
                some = wanted[start : start + _CHUNK]
                condition = (METER.c.tenant == self._tenant) & METER.c.system_title.in_(some)
                for each in known_meters(connection, condition, self._key_name):
                    before = known.get(each.system_title)
                    if before is None or before.state == "retired":
                        known[each.system_title] = each
            found = [each.number for each in known.values()]
            for start in range(0, len(found), _CHUNK):
                rows = connection.execute(
                    select(REGISTRATION.c.meter, REGISTRATION.c.push_lists).where(
                        REGISTRATION.c.meter.in_(found[start : start + _CHUNK])
                    )
                )
                numbers |= {row.meter: row.push_lists for row in rows}
            for number in set(numbers.values()) - set(self._lists):
                if number is not None:
                    self._lists[number] = self._read_lists(connection, number)
        return [self._sender(title, known.get(title), numbers) for title in wanted]

    def named(self, names: Iterable[str]) -> dict[str, Known]:
        """The meters of these logical device names or external ids: claims, no proofs."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, Known] = {}
        with self._engine.reading() as connection:
            for start in range(0, len(wanted), _CHUNK):
                some = wanted[start : start + _CHUNK]
                mine = METER.c.tenant == self._tenant
                for each in known_meters(connection, mine & called(some), self._key_name):
                    name = each.logical_device_name or each.external_id
                    before = found.get(name)
                    if before is None or before.state == "retired":
                        found[name] = each
        return found

    def keep_floors(self, senders: Iterable[Sender]) -> None:
        """Write the floors of senders to the key store: no push of theirs is taken twice, ever."""
        by_kind: dict[str, dict[str, int]] = {}
        transactions: dict[str, int] = {}
        for sender in senders:
            known = sender.verdict.known
            if known is None:
                continue
            if sender.transaction >= 0:
                transactions[known.key_id] = sender.transaction
            kind = self._kind(known, sender) if sender.floor >= 0 else None
            if kind is not None:
                by_kind.setdefault(kind, {})[known.key_id] = sender.floor
        for kind, floors in by_kind.items():
            self._keys.raise_floors(floors, RECEIVE, kind=kind)
        if transactions:
            self._keys.raise_transaction_floors(transactions)

    def _kind(self, known: Known, sender: Sender) -> str | None:
        """What the key is called by now that the sender used.

        None when it is none of those that are kept for it: a floor belongs to a value, and that of
        an old key would shut out the meter, whose new one begins at 0.
        """
        for stage in dict.fromkeys((sender.stage, CURRENT, PREVIOUS)):
            kind = f"{stage}encryption_key"
            try:
                if self._keys.get(known.key_id, kind) == sender.floor_key:
                    return kind
            except UsageError:
                continue
        return None

    def _sender(self, title: bytes, known: Known | None, numbers: dict[int, int | None]) -> Sender:
        now = self._clock()
        if known is None:
            return Sender(title, _NOBODY, now, {})
        number = numbers.get(known.number)
        lists = None if number is None else self._lists.get(number)
        sender = Sender(title, verdict(known, None, title), now, {}, lists=lists)
        for stage in stages_to_try(self._keys, known.key_id):
            try:
                sender.stages[stage] = MeterKeys(self._keys, known.key_id, stage).keys(stage)
            except UsageError:  # a key is not there yet
                continue
        if sender.stages:
            sender.stage = next(iter(sender.stages))
            kind = f"{sender.stage}encryption_key"
            sender.floor = self._keys.floor(known.key_id, RECEIVE, kind=kind)
            sender.floor_key = sender.stages[sender.stage][0]
        if sender.verdict.reason is None:
            self._certify(sender, known)
        return sender

    def _certify(self, sender: Sender, known: Known) -> None:
        """The key pairs of a sender that has some, and how far its transaction-ids are."""
        try:
            sender.pairs = self._pairs.of(known, known.key_id).for_association()
        except (CertificateError, UsageError) as error:
            sender.trouble = error.message
        if known.suite or sender.pairs.master_key is not None:
            sender.transaction = self._keys.transaction_floor(known.key_id)

    def _read_lists(self, connection: Any, number: int) -> PushLists:
        query = select(PUSH_LISTS.c.document).where(PUSH_LISTS.c.id == number)
        return PushLists.from_text(connection.execute(query).scalar_one())
