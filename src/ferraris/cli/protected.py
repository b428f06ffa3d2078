"""What a ciphered APDU shows without keys, and with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ferraris.core.errors import DecodeError, Error, UsageError
from ferraris.messaging.dlms.general import GeneralCiphering, GeneralDed
from ferraris.messaging.dlms.security import CipherKeys, Opener, SecurityControl
from ferraris.messaging.dlms.tags import DEDICATED
from ferraris.messaging.dlms.telling import Deciphered, Open, Protected

__all__ = ["Secrets", "content_shape", "opening"]

_HEADER_OCTETS = 5
_TAG_OCTETS = 12


@dataclass(slots=True)
class Secrets:
    """Keys for one telegram, or of many senders by their system titles.

    `decrypted` says that contents are plain behind their header.
    """

    encryption_key: bytes | None = None
    authentication_key: bytes | None = None
    system_title: bytes | None = None
    decrypted: bool = False
    by_title: Mapping[bytes, tuple[bytes, bytes | None]] = field(default_factory=dict)

    def between(self, *titles: bytes | None) -> Secrets:
        """Those of whoever has one of these titles, which a sender and its peer share."""
        for title in titles:
            found = self.by_title.get(title or b"")
            if found is not None:
                return Secrets(*found, self.system_title, self.decrypted)
        return self

    def __repr__(self) -> str:
        return "Secrets(…)"


def content_shape(
    apdu: Any, secrets: Secrets, title: bytes | None, dedicated_key: bytes | None = None
) -> tuple[dict[str, Any], bytes | None]:
    """The security header of a protected content, and the plain APDU when it can be had.

    Raises `SecurityError` when a key is given and the tag does not verify, `UsageError` when a
    key is given and the sender's system title or the authentication key is missing.
    """
    content: bytes = apdu.content
    control = _control(content)
    tail = _TAG_OCTETS if control.authentication else 0
    shape = {
        "security_control": content[:1],
        "suite": control.suite,
        "authenticated": control.authentication,
        "encrypted": control.encryption,
        "broadcast_key": control.broadcast,
        "compressed": control.compression,
        "invocation_counter": int.from_bytes(content[1:5], "big"),
        "octets": content[_HEADER_OCTETS : len(content) - tail],
        "tag": content[len(content) - tail :] or None,
    }
    fields = apdu.header if isinstance(apdu, GeneralCiphering) else b""
    dedicated = isinstance(apdu, GeneralDed) or getattr(apdu, "tag", 0) in DEDICATED.values()
    return shape, _plain(Protected(content, title, fields, dedicated), secrets, dedicated_key)


def opening(given: Secrets, dedicated_key: bytes | None = None, peer: bytes | None = None) -> Open:
    """What explains protected contents with these keys, and says what became of the tag.

    `peer` is the title of who receives it.
    """

    def opens(protected: Protected) -> Deciphered:
        protected = protected._replace(title=protected.title or given.system_title)
        secrets = given.between(protected.title, peer)
        try:
            plain = _plain(protected, secrets, dedicated_key)
        except Error as error:
            return Deciphered(None, f"not verified: {error.message}")
        if secrets.encryption_key is None:
            return Deciphered(plain, "not verified: no key is given")
        if _control(protected.content).authentication:
            return Deciphered(plain, "verified")
        return Deciphered(plain, "so nobody vouches for the content")

    return opens


def _control(content: bytes) -> SecurityControl:
    if len(content) < _HEADER_OCTETS:
        raise DecodeError("a security header has 5 octets", where="protection", octets=content)
    return SecurityControl(content[0])


def _plain(protected: Protected, secrets: Secrets, dedicated_key: bytes | None) -> bytes | None:
    """The plain APDU; None when it is encrypted and no key is given."""
    content = protected.content
    control = _control(content)
    key = secrets.encryption_key
    if secrets.decrypted or (key is None and not control.encryption):
        tail = _TAG_OCTETS if control.authentication else 0
        return content[_HEADER_OCTETS : len(content) - tail]
    if key is None:
        return None
    if protected.dedicated:
        if dedicated_key is None:
            raise UsageError(
                "it is under the dedicated key that the AARQ brought: decode both, AARQ first"
            )
        key = dedicated_key
    if protected.title is None:
        raise UsageError("the sender's system title is not in the telegram: give --system-title")
    if control.authentication and secrets.authentication_key is None:
        raise UsageError("the telegram is authenticated: give --auth-key")
    authentication_key = secrets.authentication_key or bytes(len(key))
    broadcast = key if control.broadcast else None
    keys = CipherKeys(control.suite, key, authentication_key, broadcast)
    return Opener(keys, protected.title, minimum=0).open(content, protected.fields).plain
