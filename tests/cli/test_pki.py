"""`ferraris pki`: an authority of one's own from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pki import NOW, Tree, key
from softhsm import PIN, configured, make_token, module

from ferraris.crypto.certificates import Certificate, Usage, pem
from ferraris.crypto.requests import CertificateRequest

DEVICE, CLIENT = "4D4D4D0000000001", "4D4D4D0000BC614E"
RUN = "from ferraris.cli.main import main; main()"
SOURCES = str(Path(__file__).parents[2] / "src")


@pytest.fixture
def pki(ferraris, tmp_path, monkeypatch):
    """`pki("list")` in a folder with a store and its authorities."""
    monkeypatch.chdir(tmp_path)
    Path("phrase").write_text("correct horse\n")
    monkeypatch.setenv("FERRARIS_PASSPHRASE", "@phrase")
    assert ferraris("keys", "init").code == 0

    def command(*arguments):
        return ferraris("pki", *arguments)

    assert command("init").code == 0
    return command


def test_issuing_checking_revoking(pki):
    ran = pki("issue", "client", CLIENT, "--out", "client.pem")
    assert ran.code == 0
    assert CLIENT in ran.out
    assert Certificate.read(Path("client.pem").read_bytes()).title == bytes.fromhex(CLIENT)
    assert len(pki("check", "client.pem", "--title", CLIENT).out.splitlines()) == 3
    assert pki("check", CLIENT).code == 0
    serial = Certificate.read(Path("client.pem").read_bytes()).serial.hex()
    assert pki("revoke", serial).code == 0
    ran = pki("check", "client.pem")
    assert (ran.code, "revoked" in ran.err) == (1, True)
    assert "revoked" in pki("list").out
    assert pki("issue", "device", DEVICE, "--usage", "key-agreement").code == 0
    assert pki("revoke", DEVICE, "--usage", "key-agreement").out.endswith("list 2 has 2\n")
    crl = x509.load_pem_x509_crl(pki("export", "crl").out.encode())
    assert len(list(crl)) == 2


def test_every_reason_is_one_line(pki):
    pki("issue", "client", CLIENT, "--days", "10", "--out", "client.pem")
    for arguments, says in [
        (("--usage", "tls"), "is for signing, not for tls"),
        (("--title", DEVICE), "for another title"),
        (("--at", "2999-01-01"), "expired"),
        (("--at", "2001-01-01"), "not valid before"),
        (("--strict",), "no valid revocation list"),
    ]:
        ran = pki("check", "client.pem", *arguments)
        assert ran.code == 1
        assert says in ran.err
        assert len(ran.err.splitlines()) == 1
    Path("stranger.pem").write_text(pem(Tree(seed=9).device.der))
    ran = pki("check", "stranger.pem")
    assert (ran.code, "no trusted root" in ran.err) == (1, True)


def test_a_request_from_a_meter(pki):
    request = CertificateRequest.make(key(5), bytes.fromhex(DEVICE), Usage.SIGNING)
    Path("meter.csr").write_bytes(request.der)
    ran = pki("sign", "meter.csr", "--title", CLIENT)
    assert (ran.code, "the request is for" in ran.err) == (2, True)
    assert pki("sign", "meter.csr", "--title", DEVICE, "--out", "meter.pem").code == 0
    made = Certificate.read(Path("meter.pem").read_bytes())
    assert made.public_key == key(5).public_key
    shown = pki("show", "meter.pem", "--json").json
    assert (shown["system_title"], shown["usage"], shown["curve"]) == (DEVICE, "signing", "P-256")
    assert "system-title: " + DEVICE in pki("show", DEVICE).out
    assert pki("renew", DEVICE, "--days", "9000").code == 0
    assert pki("export", DEVICE).out != Path("meter.pem").read_text()
    assert pki("check", DEVICE).code == 0


def test_keys_of_devices_that_cannot_make_their_own(pki):
    assert pki("issue", "device", DEVICE, "--key-out", "m.key", "--out", "m.pem").code == 0
    private = load_pem_private_key(Path("m.key").read_bytes(), None)
    found = x509.load_pem_x509_certificate(Path("m.pem").read_bytes())
    assert private.public_key() == found.public_key()
    assert Path("m.key").stat().st_mode & 0o777 == 0o600
    assert pki("issue", "device", DEVICE, "--key-out", "m.key").code == 2
    assert pki("issue", "client", CLIENT, "--key-out", "c.key").code == 2


def test_importing_from_another_authority(pki):
    tree = Tree(seed=9)
    Path("root.pem").write_text(pem(tree.root.certificate.der))
    Path("sub.der").write_bytes(tree.sub.certificate.der)
    Path("device.der").write_bytes(tree.device.der)
    Path("list.der").write_bytes(tree.revoked(tree.device).der)
    assert pki("import", "list.der").code == 2, "of an authority that nobody knows"
    assert pki("import", "root.pem", "--trusted").code == 0
    assert pki("import", "sub.der").code == 0
    at = NOW.strftime("%Y-%m-%d")
    assert pki("check", "device.der", "--at", at).code == 0
    assert pki("import", "list.der").code == 0
    assert pki("check", "device.der", "--at", at).code == 1
    assert pki("import", "device.der", "--trusted").code == 2
    Path("nothing").write_text("nothing")
    for arguments in (("import", "nothing"), ("import", "absent"), ("show", "nothing")):
        assert pki(*arguments).code == 2
    rows = pki("list", "--json").json["certificates"]
    assert [row["trusted_root"] for row in rows] == [True, True, False, False]


@pytest.mark.parametrize(
    "arguments",
    [
        ("init",),
        ("issue", "client", "4D4D"),
        ("issue", "client", CLIENT, "--by", "nobody"),
        ("issue", "client", CLIENT, "--days", "99999"),
        ("issue", "client", CLIENT, "--in-token"),
        ("export", CLIENT),
        ("export", "crl"),
        ("revoke", "00" * 16),
        ("check", "nobody"),
        ("sign", "phrase", "--title", CLIENT),
        ("revoke", "root"),
    ],
)
def test_bad_input_is_one_line(pki, arguments):
    ran = pki(*arguments)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


@pytest.mark.services
def test_an_authority_whose_keys_lie_in_a_token(tmp_path):
    """In processes of their own, since the library reads its settings once."""
    library = module()
    environment = configured(tmp_path) | {"PYTHONPATH": SOURCES, "PIN": PIN}
    make_token(environment, "hsm")
    options = ["--token", "hsm", "--module", library]

    def ferraris(room: str, *arguments: str, code: int = 0, pin: str = "env:PIN") -> str:
        done = subprocess.run(
            [sys.executable, "-c", RUN, room, *options, "--pin", pin, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert PIN not in done.stderr
        return done.stdout + done.stderr

    ferraris("keys", "init")
    ferraris("pki", "init", "--in-token", "--curve", "P-384")
    ferraris("pki", "issue", "client", CLIENT, "--in-token")
    assert CLIENT in ferraris("pki", "check", CLIENT)
    ferraris("keys", "rotate")
    ferraris("keys", "add", "m1", "password", "env:PIN")
    assert "m1" in ferraris("keys", "list")
    environment["WRONG"] = "0000"
    assert "wrong PIN" in ferraris("keys", "list", code=1, pin="env:WRONG")
    assert os.listdir(tmp_path / "tokens")
