"""A key store without a file, for tests and simulators: gone with the process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from hashlib import blake2b
from itertools import count
from secrets import token_bytes
from threading import RLock

from ferraris.core.errors import UsageError
from ferraris.keys.keys import Entry, check_kind, check_name
from ferraris.keys.ledger import nameless_mark
from ferraris.keys.transactions import TransactionLedger
from ferraris.keys.wallet import Document, TokenKeys, Wallet

__all__ = ["MemoryKeys"]


class MemoryKeys(TransactionLedger, Wallet):
    """`Keys` in memory; leases are unique within the process only."""

    def __init__(self, token: TokenKeys | None = None) -> None:
        """Private keys may lie in `token`."""
        self._token = token
        self._lock = RLock()
        self._secrets: dict[Entry, bytes] = {}
        self._counters: dict[tuple[str, str], int] = {}  # (mark, direction) -> next value
        self._heights: dict[tuple[str, str, str, str], int] = {}  # id, kind, mark, direction
        self._kept: dict[tuple[str, str, str], tuple[Document, bytes]] = {}
        self._numbers = count(1)
        self._destroyed = 0

    def put(self, key_id: str, kind: str, secret: bytes) -> None:
        """Keep a secret, in place of an older one."""
        self.put_many(((key_id, kind, secret),))

    def put_many(self, secrets: Iterable[tuple[str, str, bytes]]) -> None:
        """`put` for many (id, kind, secret) at the price of one; all of them or none."""
        checked = [
            (Entry(check_name(key_id), check_kind(kind)), bytes(secret))
            for key_id, kind, secret in secrets
        ]
        with self._lock:
            for entry, secret in checked:
                first = entry not in self._secrets
                self._secrets[entry] = secret
                if first:
                    self._adopt(entry, _mark(secret))

    def get(self, key_id: str, kind: str) -> bytes:
        """The secret; `UsageError` when there is none."""
        secret = self._secrets.get(Entry(check_name(key_id), check_kind(kind)))
        if secret is None:
            raise UsageError(f"no {kind} is kept for {key_id!r}")
        return secret

    def delete(self, key_id: str, kind: str) -> None:
        """Forget a secret; its counters stay. Unknown ones are ignored."""
        with self._lock:
            self._secrets.pop(Entry(check_name(key_id), check_kind(kind)), None)

    def make_missing(
        self,
        key_ids: Iterable[str],
        kind: str,
        octets: int = 32,
        entropy: Callable[[int], bytes] = token_bytes,
    ) -> dict[str, bytes]:
        """The secrets of many ids; where there is none it is made."""
        wanted = [Entry(check_name(key_id), check_kind(kind)) for key_id in key_ids]
        with self._lock:
            fresh = [entry for entry in wanted if entry not in self._secrets]
            self.put_many((*entry, entropy(octets)) for entry in dict.fromkeys(fresh))
            return {entry.id: self._secrets[entry] for entry in wanted}

    def destroy(self, key_id: str, kind: str, remains: bytes) -> None:
        """Forget a secret for good; `remains` stands in its place and tells that it was here."""
        with self._lock:
            self.put(key_id, kind, remains)
            self._destroyed += 1

    def destructions(self) -> int:
        """How many secrets were destroyed."""
        return self._destroyed

    def entries(self) -> list[Entry]:
        """What is kept, in order, without the secrets."""
        with self._lock:
            return sorted(self._secrets)

    def close(self) -> None:
        """Forget the secrets; the counters stay as long as the object."""
        with self._lock:
            self._secrets.clear()

    def __repr__(self) -> str:
        return f"MemoryKeys({len(self._secrets)} secrets)"

    def _adopt(self, entry: Entry, mark: str) -> None:
        """Pass counters and floors that the id had without a secret to its first one."""
        nameless = nameless_mark(entry.id, entry.kind)
        for (old, direction), value in list(self._counters.items()):
            if old == nameless:
                key = (mark, direction)
                self._counters[key] = max(value, self._counters.get(key, 0))
        for (key_id, kind, old, direction), value in list(self._heights.items()):
            if (key_id, kind, old) == (entry.id, entry.kind, nameless):
                place = (key_id, kind, mark, direction)
                self._heights[place] = max(value, self._heights.get(place, -1))

    def _writing(self) -> AbstractContextManager[object]:
        return self._lock

    def _reading(self) -> AbstractContextManager[object]:
        return self._lock

    def _marks(self, key_ids: list[str], kind: str) -> dict[str, str]:
        secrets = self._secrets
        marks = {}
        for key_id in key_ids:
            secret = secrets.get(Entry(key_id, kind))
            marks[key_id] = nameless_mark(key_id, kind) if secret is None else _mark(secret)
        return marks

    def _following(self, marks: Iterable[str], direction: str) -> dict[str, int]:
        counters = self._counters
        return {mark: counters[mark, direction] for mark in marks if (mark, direction) in counters}

    def _set_following(self, following: Mapping[str, int], direction: str) -> None:
        for mark, value in following.items():
            self._counters[mark, direction] = value

    def _floors(self, marks: Mapping[str, str], direction: str, kind: str) -> dict[str, int]:
        heights = self._heights
        return {
            key_id: heights[key_id, kind, mark, direction]
            for key_id, mark in marks.items()
            if (key_id, kind, mark, direction) in heights
        }

    def _set_floors(self, floors: Mapping[tuple[str, str], int], direction: str, kind: str) -> None:
        for (key_id, mark), value in floors.items():
            self._heights[key_id, kind, mark, direction] = value

    def _heights_of(self, key_id: str, kind: str, direction: str) -> dict[str, int]:
        wanted = (key_id, kind, direction)
        return {
            mark: height
            for (owner, of, mark, way), height in self._heights.items()
            if (owner, of, way) == wanted
        }

    def _keep_documents(self, documents: Iterable[tuple[str, str, str, bytes]]) -> None:
        with self._lock:
            for kind, owner, name, octets in documents:
                self._kept.pop((kind, owner, name), None)
                document = Document(next(self._numbers), kind, owner, name)
                self._kept[kind, owner, name] = (document, octets)

    def _documents(self, kind: str, owner: str | None = None) -> list[tuple[Document, bytes]]:
        with self._lock:
            return [
                each
                for each in self._kept.values()
                if each[0].kind == kind and owner in (None, each[0].owner)
            ]

    def _drop_document(self, kind: str, owner: str, name: str) -> None:
        with self._lock:
            self._kept.pop((kind, owner, name), None)


def _mark(secret: bytes) -> str:
    return blake2b(secret, digest_size=16, person=b"ferraris mark").hexdigest()
