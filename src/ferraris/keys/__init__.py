"""Keys at work: the key store, counter leases, certificates in use, and how secrets enter."""

from __future__ import annotations

from ferraris.keys.keys import KINDS, RECEIVE, SEND, Entry, Keys
from ferraris.keys.memory import MemoryKeys
from ferraris.keys.secrets import secret
from ferraris.keys.store import KeyStore

__all__ = ["KINDS", "RECEIVE", "SEND", "Entry", "KeyStore", "Keys", "MemoryKeys", "secret"]
