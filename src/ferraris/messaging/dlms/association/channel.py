"""Protection of whole APDUs within one association: which ciphered form, whose title, what tag.

Service-specific (glo-, ded-) APDUs and general-glo- and general-ded-ciphering carry the same
protected content; general-ciphering and general-signing put envelopes around an APDU. All are
accepted, what is sent is a choice of the sender [facts-g]. Of the forms without envelopes `cover`
makes the octets and `uncover` takes them apart.
"""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.messaging.dlms.association.covers import FORMS, cover, uncover
from ferraris.messaging.dlms.general import decode_general_ciphering
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.control import BOTH, SIGNED
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.envelopes import (
    EnvelopeOpener,
    EnvelopeSealer,
    originator_of,
)
from ferraris.messaging.dlms.security.forms import (
    BY_SERVICE,
    NO_PAIRS,
    Form,
    KeyPairs,
    KeySource,
    Shape,
    source_of,
)
from ferraris.messaging.dlms.security.protection import Opened, Opener, Sealer
from ferraris.messaging.dlms.tags import ApduTag

__all__ = ["Channel"]

_WHERE = "protection"
_TITLE_OCTETS = 8


_CIPHERING = int(ApduTag.GENERAL_CIPHERING)
_SIGNING = int(ApduTag.GENERAL_SIGNING)
_SHORT_KEY = 16
_ENVELOPE_OCTETS = 64  # titles, transaction-id, lengths, a wrapped key


class _Ring:
    """One encryption key in use: it seals with a lease and opens with a floor of its own."""

    __slots__ = ("_floor", "_keys", "_minimum", "opener", "sealer")

    def __init__(
        self, keys: CipherKeys, title: bytes, lease: CounterLease, floor: int, minimum: int
    ) -> None:
        self.sealer = Sealer(keys, title, lease)
        self.opener: Opener | None = None
        self._keys = keys
        self._floor = floor
        self._minimum = minimum

    @property
    def floor(self) -> int:
        """The highest counter accepted."""
        return self._floor if self.opener is None else self.opener.floor

    def raise_floor(self, counter: int) -> None:
        if counter > self.floor:
            self._floor = counter
            if self.opener is not None:
                self.opener.floor = counter

    def learn_peer(self, title: bytes) -> None:
        self.opener = Opener(self._keys, title, self._floor, minimum=self._minimum)

    def under(self, authentication_key: bytes, minimum: int) -> _Ring:
        """The same encryption key and counters with another authentication key."""
        keys = CipherKeys(self._keys.suite, self._keys.encryption_key, authentication_key)
        sealer = self.sealer
        return _Ring(keys, sealer.system_title, sealer.lease, self.floor, minimum)


