"""Trust: every reason to refuse a certificate told apart, and no trust but in the roots."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from cryptography import x509
from pki import NOW, T0, T1, T9, TITLE, Tree, key

from ferraris.core.errors import UsageError
from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Certificate, CertificateError, Reason, Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import Curve
from ferraris.crypto.requests import key_usage
from ferraris.crypto.signing_der import loaded_public_key, named_title, signed_certificate

OTHER = bytes.fromhex("4D4D4D0000000001")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree()


def trust(tree: Tree, *revocations: Any, **more: Any) -> Trust:
    return Trust([tree.root.certificate], [tree.sub.certificate], revocations, **more)


def reason(trusted: Trust, certificate: Certificate, **expected: Any) -> Reason:
    with pytest.raises(CertificateError) as caught:
        trusted.check(certificate, **{"at": NOW} | expected)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_a_chain_that_holds(tree: Tree) -> None:
    chain = trust(tree).check(
        tree.device, at=NOW, usage=Usage.SIGNING, title=TITLE, curve=Curve.P256
    )
    assert list(chain) == [tree.device, tree.sub.certificate, tree.root.certificate]
    assert list(trust(tree).check(tree.root.certificate, at=NOW)) == [tree.root.certificate]
    for moment in (T0, T1):
        trust(tree).check(tree.device, at=moment)
    alone = Trust([tree.root.certificate])
    assert reason(alone, tree.device) is Reason.UNKNOWN_ISSUER
    assert len(alone.check(tree.device, at=NOW, along=[tree.sub.certificate])) == 3
    with pytest.raises(UsageError, match="time zone"):
        alone.check(tree.device, at=NOW.replace(tzinfo=None))


def test_each_reason_to_refuse(tree: Tree) -> None:
    second = timedelta(seconds=1)
    held = trust(tree)
    assert reason(held, tree.device, at=T1 + second) is Reason.EXPIRED
    assert reason(held, tree.device, at=T0 - second) is Reason.NOT_YET_VALID
    assert reason(held, tree.device, usage=Usage.KEY_AGREEMENT) is Reason.WRONG_USAGE
    assert reason(held, tree.device, title=OTHER) is Reason.WRONG_TITLE
    assert reason(held, tree.root.certificate, title=OTHER) is Reason.WRONG_TITLE
    assert reason(held, tree.device, curve=Curve.P384) is Reason.WRONG_CURVE
    stranger = Tree(seed=50)
    assert reason(held, stranger.root.certificate) is Reason.UNKNOWN_ISSUER
    impostor = stranger.issue(Usage.SIGNING)  # of an authority with the same name
    assert reason(held, impostor) is Reason.UNKNOWN_ISSUER, "its issuer has another key"
    assert reason(held, altered(tree.device)) is Reason.BAD_SIGNATURE
    assert reason(Trust([]), tree.device) is Reason.UNKNOWN_ISSUER


def test_nothing_that_a_peer_sends_is_a_root(tree: Tree) -> None:
    stranger = Tree(seed=51)
    along = [stranger.sub.certificate, stranger.root.certificate]
    with pytest.raises(CertificateError) as caught:
        trust(tree).check(stranger.device, at=NOW, along=along)
    assert caught.value.reason is Reason.UNKNOWN_ISSUER


def test_the_time_counts_for_every_link() -> None:
    entropy = Random(3).randbytes
    root = Authority.root(key(1), "R", not_before=T0, not_after=T1, entropy=entropy)
    made = root.issue(
        key(2).public_key, TITLE, Usage.TLS, not_before=NOW, not_after=T1, entropy=entropy
    )
    held = Trust([root.certificate])
    assert reason(held, made, at=NOW - timedelta(days=1)) is Reason.NOT_YET_VALID
    assert reason(held, made, at=T1 + timedelta(days=1)) is Reason.EXPIRED


def test_devices_issue_nothing(tree: Tree) -> None:
    made = by_hand(tree.device, tree.device_key, "4D4D4D0000000001", key(5).public_key)
    held = Trust([tree.root.certificate], [tree.sub.certificate, tree.device])
    assert reason(held, made) is Reason.NO_AUTHORITY


def test_an_authority_without_that_usage_issues_nothing(tree: Tree) -> None:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    middle = by_hand(
        tree.root.certificate, key(101), "Middle", key(6).public_key, constraints, sign=False
    )
    made = by_hand(middle, key(6), "4D4D4D0000000001", key(7).public_key)
    held = Trust([tree.root.certificate], [middle])
    assert reason(held, made) is Reason.WRONG_USAGE


def test_the_path_length_is_kept(tree: Tree) -> None:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    third = by_hand(
        tree.sub.certificate, key(201), "Third", key(8).public_key, constraints, sign=True
    )
    made = by_hand(third, key(8), "4D4D4D0000000001", key(7).public_key)
    held = Trust([tree.root.certificate], [tree.sub.certificate, third])
    assert reason(held, made) is Reason.TOO_LONG


def test_critical_extensions_must_be_understood(tree: Tree) -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    made = by_hand(tree.sub.certificate, key(201), "4D4D4D0000BC614E", key(9).public_key, odd)
    assert reason(trust(tree), made) is Reason.UNSUPPORTED


def test_authorities_of_one_name_end_the_search() -> None:
    tree = Tree(seed=60)
    same = [
        Authority.root(
            key(1000 + n), "Sub", not_before=T0, not_after=T9, entropy=tree.entropy
        ).certificate
        for n in range(100)
    ]
    plain = by_hand(tree.sub.certificate, key(1), "4D4D4D0000BC614E", key(2).public_key)
    assert reason(Trust([tree.root.certificate], same), plain) is Reason.BAD_SIGNATURE


def test_revocation(tree: Tree) -> None:
    listed = tree.revoked(tree.device)
    assert reason(trust(tree, listed), tree.device) is Reason.REVOKED
    before = NOW - timedelta(days=1)
    trust(tree, listed).check(tree.device, at=before)
    other = tree.issue(Usage.TLS)
    trust(tree, listed).check(other, at=NOW)
    above = tree.revoked(tree.sub.certificate, by=tree.root)
    assert reason(trust(tree, above), other) is Reason.REVOKED
    late = T1 - timedelta(days=1)
    assert reason(trust(tree, listed), tree.device, at=late) is Reason.REVOKED


def test_revocation_lists_can_be_required(tree: Tree) -> None:
    lists = [tree.revoked(), tree.revoked(by=tree.root)]
    strict = trust(tree, *lists, require_revocation_lists=True)
    assert len(strict.check(tree.device, at=NOW)) == 3
    assert reason(trust(tree, lists[0], require_revocation_lists=True), tree.device) is (
        Reason.REVOKED
    )


def test_a_forged_revocation_list_is_no_list(tree: Tree) -> None:
    stranger = Tree(seed=52)
    forged = stranger.revoked(tree.device)  # by another authority of the same name
    assert reason(trust(tree, forged), tree.device) is Reason.BAD_SIGNATURE


def altered(certificate: Certificate) -> Certificate:
    octets = bytearray(certificate.der)
    octets[-3] ^= 1
    return Certificate.from_der(bytes(octets))


def by_hand(
    above: Certificate,
    above_key: Any,
    name: str,
    public_key: bytes,
    *extensions: Any,
    sign: bool = False,
) -> Certificate:
    """A certificate that no `Authority` of ours would make."""
    issuer = x509.load_der_x509_certificate(above.der).subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(named_title(b"", text=name))
        .issuer_name(issuer)
        .public_key(loaded_public_key(public_key))
        .serial_number(5)
        .not_valid_before(T0)
        .not_valid_after(T1)
        .add_extension(key_usage(Usage.SIGNING, authority=sign), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return Certificate.from_der(signed_certificate(builder, above_key))
