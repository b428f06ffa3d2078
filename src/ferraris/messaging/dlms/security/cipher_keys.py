"""The keys of one peer, checked against the suite; never shown."""

from __future__ import annotations

from typing import NoReturn

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.gcm import Gcm
from ferraris.messaging.dlms.security.suites import SecuritySuite

__all__ = ["SYSTEM_TITLE_OCTETS", "CipherKeys", "check_system_title"]

SYSTEM_TITLE_OCTETS = 8


class CipherKeys:
    """Global unicast encryption key, authentication key and, when known, the broadcast key.

    All have 16 octets, or 32 in suite 2; `UsageError` otherwise. Ciphers are set up at first use.
    """

    __slots__ = (
        "_broadcast",
        "_unicast",
        "authentication_key",
        "broadcast_key",
        "encryption_key",
        "suite",
    )

    def __init__(
        self,
        suite: int,
        encryption_key: bytes,
        authentication_key: bytes,
        broadcast_key: bytes | None = None,
    ) -> None:
        try:
            self.suite = SecuritySuite(suite)
        except ValueError:
            raise UsageError(f"there is no security suite {suite}") from None
        _check_length(self.suite, "encryption key", encryption_key)
        _check_length(self.suite, "authentication key", authentication_key)
        if broadcast_key is not None:
            _check_length(self.suite, "broadcast key", broadcast_key)
        self.encryption_key = bytes(encryption_key)
        self.authentication_key = bytes(authentication_key)
        self.broadcast_key = None if broadcast_key is None else bytes(broadcast_key)
        self._unicast: Gcm | None = None
        self._broadcast: Gcm | None = None

    def dedicated(self, key: bytes) -> CipherKeys:
        """The keys of an association with a dedicated key: it replaces the encryption key only."""
        _check_length(self.suite, "encryption key", key)
        made = CipherKeys.__new__(CipherKeys)  # each message may have a key: what is known is kept
        made.suite = self.suite
        made.encryption_key, made.authentication_key = bytes(key), self.authentication_key
        made.broadcast_key = made._unicast = made._broadcast = None
        return made

    def cipher(self, *, broadcast: bool = False) -> Gcm:
        """The cipher of the unicast or the broadcast key; `SecurityError` without that key."""
        if not broadcast:
            if self._unicast is None:
                self._unicast = Gcm(self.encryption_key)
            return self._unicast
        if self.broadcast_key is None:
            raise SecurityError("no broadcast key is known")
        if self._broadcast is None:
            self._broadcast = Gcm(self.broadcast_key)
        return self._broadcast

    def __repr__(self) -> str:
        return f"CipherKeys(suite={int(self.suite)}, …)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("keys are not pickled: they would leave the process unsealed")


def check_system_title(title: bytes) -> bytes:
    """The title itself; `UsageError` unless it has 8 octets."""
    if len(title) != SYSTEM_TITLE_OCTETS:
        raise UsageError(f"a system title has 8 octets, not {len(title)}")
    return bytes(title)


def _check_length(suite: SecuritySuite, name: str, key: bytes) -> None:
    if len(key) != suite.key_octets:
        raise UsageError(
            f"the {name} has {len(key)} octets, suite {int(suite)} needs {suite.key_octets}"
        )
