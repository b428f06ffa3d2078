"""Certificates and private keys in both stores: which is in use, and what is trusted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pki import NOW, T0, T1, T9, TITLE, Tree

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.certificates import CertificateError, Reason, Usage
from ferraris.crypto.curves import verify
from ferraris.crypto.wrap import wrap
from ferraris.keys import KeyStore, MemoryKeys
from ferraris.keys.wallet import token_label


@pytest.fixture(params=["memory", "file"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    store: Any
    if request.param == "memory":
        store = MemoryKeys()
    else:
        store = KeyStore.create(tmp_path / "keys.db", "passphrase", cost=2)
    yield store
    store.close()


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree()


def test_private_keys_by_usage(keys: Any, tree: Tree) -> None:
    keys.put_private_key("head-end", Usage.SIGNING, tree.device_key)
    keys.put_private_key("head-end", Usage.KEY_AGREEMENT, tree.device_key)
    signing = keys.signing_key("head-end")
    verify(tree.device.public_key, signing.sign(b"message"), b"message")
    assert keys.agreement_key("head-end").public_key == tree.device_key.public_key
    with pytest.raises(UsageError, match="no signing_key is kept for 'm1'"):
        keys.signing_key("m1")
    with pytest.raises(UsageError, match="no authority_key"):
        keys.signing_key("head-end", Usage.OTHER)
    keys.put_private_key("m2", Usage.SIGNING, "label in the token")
    with pytest.raises(UsageError, match="lies in a token"):
        keys.signing_key("m2")


def test_a_reference_to_a_token_is_never_taken_for_a_key(keys: Any) -> None:
    for label in ("ten octets", "nine octs", "m1"):
        keys.put_master_key("m1", label)
        reference = keys.get("m1", "master_key")
        assert token_label(reference) == label
        with pytest.raises(UsageError, match="octets"):
            wrap(reference, bytes(16))


def test_the_last_certificate_is_in_use(keys: Any, tree: Tree) -> None:
    with pytest.raises(UsageError, match="no certificate of 4D4D4D0000BC614E for signing"):
        keys.certificate(TITLE, Usage.SIGNING)
    renewed = tree.sub.renew(tree.device, not_before=T1, not_after=T9, entropy=tree.entropy)
    keys.put_certificate(tree.device)
    keys.put_certificate(tree.issue(Usage.TLS))
    keys.put_certificate(renewed)
    assert keys.certificate(TITLE, Usage.SIGNING) == renewed
    assert keys.certificate(TITLE, Usage.SIGNING, at=NOW) == tree.device
    assert keys.certificate(TITLE, Usage.TLS).usage is Usage.TLS
    keys.put_certificate(tree.device)
    assert keys.certificate(TITLE, Usage.SIGNING) == tree.device, "put in again, it is in use again"
    keys.remove_certificate(tree.device)
    assert keys.certificate(TITLE, Usage.SIGNING) == renewed
    assert len(keys.certificates()) == 2


def test_roots_are_put_in_and_nothing_else_is_one(keys: Any, tree: Tree) -> None:
    keys.put_certificate(tree.sub.certificate)
    keys.put_certificate(tree.root.certificate)
    with pytest.raises(CertificateError) as caught:
        keys.trust().check(tree.device, at=NOW)
    assert caught.value.reason is Reason.UNKNOWN_ISSUER
    keys.put_certificate(tree.root.certificate, trusted=True)
    assert len(keys.trust().check(tree.device, at=NOW)) == 3
    with pytest.raises(UsageError, match="no authority"):
        keys.put_certificate(tree.device, trusted=True)
    keys.put_revocation_list(tree.revoked(tree.device))
    with pytest.raises(CertificateError):
        keys.trust().check(tree.device, at=NOW)
    with pytest.raises(UsageError, match="newer"):
        keys.put_revocation_list(
            tree.sub.revocation_list([], number=0, this_update=T0, next_update=T1)
        )
    assert [each.number for each in keys.revocation_lists()] == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE document SET kind = 'trusted'",
        "UPDATE document SET number = number + 1",
        "UPDATE document SET sealed = zeroblob(99)",
        "UPDATE document SET sealed = 5",
    ],
)
def test_who_writes_the_file_makes_no_root(tree: Tree, tmp_path: Path, statement: str) -> None:
    with KeyStore.create(tmp_path / "keys.db", "passphrase", cost=2) as keys:
        keys.put_certificate(tree.root.certificate)
        connection = sqlite3.connect(tmp_path / "keys.db")
        with connection:
            connection.execute(statement)
        connection.close()
        with pytest.raises(SecurityError, match="altered"):
            keys.trust()
