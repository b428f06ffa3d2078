"""Lists of revoked certificates: reading them, and what they say about one [rfc5280 §5]."""

from __future__ import annotations

from datetime import datetime

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.crypto.certificates import (
    Certificate,
    CertificateError,
    Reason,
    not_read,
    raw_signature,
    unpem,
)
from ferraris.crypto.curves import verify
from ferraris.crypto.der import SEQUENCE, one, parts

__all__ = ["RevocationList"]

_WHERE = "revocation list"
_MOST_OCTETS = 1 << 22


class RevocationList:
    """What one authority has revoked, until the next list.

    Attributes:
        der: its octets.
        issuer: name of the authority in DER.
        number: of the list, 0 when it has none; lists rise.
        since: serial number (as in `Certificate.serial`) to the time of revocation.
        this_update, next_update: when it was made, when the next one is due (None: not said).
    """

    __slots__ = (
        "der",
        "issuer",
        "next_update",
        "number",
        "signature",
        "signed",
        "since",
        "this_update",
    )

    def __init__(self, der: bytes) -> None:
        from cryptography import x509  # noqa: PLC0415  (slow import)

        loaded = x509.load_der_x509_crl(der)
        self.der = der
        self.signed, self.signature = loaded.tbs_certlist_bytes, loaded.signature
        inside = parts(one(self.signed, SEQUENCE))
        # The version is optional, the algorithm comes next, then the issuer.
        self.issuer = inside[2 if inside[0].tag == 0x02 else 1].whole
        self.number = 0
        for extension in loaded.extensions:
            if isinstance(extension.value, x509.CRLNumber):
                self.number = extension.value.crl_number
            elif extension.critical:
                # Partial and indirect lists say so here: taken for whole ones they would mislead.
                odd = extension.oid.dotted_string
                raise DecodeError(f"a critical extension is unknown: {odd}", where=_WHERE)
        self.this_update: datetime = loaded.last_update_utc
        self.next_update: datetime | None = loaded.next_update_utc
        self.since: dict[bytes, datetime] = {
            _content(each.serial_number): each.revocation_date_utc for each in loaded
        }

    @classmethod
    def from_der(cls, octets: bytes) -> RevocationList:
        """Read one; `DecodeError` when it is none, or covers only a part."""
        if len(octets) > _MOST_OCTETS:
            raise DecodeError(f"longer than {_MOST_OCTETS} octets", where=_WHERE)
        try:
            return cls(bytes(octets))
        except DecodeError:
            raise
        except not_read():
            raise DecodeError("no list of revoked certificates", where=_WHERE) from None

    @classmethod
    def read(cls, octets: bytes) -> RevocationList:
        """Read DER or PEM."""
        return cls.from_der(unpem(octets, "X509 CRL"))

    def require_signed_by(self, authority: Certificate) -> None:
        """Return when that authority signed it and may; `CertificateError` otherwise."""
        name = authority.subject_text
        if not authority.may_sign_revocations:
            raise CertificateError(Reason.WRONG_USAGE, f"{name} may not sign revocation lists")
        try:
            signature = raw_signature(self.signature, authority.public_key)
            verify(authority.public_key, signature, self.signed)
        except (SecurityError, DecodeError):
            message = f"the revocation list of {name} does not verify: altered, or forged"
            raise CertificateError(Reason.BAD_SIGNATURE, message) from None

    def __repr__(self) -> str:
        return f"RevocationList(number={self.number}, {len(self.since)} revoked)"


def _content(number: int) -> bytes:
    """The content of an INTEGER, as certificates have it."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
