"""How a client proves who it is and protects what it says: as values for `connect`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.acse import Mechanism
from ferraris.messaging.dlms.association.parameters import ClientParameters
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.control import AUTHENTICATION, ENCRYPTION
from ferraris.messaging.dlms.security.counters import CounterLease

__all__ = ["DEFAULT_SYSTEM_TITLE", "HighGMAC", "NoSecurity", "Password", "Security"]

DEFAULT_SYSTEM_TITLE = b"FRR\x00\x00\x00\x00\x01"
"""System title of a client that was given none: three letters that stand for us, then a number."""

_PROTECTION = {
    "both": AUTHENTICATION | ENCRYPTION,
    "authentication": AUTHENTICATION,
    "encryption": ENCRYPTION,
}
_CHALLENGE_OCTETS = 16
_LEASED_AT_ONCE = 1 << 20  # counters a session may use when the caller gave only where to start


@dataclass(frozen=True, slots=True)
class NoSecurity:
    """Lowest level: no authentication, nothing protected; usually client 16, the public one."""

    client: int = 16

    def parameters(self, entropy: Callable[[int], bytes]) -> ClientParameters:
        """What the association layer needs."""
        return ClientParameters()


@dataclass(frozen=True, slots=True)
class Password:
    """Low level: a password that travels in clear text."""

    password: bytes = field(repr=False)
    client: int = 2

    def parameters(self, entropy: Callable[[int], bytes]) -> ClientParameters:
        """What the association layer needs."""
        return ClientParameters(mechanism=Mechanism.LOW, secret=self.password)


@dataclass(frozen=True, slots=True)
class HighGMAC:
    """High level 5: both ends prove their keys, and APDUs are protected.

    Attributes:
        encryption_key, authentication_key: 16 octets each (32 in suite 2).
        system_title: the client's, 8 octets; a meter may insist on one that it knows.
        invocation_counter: the next to use, or None to learn it from the meter as public client.
        lease: counters leased from a key store, instead of `invocation_counter`.
        protection: "both", "authentication" or "encryption".
        general: use general-glo-ciphering instead of service-specific APDUs.
        dedicated: protect services by a fresh key made for this association alone.
        ciphered: False authenticates only and leaves APDUs plain.
        receive_floor: the highest counter accepted from this meter so far.
    """

    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    system_title: bytes = DEFAULT_SYSTEM_TITLE
    invocation_counter: int | None = None
    lease: CounterLease | None = None
    suite: int = 0
    protection: str = "both"
    general: bool = False
    dedicated: bool = False
    ciphered: bool = True
    server_system_title: bytes = b""
    receive_floor: int = -1
    client: int = 1

    def parameters(self, entropy: Callable[[int], bytes]) -> ClientParameters:
        """What the association layer needs; the counter must be known by now."""
        control = _PROTECTION.get(self.protection)
        if control is None:
            raise UsageError("protection is both, authentication or encryption", where="security")
        keys = CipherKeys(self.suite, self.encryption_key, self.authentication_key)
        lease = self.lease
        if lease is None:
            if self.invocation_counter is None:
                raise UsageError("the invocation counter is not known", where="security")
            start = self.invocation_counter
            lease = CounterLease(start, min(start + _LEASED_AT_ONCE, 1 << 32))
        return ClientParameters(
            mechanism=Mechanism.HIGH_GMAC,
            ciphered=self.ciphered,
            control=control if self.ciphered else 0,
            general=self.general,
            system_title=self.system_title,
            peer_system_title=self.server_system_title,
            keys=keys,
            lease=lease,
            receive_floor=self.receive_floor,
            challenge=entropy(_CHALLENGE_OCTETS),
            dedicated=entropy if self.dedicated else None,
        )

    @property
    def counter_is_known(self) -> bool:
        """Whether the meter need not be asked."""
        return self.lease is not None or self.invocation_counter is not None


Security = NoSecurity | Password | HighGMAC
"""Anything `connect` takes as `security`."""
