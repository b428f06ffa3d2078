"""Private keys and certificates of a key store: which one is in use for a title and a usage.

Private keys are secrets like others, or references to a token's. Certificates are public, but they
are sealed as well: who can write the file must not be able to put a root of theirs in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Protocol

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import AgreementKey, Curve, PrivateKey, SigningKey
from ferraris.crypto.revocation import RevocationList

__all__ = [
    "PRIVATE_KINDS",
    "Document",
    "Kept",
    "TokenKeys",
    "Wallet",
    "token_label",
    "token_reference",
]

PRIVATE_KINDS = {
    Usage.SIGNING: "signing_key",
    Usage.KEY_AGREEMENT: "agreement_key",
    Usage.TLS: "tls_key",
    Usage.OTHER: "authority_key",
}
"""Kind of secret that holds the private key for each usage; the last one is an authority's."""

_REFERENCE = b"token:"
_CERTIFICATE, _REVOKED_LIST = "certificate", "revocation_list"
_TRUSTED, _AUTHORITY = "trusted", "authority"  # apart, so that trust does not read every meter's


class TokenKeys(Protocol):
    """Where private keys lie that never leave: `keys.pkcs11.Token` is one."""

    def signing_key(self, label: str) -> SigningKey:
        """The key of that label, for signing."""

    def agreement_key(self, label: str) -> AgreementKey:
        """The key of that label, for agreement."""

    def generate(self, label: str, curve: Curve) -> SigningKey:
        """Make a key in the token."""

    def wrap(self, key: bytes, under: str | None = None) -> bytes:
        """`key` wrapped under a key of the token [rfc3394]."""

    def make_master_key(self, label: str, octets: int) -> None:
        """Make a meter's master key in the token, which leaves it wrapped only."""

    def import_wrapping_key(self, label: str, key: bytes) -> None:
        """Put a master or transport key into the token, where it wraps, unwraps and stays."""

    def key_octets(self, label: str) -> int:
        """The length of a key that wraps."""

    def unwrap_any(self, wrapped: bytes, under: str) -> bytes:
        """What was wrapped under a key of the token, padded or not [rfc3394, rfc5649]."""

    def wrap_key(self, label: str, under: str) -> bytes:
        """A master key of the token, wrapped under another one [rfc3394]."""


class Document(NamedTuple):
    """Something public that is kept: its place in order, kind, owner and name."""

    number: int
    kind: str
    owner: str
    name: str

    @property
    def context(self) -> bytes:
        """What binds the sealed octets to this place."""
        return f"document\x00{self.number}\x00{self.kind}\x00{self.owner}\x00{self.name}".encode()


class Kept(NamedTuple):
    """A certificate and whether it is a root that is trusted."""

    certificate: Certificate
    trusted: bool


