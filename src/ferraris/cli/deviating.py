"""Messages of deployments that deviate from the standard: opened by name, never by guessing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferraris.cli import telegram
from ferraris.cli.identities import private_key
from ferraris.cli.key_store import referenced
from ferraris.cli.protected import Secrets
from ferraris.cli.session import Session
from ferraris.cli.shapes import moment
from ferraris.cli.telegram import Telegram
from ferraris.core.errors import DecodeError, Error, SecurityError, UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.curves import AgreementKey, Curve
from ferraris.data.date_time import DateTime
from ferraris.messaging.dlms.security.deviations import deviation
from ferraris.messaging.dlms.security.gbcs import GbcsKind, GbcsMessage, open_message

__all__ = ["Ends", "reader"]

_POINT_OCTETS = 64  # x and y on P-256
_SECRET_OCTETS = 32


@dataclass(slots=True)
class Ends:
    """What the options say of the two ends of a message, as references.

    `signer` and `peer` are certificates in files, or public keys in hexadecimal; `shared_secret`
    is what key agreement gave, for recordings that state it in place of the private key.
    """

    signer: str | None = None
    peer: str | None = None
    agreement_key: str | None = None
    shared_secret: str | None = None


Read = Callable[[bytes, Session], Telegram]


def reader(name: str, ends: Ends) -> Read:
    """What reads messages of the deviation with this name; `UsageError` for an unknown one."""
    return _READERS[deviation(name).name](ends)


class _SharedSecret:
    """Stands for a private key of which only what it agreed on with the peer is known."""

    curve = Curve.P256
    public_key = b""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def agree(self, public_key: bytes) -> bytes:
        """The shared secret."""
        return self._secret

    def __repr__(self) -> str:
        return "_SharedSecret(…)"


def _gbcs(ends: Ends) -> Read:
    agreement = _agreement(ends)
    has_secret = ends.shared_secret is not None
    peer = None if ends.peer is None else _Peer(ends.peer, Usage.KEY_AGREEMENT)
    signer = None if ends.signer is None else _Peer(ends.signer, Usage.SIGNING)

    def peer_agreement(title: bytes, kind: GbcsKind) -> bytes:
        if has_secret:
            return b""  # it is in the secret already
        if peer is None:
            raise SecurityError("the code needs --peer FILE, or --shared-secret", where="gbcs")
        # The code of a command is the access control broker's, who has another title.
        return peer.public_key if kind is GbcsKind.COMMAND else peer.of(title)

    def peer_signing(title: bytes, kind: GbcsKind) -> bytes:
        if signer is None:
            raise SecurityError("the signature needs --signer FILE", where="gbcs")
        return signer.of(title)

    def read(octets: bytes, session: Session) -> Telegram:
        found = Telegram("gbcs")
        try:
            message = open_message(
                octets,
                agreement=agreement,
                peer_agreement=peer_agreement,
                peer_signing=peer_signing,
            )
        except DecodeError as error:
            return Telegram(error=error)
        except Error as error:
            found.error = error
            return found
        found = telegram.read(message.apdu, "apdu", Secrets(), session)
        found.protocol, found.data = "gbcs", _shape(message, found.data)
        found.device["id"] = _device(message).hex()
        return found

    return read


_READERS: dict[str, Callable[[Ends], Read]] = {"gbcs": _gbcs}


def _shape(message: GbcsMessage, apdu: Any) -> dict[str, Any]:
    return {
        "kind": message.kind.name.lower(),
        "counter": message.counter,
        "originator": message.originator_title,
        "recipient": message.recipient_title,
        "time": moment(DateTime(message.date_time)) if message.date_time else None,
        "code": message.code,
        "signature": "verified" if message.signed else None,
        "message_authentication_code": "verified" if message.maced else None,
        "apdu": apdu,
    }


def _device(message: GbcsMessage) -> bytes:
    """The end that is a meter: who receives commands and sends the rest."""
    is_command = message.kind is GbcsKind.COMMAND
    return message.recipient_title if is_command else message.originator_title


def _agreement(ends: Ends) -> AgreementKey | None:
    if ends.shared_secret is not None:
        if ends.agreement_key is not None:
            raise UsageError("--shared-secret stands for --agreement-key: give one of them")
        secret = referenced(ends.shared_secret)
        if len(secret) != _SECRET_OCTETS:
            raise UsageError(f"a shared secret of P-256 has 32 octets, not {len(secret)}")
        return _SharedSecret(secret)
    return None if ends.agreement_key is None else private_key(ends.agreement_key)


class _Peer:
    """A public key, of whoever's title the certificate says; bare ones are anybody's."""

    def __init__(self, named: str, usage: Usage) -> None:
        self._title: bytes | None = None
        try:
            self.public_key = bytes.fromhex(named)
        except ValueError:
            self.public_key = self._certified(named, usage)
        if len(self.public_key) != _POINT_OCTETS:
            raise UsageError("a public key of P-256 has 64 octets")

    def _certified(self, file: str, usage: Usage) -> bytes:
        try:
            certificate = Certificate.read(Path(file).read_bytes())
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from None
        except DecodeError as error:
            raise UsageError(f"{file}: {error.message}") from None
        if certificate.usage is not usage:
            raise UsageError(
                f"{file}: a certificate for {certificate.usage.label}, not for {usage.label}"
            )
        self._title = certificate.title
        return certificate.public_key

    def of(self, title: bytes) -> bytes:
        """The key, when it is that of this title; `SecurityError`."""
        if self._title is not None and self._title != title:
            raise SecurityError(
                f"the certificate is of {self._title.hex().upper()}, the message of "
                f"{title.hex().upper()}",
                where="gbcs",
            )
        return self.public_key
