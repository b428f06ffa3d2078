"""What a ciphered APDU shows without keys, and with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferraris.core.errors import DecodeError, UsageError
from ferraris.messaging.dlms.security import CipherKeys, Opener, SecurityControl

__all__ = ["Secrets", "content_shape"]

_HEADER_OCTETS = 5
_TAG_OCTETS = 12


@dataclass(slots=True)
class Secrets:
    """Keys for one telegram. `decrypted` says that contents are plain behind their header."""

    encryption_key: bytes | None = None
    authentication_key: bytes | None = None
    system_title: bytes | None = None
    decrypted: bool = False

    def __repr__(self) -> str:
        return "Secrets(…)"


def content_shape(
    apdu: Any, secrets: Secrets, title: bytes | None
) -> tuple[dict[str, Any], bytes | None]:
    """The security header of a protected content, and the plain APDU when it can be had.

    Raises `SecurityError` when a key is given and the tag does not verify, `UsageError` when a
    key is given and the sender's system title or the authentication key is missing.
    """
    content: bytes = apdu.content
    if len(content) < _HEADER_OCTETS:
        raise DecodeError("a security header has 5 octets", where="protection", octets=content)
    control = SecurityControl(content[0])
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
    if secrets.decrypted or (secrets.encryption_key is None and not control.encryption):
        return shape, content[_HEADER_OCTETS : len(content) - tail]
    if secrets.encryption_key is None:
        return shape, None
    return shape, _opened(content, control, secrets, title)


def _opened(
    content: bytes, control: SecurityControl, secrets: Secrets, title: bytes | None
) -> bytes:
    key = secrets.encryption_key
    assert key is not None
    if title is None:
        raise UsageError("the sender's system title is not in the telegram: give --system-title")
    if control.authentication and secrets.authentication_key is None:
        raise UsageError("the telegram is authenticated: give --auth-key")
    authentication_key = secrets.authentication_key or bytes(len(key))
    broadcast = key if control.broadcast else None
    keys = CipherKeys(control.suite, key, authentication_key, broadcast)
    return Opener(keys, title, minimum=0).open(content).plain
