"""What the options of meter commands say of the meter's certificates: which, and who is trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ferraris.cli.certified import document, present, title_of
from ferraris.cli.identities import pairs_of
from ferraris.cli.key_store import opened_by_environment, warn
from ferraris.client.peer_certificates import trusted_pairs
from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.revocation import RevocationList

if TYPE_CHECKING:
    from ferraris.cli.options import MeterOptions
    from ferraris.messaging.dlms.security.forms import KeyPairs

__all__ = ["certificates_of", "with_peer"]

_STORE = "store"
_SERVES = (Usage.SIGNING, Usage.KEY_AGREEMENT)


def certificates_of(named: Iterable[str]) -> list[Certificate]:
    """Certificates by file, or those of a title in the key store; `UsageError`."""
    found: list[Certificate] = []
    for each in named:
        kind, _, title = each.partition(":")
        if kind == _STORE and title:
            found += _kept(title_of(title))
        else:
            found.append(document(Certificate, each))
    return found


def with_peer(
    given: MeterOptions,
    pairs: KeyPairs,
    certificates: Sequence[Certificate],
    *,
    suite: int,
    title: bytes = b"",
) -> tuple[KeyPairs, bytes]:
    """The pairs with the meter's public keys, and its system title.

    With `--trust` each certificate has to hold now, for this title; otherwise they are taken as
    they are, with a warning when they came by `--peer-certificate`. Raises `CertificateError`.
    """
    if given.trust is None:
        if given.authority or given.crl:
            raise UsageError("--authority and --crl go with --trust FILE")
        if given.peer_certificate:
            warn("certificates are taken as they are: give --trust FILE to have them checked")
        return pairs_of(pairs, certificates)
    if not suite:
        raise UsageError("--trust goes with --suite 1 or 2: suite 0 has no certificates")
    trusted = _trusted(given)
    return trusted_pairs(pairs, certificates, trusted.trust, at=present(), suite=suite, title=title)


@dataclass(slots=True)
class _Trusted:
    """Roots, authorities and lists, gathered from files and the store."""

    roots: list[Certificate] = field(default_factory=list)
    between: list[Certificate] = field(default_factory=list)
    lists: list[RevocationList] = field(default_factory=list)

    @property
    def trust(self) -> Trust:
        return Trust(self.roots, self.between, self.lists)


def _trusted(given: MeterOptions) -> _Trusted:
    found = _Trusted(
        between=[document(Certificate, each) for each in given.authority or ()],
        lists=[document(RevocationList, each) for each in given.crl or ()],
    )
    for each in given.trust or ():
        if each == _STORE:
            with opened_by_environment() as store:
                for kept in store.authorities():
                    (found.roots if kept.trusted else found.between).append(kept.certificate)
                found.lists += store.revocation_lists()
            continue
        root = document(Certificate, each)
        if not root.is_authority:
            raise UsageError(f"{each}: {root.subject_text} is no authority, so it is no root")
        found.roots.append(root)
    return found


def _kept(title: bytes) -> list[Certificate]:
    found = []
    with opened_by_environment() as store:
        for usage in _SERVES:
            try:
                found.append(store.certificate(title, usage))
            except UsageError:
                continue
    if not found:
        raise UsageError(f"the key store has no certificate of {title.hex().upper()}")
    return found
