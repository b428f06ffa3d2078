"""Another implementation of X.509 takes our certificates, requests and lists, and we take its."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pki import NOW, TITLE, Tree

from ferraris.crypto.certificates import Certificate, Usage, pem
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import Curve
from ferraris.crypto.requests import CertificateRequest

pytestmark = pytest.mark.services


def openssl(folder: Path, *arguments: str) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("curve", list(Curve))
def test_openssl_verifies_ours(tmp_path: Path, curve: Curve) -> None:
    tree = Tree(curve)
    (tmp_path / "root.pem").write_text(pem(tree.root.certificate.der))
    (tmp_path / "sub.pem").write_text(pem(tree.sub.certificate.der))
    (tmp_path / "device.pem").write_text(pem(tree.device.der))
    lists = [tree.revoked(by=tree.root), tree.revoked(tree.device)]
    (tmp_path / "lists.pem").write_text("".join(pem(each.der, "X509 CRL") for each in lists))
    at = ["-attime", str(int(NOW.timestamp()))]
    chain = ["-CAfile", "root.pem", "-untrusted", "sub.pem", "device.pem"]
    assert "device.pem: OK" in openssl(tmp_path, "verify", "-x509_strict", *at, *chain)
    told = openssl(tmp_path, "verify", "-crl_check", "-CRLfile", "lists.pem", *at, *chain)
    assert "revoked" in told
    request = CertificateRequest.make(tree.device_key, TITLE, Usage.SIGNING)
    (tmp_path / "csr.der").write_bytes(request.der)
    told = openssl(tmp_path, "req", "-inform", "DER", "-in", "csr.der", "-verify", "-noout")
    assert "OK" in told


def test_we_verify_openssls(tmp_path: Path) -> None:
    title = TITLE.hex().upper()
    group = ["-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(
        tmp_path,
        *("req", "-x509", "-newkey", "ec", *group, "-keyout", "r.key", "-out", "r.pem"),
        *("-days", "9", "-subj", "/CN=Root", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    openssl(
        tmp_path,
        *("req", "-newkey", "ec", *group, "-keyout", "d.key", "-out", "d.csr"),
        *("-subj", f"/CN={title}", "-addext", "keyUsage=critical,keyAgreement"),
    )
    request = CertificateRequest.read((tmp_path / "d.csr").read_bytes())
    request.verify()
    assert (request.title, request.usage) == (TITLE, Usage.KEY_AGREEMENT)
    openssl(
        tmp_path,
        *("x509", "-req", "-in", "d.csr", "-CA", "r.pem", "-CAkey", "r.key", "-out", "d.pem"),
        *("-days", "9", "-copy_extensions", "copy"),
    )
    root = Certificate.read((tmp_path / "r.pem").read_bytes())
    device = Certificate.read((tmp_path / "d.pem").read_bytes())
    Trust([root]).check(
        device,
        at=device.not_before,
        usage=Usage.KEY_AGREEMENT,
        title=TITLE,
        curve=Curve.P256,
    )
