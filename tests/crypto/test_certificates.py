"""Certificates: what is read from them, and what never is one."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier
from pki import NOW, T0, T1, T9, TITLE, Tree, key

from ferraris.core.errors import DecodeError, UsageError
from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Certificate, CertificateError, Reason, Usage, pem
from ferraris.crypto.curves import Curve
from ferraris.crypto.requests import CertificateRequest
from ferraris.crypto.revocation import RevocationList


@pytest.fixture(scope="module", params=list(Curve))
def tree(request: pytest.FixtureRequest) -> Tree:
    return Tree(request.param)


def foreign(*extensions: tuple[Any, bool], subject: x509.Name | None = None) -> Certificate:
    """A certificate by the library alone, signed by itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(0x80)
        .not_valid_before(T0)
        .not_valid_after(T1)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    made = builder.sign(private, hashes.SHA256())
    return Certificate.from_der(made.public_bytes(Encoding.DER))


def test_the_library_reads_and_verifies_what_we_sign(tree: Tree) -> None:
    above = x509.load_der_x509_certificate(tree.sub.certificate.der)
    device = x509.load_der_x509_certificate(tree.device.der)
    device.verify_directly_issued_by(above)
    above.verify_directly_issued_by(x509.load_der_x509_certificate(tree.root.certificate.der))
    assert device.serial_number > 0
    usage = device.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_agreement


def test_what_is_read(tree: Tree) -> None:
    device = tree.device
    assert device.title == TITLE
    assert device.public_key == tree.device_key.public_key
    assert (device.curve, device.usage) == (tree.curve, Usage.SIGNING)
    assert (device.not_before, device.not_after) == (T0, T1)
    assert device.issuer == tree.sub.certificate.subject
    loaded = x509.load_der_x509_certificate(device.der)
    assert device.issuer == loaded.issuer.public_bytes()
    assert device.subject == loaded.subject.public_bytes()
    assert int.from_bytes(device.serial, "big") == loaded.serial_number
    assert Certificate.read(pem(device.der).encode()) == device
    assert hash(Certificate.from_der(device.der)) == hash(device)
    root = tree.root.certificate
    assert (root.usage, root.is_authority, root.title) == (Usage.OTHER, True, None)
    for usage in (Usage.KEY_AGREEMENT, Usage.TLS):
        assert tree.issue(usage).usage is usage
    assert foreign().serial == b"\x00\x80", "the content of a positive INTEGER"


def test_titles_in_the_forms_of_the_field() -> None:
    number = b"\x00" + TITLE
    unique = x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, number, _ASN1Type.BitString)
    assert foreign(subject=x509.Name([unique])).title == TITLE
    module = bytes.fromhex("300f06032a030404084D4D4D0000BC614E")
    other = x509.OtherName(ObjectIdentifier("1.3.6.1.5.5.7.8.4"), module)
    names = x509.SubjectAlternativeName([other])
    found = foreign((names, True), subject=x509.Name([]))
    assert found.title == TITLE
    assert found.alternative_name == names.public_bytes()
    text = x509.NameAttribute(NameOID.COMMON_NAME, "0000000000000001")
    with pytest.raises(DecodeError, match="more than one system title"):
        foreign((names, False), subject=x509.Name([text]))


