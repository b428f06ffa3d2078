"""How a client proves who it is and protects what it says: as values for `connect`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.acse import Mechanism
from ferraris.messaging.dlms.association.parameters import ClientParameters
from ferraris.messaging.dlms.association.proofs import OwnMechanism
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.control import AUTHENTICATION, ENCRYPTION, SIGNED
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.deviations import check_association
from ferraris.messaging.dlms.security.forms import NO_PAIRS, Form, KeyPairs, KeySource, Shape
from ferraris.messaging.dlms.security.hls import ECDSA_CHALLENGE_OCTETS, check_strength

__all__ = [
    "DEFAULT_SYSTEM_TITLE",
    "MECHANISMS",
    "HighDigest",
    "HighECDSA",
    "HighGMAC",
    "NoSecurity",
    "Password",
    "Security",
]

DEFAULT_SYSTEM_TITLE = b"FRR\x00\x00\x00\x00\x01"
"""System title of a client that was given none: three letters that stand for us, then a number."""

_PROTECTION = {
    "both": AUTHENTICATION | ENCRYPTION,
    "authentication": AUTHENTICATION,
    "encryption": ENCRYPTION,
    "none": 0,
}
_SIGNATURES = ("", "first", "last")
MECHANISMS = {
    int(Mechanism.HIGH): "own",
    int(Mechanism.HIGH_MD5): "md5",
    int(Mechanism.HIGH_SHA1): "sha1",
    int(Mechanism.HIGH_GMAC): "gmac",
    int(Mechanism.HIGH_SHA256): "sha256",
    int(Mechanism.HIGH_ECDSA): "ecdsa",
}
"""What the mechanisms of high security are called here, by number."""

_NUMBERS = {name: Mechanism(number) for number, name in MECHANISMS.items()}
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
class HighDigest:
    """High level 3, 4, 6 or 2 without ciphering: both ends prove a shared secret.

    Attributes:
        secret: what both share; nothing in level 2, whose `answer` knows it.
        mechanism: "sha256" (level 6), "sha1" (4), "md5" (3) or "own" (2).
        answer: of level 2, which is each manufacturer's own: makes the answer to a challenge.
        system_title: the client's, 8 octets; it goes into level 6.
        weak: take level 3 or 4, which are refused otherwise.
    """

    secret: bytes = field(default=b"", repr=False)
    mechanism: str = "sha256"
    answer: OwnMechanism | None = field(default=None, repr=False)
    system_title: bytes = DEFAULT_SYSTEM_TITLE
    client: int = 1
    weak: bool = False

    def parameters(self, entropy: Callable[[int], bytes]) -> ClientParameters:
        """What the association layer needs."""
        return ClientParameters(
            mechanism=_mechanism(self.mechanism, weak=self.weak),
            secret=self.secret,
            own_mechanism=self.answer,
            system_title=self.system_title,
            challenge=entropy(_CHALLENGE_OCTETS),
        )


@dataclass(frozen=True, slots=True)
class HighGMAC:
    """High level 5 with ciphering: both ends prove their keys, and APDUs are protected.

    Attributes:
        encryption_key, authentication_key: 16 octets each (32 in suite 2).
        system_title: the client's, 8 octets; a meter may insist on one that it knows.
        invocation_counter: the next to use, or None to learn it from the meter as public client.
        lease: counters leased from a key store, instead of `invocation_counter`.
        protection: "both", "authentication" or "encryption", or "none" where `sign` protects alone.
        general: use general-glo-ciphering instead of service-specific APDUs.
        dedicated: protect services by a fresh key made for this association alone.
        ciphered: False authenticates only and leaves APDUs plain.
        receive_floor: the highest counter accepted from this meter so far.
        form: "service", "general" or "envelope" (general-ciphering).
        message_key: of envelopes: "identified", "wrapped", "one-pass" or "static".
        sign: "" for no signature, "first" for one that is then ciphered, "last" for one over the
            ciphertext.
        answers: bits that every answer must carry; None for those of what is sent.
        pairs: signing and agreement keys, and those of the meter's certificates.
        mechanism: how the ends prove themselves: "gmac", "ecdsa", "sha256", "sha1", "md5", "own".
        secret, answer, weak: of the mechanisms that need them, as in `HighDigest`.
        transaction_floor: the highest transaction-id accepted from this meter so far.
        transaction_offset: added to counters that began anew with a new key.
        on_end: told the receive floor and the transaction floor when the association is over;
            `kept_security` keeps them in a key store.
        deviation: of a deployment from the standard, by name; no known one is of associations.
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
    form: str = "service"
    message_key: str = "identified"
    sign: str = ""
    answers: int | None = None
    pairs: KeyPairs = NO_PAIRS
    mechanism: str = "gmac"
    secret: bytes = field(default=b"", repr=False)
    answer: OwnMechanism | None = field(default=None, repr=False)
    transaction_floor: int = -1
    transaction_offset: int = 0
    weak: bool = False
    deviation: str = ""
    on_end: Callable[[int, int], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_association(self.deviation)

    def parameters(self, entropy: Callable[[int], bytes]) -> ClientParameters:
        """What the association layer needs; the counter must be known by now."""
        control = self._control()
        keys = CipherKeys(self.suite, self.encryption_key, self.authentication_key)
        lease = self.lease
        if lease is None:
            if self.invocation_counter is None:
                raise UsageError("the invocation counter is not known", where="security")
            start = self.invocation_counter
            lease = CounterLease(start, min(start + _LEASED_AT_ONCE, 1 << 32))
        mechanism = _mechanism(self.mechanism, weak=self.weak)
        long = mechanism == Mechanism.HIGH_ECDSA
        return ClientParameters(
            mechanism=mechanism,
            secret=self.secret,
            own_mechanism=self.answer,
            ciphered=self.ciphered,
            control=control if self.ciphered else 0,
            minimum=self.answers,
            general=self.general,
            shape=self._shape(),
            pairs=self.pairs,
            entropy=entropy,
            system_title=self.system_title,
            peer_system_title=self.server_system_title,
            keys=keys,
            lease=lease,
            receive_floor=self.receive_floor,
            transaction_floor=self.transaction_floor,
            transaction_offset=self.transaction_offset,
            challenge=entropy(ECDSA_CHALLENGE_OCTETS if long else _CHALLENGE_OCTETS),
            dedicated=entropy if self.dedicated else None,
            on_end=self.on_end,
        )

    @property
    def counter_is_known(self) -> bool:
        """Whether the meter need not be asked."""
        return self.lease is not None or self.invocation_counter is not None

    def _control(self) -> int:
        control = _PROTECTION.get(self.protection)
        if control is None:
            raise UsageError(
                "protection is both, authentication, encryption or none", where="security"
            )
        if self.sign not in _SIGNATURES:
            raise UsageError("sign is first, last, or empty", where="security")
        return control | (SIGNED if self.sign else 0)

    def _shape(self) -> Shape:
        try:
            return Shape(Form(self.form), KeySource(self.message_key), self.sign == "last")
        except ValueError:
            raise UsageError(
                "form is service, general or envelope; message_key is identified, wrapped, "
                "one-pass or static",
                where="security",
            ) from None


@dataclass(frozen=True, slots=True)
class HighECDSA(HighGMAC):
    """High level 7: both ends prove themselves by signatures; all else is as in `HighGMAC`.

    `suite` is 1 or 2, and `pairs` holds the client's signing key and the meter's public one.
    """

    suite: int = 1
    mechanism: str = "ecdsa"


def _mechanism(name: str, *, weak: bool) -> Mechanism:
    found = _NUMBERS.get(name)
    if found is None:
        raise UsageError(f"the mechanism is one of {', '.join(_NUMBERS)}", where="security")
    check_strength(found, weak=weak)
    return found


Security = NoSecurity | Password | HighDigest | HighGMAC
"""Anything `connect` takes as `security`."""
