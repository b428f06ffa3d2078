"""Certificates of a meter count when they hold; otherwise the error says what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pki import NOW, T0, T1, TITLE, Tree, key

from ferraris.client.peer_certificates import REMEDIES, trusted_pairs, with_certificate
from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.certificates import Certificate, CertificateError, Reason, Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import Curve
from ferraris.messaging.dlms.security.forms import NO_PAIRS, KeyPairs

OTHER = bytes.fromhex("4D4D4D0000000001")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree()


def trust(tree: Tree, *lists: Any) -> Trust:
    return Trust([tree.root.certificate], [tree.sub.certificate], lists)


def refused(tree: Tree, *certificates: Any, lists: tuple[Any, ...] = (), **how: Any) -> Reason:
    asked: dict[str, Any] = {"at": NOW, "suite": 1, **how}
    trusted = asked.pop("trust", None) or trust(tree, *lists)
    with pytest.raises(SecurityError) as caught:
        trusted_pairs(NO_PAIRS, certificates, trusted, **asked)
    assert isinstance(caught.value, CertificateError)
    assert REMEDIES[caught.value.reason] in caught.value.message
    return caught.value.reason


def test_keys_of_certificates_that_hold(tree: Tree) -> None:
    agreement = tree.issue(Usage.KEY_AGREEMENT)
    own = key(5)
    pairs, title = trusted_pairs(
        KeyPairs(signing=own), [tree.device, agreement], trust(tree), at=NOW, suite=1
    )
    assert title == TITLE
    assert pairs.signing is own
    assert pairs.peer_signing == tree.device.public_key
    assert pairs.peer_agreement == agreement.public_key
    alone = Trust([tree.root.certificate])
    along = [tree.sub.certificate]
    asked: dict[str, Any] = {"at": NOW, "suite": 1, "title": TITLE}
    found, _ = trusted_pairs(NO_PAIRS, [tree.device], alone, along=along, **asked)
    assert found.can_sign is False
    assert found.peer_signing == tree.device.public_key
    assert trusted_pairs(NO_PAIRS, [], alone, **asked) == (NO_PAIRS, TITLE)


def test_each_reason_and_its_remedy(tree: Tree) -> None:
    second = timedelta(seconds=1)
    device = tree.device
    assert refused(tree, device, at=T1 + second) is Reason.EXPIRED
    assert refused(tree, device, at=T0 - second) is Reason.NOT_YET_VALID
    assert refused(tree, device, trust=Trust([])) is Reason.UNKNOWN_ISSUER
    assert refused(tree, device, title=OTHER) is Reason.WRONG_TITLE
    assert refused(tree, device, tree.issue(Usage.SIGNING, OTHER)) is Reason.WRONG_TITLE
    assert refused(tree, device, lists=(tree.revoked(device),)) is Reason.REVOKED
    assert refused(tree, device, suite=2) is Reason.WRONG_CURVE
    assert refused(tree, tree.issue(Usage.TLS)) is Reason.WRONG_USAGE
    assert refused(tree, tree.sub.certificate) is Reason.WRONG_USAGE
    forged = Certificate.from_der(device.der[:-1] + bytes((device.der[-1] ^ 1,)))
    assert refused(tree, forged) is Reason.BAD_SIGNATURE
    assert set(REMEDIES) == set(Reason)


def test_a_p384_tree_serves_suite_2(tree: Tree) -> None:
    large = Tree(Curve.P384)
    pairs, _ = trusted_pairs(NO_PAIRS, [large.device], trust(large), at=NOW, suite=2)
    assert len(pairs.peer_signing) == 96
    with pytest.raises(UsageError):
        trusted_pairs(NO_PAIRS, [large.device], trust(large), at=NOW, suite=0)
    with pytest.raises(UsageError, match="tls"):
        with_certificate(NO_PAIRS, tree.issue(Usage.TLS))
