"""Protection of whole APDUs within one association: which ciphered form, whose title, what tag.

Service-specific (glo-, ded-) APDUs and general-glo- and general-ded-ciphering carry the same
protected content; all are accepted, what is sent is a choice of the sender [facts-g]. Each form has
one place here: `_cover` makes its octets, `_uncover` takes them apart.
"""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.messaging.dlms.reading import octet_string
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.protection import Opened, Opener, Sealer
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL, ApduTag

__all__ = ["Channel"]

_WHERE = "protection"
_TITLE_OCTETS = 8
_GENERAL_GLO = int(ApduTag.GENERAL_GLO_CIPHERING)
_GENERAL_DED = int(ApduTag.GENERAL_DED_CIPHERING)


class _Form(NamedTuple):
    """How an APDU is ciphered: with which key, under a tag of its own or a general one."""

    dedicated: bool
    plain: int | None  # tag of the APDU within, None for the general forms


_FORMS: dict[int, _Form] = {
    **{glo: _Form(False, plain) for plain, glo in GLOBAL.items()},
    **{ded: _Form(True, plain) for plain, ded in DEDICATED.items()},
    _GENERAL_GLO: _Form(False, None),
    _GENERAL_DED: _Form(True, None),
}


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


class Channel:
    """What one end of a protected association seals and opens.

    `control` holds the protection bits of what is sent (0x10, 0x20, 0x30), the suite comes from
    the keys; `minimum` those that must be on what is received, by default the same. With `mirror`,
    as a server, what is sent takes the form of what was received last [facts-g §9].

    A dedicated key comes with `dedicate`; it has counters of its own, and the global key goes on
    to protect the opening, the release and the tokens of authentication [facts-g].
    """

    __slots__ = (
        "_dedicated",
        "_general",
        "_global",
        "_keys",
        "_minimum",
        "_mirror",
        "_peer",
        "_use_dedicated",
        "control",
    )

    def __init__(
        self,
        keys: CipherKeys,
        system_title: bytes,
        lease: CounterLease,
        *,
        control: int,
        general: bool = False,
        peer_system_title: bytes = b"",
        floor: int = -1,
        minimum: int | None = None,
        mirror: bool = False,
    ) -> None:
        self._keys = keys
        self._minimum = control if minimum is None else minimum
        self._global = _Ring(keys, system_title, lease, floor, self._minimum)
        self._dedicated: _Ring | None = None
        self._use_dedicated = False
        self._general = general
        self._mirror = mirror
        self._peer = b""
        self.control = control & 0x70 | int(keys.suite)
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

    def protect(
        self, apdu: bytes, control: int | None = None, *, general: bool | None = None
    ) -> bytes:
        """Protect a service APDU by its glo- or ded- twin, or generally if it has none."""
        dedicated = self._dedicated if self._use_dedicated else None
        ring = dedicated or self._global
        content = ring.sealer.seal(apdu, self.control if control is None else control)
        general = self._general if general is None else general
        return _cover(apdu[0], content, ring.sealer.system_title, dedicated is not None, general)

    def protect_initiate(self, initiate: bytes, control: int | None = None) -> bytes:
        """Protect an InitiateRequest or -Response: always by its glo- twin [facts-g §9]."""
        content = self._global.sealer.seal(initiate, self.control if control is None else control)
        return _cover(initiate[0], content, b"", dedicated=False, general=False)

    def unprotect(self, octets: bytes) -> Opened:
        """Take the protection off an APDU.

        Raises `SecurityError` for a plain APDU, an unknown or changed system title, an inner APDU
        of another kind than announced, a dedicated key that was not agreed, and whatever
        `Opener.open` raises.
        """
        form, title, content = _uncover(octets)
        is_new = bool(title) and not self._peer
        if title:
            self.learn_peer(title)
        ring = self._dedicated if form.dedicated else self._global
        if ring is None:
            raise SecurityError("no dedicated key was agreed", where=_WHERE)
        if ring.opener is None:
            raise SecurityError("the peer's system title is not known", where=_WHERE)
        try:
            opened = ring.opener.open(content)
        except (SecurityError, DecodeError):
            if is_new:  # a title counts as learnt only when its tag has verified
                self._peer = b""
                self._global.opener = None
            raise
        if self._mirror:
            self._general = form.plain is None
            self._use_dedicated = form.dedicated
        if form.plain is not None and opened.plain[:1] != bytes((form.plain,)):
            raise SecurityError("the protected APDU is not of the kind announced", where=_WHERE)
        return opened

    def token(self, challenge: bytes) -> bytes:
        """The GMAC answer to the peer's challenge, under the global key."""
        return self._global.sealer.token(challenge)

    def check_token(self, token: bytes, challenge: bytes) -> None:
        """Check the peer's GMAC answer to ours; raises `SecurityError`."""
        if self._global.opener is None:
            raise SecurityError("the peer's system title is not known", where=_WHERE)
        self._global.opener.check_token(token, challenge, shared=self._mirror)


def _cover(tag: int, content: bytes, title: bytes, dedicated: bool, general: bool) -> bytes:
    """The octets of a ciphered APDU."""
    twin = None if general else (DEDICATED if dedicated else GLOBAL).get(tag)
    if twin is not None:
        return bytes((twin,)) + octet_string(content)
    head = bytes((_GENERAL_DED if dedicated else _GENERAL_GLO,))
    return head + octet_string(title) + octet_string(content)


def _uncover(octets: bytes) -> tuple[_Form, bytes, bytes]:
    """Form, system title (often empty) and protected content of a ciphered APDU."""
    tag = octets[0] if octets else 0
    form = _FORMS.get(tag)
    if form is None:
        raise SecurityError(
            f"an unprotected APDU ({tag:02X}) came in a protected association", where=_WHERE
        )
    if form.plain is not None:
        return form, b"", octets[_content_start(octets, 1) :]
    start = _content_start(octets, 1, whole=False)
    title_end = start + octets[1]
    return form, octets[start:title_end], octets[_content_start(octets, title_end) :]


def _content_start(octets: bytes, position: int, *, whole: bool = True) -> int:
    """Step over a length; with `whole` it must announce exactly the octets that are left."""
    left = len(octets) - position
    if left < 1:
        raise DecodeError("no length", where=_WHERE, offset=position, octets=octets[:8])
    first = octets[position]
    size = 1
    length = first
    if first >= 0x80:
        size = 1 + (first & 0x7F)
        length = int.from_bytes(octets[position + 1 : position + size], "big")
    start = position + size
    if start > len(octets) or (start + length != len(octets) if whole else first >= 0x80):
        raise DecodeError(
            f"length {length} does not fit", where=_WHERE, offset=position, octets=octets[:8]
        )
    if not whole and start + length > len(octets):
        raise DecodeError("the title is cut", where=_WHERE, offset=position, octets=octets[:8])
    return start