class Wallet(ABC):
    """Private keys and certificates over secrets and documents."""

    _token: object | None = None

    def put_private_key(self, key_id: str, usage: Usage, key: PrivateKey | str) -> None:
        """Keep a private key, sealed; or the label of one that lies in the token."""
        octets = token_reference(key) if isinstance(key, str) else key.to_der()
        self.put(key_id, PRIVATE_KINDS[usage], octets)

    def put_master_key(self, key_id: str, label: str) -> None:
        """The meter's master key lies in the token under that label, which wraps by it."""
        self.put(key_id, "master_key", token_reference(label))

    def signing_key(self, key_id: str, usage: Usage = Usage.SIGNING) -> SigningKey:
        """The private key that signs for this id; of an authority with `Usage.OTHER`.

        Raises `UsageError` when none is kept, or it lies in a token and the store was opened
        without it.
        """
        octets = self.get(key_id, PRIVATE_KINDS[usage])
        label = token_label(octets)
        if label is not None:
            return self._in_token(key_id).signing_key(label)
        return PrivateKey.from_der(octets)

    def agreement_key(self, key_id: str) -> AgreementKey:
        """The private key that agrees on keys for this id; raises like `signing_key`."""
        octets = self.get(key_id, PRIVATE_KINDS[Usage.KEY_AGREEMENT])
        label = token_label(octets)
        if label is not None:
            return self._in_token(key_id).agreement_key(label)
        return PrivateKey.from_der(octets)

    def put_certificate(self, certificate: Certificate, *, trusted: bool = False) -> None:
        """Keep a certificate; the one put last is in use for its title and usage.

        `trusted` makes an authority a root: only do so with one that came by a safe way.
        """
        if trusted and not certificate.is_authority:
            raise UsageError(f"{certificate.subject_text} is no authority, so it is no root")
        kind = _AUTHORITY if certificate.is_authority else _CERTIFICATE
        kind = _TRUSTED if trusted else kind
        self._keep_document(kind, _owner(certificate), _name(certificate), certificate.der)

    def put_certificates(self, certificates: Iterable[Certificate]) -> None:
        """`put_certificate` for many of no authorities at the price of one; all or none."""
        listed = list(certificates)
        for each in listed:
            if each.is_authority:
                raise UsageError(f"{each.subject_text} is an authority: put it in by itself")
        self._keep_documents(
            [(_CERTIFICATE, _owner(each), _name(each), each.der) for each in listed]
        )

    def certificate(self, title: bytes, usage: Usage, *, at: datetime | None = None) -> Certificate:
        """The certificate in use for a system title; `UsageError` when there is none.

        With `at` the last one put in that is valid at that time. It is kept, not checked: ask
        `trust` whether it is to be trusted.
        """
        for _, octets in reversed(self._documents(_CERTIFICATE, f"{title.hex()}/{usage.label}")):
            found = Certificate.from_der(octets)
            if at is None or found.not_before <= at <= found.not_after:
                return found
        valid = "" if at is None else " that is valid now"
        whose = title.hex().upper()
        raise UsageError(f"no certificate of {whose} for {usage.label} is kept{valid}")

    def certificates(self) -> list[Kept]:
        """All certificates, in the order in which they were put in; roots first."""
        found = [self._certificates(kind) for kind in (_TRUSTED, _AUTHORITY, _CERTIFICATE)]
        return [Kept(each, number == 0) for number, some in enumerate(found) for each in some]

    def authorities(self) -> list[Kept]:
        """Those of authorities, roots first."""
        roots = [Kept(each, True) for each in self._certificates(_TRUSTED)]
        return roots + [Kept(each, False) for each in self._certificates(_AUTHORITY)]

    def remove_certificate(self, certificate: Certificate) -> None:
        """Forget a certificate; an older one for the same title and usage is in use again."""
        for kind in (_TRUSTED, _AUTHORITY, _CERTIFICATE):
            self._drop_document(kind, _owner(certificate), _name(certificate))

    def put_revocation_list(self, revoked: RevocationList) -> None:
        """Keep a list in place of the authority's older one; `UsageError` when it is older."""
        owner = _issuer(revoked.issuer)
        for _, octets in self._documents(_REVOKED_LIST, owner):
            kept = RevocationList.from_der(octets)
            if (kept.number, kept.this_update) > (revoked.number, revoked.this_update):
                raise UsageError("a newer revocation list of this authority is kept")
        self._keep_document(_REVOKED_LIST, owner, "list", revoked.der)

    def revocation_lists(self) -> list[RevocationList]:
        """The last list of each authority."""
        return [RevocationList.from_der(octets) for _, octets in self._documents(_REVOKED_LIST)]

    def trust(self, *, require_revocation_lists: bool = False) -> Trust:
        """What is trusted: the roots, the authorities below, and the revocation lists."""
        return Trust(
            self._certificates(_TRUSTED),
            self._certificates(_AUTHORITY),
            self.revocation_lists(),
            require_revocation_lists=require_revocation_lists,
        )

    def token_keys(self) -> TokenKeys:
        """The token that the store was opened with; `UsageError` when it was opened without."""
        token = self._token
        if token is None:
            raise UsageError("the key store was opened without a token")
        return token  # type: ignore[return-value]  # of the same token as what wraps

    @abstractmethod
    def get(self, key_id: str, kind: str) -> bytes:
        """The secret; `UsageError` when there is none."""

    @abstractmethod
    def put(self, key_id: str, kind: str, secret: bytes) -> None:
        """Keep a secret, in place of an older one."""

    def _keep_document(self, kind: str, owner: str, name: str, octets: bytes) -> None:
        """Keep a document as the last one, in place of one of the same names."""
        self._keep_documents([(kind, owner, name, octets)])

    @abstractmethod
    def _keep_documents(self, documents: Iterable[tuple[str, str, str, bytes]]) -> None:
        """Keep documents (kind, owner, name, octets) as the last ones, all or none."""

    @abstractmethod
    def _documents(self, kind: str, owner: str | None = None) -> list[tuple[Document, bytes]]:
        """Documents of a kind, of one owner or of all, oldest first."""

    @abstractmethod
    def _drop_document(self, kind: str, owner: str, name: str) -> None:
        """Forget a document."""

    def _certificates(self, kind: str) -> list[Certificate]:
        return [Certificate.from_der(octets) for _, octets in self._documents(kind)]

    def _in_token(self, key_id: str) -> TokenKeys:
        if self._token is None:
            message = f"the private key of {key_id!r} lies in a token: open the store with it"
            raise UsageError(message)
        return self.token_keys()


def token_label(secret: bytes) -> str | None:
    """The label in a token that a secret stands for, None when it is the secret itself."""
    if not secret.startswith(_REFERENCE):
        return None
    return secret.removeprefix(_REFERENCE).rstrip(b"\x00").decode("utf-8", "replace")


def token_reference(label: str) -> bytes:
    """What is kept in place of a key in the token: of odd length, so nobody takes it for a key."""
    octets = _REFERENCE + label.encode()
    return octets if len(octets) % 2 else octets + b"\x00"


def _owner(certificate: Certificate) -> str:
    title = certificate.title
    return f"{'' if title is None else title.hex()}/{certificate.usage.label}"


def _name(certificate: Certificate) -> str:
    return sha256(certificate.der).hexdigest()


def _issuer(name: bytes) -> str:
    return sha256(name).hexdigest()
