"""What the commands of `ferraris pki` share: whose key, which certificate, and how it is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ferraris.core.errors import DecodeError, UsageError

if TYPE_CHECKING:
    from ferraris.crypto.authority import Authority
    from ferraris.crypto.certificates import Certificate, Usage
    from ferraris.keys import KeyStore

__all__ = [
    "Curves",
    "Usages",
    "authority_of",
    "document",
    "has_authority",
    "kept_certificate",
    "line_of",
    "new_key",
    "present",
    "require_known_list",
    "shape_of",
    "tell",
    "title_of",
    "usage_of",
    "write_private",
]


class Curves(StrEnum):
    """The curves of suites 1 and 2."""

    P256 = "P-256"
    P384 = "P-384"


class Usages(StrEnum):
    """What a certificate is for."""

    SIGNING = "signing"
    KEY_AGREEMENT = "key-agreement"
    TLS = "tls"


def present() -> datetime:
    """The present, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def title_of(text: str) -> bytes:
    """A system title as people write it; `UsageError` for other words."""
    try:
        title = bytes.fromhex(text)
    except ValueError:
        title = b""
    if len(title) != 8:
        raise UsageError(f"a system title has 16 hexadecimal characters, not {text!r}")
    return title


def usage_of(usage: Usages) -> Usage:
    """The usage that the word names."""
    from ferraris.crypto.certificates import Usage as Meant

    return Meant[usage.name]


def document(kind: Any, file: str) -> Any:
    """A document from a file; octets of ours that do not decode are bad input."""
    try:
        octets = Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    try:
        return kind.read(octets)
    except DecodeError as error:
        raise UsageError(f"{file}: {error.message}") from None


def has_authority(store: KeyStore, key_id: str) -> bool:
    """Is there a private key of that authority?"""
    return any(each.id == key_id and each.kind == "authority_key" for each in store.entries())


def new_key(store: KeyStore, key_id: str, usage: Usage, curve: Curves, *, in_token: bool) -> Any:
    """A new private key, kept sealed, or in the token."""
    from secrets import token_bytes

    from ferraris.crypto.curves import Curve, PrivateKey

    if in_token:
        label = f"{key_id} {usage.label}"
        key = store.token_keys().generate(label, Curve(curve.value))
        store.put_private_key(key_id, usage, label)
        return key
    made = PrivateKey.generate(Curve(curve.value), token_bytes)
    store.put_private_key(key_id, usage, made)
    return made


def authority_of(store: KeyStore, key_id: str) -> Authority:
    """The authority of that id, ready to sign."""
    from ferraris.crypto.authority import Authority
    from ferraris.crypto.certificates import Usage

    key = store.signing_key(key_id, Usage.OTHER)
    for each in reversed(store.authorities()):
        if each.certificate.public_key == key.public_key:
            return Authority(each.certificate, key)
    raise UsageError(f"no certificate is kept for the authority {key_id!r}")


def kept_certificate(store: KeyStore, which: str, usage: Usages) -> Certificate:
    """A certificate by title, by serial number, or by the id of an authority."""
    try:
        octets = bytes.fromhex(which)
    except ValueError:
        return authority_of(store, which).certificate
    if len(octets) == 8:
        return store.certificate(octets, usage_of(usage))
    for each in store.certificates():
        if each.certificate.serial == octets:
            return each.certificate
    raise UsageError(f"no certificate with the serial number {which} is kept")


def require_known_list(store: KeyStore, revoked: Any) -> None:
    """A list is kept when an authority that we know signed it."""
    for each in store.authorities():
        if each.certificate.subject == revoked.issuer:
            revoked.require_signed_by(each.certificate)
            return
    raise UsageError("the authority of this revocation list is unknown: import it first")


def write_private(file: str, key: Any) -> None:
    """A private key as PEM in a new file of mode 0600."""
    import os

    from ferraris.crypto.certificates import pem

    try:
        place = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    with os.fdopen(place, "w") as opened:
        opened.write(pem(key.to_der(), "PRIVATE KEY"))


def tell(made: Certificate, out: str | None) -> None:
    """Say what was made, and write it where wanted."""
    from ferraris.crypto.certificates import pem

    if out is not None:
        Path(out).write_text(pem(made.der))
    typer.echo(line_of(made))


def line_of(certificate: Certificate) -> str:
    """One certificate in one line."""
    title = certificate.title
    name = certificate.subject_text if title is None else title.hex().upper()
    until = f"until {certificate.not_after:%Y-%m-%d}"
    return f"{name:24} {certificate.usage.label:14} {until}  {certificate.serial.hex()}"


def shape_of(
    certificate: Certificate, *, trusted: bool | None = None, trust: Any = None
) -> dict[str, Any]:
    """A certificate as an object for programs."""
    from ferraris.crypto.certificates import CertificateError

    title = certificate.title
    shape: dict[str, Any] = {
        "subject": certificate.subject_text,
        "issuer": certificate.issuer_text,
        "system_title": None if title is None else title.hex().upper(),
        "usage": certificate.usage.label,
        "curve": certificate.curve.value,
        "public_key": certificate.public_key,
        "serial": certificate.serial,
        "authority": certificate.is_authority,
        "not_before": f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
    }
    if trusted is not None:
        shape["trusted_root"] = trusted
    if trust is not None:
        try:
            trust.check(certificate, at=present())
            shape["status"] = "valid"
        except CertificateError as error:
            shape["status"] = error.reason.value
    return shape
