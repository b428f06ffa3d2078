"""X.509 certificates of meters, clients and authorities: what is in them [rfc5280].

A certificate is bound to a system title by its common name, 16 hexadecimal characters; deployments
in the field also use the x500UniqueIdentifier of the subject or a hardwareModuleName among its
alternative names, and both are read alike [rfc4108]. Reading one trusts nothing: `chains` does.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.crypto.curves import Curve, verify
from ferraris.crypto.der import OCTET_STRING, SEQUENCE, Part, one, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

__all__ = ["Certificate", "CertificateError", "Reason", "Usage", "pem", "raw_signature", "unpem"]

_WHERE = "certificate"
_MOST_OCTETS = 16384
_TITLE_OCTETS = 8
_COMMON_NAME = "2.5.4.3"
_UNIQUE_IDENTIFIER = "2.5.4.45"
_HARDWARE_MODULE_NAME = "1.3.6.1.5.5.7.8.4"
_TLS_PURPOSES = frozenset(("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"))


class Usage(IntEnum):
    """What a certificate's key is for, numbered as the security set-up does [facts-g]."""

    SIGNING = 0
    KEY_AGREEMENT = 1
    TLS = 2
    OTHER = 3  # authorities, and whatever else

    @property
    def label(self) -> str:
        """The word on the command line."""
        return self.name.lower().replace("_", "-")


class Reason(Enum):
    """Why a certificate is refused."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    UNKNOWN_ISSUER = "unknown issuer"
    REVOKED = "revoked"
    WRONG_USAGE = "wrong usage"
    WRONG_TITLE = "for another title"
    WRONG_CURVE = "wrong curve"
    BAD_SIGNATURE = "bad signature"
    NO_AUTHORITY = "issuer is no authority"
    TOO_LONG = "chain too long"
    UNSUPPORTED = "unsupported extension"


class CertificateError(SecurityError):
    """A certificate that is not to be used; `reason` says why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, where=_WHERE)
        self.reason = reason


class _Extensions(NamedTuple):
    usages: frozenset[str]
    purposes: frozenset[str]
    is_authority: bool
    path_length: int | None
    subject_key_id: bytes
    authority_key_id: bytes
    alternative_name: bytes
    titles: tuple[bytes, ...]
    not_understood: str


class Certificate:
    """One certificate, read; equal to another of the same octets.

    Attributes:
        der: its octets.
        curve, public_key: P-256 or P-384; x and y.
        usage: what the key is for, by its key usage extension.
        title: the system title it is bound to, None when it names none.
        not_before, not_after: validity, both ends included, in UTC.
        serial, issuer, subject, alternative_name: octets as attribute 6 of the security set-up
            lists them: content of the INTEGER, the names and the extension in DER [memory].
        is_authority, path_length, may_sign_certificates, may_sign_revocations: of authorities.
        not_understood: the first critical extension that is unknown here, or empty.
    """

    __slots__ = (
        "alternative_name",
        "authority_key_id",
        "common_name",
        "curve",
        "der",
        "is_authority",
        "issuer",
        "issuer_text",
        "may_sign_certificates",
        "may_sign_revocations",
        "not_after",
        "not_before",
        "not_understood",
        "path_length",
        "public_key",
        "serial",
        "signature",
        "signed",
        "subject",
        "subject_key_id",
        "subject_text",
        "title",
        "usage",
    )

    def __init__(self, der: bytes, loaded: x509.Certificate) -> None:
        found = _read_extensions(loaded.extensions)
        tbs = _tbs(loaded.tbs_certificate_bytes)
        self.der = der
        self.curve, self.public_key = public_key_of(loaded.public_key())
        self.not_before: datetime = loaded.not_valid_before_utc
        self.not_after: datetime = loaded.not_valid_after_utc
        self.serial, self.issuer, self.subject = tbs[0].content, tbs[2].whole, tbs[4].whole
        self.issuer_text = _text(loaded.issuer)
        self.subject_text = _text(loaded.subject)
        self.common_name = _common_name(loaded.subject)
        self.title = only_title((*titles_of_name(loaded.subject), *found.titles))
        self.usage = _usage(found)
        self.is_authority, self.path_length = found.is_authority, found.path_length
        self.may_sign_certificates = found.is_authority and "key_cert_sign" in found.usages
        self.may_sign_revocations = found.is_authority and "crl_sign" in found.usages
        self.subject_key_id = found.subject_key_id
        self.authority_key_id = found.authority_key_id
        self.alternative_name = found.alternative_name
        self.not_understood = found.not_understood
        self.signature = loaded.signature
        self.signed = loaded.tbs_certificate_bytes

    @classmethod
    def from_der(cls, octets: bytes) -> Certificate:
        """Read one; `DecodeError` when it is none, or its key lies on no curve of the suites."""
        from cryptography import x509  # noqa: PLC0415  (slow import)

        octets = bytes(octets)
        if len(octets) > _MOST_OCTETS:
            raise DecodeError(f"longer than {_MOST_OCTETS} octets", where=_WHERE)
        try:
            _check_serial(octets)
            return cls(octets, x509.load_der_x509_certificate(octets))
        except DecodeError:
            raise
        except not_read() as error:
            raise DecodeError(_why("no certificate", error), where=_WHERE) from None

    @classmethod
    def read(cls, octets: bytes) -> Certificate:
        """Read DER, or PEM, its armour of text."""
        return cls.from_der(unpem(octets, "CERTIFICATE"))

    @property
    def self_issued(self) -> bool:
        """Do issuer and subject bear the same name?"""
        return self.issuer == self.subject

    def require_signed_by(self, public_key: bytes) -> None:
        """Return when that key signed it; `CertificateError` otherwise."""
        try:
            verify(public_key, raw_signature(self.signature, public_key), self.signed)
        except (SecurityError, DecodeError):
            message = f"the signature of {self.subject_text} does not verify: altered, or forged"
            raise CertificateError(Reason.BAD_SIGNATURE, message) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and other.der == self.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"Certificate({self.subject_text!r}, {self.usage.label}, {self.serial.hex()})"


