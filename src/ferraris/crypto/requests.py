"""Requests for certificates: PKCS#10, as meters send them and clients make them [rfc2986]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.crypto.certificates import (
    CertificateError,
    Reason,
    Usage,
    not_read,
    only_title,
    public_key_of,
    raw_signature,
    titles_of_alternatives,
    titles_of_name,
    unpem,
)
from ferraris.crypto.curves import SigningKey, verify
from ferraris.crypto.signing_der import named_title, signed_request

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["CertificateRequest"]

_WHERE = "certificate request"
_MOST_OCTETS = 16384


class CertificateRequest:
    """A request, read; `verify` proves that its maker has the private key.

    Attributes:
        der: its octets.
        curve, public_key: the key to be certified.
        title: the system title it names, None for none.
        usage: what it asks for, None when it does not say.
    """

    __slots__ = ("curve", "der", "public_key", "signature", "signed", "subject", "title", "usage")

    def __init__(self, der: bytes) -> None:
        from cryptography import x509  # noqa: PLC0415  (slow import)

        loaded = x509.load_der_x509_csr(der)
        titles = list(titles_of_name(loaded.subject))
        self.der = der
        self.usage: Usage | None = None
        for extension in loaded.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                titles += titles_of_alternatives(extension.value)
            elif isinstance(extension.value, x509.KeyUsage):
                self.usage = _asked(extension.value)
        self.curve, self.public_key = public_key_of(loaded.public_key())
        self.title = only_title(tuple(titles))
        self.subject = loaded.subject
        self.signed, self.signature = loaded.tbs_certrequest_bytes, loaded.signature

    @classmethod
    def from_der(cls, octets: bytes) -> CertificateRequest:
        """Read one; `DecodeError` when it is none. Its signature is not checked yet."""
        if len(octets) > _MOST_OCTETS:
            raise DecodeError(f"longer than {_MOST_OCTETS} octets", where=_WHERE)
        try:
            return cls(bytes(octets))
        except DecodeError:
            raise
        except not_read():
            raise DecodeError("no request for a certificate", where=_WHERE) from None

    @classmethod
    def read(cls, octets: bytes) -> CertificateRequest:
        """Read DER or PEM."""
        label = "NEW CERTIFICATE REQUEST" if b"BEGIN NEW" in octets else "CERTIFICATE REQUEST"
        return cls.from_der(unpem(octets, label))

    @classmethod
    def make(cls, key: SigningKey, title: bytes, usage: Usage | None = None) -> CertificateRequest:
        """A request for this key, signed by it, with the title as common name."""
        from cryptography import x509  # noqa: PLC0415  (slow import)

        builder = x509.CertificateSigningRequestBuilder().subject_name(named_title(title))
        if usage is not None:
            builder = builder.add_extension(key_usage(usage), critical=True)
        return cls(signed_request(builder, key))

    def verify(self) -> None:
        """Return when the key in the request signed it; `CertificateError` otherwise."""
        try:
            verify(self.public_key, raw_signature(self.signature, self.public_key), self.signed)
        except (SecurityError, DecodeError):
            message = "the request is not signed by its own key: altered, or the key is not theirs"
            raise CertificateError(Reason.BAD_SIGNATURE, message) from None

    def __repr__(self) -> str:
        title = "no title" if self.title is None else self.title.hex().upper()
        return f"CertificateRequest({title})"


def key_usage(usage: Usage, *, authority: bool = False) -> x509.KeyUsage:
    """The extension that says what a key is for."""
    from cryptography import x509  # noqa: PLC0415  (slow import)

    return x509.KeyUsage(
        digital_signature=usage in (Usage.SIGNING, Usage.TLS),
        key_agreement=usage in (Usage.KEY_AGREEMENT, Usage.TLS),
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        encipher_only=False,
        decipher_only=False,
    )


def _asked(value: x509.KeyUsage) -> Usage | None:
    if value.digital_signature:
        return Usage.TLS if value.key_agreement else Usage.SIGNING
    return Usage.KEY_AGREEMENT if value.key_agreement else None
