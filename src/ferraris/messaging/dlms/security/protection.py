"""Protecting APDUs and taking the protection off: security header, ciphertext and tag.

The same octets stand in service-specific ciphering (glo-, ded-) and in general-glo- and
general-ded-ciphering: security control, invocation counter, then the APDU, encrypted, tagged or
both. The initialisation vector is the originator's system title and the counter [facts-g].

General-ciphering authenticates its own fields as well. Their layout rests on one published example
and one implementation: it is to be confirmed by meeting a foreign meter.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.gcm import TAG_OCTETS, Gcm
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys, check_system_title
from ferraris.messaging.dlms.security.control import (
    AUTHENTICATION,
    BOTH,
    COMPRESSION,
    ENCRYPTION,
    KEY_SET,
    SUITE_MASK,
)
from ferraris.messaging.dlms.security.counters import CounterLease, ReplayError

__all__ = ["TOKEN_OCTETS", "Opened", "Opener", "Sealer"]

_WHERE = "protection"
_HEADER_OCTETS = 5
TOKEN_OCTETS = _HEADER_OCTETS + TAG_OCTETS
_UNUSED_BITS = COMPRESSION
_NOT_VERIFIED = (
    "the tag does not verify: wrong encryption key, authentication key or system title, or an "
    "altered message; compare the keys, and the peer's title with the one it sends in its AARQ "
    "or AARE"
)


class Sealer:
    """Protects what one originator sends to one peer; every call takes a fresh counter value.

    This is the only way to a protected APDU or a GMAC token, and the counter comes from the lease
    alone, so no value can serve twice under one key. The broadcast key is shared by many meters,
    hence it has a lease of its own.
    """

    __slots__ = ("_broadcast_lease", "_keys", "_plans", "lease", "system_title")

    def __init__(
        self,
        keys: CipherKeys,
        system_title: bytes,
        lease: CounterLease,
        broadcast_lease: CounterLease | None = None,
    ) -> None:
        self._keys = keys
        self.system_title = check_system_title(system_title)
        self.lease = lease
        self._broadcast_lease = broadcast_lease
        self._plans: dict[int, _SealPlan] = {}

    def seal(self, plain: bytes, control: int, fields: bytes = b"") -> bytes:
        """Security header, then APDU or ciphertext, then the tag when `control` asks for one.

        `fields` are what general-ciphering authenticates besides: transaction-id, both titles,
        date-time and other information, each with its length octet; empty everywhere else.

        Raises `UsageError` for a control octet of another suite, without any protection, with
        compression, or with the key-set bit where there is no broadcast key or lease;
        `SecurityError` when the lease is spent.
        """
        plan = self._plans.get(control)
        if plan is None:
            plan = self._plan(control)
        first, associated, cipher, lease = plan
        if fields:
            associated += fields
        counter = lease.take().to_bytes(4, "big")
        vector = self.system_title + counter
        if control & BOTH == BOTH:
            return first + counter + cipher.seal(vector, associated, plain)
        if control & ENCRYPTION:
            return first + counter + cipher.stream(vector, plain)
        return first + counter + plain + cipher.tag(vector, associated + plain)

    def token(self, challenge: bytes) -> bytes:
        """The 17 octets that answer `challenge` in high-level security with GMAC [facts-g].

        Always under the unicast key, also when the association has a dedicated one.
        """
        control = AUTHENTICATION | self._keys.suite
        counter = self.lease.take().to_bytes(4, "big")
        head = bytes((control,))
        associated = head + self._keys.authentication_key + challenge
        tag = self._keys.cipher().tag(self.system_title + counter, associated)
        return head + counter + tag

    def __repr__(self) -> str:
        return f"Sealer({self.system_title.hex()}, {self.lease!r})"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a sealer is never copied: its counter values would be used twice")

    def _plan(self, control: int) -> _SealPlan:
        keys = self._keys
        if not 0 <= control <= 0xFF or control & SUITE_MASK != keys.suite:
            raise UsageError(f"control octet {control:#04x} is not of suite {int(keys.suite)}")
        if not control & BOTH:
            raise UsageError("a protected APDU is authenticated, encrypted or both")
        if control & _UNUSED_BITS:
            raise UsageError("compressed APDUs are not supported")
        lease: CounterLease | None = self.lease
        broadcast = bool(control & KEY_SET)
        if broadcast:
            lease = self._broadcast_lease
            if lease is None or keys.broadcast_key is None:
                raise UsageError("the key-set bit needs a broadcast key and its own counter lease")
        assert lease is not None
        cipher = keys.cipher(broadcast=broadcast)
        first = bytes((control,))
        plan = _SealPlan(first, first + keys.authentication_key, cipher, lease)
        self._plans[int(control)] = plan
        return plan


class Opened(NamedTuple):
    """A plain APDU and the protection it came with."""

    plain: bytes
    control: int
    counter: int

    @property
    def authenticated(self) -> bool:
        """The APDU carried a tag that verified; False means that anybody may have altered it."""
        return bool(self.control & AUTHENTICATION)

    def __repr__(self) -> str:
        return f"Opened({len(self.plain)} octets, 0x{self.control:02X}, {self.counter})"


class Opener:
    """Takes the protection of one peer off; holds the receive floor of each of its keys.

    `floor` and `broadcast_floor` are the last accepted counters, -1 before the first; store them
    when they have risen. `minimum` is the least protection accepted, as bits of the control octet.

    An APDU that is only encrypted proves nothing about who made it. It is accepted only when
    `minimum` does not ask for authentication; its counter must be above the floor, which it does
    not raise, since a forger could shut out the peer with one high value. Hence such an APDU can
    be replayed until the next authenticated one: that is what the policy allows.
    """

    __slots__ = (
        "_before",
        "_keys",
        "_minimum",
        "_plans",
        "broadcast_floor",
        "floor",
        "system_title",
    )

    def __init__(
        self,
        keys: CipherKeys,
        peer_system_title: bytes,
        floor: int = -1,
        *,
        minimum: int = AUTHENTICATION,
        broadcast_floor: int = -1,
    ) -> None:
        self._keys = keys
        self.system_title = check_system_title(peer_system_title)
        self.floor = floor
        self.broadcast_floor = broadcast_floor
        self._before = floor
        self._minimum = minimum & BOTH
        self._plans: dict[int, _OpenPlan] = {}

    @property
    def minimum(self) -> int:
        """Least protection accepted: AUTHENTICATION, ENCRYPTION, both or 0."""
        return self._minimum

    @minimum.setter
    def minimum(self, bits: int) -> None:
        self._minimum = bits & BOTH
        self._plans.clear()

    def open(self, content: bytes, fields: bytes = b"") -> Opened:
        """Take the protection off `content`: security header, APDU or ciphertext, tag.

        `fields` are those of general-ciphering, as in `Sealer.seal`.

        The tag is checked first, then the counter, then the floor rises. Raises `DecodeError` for
        octets too short to be protected, `ReplayError` for a counter that is not above the floor,
        `SecurityError` for a tag that does not verify, another suite, too little protection or
        an unknown key.
        """
        if len(content) < _HEADER_OCTETS:
            raise DecodeError("a security header has 5 octets", where=_WHERE, octets=content)
        control = content[0]
        plan = self._plans.get(control)
        if plan is None:
            plan = self._plan(control)
        associated, cipher = plan
        if fields:
            associated += fields
        vector = self.system_title + content[1:5]
        counter = int.from_bytes(content[1:5], "big")
        if not control & AUTHENTICATION:
            plain = cipher.stream(vector, content[5:])
            self._check_unauthenticated(counter, control)
            return Opened(plain, control, counter)
        if len(content) < TOKEN_OCTETS:
            raise DecodeError("no room for a tag", where=_WHERE, offset=len(content))
        try:
            if control & ENCRYPTION:
                plain = cipher.open(vector, associated, content[5:])
            else:
                plain = content[5:-TAG_OCTETS]
                cipher.check(vector, associated + plain, content[-TAG_OCTETS:])
        except SecurityError:
            raise SecurityError(_NOT_VERIFIED, where=_WHERE, octets=content[:5]) from None
        self._accept(counter, control)
        return Opened(plain, control, counter)

    def check_token(self, token: bytes, challenge: bytes, *, shared: bool = False) -> int:
        """Check the peer's GMAC answer to `challenge`; the counter that it used.

        The token is made before the APDU that carries it, so its counter may be the lower of the
        two: it is held against the floor before the last opened APDU, and may not be that APDU's
        own unless `shared`: some clients in the field use one value for both, which exposes them
        and not the meter. Raises `SecurityError`.
        """
        keys = self._keys
        head = bytes((AUTHENTICATION | keys.suite,))
        if len(token) != TOKEN_OCTETS or token[:1] != head:
            raise SecurityError("the peer's answer is not a GMAC of this suite", where=_WHERE)
        associated = head + keys.authentication_key + challenge
        try:
            keys.cipher().check(self.system_title + token[1:5], associated, token[5:])
        except SecurityError:
            message = "the peer failed to authenticate itself: wrong keys, title or challenge"
            raise SecurityError(message, where=_WHERE) from None
        counter = int.from_bytes(token[1:5], "big")
        if counter <= self._before or (counter == self.floor and not shared):
            raise SecurityError("the peer's answer uses a spent counter value", where=_WHERE)
        self.floor = max(self.floor, counter)
        self._before = self.floor
        return counter

    def __repr__(self) -> str:
        return f"Opener({self.system_title.hex()}, floor={self.floor})"

    def _accept(self, counter: int, control: int) -> None:
        floor = self.broadcast_floor if control & KEY_SET else self.floor
        if counter <= floor:
            message = f"counter {counter} was used before: the last accepted one is {floor}"
            raise ReplayError(message, lowest=floor + 1, where=_WHERE)
        if control & KEY_SET:
            self.broadcast_floor = counter
        else:
            self._before = floor
            self.floor = counter

    def _check_unauthenticated(self, counter: int, control: int) -> None:
        # No ReplayError: the counter of an answer is told only to whoever knows the key.
        if counter <= (self.broadcast_floor if control & KEY_SET else self.floor):
            raise SecurityError("the counter of an unauthenticated APDU is spent", where=_WHERE)

    def _plan(self, control: int) -> _OpenPlan:
        keys = self._keys
        if control & SUITE_MASK != keys.suite:
            raise SecurityError(
                f"suite {control & SUITE_MASK} was used, suite {int(keys.suite)} is agreed",
                where=_WHERE,
            )
        if control & _UNUSED_BITS:
            raise SecurityError("compressed APDUs are not supported", where=_WHERE)
        if not control & BOTH or control & self._minimum != self._minimum:
            raise SecurityError(
                f"less protection (0x{control:02X}) than the policy (0x{self._minimum:02X}) asks "
                "for",
                where=_WHERE,
            )
        cipher = keys.cipher(broadcast=bool(control & KEY_SET))
        plan = _OpenPlan(bytes((control,)) + keys.authentication_key, cipher)
        self._plans[control] = plan
        return plan


class _SealPlan(NamedTuple):
    """What sealing with one control octet needs, found once."""

    first: bytes
    associated: bytes
    cipher: Gcm
    lease: CounterLease

    def __repr__(self) -> str:
        return "_SealPlan(…)"


class _OpenPlan(NamedTuple):
    """What opening one control octet needs, found once; refused octets have none."""

    associated: bytes
    cipher: Gcm

    def __repr__(self) -> str:
        return "_OpenPlan(…)"