class Channel:
    """What one end of a protected association seals and opens.

    `control` holds what protects what is sent (0x10, 0x20, 0x30, and `SIGNED`), the suite comes
    from the keys; `minimum` what must be on what is received, by default the same. `shape` tells
    the form. With `mirror`, as a server, what is sent takes the form of what was received last
    [facts-g §9]. `pairs` holds the keys of single messages and of signatures.

    A dedicated key comes with `dedicate`; it has counters of its own, and the global key goes on
    to protect the opening, the release and the tokens of authentication [facts-g].
    """

    __slots__ = (
        "_dedicated",
        "_entropy",
        "_envelopes",
        "_global",
        "_keys",
        "_minimum",
        "_mirror",
        "_pairs",
        "_peer",
        "_sealers",
        "_transaction_floor",
        "_transaction_offset",
        "_use_dedicated",
        "control",
        "shape",
    )

    def __init__(
        self,
        keys: CipherKeys,
        system_title: bytes,
        lease: CounterLease,
        *,
        control: int,
        shape: Shape = BY_SERVICE,
        peer_system_title: bytes = b"",
        floor: int = -1,
        minimum: int | None = None,
        mirror: bool = False,
        pairs: KeyPairs = NO_PAIRS,
        entropy: Callable[[int], bytes] | None = None,
        transaction_floor: int = -1,
        transaction_offset: int = 0,
    ) -> None:
        self._keys = keys
        self._minimum = control if minimum is None else minimum
        self._global = _Ring(keys, system_title, lease, floor, self._minimum)
        self._dedicated: _Ring | None = None
        self._use_dedicated = False
        self._mirror = mirror
        self._pairs = pairs.for_association()
        self._entropy = entropy
        self._transaction_floor = transaction_floor
        self._transaction_offset = transaction_offset
        self._envelopes: EnvelopeOpener | None = None
        self._sealers: dict[KeySource, EnvelopeSealer] = {}
        self._peer = b""
        self.shape = shape
        self.control = control & (0x70 | SIGNED) | int(keys.suite)
        if peer_system_title:
            self.learn_peer(peer_system_title)

    @property
    def floor(self) -> int:
        """The highest counter accepted from the peer under the global key."""
        return self._global.floor

    @floor.setter
    def floor(self, counter: int) -> None:
        """Raise the floor to what is known elsewhere, as by another connection of the peer."""
        self._global.raise_floor(counter)

    @property
    def transaction_floor(self) -> int:
        """The highest transaction-id accepted in an envelope of the peer, -1 before the first."""
        envelopes = self._envelopes
        return self._transaction_floor if envelopes is None else envelopes.transaction_floor

    @transaction_floor.setter
    def transaction_floor(self, number: int) -> None:
        """Raise the floor to what is known elsewhere."""
        if number > self.transaction_floor:
            self._transaction_floor = number
            if self._envelopes is not None:
                self._envelopes.transaction_floor = number

    @property
    def next_transaction(self) -> int:
        """Above every transaction-id sent: what a lease that begins anew is offset by."""
        last = self._global.sealer.lease.last
        return self._transaction_offset + (0 if last is None else last + 1)

    @property
    def transaction_offset(self) -> int:
        """What transaction-ids are above counters, which began anew with a key."""
        return self._transaction_offset

    @property
    def can_protect(self) -> int:
        """The bits that an answer can be given."""
        return BOTH | SIGNED if self._pairs.can_sign else BOTH

    def overhead(self, control: int) -> int:
        """Octets that envelopes add at most to an APDU with this protection; 0 without one."""
        ciphers = self.shape.form is Form.ENVELOPE
        if not control & SIGNED and not ciphers:
            return 0
        point = 96 if self._keys.suite.key_octets > _SHORT_KEY else 64
        own_key = self.shape.source is KeySource.ONE_PASS
        return _ENVELOPE_OCTETS * 2 + point * (bool(control & SIGNED) + 2 * own_key)

    def learn_peer(self, system_title: bytes) -> None:
        """Set the peer's system title; `SecurityError` when it changes within the association."""
        if not self._peer:
            if len(system_title) != _TITLE_OCTETS:
                raise SecurityError("the peer's system title has not 8 octets", where=_WHERE)
            if system_title == self._global.sealer.system_title:
                raise SecurityError("the peer claims our own system title", where=_WHERE)
            self._peer = system_title
            self._global.learn_peer(system_title)
            if self._dedicated is not None:
                self._dedicated.learn_peer(system_title)
        elif self._peer != system_title:
            raise SecurityError("the peer's system title changed", where=_WHERE)

    def dedicate(self, key: bytes, lease: CounterLease) -> None:
        """Use a dedicated key for services from now on; `lease` counts what is sent under it.

        Raises `UsageError` for a key of the wrong length, `SecurityError` for the global key, under
        which counter values would serve twice.
        """
        if key == self._keys.encryption_key:
            raise SecurityError("the dedicated key is the global one", where=_WHERE)
        title = self._global.sealer.system_title
        self._dedicated = _Ring(self._keys.dedicated(key), title, lease, -1, self._minimum)
        if self._peer:
            self._dedicated.learn_peer(self._peer)
        self._use_dedicated = True

    def renew(
        self,
        keys: CipherKeys,
        pairs: KeyPairs | None = None,
        lease: CounterLease | None = None,
        *,
        minimum: int | None = None,
        transaction_offset: int = 0,
    ) -> None:
        """Go on under other keys; a new encryption key comes with a new lease, and a floor of -1.

        Without a lease the encryption key is the one before, whose counters go on. A dedicated key
        stays, under the authentication key of `keys`. Transaction-ids go on rising in any case.
        """
        offset, floor = self.next_transaction, self.transaction_floor
        self._minimum = self._minimum if minimum is None else minimum
        ring = self._global
        if lease is None:
            lease, received = ring.sealer.lease, ring.floor
        else:
            self._transaction_offset, received = max(offset, transaction_offset), -1
        title = ring.sealer.system_title
        if pairs is not None:
            self._pairs = pairs.for_association()
        self._keys, self._transaction_floor = keys, floor
        self._global = _Ring(keys, title, lease, received, self._minimum)
        dedicated = self._dedicated
        if dedicated is not None:
            self._dedicated = dedicated.under(keys.authentication_key, self._minimum)
        self._envelopes = None
        self._sealers.clear()
        if self._peer:
            self._global.learn_peer(self._peer)
            if self._dedicated is not None:
                self._dedicated.learn_peer(self._peer)

    def protect(
        self, apdu: bytes, control: int | None = None, *, general: bool | None = None
    ) -> bytes:
        """Protect a service APDU as `control` and `shape` say; `general` overrules the form.

        Without a glo- or ded- twin, as a signed APDU has none, the general form takes its place.
        """
        control = (self.control if control is None else control) | self._keys.suite
        form, source, signed_last = self.shape
        if general is not None:
            form = Form.GENERAL if general else Form.SERVICE
        if control & SIGNED:
            if form is Form.ENVELOPE and not signed_last:
                return self._sealer(source).seal(apdu, control)
            if not control & BOTH:
                return self._sealer(KeySource.IDENTIFIED).seal(apdu, control)
            if not signed_last:
                apdu = self._sealer(KeySource.IDENTIFIED).sign(apdu)
        if form is Form.ENVELOPE:
            octets = self._sealer(source).seal(apdu, control & ~SIGNED)
        else:
            octets = self._ciphered(apdu, control & 0xFF, general=form is Form.GENERAL)
        if control & SIGNED and signed_last:
            octets = self._sealer(KeySource.IDENTIFIED).sign(octets)
        return octets

    def protect_initiate(self, initiate: bytes, control: int | None = None) -> bytes:
        """Protect an InitiateRequest or -Response: always by its glo- twin [facts-g §9]."""
        control = (self.control if control is None else control) & 0x7F | self._keys.suite
        if not control & BOTH:  # signed services only; this form cannot be
            control |= BOTH
        content = self._global.sealer.seal(initiate, control)
        return cover(initiate[0], content, b"", dedicated=False, general=False)

    def unprotect(self, octets: bytes, *, initiate: bool = False) -> Opened:
        """Take the protection off an APDU; `initiate` for one whose form cannot be signed.

        Raises `SecurityError` for a plain APDU, an unknown or changed system title, an inner APDU
        of another kind than announced, a dedicated key that was not agreed, too little protection,
        and whatever `Opener.open` and `EnvelopeOpener.open` raise.
        """
        is_new = not self._peer
        dedicated, envelopes = self._dedicated, self._envelopes
        before = (
            self._global.floor,
            -1 if dedicated is None else dedicated.floor,
            self._transaction_floor if envelopes is None else envelopes.transaction_floor,
        )
        try:
            opened = self._opened(octets)
            if self._minimum & SIGNED and not opened.control & SIGNED and not initiate:
                raise SecurityError("the APDU is not signed, as the policy demands", where=_WHERE)
        except (SecurityError, DecodeError):
            if is_new:  # a title counts as learnt only when its tag has verified
                self._peer = b""
                self._global.opener = self._envelopes = None
            self._restore(before)
            raise
        return opened

    def token(self, challenge: bytes) -> bytes:
        """The GMAC answer to the peer's challenge, under the global key."""
        return self._global.sealer.token(challenge)

    def check_token(self, token: bytes, challenge: bytes) -> None:
        """Check the peer's GMAC answer to ours; raises `SecurityError`."""
        if self._global.opener is None:
            raise SecurityError("the peer's system title is not known", where=_WHERE)
        self._global.opener.check_token(token, challenge, shared=self._mirror)

    def _ciphered(self, apdu: bytes, control: int, *, general: bool) -> bytes:
        dedicated = self._dedicated if self._use_dedicated else None
        ring = dedicated or self._global
        content = ring.sealer.seal(apdu, control)
        return cover(apdu[0], content, ring.sealer.system_title, dedicated is not None, general)

    def _opened(self, octets: bytes) -> Opened:
        tag = octets[0] if octets else 0
        if tag not in (_SIGNING, _CIPHERING):
            opened, form = self._deciphered(octets)
            if form is Form.GENERAL and opened.plain[:1] == bytes((_SIGNING,)):
                plain, number = self._envelope_opener(opened.plain).verify(opened.plain)
                self._envelope_opener(opened.plain).accept(number)
                opened = Opened(plain, opened.control | SIGNED, opened.counter)
            self._mirrored(Shape(form))
            return opened
        envelopes = self._envelope_opener(octets)
        if tag == _CIPHERING:
            message = decode_general_ciphering(octets)
            opened = envelopes.open_ciphered(message)
            self._mirrored(Shape(Form.ENVELOPE, source_of(message.key_info)))
            return opened
        plain, number = envelopes.verify(octets)
        opened, shape = self._within(envelopes, plain)
        envelopes.accept(number)
        if opened.plain[:1] == bytes((_SIGNING,)):
            raise SecurityError("the APDU is signed twice", where=_WHERE)
        self._mirrored(shape)
        return opened

    def _within(self, envelopes: EnvelopeOpener, octets: bytes) -> tuple[Opened, Shape]:
        """What is inside a signed envelope: ciphered in any form, or plain."""
        tag = octets[0] if octets else 0
        if tag == _CIPHERING:
            message = decode_general_ciphering(octets)
            source = source_of(message.key_info)
            (control, counter, plain), _ = envelopes.decipher(message)
            shape = Shape(Form.ENVELOPE, source, signed_last=True)
            return Opened(plain, control | SIGNED, counter), shape
        if tag in FORMS:
            opened, form = self._deciphered(octets)
            shape = Shape(form, signed_last=True)
            return Opened(opened.plain, opened.control | SIGNED, opened.counter), shape
        if self._minimum & BOTH:
            raise SecurityError("the APDU is signed and not ciphered", where=_WHERE)
        return Opened(octets, SIGNED, -1), self.shape

    def _deciphered(self, octets: bytes) -> tuple[Opened, Form]:
        """Of one of the forms without envelopes."""
        form, title, content = uncover(octets)
        if title:
            self.learn_peer(title)
        ring = self._dedicated if form.dedicated else self._global
        if ring is None:
            raise SecurityError("no dedicated key was agreed", where=_WHERE)
        if ring.opener is None:
            raise SecurityError("the peer's system title is not known", where=_WHERE)
        opened = ring.opener.open(content)
        if form.plain is not None and opened.plain[:1] != bytes((form.plain,)):
            raise SecurityError("the protected APDU is not of the kind announced", where=_WHERE)
        if self._mirror:
            self._use_dedicated = form.dedicated
        return opened, Form.GENERAL if form.plain is None else Form.SERVICE

    def _restore(self, floors: tuple[int, int, int]) -> None:
        """What is refused in any of its layers was not accepted in another."""
        for ring, floor in zip((self._global, self._dedicated), floors, strict=False):
            if ring is not None and ring.opener is not None:
                ring.opener.floor = floor
        if self._envelopes is not None:
            self._envelopes.transaction_floor = floors[2]

    def _mirrored(self, shape: Shape) -> None:
        if self._mirror:
            self.shape = shape

    def _envelope_opener(self, octets: bytes) -> EnvelopeOpener:
        if self._envelopes is None:
            if not self._peer:
                self.learn_peer(originator_of(octets))
            opener = self._global.opener
            assert opener is not None
            self._envelopes = EnvelopeOpener(
                self._keys,
                self._global.sealer.system_title,
                opener,
                keyring=self._pairs.keyring(),
                peer_signing=self._pairs.peer_signing,
                transaction_floor=self._transaction_floor,
            )
        return self._envelopes

    def _sealer(self, source: KeySource) -> EnvelopeSealer:
        made = self._sealers.get(source)
        if made is None:
            if not self._peer:
                raise SecurityError("an envelope names its recipient, who is unknown", where=_WHERE)
            own = self._global.sealer
            made = self._sealers[source] = EnvelopeSealer(
                self._keys,
                own.system_title,
                self._peer,
                own.lease,
                make_key=self._pairs.maker(source, self._entropy),
                signing=self._pairs.signing,
                transaction_offset=self._transaction_offset,
            )
        return made
