"""Protection of DLMS/COSEM APDUs: suites, keys, counters, ciphering, authentication."""

from __future__ import annotations

from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.control import (
    AUTHENTICATION,
    BOTH,
    ENCRYPTION,
    KEY_SET,
    SecurityControl,
)
from ferraris.messaging.dlms.security.counters import CounterLease, ReplayError
from ferraris.messaging.dlms.security.protection import Opened, Opener, Sealer
from ferraris.messaging.dlms.security.suites import SecuritySuite

__all__ = [
    "AUTHENTICATION",
    "BOTH",
    "ENCRYPTION",
    "KEY_SET",
    "CipherKeys",
    "CounterLease",
    "Opened",
    "Opener",
    "ReplayError",
    "Sealer",
    "SecurityControl",
    "SecuritySuite",
]
