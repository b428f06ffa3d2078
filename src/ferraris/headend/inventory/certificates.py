"""Certificates that somebody brings for a meter: read, and checked before they are kept."""

from __future__ import annotations

from datetime import datetime

from ferraris.client.peer_certificates import REMEDIES
from ferraris.core.errors import DecodeError, UsageError
from ferraris.crypto.certificates import Certificate, CertificateError, Usage
from ferraris.crypto.chains import Trust
from ferraris.messaging.dlms.security.agreement import curve_of

__all__ = ["CERTIFICATES", "UnfitCertificateError", "checked_certificate"]

CERTIFICATES = {
    "signing_certificate": Usage.SIGNING,
    "agreement_certificate": Usage.KEY_AGREEMENT,
}
"""Fields that hold certificates, and what each is for."""


class UnfitCertificateError(UsageError):
    """A certificate that cannot be a meter's: `what` is wrong, `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


def checked_certificate(
    octets: bytes, usage: Usage, *, suite: int, title: bytes, trust: Trust, at: datetime
) -> Certificate:
    """A certificate, DER or PEM, that holds for this meter, usage and suite.

    Raises `UnfitCertificateError`.
    """
    if not suite:
        raise UnfitCertificateError("suite 0 has no certificates", "say which suite: 1 or 2")
    if not title:
        raise UnfitCertificateError("the meter has no system title", "say which: system_title")
    try:
        certificate = Certificate.read(octets)
        trust.check(certificate, at=at, usage=usage, title=title, curve=curve_of(suite))
    except DecodeError:
        what = "no certificate that can be read"
        raise UnfitCertificateError(what, "DER, hexadecimal or base64") from None
    except CertificateError as error:
        what = f"does not hold: {error.message}"
        raise UnfitCertificateError(what, REMEDIES[error.reason]) from None
    return certificate
