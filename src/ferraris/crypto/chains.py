"""Trust: a certificate counts when a chain leads from it to a root that was put in [rfc5280 §6].

Nothing else is trusted: not the system's roots, not a certificate that signed itself, and not what
a peer sends along, which can only fill the gap between the peer and a root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, CertificateError, Reason, Usage
from ferraris.crypto.curves import Curve
from ferraris.crypto.revocation import RevocationList

__all__ = ["Trust"]

_LONGEST = 6
_MOST_SIGNATURES = 64  # so many authorities of one name can cost a peer's certificate


class Trust:
    """Roots that are trusted, authorities between, and what was revoked.

    With `require_revocation_lists` every authority of a chain must have a list that is not due for
    renewal; without it lists are honoured where there are any, and due ones still revoke.
    """

    def __init__(
        self,
        roots: Iterable[Certificate],
        intermediates: Iterable[Certificate] = (),
        revocations: Iterable[RevocationList] = (),
        *,
        require_revocation_lists: bool = False,
    ) -> None:
        self._roots = frozenset(roots)
        self._authorities: dict[bytes, list[Certificate]] = {}
        for each in dict.fromkeys((*self._roots, *intermediates)):
            self._authorities.setdefault(each.subject, []).append(each)
        self._lists: dict[bytes, list[RevocationList]] = {}
        for revoked in revocations:
            self._lists.setdefault(revoked.issuer, []).append(revoked)
        self._required = require_revocation_lists

    def check(
        self,
        certificate: Certificate,
        *,
        at: datetime,
        usage: Usage | None = None,
        title: bytes | None = None,
        curve: Curve | None = None,
        along: Iterable[Certificate] = (),
    ) -> Sequence[Certificate]:
        """The chain from `certificate` to a root, when it holds at that time.

        `usage`, `title` and `curve` are checked where given; a chain for P-384 has no P-256 in it.
        `along` are further authorities that the peer sent. Raises `CertificateError`, whose
        `reason` tells what is wrong; `UsageError` for a time without a zone.
        """
        if at.tzinfo is None:
            raise UsageError("the time of validation needs a time zone")
        chain = _Search(self, at, along).from_leaf(certificate)
        for each in chain:
            _check_validity(each, at)
            _check_understood(each)
        for each, authority in pairwise(chain):
            self._check_revocation(each, authority, at)
        _check_leaf(certificate, usage, title)
        if curve is not None:
            _check_curve(chain, curve)
        return chain

    def _check_revocation(self, each: Certificate, authority: Certificate, at: datetime) -> None:
        lists = [
            found for found in self._lists.get(authority.subject, ()) if found.this_update <= at
        ]
        fresh = False
        for found in lists:
            found.require_signed_by(authority)
            fresh = fresh or found.next_update is None or at <= found.next_update
            since = found.since.get(each.serial)
            if since is not None and since <= at:
                message = f"{each.subject_text} was revoked at {since:%Y-%m-%d %H:%M} UTC"
                raise CertificateError(Reason.REVOKED, message)
        if self._required and not fresh:
            message = f"{authority.subject_text} has no valid revocation list"
            raise CertificateError(Reason.REVOKED, message)


class _Search:
    """Looks for a chain of good signatures, depth first, within bounds."""

    def __init__(self, trust: Trust, at: datetime, along: Iterable[Certificate]) -> None:
        self._roots = trust._roots
        self._at = at
        self._known = trust._authorities
        self._along: dict[bytes, list[Certificate]] = {}
        for each in along:
            self._along.setdefault(each.subject, []).append(each)
        self._left = _MOST_SIGNATURES
        self._trouble: CertificateError | None = None

    def from_leaf(self, certificate: Certificate) -> list[Certificate]:
        chain = self._upwards([certificate])
        if chain is not None:
            return chain
        if self._trouble is not None:
            raise self._trouble
        message = f"{certificate.subject_text}: no trusted root is known as its issuer"
        raise CertificateError(Reason.UNKNOWN_ISSUER, message)

    def _upwards(self, chain: list[Certificate]) -> list[Certificate] | None:
        last = chain[-1]
        if last in self._roots:
            return chain
        if len(chain) >= _LONGEST:
            message = f"a chain of more than {_LONGEST} certificates"
            self._trouble = CertificateError(Reason.TOO_LONG, message)
            return None
        for authority in self._candidates(last):
            if authority in chain or not self._accepts(chain, authority):
                continue
            found = self._upwards([*chain, authority])
            if found is not None:
                return found
        return None

    def _candidates(self, last: Certificate) -> list[Certificate]:
        found = [*self._known.get(last.issuer, ()), *self._along.get(last.issuer, ())]
        if last.authority_key_id:
            found = [each for each in found if each.subject_key_id in (b"", last.authority_key_id)]
        # Those that are valid now come first: of a renewed authority the new certificate.
        return sorted(found, key=lambda each: not each.not_before <= self._at <= each.not_after)

    def _accepts(self, chain: list[Certificate], authority: Certificate) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        try:
            _check_authority(chain, authority)
            chain[-1].require_signed_by(authority.public_key)
        except CertificateError as error:
            self._trouble = error
            return False
        return True


def _check_authority(chain: list[Certificate], authority: Certificate) -> None:
    name = authority.subject_text
    if not authority.is_authority:
        raise CertificateError(Reason.NO_AUTHORITY, f"{name} is no authority, but issued one")
    if not authority.may_sign_certificates:
        message = f"{name}: its key usage does not allow it to issue certificates"
        raise CertificateError(Reason.WRONG_USAGE, message)
    between = sum(not each.self_issued for each in chain[1:])
    if authority.path_length is not None and between > authority.path_length:
        message = f"{name} allows {authority.path_length} authorities below it, not {between}"
        raise CertificateError(Reason.TOO_LONG, message)


def _check_validity(each: Certificate, at: datetime) -> None:
    if at > each.not_after:
        message = f"{each.subject_text} expired at {each.not_after:%Y-%m-%d %H:%M} UTC"
        raise CertificateError(Reason.EXPIRED, message)
    if at < each.not_before:
        message = f"{each.subject_text} is not valid before {each.not_before:%Y-%m-%d %H:%M} UTC"
        raise CertificateError(Reason.NOT_YET_VALID, message)


def _check_understood(each: Certificate) -> None:
    if each.not_understood:
        message = f"{each.subject_text} has a critical extension that is unknown here: "
        raise CertificateError(Reason.UNSUPPORTED, message + each.not_understood)


def _check_leaf(certificate: Certificate, usage: Usage | None, title: bytes | None) -> None:
    name = certificate.subject_text
    if usage is not None and certificate.usage is not usage:
        message = f"{name} is for {certificate.usage.label}, not for {usage.label}"
        raise CertificateError(Reason.WRONG_USAGE, message)
    if title is not None and certificate.title != title:
        whose = "no system title" if certificate.title is None else certificate.title.hex().upper()
        message = f"{name} is for another title: {whose}, not {title.hex().upper()}"
        raise CertificateError(Reason.WRONG_TITLE, message)


def _check_curve(chain: Sequence[Certificate], curve: Curve) -> None:
    if chain[0].curve is not curve:
        message = f"{chain[0].subject_text} lies on {chain[0].curve.value}, not on {curve.value}"
        raise CertificateError(Reason.WRONG_CURVE, message)
    for each in chain[1:]:
        if each.curve.octets < curve.octets:
            message = f"the authority {each.subject_text} is weaker than {curve.value}"
            raise CertificateError(Reason.WRONG_CURVE, message)
