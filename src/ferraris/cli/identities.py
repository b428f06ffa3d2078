"""Private keys and certificates on the command line, and beside a file of keys."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ferraris.cli.key_store import referenced
from ferraris.client.peer_certificates import with_certificate
from ferraris.core.errors import Error, UsageError
from ferraris.crypto.certificates import Certificate, pem
from ferraris.crypto.curves import PrivateKey
from ferraris.messaging.dlms.security.forms import KeyPairs

__all__ = ["pairs_beside", "pairs_of", "private_key", "write_identities", "write_secretly"]

_SIGNING, _AGREEMENT = "signing.key", "agreement.key"


def private_key(reference: str) -> PrivateKey:
    """The key that a reference names: its scalar, or PKCS#8, in hexadecimal; `UsageError`."""
    octets = referenced(reference, kind="signing_key")
    try:
        if len(octets) in (32, 48):
            return PrivateKey.from_octets(octets)
        return PrivateKey.from_der(octets)
    except Error:
        raise UsageError("not a private key of P-256 or P-384, in hexadecimal") from None


def pairs_of(pairs: KeyPairs, certificates: Iterable[Certificate]) -> tuple[KeyPairs, bytes]:
    """The pairs with what certificates say of the peer, taken as it is, and their one title."""
    titles = set()
    for found in certificates:
        pairs = with_certificate(pairs, found)
        titles.add(found.title or b"")
    if len(titles) > 1:
        raise UsageError("the certificates are of different system titles")
    return pairs, titles.pop() if titles else b""


def pairs_beside(file: str, entry: Mapping[str, Any]) -> tuple[KeyPairs, list[Certificate]]:
    """Our pairs beside a file of keys, and the peer's certificates in a line; `UsageError`."""
    pairs = KeyPairs(
        signing=private_key(f"@{file}.{_SIGNING}"),
        agreement=private_key(f"@{file}.{_AGREEMENT}"),
        master_key=bytes.fromhex(entry["master_key"]),
    )
    names = ("signing_certificate", "agreement_certificate")
    return pairs, [Certificate.from_der(bytes.fromhex(entry[name])) for name in names]


def write_identities(keys_out: str, pairs: KeyPairs, certificates: Mapping[str, bytes]) -> None:
    """The client's private keys and some certificates beside a file of keys, for its owner."""
    for name, key in ((_SIGNING, pairs.signing), (_AGREEMENT, pairs.agreement)):
        assert isinstance(key, PrivateKey)
        write_secretly(f"{keys_out}.{name}", (f"{key.to_der().hex()}\n",))
    for name, der in certificates.items():
        write_secretly(f"{keys_out}.{name}.pem", (pem(der),))


def write_secretly(file: str, lines: Iterable[str]) -> None:
    """A file that is whole or not there, and that nobody else may read."""
    part = Path(f"{file}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.writelines(lines)
    part.replace(file)