def test_octets_that_are_no_certificate(tree: Tree) -> None:
    chance = Random(7)
    documents = [
        (Certificate, tree.device.der),
        (CertificateRequest, CertificateRequest.make(tree.device_key, TITLE, Usage.TLS).der),
        (RevocationList, tree.revoked(tree.device).der),
    ]
    for reader, octets in documents:
        for wrong in (b"", b"\x30", octets[:-1], octets + b"\x00", bytes(20000)):
            with pytest.raises(DecodeError):
                reader.from_der(wrong)
        for _ in range(1500):
            altered = bytearray(octets)
            for _ in range(chance.randrange(1, 4)):
                altered[chance.randrange(len(altered))] = chance.randrange(256)
            with contextlib.suppress(DecodeError):  # anything else fails
                reader.from_der(bytes(altered))
    serial = tree.device.der.index(tree.device.serial)
    negative = tree.device.der[:serial] + b"\xff" + tree.device.der[serial + 1 :]
    with pytest.raises(DecodeError, match="not positive"):
        Certificate.from_der(negative)
    with pytest.raises(DecodeError, match="PEM"):
        Certificate.read(b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")
    with pytest.raises(DecodeError, match="PEM"):
        CertificateRequest.read(pem(tree.device.der).encode())


def test_requests(tree: Tree) -> None:
    request = CertificateRequest.make(tree.device_key, TITLE, Usage.KEY_AGREEMENT)
    assert x509.load_der_x509_csr(request.der).is_signature_valid
    again = CertificateRequest.read(pem(request.der, "CERTIFICATE REQUEST").encode())
    again.verify()
    assert (again.title, again.usage) == (TITLE, Usage.KEY_AGREEMENT)
    assert again.public_key == tree.device_key.public_key
    validity: Any = {"not_before": T0, "not_after": T1, "entropy": tree.entropy}
    signed = tree.sub.sign(again, title=TITLE, usage=Usage.KEY_AGREEMENT, **validity)
    assert (signed.usage, signed.title) == (Usage.KEY_AGREEMENT, TITLE)
    for title, usage in ((TITLE, Usage.SIGNING), (bytes(8), Usage.KEY_AGREEMENT)):
        with pytest.raises(UsageError, match="the request is for"):
            tree.sub.sign(again, title=title, usage=usage, **validity)
    position = again.der.index(b"4D4D4D0000BC614E")
    forged = again.der[:position] + b"5" + again.der[position + 1 :]
    with pytest.raises(CertificateError) as caught:
        tree.sub.sign(
            CertificateRequest.from_der(forged),
            title=bytes.fromhex("5D4D4D0000BC614E"),
            usage=Usage.KEY_AGREEMENT,
            **validity,
        )
    assert caught.value.reason is Reason.BAD_SIGNATURE


def test_what_an_authority_refuses_to_issue(tree: Tree) -> None:
    validity: Any = {"not_before": T0, "not_after": T1, "entropy": tree.entropy}
    public = key(9).public_key
    with pytest.raises(UsageError, match="8 octets"):
        tree.sub.issue(public, b"short", Usage.SIGNING, **validity)
    with pytest.raises(UsageError, match="signing, key agreement or tls"):
        tree.sub.issue(public, TITLE, Usage.OTHER, **validity)
    with pytest.raises(UsageError, match="earlier end"):
        tree.sub.issue(
            public, TITLE, Usage.SIGNING, **validity | {"not_after": T9 + timedelta(days=1)}
        )
    with pytest.raises(UsageError, match="ends after"):
        tree.sub.issue(public, TITLE, Usage.SIGNING, **validity | {"not_after": T0})
    with pytest.raises(UsageError, match="time zone"):
        Authority.root(
            key(1), "R", not_before=T0.replace(tzinfo=None), not_after=T1, entropy=tree.entropy
        )
    with pytest.raises(UsageError, match="fewer authorities"):
        tree.sub.below(public, "Third", **validity)
    with pytest.raises(UsageError, match="not that of the authority"):
        Authority(tree.root.certificate, key(77))
    with pytest.raises(UsageError, match="may not issue"):
        Authority(tree.device, tree.device_key)


def test_renewing_keeps_subject_key_and_usage(tree: Tree) -> None:
    renewed = tree.sub.renew(tree.device, not_before=T1, not_after=T9, entropy=tree.entropy)
    assert (renewed.subject, renewed.public_key) == (tree.device.subject, tree.device.public_key)
    assert renewed.usage is tree.device.usage
    assert renewed.serial != tree.device.serial
    with pytest.raises(UsageError):
        tree.root.renew(tree.sub.certificate, not_before=T0, not_after=T1, entropy=tree.entropy)


def test_revocation_lists(tree: Tree) -> None:
    revoked = tree.revoked(tree.device)
    assert revoked.since == {tree.device.serial: NOW}
    assert revoked.issuer == tree.sub.certificate.subject
    loaded = x509.load_der_x509_crl(revoked.der)
    above = x509.load_der_x509_certificate(tree.sub.certificate.der)
    assert loaded.is_signature_valid(above.public_key())  # type: ignore[arg-type]
    revoked.require_signed_by(tree.sub.certificate)
    for other in (tree.root.certificate, tree.device):
        with pytest.raises(CertificateError):
            revoked.require_signed_by(other)