def not_read() -> tuple[type[Exception], ...]:
    """What the library raises about octets that it cannot read."""
    from cryptography import x509  # noqa: PLC0415  (slow import)
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    return (
        ValueError,
        TypeError,
        OverflowError,
        IndexError,
        UserWarning,
        UnsupportedAlgorithm,
        SecurityError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    )


def public_key_of(key: object) -> tuple[Curve, bytes]:
    """Curve and public key, x and y; `DecodeError` for keys of other kinds."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

    curves = {"secp256r1": Curve.P256, "secp384r1": Curve.P384}
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in curves:
        raise DecodeError("the public key is not of P-256 or P-384", where=_WHERE)
    curve, numbers = curves[key.curve.name], key.public_numbers()
    return curve, b"".join(
        number.to_bytes(curve.octets, "big") for number in (numbers.x, numbers.y)
    )


def raw_signature(signature: bytes, public_key: bytes) -> bytes:
    """r and s without their frame of DER; `DecodeError` when they do not fit the curve."""
    from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415  (slow import)
        decode_dss_signature,
    )

    size = Curve.of_public_key(public_key).octets
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except (ValueError, OverflowError):
        raise DecodeError("not a signature of this curve", where=_WHERE) from None


def titles_of_name(name: x509.Name) -> Iterator[bytes]:
    """System titles that a subject bears, in any of the ways."""
    for attribute in name:
        value = attribute.value
        if attribute.oid.dotted_string == _COMMON_NAME and isinstance(value, str):
            if len(value) == 2 * _TITLE_OCTETS and set(value) <= set("0123456789ABCDEFabcdef"):
                yield bytes.fromhex(value)
        elif attribute.oid.dotted_string == _UNIQUE_IDENTIFIER and isinstance(value, bytes):
            # A bit string: the count of unused bits leads, and is 0 for whole octets.
            yield from [value[1:]] * (len(value) == _TITLE_OCTETS + 1 and value[0] == 0)


def titles_of_alternatives(names: x509.SubjectAlternativeName) -> Iterator[bytes]:
    """System titles among the alternative names: serial numbers of hardware modules."""
    from cryptography import x509  # noqa: PLC0415  (slow import)

    for name in names:
        if isinstance(name, x509.OtherName) and name.type_id.dotted_string == _HARDWARE_MODULE_NAME:
            inside = parts(one(name.value, SEQUENCE))
            if [part.tag for part in inside[1:]] == [OCTET_STRING]:
                serial = inside[1].content
                yield from [serial] * (len(serial) == _TITLE_OCTETS)


def only_title(titles: tuple[bytes, ...]) -> bytes | None:
    """The one title that all say; `DecodeError` when they say different ones."""
    different = set(titles)
    if len(different) > 1:
        raise DecodeError("it names more than one system title", where=_WHERE)
    return titles[0] if titles else None


def pem(octets: bytes, label: str = "CERTIFICATE") -> str:
    """DER as text, for files."""
    from base64 import b64encode  # noqa: PLC0415

    text = b64encode(octets).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


def unpem(octets: bytes, label: str) -> bytes:
    """The DER in the first PEM block of that label, or `octets` when they are no PEM at all."""
    from base64 import b64decode  # noqa: PLC0415

    if b"-----BEGIN" not in octets:
        return octets
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    _, found, rest = octets.partition(begin)
    body, ended, _ = rest.partition(end)
    try:
        if not found or not ended:
            raise ValueError(label)
        return b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        raise DecodeError(f"no PEM of a {label}", where=_WHERE) from None


def _check_serial(octets: bytes) -> None:
    """Serial numbers are positive; the library only grumbles about others."""
    serial = _tbs(parts(one(octets, SEQUENCE))[0].whole)[0].content
    if not any(serial) or serial[0] & 0x80:
        raise DecodeError("the serial number is not positive", where=_WHERE)


def _tbs(octets: bytes) -> list[Part]:
    """Serial, algorithm, issuer, validity, subject and what follows, without the version."""
    found = parts(one(octets, SEQUENCE))
    if found and found[0].tag == 0xA0:
        found = found[1:]
    if len(found) < 6:
        raise DecodeError("no certificate: it is cut short", where=_WHERE)
    return found


def _read_extensions(extensions: x509.Extensions) -> _Extensions:
    from cryptography import x509  # noqa: PLC0415  (slow import)

    usages: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    is_authority, path_length = False, None
    own, above, alternative, odd = b"", b"", b"", ""
    titles: tuple[bytes, ...] = ()
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage):
            usages = _usage_words(value)
        elif isinstance(value, x509.ExtendedKeyUsage):
            purposes = frozenset(each.dotted_string for each in value)
        elif isinstance(value, x509.BasicConstraints):
            is_authority, path_length = value.ca, value.path_length
        elif isinstance(value, x509.SubjectKeyIdentifier):
            own = value.digest
        elif isinstance(value, x509.AuthorityKeyIdentifier):
            above = value.key_identifier or b""
        elif isinstance(value, x509.SubjectAlternativeName):
            alternative = value.public_bytes()
            titles = tuple(titles_of_alternatives(value))
        elif extension.critical and not isinstance(value, x509.CertificatePolicies):
            odd = odd or extension.oid.dotted_string
    return _Extensions(
        usages, purposes, is_authority, path_length, own, above, alternative, titles, odd
    )


def _usage_words(value: x509.KeyUsage) -> frozenset[str]:
    words = ("digital_signature", "key_agreement", "key_cert_sign", "crl_sign")
    return frozenset(word for word in words if getattr(value, word))


def _usage(found: _Extensions) -> Usage:
    """Signing and agreement exclude each other; both together are for TLS [memory]."""
    if found.is_authority:
        return Usage.OTHER
    signs, agrees = "digital_signature" in found.usages, "key_agreement" in found.usages
    if signs and (agrees or found.purposes & _TLS_PURPOSES):
        return Usage.TLS
    if signs:
        return Usage.SIGNING
    return Usage.KEY_AGREEMENT if agrees else Usage.OTHER


def _common_name(name: x509.Name) -> str:
    for attribute in name:
        if attribute.oid.dotted_string == _COMMON_NAME:
            return str(attribute.value)
    return ""


def _text(name: x509.Name) -> str:
    text = name.rfc4514_string()
    return "".join(c if c.isprintable() else "·" for c in text)[:200] or "(no name)"


def _why(what: str, error: Exception) -> str:
    detail = " ".join(str(error).split())[:120]
    return f"{what}: {detail}" if detail else what
