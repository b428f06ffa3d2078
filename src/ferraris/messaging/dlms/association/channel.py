"""Protection of whole APDUs within one association: which ciphered form, whose title, what tag.

Service-specific (glo-) APDUs and general-glo-ciphering carry the same protected content; both are
accepted, what is sent is a choice of the sender [facts-g].
"""

from __future__ import annotations

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.messaging.dlms.reading import octet_string
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.protection import Opened, Opener, Sealer
from ferraris.messaging.dlms.tags import GLOBAL, ApduTag

__all__ = ["Channel"]

_WHERE = "protection"
_TITLE_OCTETS = 8
_GENERAL_GLO = int(ApduTag.GENERAL_GLO_CIPHERING)
_PLAIN_OF_GLOBAL = {glo: plain for plain, glo in GLOBAL.items()}


class Channel:
    """What one end of a protected association seals and opens.

    `control` holds the protection bits of what is sent (0x10, 0x20, 0x30), the suite comes from
    the keys; `minimum` those that must be on what is received, by default the same. With `mirror`,
    as a server, what is sent takes the form of what was received last [facts-g §9].
    """

    __slots__ = (
        "_floor",
        "_general",
        "_keys",
        "_minimum",
        "_mirror",
        "_opener",
        "_sealer",
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
        self._sealer = Sealer(keys, system_title, lease)
        self._general = general
        self._mirror = mirror
        self._floor = floor
        self._minimum = control if minimum is None else minimum
        self._opener: Opener | None = None
        self.control = control & 0x70 | int(keys.suite)
        if peer_system_title:
            self.learn_peer(peer_system_title)

    @property
    def floor(self) -> int:
        """The highest counter accepted from the peer."""
        return self._floor if self._opener is None else self._opener.floor

    @floor.setter
    def floor(self, counter: int) -> None:
        """Raise the floor to what is known elsewhere, as by another connection of the peer."""
        if counter > self.floor:
            self._floor = counter
            if self._opener is not None:
                self._opener.floor = counter

    def learn_peer(self, system_title: bytes) -> None:
        """Set the peer's system title; `SecurityError` when it changes within the association."""
        if self._opener is None:
            if len(system_title) != _TITLE_OCTETS:
                raise SecurityError("the peer's system title has not 8 octets", where=_WHERE)
            self._opener = Opener(self._keys, system_title, self._floor, minimum=self._minimum)
        elif self._opener.system_title != system_title:
            raise SecurityError("the peer's system title changed", where=_WHERE)

    def protect(self, apdu: bytes, control: int | None = None) -> bytes:
        """Protect a service APDU by its glo- twin, or by general-glo-ciphering if it has none."""
        content = self._sealer.seal(apdu, self.control if control is None else control)
        twin = None if self._general else GLOBAL.get(apdu[0])
        if twin is None:
            title = octet_string(self._sealer.system_title)
            return bytes((_GENERAL_GLO,)) + title + octet_string(content)
        return bytes((twin,)) + octet_string(content)

    def protect_initiate(self, initiate: bytes, control: int | None = None) -> bytes:
        """Protect an InitiateRequest or -Response: always by its glo- twin [facts-g §9]."""
        content = self._sealer.seal(initiate, self.control if control is None else control)
        return bytes((GLOBAL[initiate[0]],)) + octet_string(content)

    def unprotect(self, octets: bytes) -> Opened:
        """Take the protection off an APDU.

        Raises `SecurityError` for a plain APDU, an unknown or changed system title, an inner APDU
        of another kind than announced, and whatever `Opener.open` raises.
        """
        tag = octets[0] if octets else 0
        expected = _PLAIN_OF_GLOBAL.get(tag)
        if expected is not None:
            content = octets[_content_start(octets, 1) :]
        elif tag == _GENERAL_GLO:
            start = _content_start(octets, 1, whole=False)
            title_end = start + (octets[1] if len(octets) > 1 else 0)
            title = octets[start:title_end]
            if title:
                self.learn_peer(title)
            content = octets[_content_start(octets, title_end) :]
        else:
            raise SecurityError(
                f"an unprotected APDU ({tag:02X}) came in a protected association", where=_WHERE
            )
        if self._opener is None:
            raise SecurityError("the peer's system title is not known", where=_WHERE)
        opened = self._opener.open(content)
        if self._mirror:
            self._general = expected is None
        if expected is not None and opened.plain[:1] != bytes((expected,)):
            raise SecurityError("the protected APDU is not of the kind announced", where=_WHERE)
        return opened

    def token(self, challenge: bytes) -> bytes:
        """The GMAC answer to the peer's challenge."""
        return self._sealer.token(challenge)

    def check_token(self, token: bytes, challenge: bytes) -> None:
        """Check the peer's GMAC answer to ours; raises `SecurityError`."""
        if self._opener is None:
            raise SecurityError("the peer's system title is not known", where=_WHERE)
        self._opener.check_token(token, challenge, shared=self._mirror)


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
