"""A certificate authority: makes roots, authorities below, certificates and revocation lists.

Its key may lie in a token. Time and entropy are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha1
from typing import TYPE_CHECKING

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.curves import SigningKey
from ferraris.crypto.requests import CertificateRequest, key_usage
from ferraris.crypto.revocation import RevocationList
from ferraris.crypto.signing_der import (
    loaded_public_key,
    named_title,
    signed_certificate,
    signed_list,
)

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Authority"]

Entropy = Callable[[int], bytes]

_SERIAL_OCTETS = 16
_TITLE_OCTETS = 8


class Authority:
    """A certificate with its private key; `UsageError` when they do not belong together."""

    def __init__(self, certificate: Certificate, key: SigningKey) -> None:
        if key.public_key != certificate.public_key:
            raise UsageError("the private key is not that of the authority's certificate")
        if not certificate.may_sign_certificates:
            raise UsageError(f"{certificate.subject_text} may not issue certificates")
        self.certificate = certificate
        self._key = key

    @classmethod
    def root(
        cls,
        key: SigningKey,
        name: str,
        *,
        not_before: datetime,
        not_after: datetime,
        entropy: Entropy,
        path_length: int | None = None,
    ) -> Authority:
        """A root that signs itself."""
        subject = named_title(b"", text=_checked_name(name))
        builder = _builder((subject, subject), key.public_key, not_before, not_after, entropy)
        builder = _as_authority(builder, key.public_key, key.public_key, path_length)
        return cls(Certificate.from_der(signed_certificate(builder, key)), key)

    def below(
        self,
        public_key: bytes,
        name: str,
        *,
        not_before: datetime,
        not_after: datetime,
        entropy: Entropy,
        path_length: int | None = 0,
    ) -> Certificate:
        """An authority below this one; with path length 0 it issues no further authorities."""
        own = self.certificate.path_length
        if own is not None and (path_length is None or path_length >= own):
            message = f"{self.certificate.subject_text} allows fewer authorities below it"
            raise UsageError(message)
        subject = named_title(b"", text=_checked_name(name))
        builder = self._builder(subject, public_key, not_before, not_after, entropy)
        builder = _as_authority(builder, public_key, self.certificate.public_key, path_length)
        return Certificate.from_der(signed_certificate(builder, self._key))

    def issue(
        self,
        public_key: bytes,
        title: bytes,
        usage: Usage,
        *,
        not_before: datetime,
        not_after: datetime,
        entropy: Entropy,
    ) -> Certificate:
        """A certificate of a device or client, whose common name is the system title."""
        if len(title) != _TITLE_OCTETS:
            raise UsageError(f"a system title has 8 octets, not {len(title)}")
        builder = self._builder(named_title(title), public_key, not_before, not_after, entropy)
        return self._finish(builder, public_key, usage)

    def sign(
        self,
        request: CertificateRequest,
        *,
        title: bytes,
        usage: Usage,
        not_before: datetime,
        not_after: datetime,
        entropy: Entropy,
    ) -> Certificate:
        """What a request asks for, once its signature verified and it is for that title and usage.

        Title and usage are what *we* know of the device: a request that says otherwise is refused.
        """
        request.verify()
        if request.title is not None and request.title != title:
            asked = request.title.hex().upper()
            raise UsageError(f"the request is for {asked}, not for {title.hex().upper()}")
        if request.usage is not None and request.usage is not usage:
            raise UsageError(f"the request is for {request.usage.label}, not for {usage.label}")
        return self.issue(
            request.public_key,
            title,
            usage,
            not_before=not_before,
            not_after=not_after,
            entropy=entropy,
        )

    def renew(
        self, old: Certificate, *, not_before: datetime, not_after: datetime, entropy: Entropy
    ) -> Certificate:
        """The same subject, key and usage with another validity and serial number."""
        from cryptography import x509  # noqa: PLC0415  (slow import)

        if old.is_authority:
            raise UsageError("an authority is not renewed like a device: make a new one")
        loaded = x509.load_der_x509_certificate(old.der)
        subject = loaded.subject
        builder = self._builder(subject, old.public_key, not_before, not_after, entropy)
        for extension in loaded.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                builder = builder.add_extension(extension.value, critical=extension.critical)
        return self._finish(builder, old.public_key, old.usage)

    def revocation_list(
        self,
        revoked: Iterable[tuple[bytes, datetime]],
        *,
        number: int,
        this_update: datetime,
        next_update: datetime,
    ) -> RevocationList:
        """Everything that is revoked: serial numbers as in `Certificate.serial`, with the time."""
        from cryptography import x509  # noqa: PLC0415  (slow import)

        if not self.certificate.may_sign_revocations:
            raise UsageError(f"{self.certificate.subject_text} may not sign revocation lists")
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._subject())
            .last_update(_checked_time(this_update))
            .next_update(_checked_time(next_update))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(_authority_id(self.certificate.public_key), critical=False)
        )
        for serial, since in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(int.from_bytes(serial, "big", signed=True))
                .revocation_date(_checked_time(since))
                .build()
            )
        return RevocationList.from_der(signed_list(builder, self._key))

    def __repr__(self) -> str:
        return f"Authority({self.certificate.subject_text!r})"

    def _subject(self) -> x509.Name:
        from cryptography import x509  # noqa: PLC0415  (slow import)

        return x509.load_der_x509_certificate(self.certificate.der).subject

    def _builder(
        self,
        subject: x509.Name,
        public_key: bytes,
        not_before: datetime,
        not_after: datetime,
        entropy: Entropy,
    ) -> x509.CertificateBuilder:
        if not_after > self.certificate.not_after:
            until = f"{self.certificate.not_after:%Y-%m-%d}"
            raise UsageError(f"the authority itself is valid until {until}: choose an earlier end")
        return _builder((subject, self._subject()), public_key, not_before, not_after, entropy)

    def _finish(
        self, builder: x509.CertificateBuilder, public_key: bytes, usage: Usage
    ) -> Certificate:
        from cryptography import x509  # noqa: PLC0415  (slow import)
        from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

        if usage is Usage.OTHER:
            raise UsageError("a certificate is issued for signing, key agreement or tls")
        builder = builder.add_extension(key_usage(usage), critical=True)
        if usage is Usage.TLS:
            both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        builder = builder.add_extension(_authority_id(self.certificate.public_key), critical=False)
        builder = builder.add_extension(_subject_id(public_key), critical=False)
        return Certificate.from_der(signed_certificate(builder, self._key))


def _builder(
    names: tuple[x509.Name, x509.Name],
    public_key: bytes,
    not_before: datetime,
    not_after: datetime,
    entropy: Entropy,
) -> x509.CertificateBuilder:
    from cryptography import x509  # noqa: PLC0415  (slow import)

    subject, issuer = names
    if _checked_time(not_after) <= _checked_time(not_before):
        raise UsageError("a certificate ends after it begins")
    # A serial number is positive and not zero: the first bits are 01.
    serial = int.from_bytes(entropy(_SERIAL_OCTETS), "big")
    serial = serial & ((1 << 126) - 1) | 1 << 126
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(loaded_public_key(public_key))
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _as_authority(
    builder: x509.CertificateBuilder, own: bytes, above: bytes, path_length: int | None
) -> x509.CertificateBuilder:
    from cryptography import x509  # noqa: PLC0415  (slow import)

    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return (
        builder.add_extension(constraints, critical=True)
        .add_extension(key_usage(Usage.OTHER, authority=True), critical=True)
        .add_extension(_subject_id(own), critical=False)
        .add_extension(_authority_id(above), critical=False)
    )


def _subject_id(public_key: bytes) -> x509.SubjectKeyIdentifier:
    from cryptography import x509  # noqa: PLC0415  (slow import)

    return x509.SubjectKeyIdentifier(_key_id(public_key))


def _authority_id(public_key: bytes) -> x509.AuthorityKeyIdentifier:
    from cryptography import x509  # noqa: PLC0415  (slow import)

    return x509.AuthorityKeyIdentifier(_key_id(public_key), None, None)


def _key_id(public_key: bytes) -> bytes:
    """A name for a key, not a protection: SHA-1 of the point is what everybody takes."""
    return sha1(b"\x04" + public_key, usedforsecurity=False).digest()


def _checked_time(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise UsageError("the times of a certificate need a time zone")
    return moment


def _checked_name(name: str) -> str:
    if not name or len(name) > 64 or not name.isprintable():
        raise UsageError("the name of an authority has 1 to 64 printable characters")
    return name
