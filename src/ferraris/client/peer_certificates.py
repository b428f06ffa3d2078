"""Certificates of a meter, held against what is trusted before any of its keys is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, CertificateError, Reason, Usage
from ferraris.crypto.chains import Trust
from ferraris.messaging.dlms.security.agreement import curve_of
from ferraris.messaging.dlms.security.forms import KeyPairs

__all__ = ["REMEDIES", "trusted_pairs", "with_certificate"]

REMEDIES = {
    Reason.EXPIRED: "give the one that renewed it, or set the clock of this host",
    Reason.NOT_YET_VALID: "set the clock of this host, or give the one in use until then",
    Reason.UNKNOWN_ISSUER: "trust the root of its issuer, and give the authorities between",
    Reason.REVOKED: "have the meter make a new key pair, and its authority certify that",
    Reason.WRONG_USAGE: "give the meter's certificates for signing and for key agreement",
    Reason.WRONG_TITLE: "give those of this meter, or correct the title that is expected",
    Reason.WRONG_CURVE: "give those of the suite: P-256 for suite 1, P-384 for suite 2",
    Reason.BAD_SIGNATURE: "get it again by a safe way: it was altered, or another signed it",
    Reason.NO_AUTHORITY: "trust an authority, and no certificate of a device",
    Reason.TOO_LONG: "have it issued by an authority nearer to the root",
    Reason.UNSUPPORTED: "have it issued without that extension, or not critical",
}
"""What to do about a certificate that does not hold."""

_SERVES = (Usage.SIGNING, Usage.KEY_AGREEMENT)


def trusted_pairs(
    pairs: KeyPairs,
    certificates: Iterable[Certificate],
    trust: Trust,
    *,
    at: datetime,
    suite: int,
    title: bytes = b"",
    along: Iterable[Certificate] = (),
) -> tuple[KeyPairs, bytes]:
    """The pairs with the meter's public keys out of its certificates, and its system title.

    Args:
        pairs: our own private keys.
        certificates: the meter's, for signing, key agreement, or both.
        trust: roots, authorities between and revocation lists.
        at: when they have to be valid; needs a zone.
        suite: 1 or 2; the curve of the whole chain follows from it.
        title: the system title that the meter should have; without it all certificates have to
            name the same, which is to be given to `HighGMAC(server_system_title=…)`, so that no
            other meter answers in its place.
        along: authorities that came with the certificates and count for nothing by themselves.

    Raises `CertificateError`, a `SecurityError`, that names the cause, its `Reason` and what to do.
    """
    curve, among = curve_of(suite), tuple(along)
    for each in certificates:
        try:
            _check_serves(each)
            title = title or each.title or b""
            trust.check(each, at=at, usage=each.usage, title=title, curve=curve, along=among)
        except CertificateError as error:
            remedy = REMEDIES[error.reason]
            raise CertificateError(error.reason, f"{error.message}; {remedy}") from None
        pairs = with_certificate(pairs, each)
    return pairs, title


def with_certificate(pairs: KeyPairs, certificate: Certificate) -> KeyPairs:
    """The pairs with the public key of a certificate, taken as it is; `UsageError` for TLS."""
    if certificate.usage is Usage.SIGNING:
        return replace(pairs, peer_signing=certificate.public_key)
    if certificate.usage is Usage.KEY_AGREEMENT:
        return replace(pairs, peer_agreement=certificate.public_key)
    raise UsageError(f"a certificate for {certificate.usage.label}, of no use here")


def _check_serves(certificate: Certificate) -> None:
    name = certificate.subject_text
    if certificate.usage not in _SERVES or certificate.is_authority:
        message = f"{name} is for {certificate.usage.label}, which protects no APDU"
        raise CertificateError(Reason.WRONG_USAGE, message)
    if not certificate.title:
        raise CertificateError(Reason.WRONG_TITLE, f"{name} names no system title")
