"""`--trust`: certificates of a meter are checked before they are used, and say what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from test_suites import options, running

from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Certificate, Usage, pem
from ferraris.crypto.curves import Curve, PrivateKey

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory):
    yield from running(1, tmp_path_factory.mktemp("trust"))


@pytest.fixture
def line(keys_file: Path) -> dict:
    return json.loads(keys_file.read_text())


class Issuing:
    """An authority of ours that certifies the meter's own keys, as a test wants them."""

    def __init__(self, folder: Path, keys_file: Path, line: dict) -> None:
        self.folder = folder
        self.entropy = Random(5).randbytes
        root_key = PrivateKey.generate(Curve.P256, self.entropy)
        span = {"not_before": NOW - 900 * DAY, "not_after": NOW + 900 * DAY}
        self.root = Authority.root(root_key, "Ours", **span, entropy=self.entropy)
        sub_key = PrivateKey.generate(Curve.P256, self.entropy)
        between = self.root.below(sub_key.public_key, "Below", **span, entropy=self.entropy)
        self.sub = Authority(between, sub_key)
        self.title = bytes.fromhex(line["system_title"])
        self.keys = {
            usage: Certificate.from_der(bytes.fromhex(line[name])).public_key
            for usage, name in (
                (Usage.SIGNING, "signing_certificate"),
                (Usage.KEY_AGREEMENT, "agreement_certificate"),
            )
        }
        self.given = [
            each
            for each in options(keys_file, line, folder)
            if each != "--peer-certificate" and not each.endswith(".pem")
        ]
        self.write("root", self.root.certificate)
        self.write("sub", self.sub.certificate)

    def write(self, name: str, certificate: Certificate) -> str:
        file = self.folder / f"{name}.pem"
        file.write_text(pem(certificate.der))
        return str(file)

    def issue(self, usage: Usage, name: str = "", **changes: object) -> Certificate:
        how = {"title": self.title, "not_before": NOW - DAY, "not_after": NOW + DAY} | changes
        title = how.pop("title")
        made = self.sub.issue(self.keys[usage], title, usage, **how, entropy=self.entropy)
        self.write(name or usage.label, made)
        return made

    def peer(self, *names: str) -> list[str]:
        found = []
        for name in names or ("signing", "key-agreement"):
            found += ["--peer-certificate", f"{self.folder}/{name}.pem"]
        return found

    @property
    def trust(self) -> list[str]:
        return ["--trust", f"{self.folder}/root.pem", "--authority", f"{self.folder}/sub.pem"]


@pytest.fixture
def ours(tmp_path: Path, keys_file: Path, line: dict) -> Issuing:
    made = Issuing(tmp_path, keys_file, line)
    for usage in made.keys:
        made.issue(usage)
    return made


def test_a_chain_that_holds_opens_the_association(ferraris, ours: Issuing, line: dict) -> None:
    sealed = ["--auth", "ecdsa", "--form", "envelope", "--message-key", "static"]
    ran = ferraris(
        "read", line["url"], "0-0:42.0.0*255", *ours.given, *ours.peer(), *ours.trust, *sealed
    )
    assert (ran.code, line["id"] in ran.out, ran.err) == (0, True, ""), ran.err


def test_without_trust_certificates_are_taken_with_a_warning(
    ferraris, ours: Issuing, line: dict
) -> None:
    ran = ferraris(
        "read", line["url"], "0-0:42.0.0*255", *ours.given, *ours.peer(), "--auth", "ecdsa"
    )
    assert (ran.code, "--trust" in ran.err) == (0, True), ran.err


def test_a_file_of_keys_is_checked_too(
    ferraris, ours: Issuing, keys_file: Path, line: dict
) -> None:
    command = ["read", line["url"], "0-0:42.0.0*255", "--keys", str(keys_file)]
    ran = ferraris(*command, "--trust", f"{keys_file}.root.pem")
    assert (ran.code, line["id"] in ran.out) == (0, True), ran.err
    ran = ferraris(*command, *ours.trust)
    assert (ran.code, "no trusted root" in ran.err) == (1, True), ran.err


def test_what_does_not_hold_is_refused_before_anything_is_sent(
    ferraris, ours: Issuing, line: dict
) -> None:
    stranger = bytes.fromhex("4652520000000BAD")
    good = ours.issue(Usage.SIGNING, "good")
    ours.issue(Usage.SIGNING, "expired", not_after=NOW - timedelta(hours=1))
    ours.issue(Usage.SIGNING, "early", not_before=NOW + timedelta(hours=1))
    ours.issue(Usage.SIGNING, "strange", title=stranger)
    ours.issue(Usage.KEY_AGREEMENT, "agreement")
    revoked = ours.sub.revocation_list(
        [(good.serial, NOW - DAY)], number=1, this_update=NOW - DAY, next_update=NOW + DAY
    )
    crl = ours.folder / "revoked.crl"
    crl.write_bytes(revoked.der)
    alone = ours.trust[:2]
    cases = [
        (ours.peer("expired"), ours.trust, 1, "expired at", "renewed"),
        (ours.peer("early"), ours.trust, 1, "not valid before", "clock"),
        (ours.peer("good"), alone, 1, "no trusted root", "authorities between"),
        (ours.peer("agreement", "strange"), ours.trust, 1, "another title", "expected"),
        (ours.peer("good"), [*ours.trust, "--crl", str(crl)], 1, "was revoked", "new key pair"),
        (ours.peer("sub"), ours.trust, 1, "no APDU", "for signing"),
        (ours.peer("good"), [*ours.trust, "--suite", "2"], 1, "on P-384", "suite 1"),
        (ours.peer("good"), ["--trust", f"{ours.folder}/good.pem"], 2, "no authority", ""),
        (ours.peer("good"), ["--crl", str(crl)], 2, "--trust", ""),
        (ours.peer("good"), ["--trust", f"{ours.folder}/none.pem"], 2, "No such file", ""),
    ]
    for peer, trust, code, cause, remedy in cases:
        ran = ferraris(
            # Nobody listens there: the refusal comes before the line is opened.
            *("read", "tcp://127.0.0.1:1", "0-0:42.0.0*255", *ours.given, *peer, *trust),
            *("--auth", "ecdsa"),
        )
        assert (ran.code, cause in ran.err, remedy in ran.err) == (code, True, True), ran.err
    ran = ferraris("read", line["url"], "0-0:42.0.0*255", "--password", "env:HOME", *ours.trust)
    assert (ran.code, "--trust" in ran.err) == (2, True), ran.err


def test_another_meter_with_good_certificates_does_not_pass(
    ferraris, ours: Issuing, line: dict
) -> None:
    ours.issue(Usage.SIGNING, "other", title=bytes.fromhex("4652520000000BAD"))
    peer = ours.peer("other")
    ran = ferraris(
        *("read", line["url"], "0-0:42.0.0*255", *ours.given, *peer, *ours.trust),
        *("--auth", "ecdsa"),
    )
    assert (ran.code, "system title" in ran.err) == (1, True), ran.err


def test_roots_and_certificates_of_the_key_store(
    ferraris, ours: Issuing, line: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ours.folder
    (folder / "phrase").write_text("correct horse")
    store = ["--store", f"{folder}/keys.db", "--passphrase", f"@{folder}/phrase"]
    assert ferraris("keys", *store, "init").code == 0
    for name, more in (
        ("root", ["--trusted"]),
        ("sub", []),
        ("signing", []),
        ("key-agreement", []),
    ):
        ran = ferraris("pki", *store, "import", f"{folder}/{name}.pem", *more)
        assert ran.code == 0, ran.err
    monkeypatch.setenv("FERRARIS_KEYS", f"{folder}/keys.db")
    monkeypatch.setenv("FERRARIS_PASSPHRASE", f"@{folder}/phrase")
    kept = ["--peer-certificate", f"store:{line['system_title']}", "--trust", "store"]
    command = ["read", line["url"], "0-0:42.0.0*255", *ours.given, "--auth", "ecdsa"]
    ran = ferraris(*command, *kept)
    assert (ran.code, line["id"] in ran.out) == (0, True), ran.err
    ran = ferraris(*command, "--peer-certificate", "store:4652520000000BAD", "--trust", "store")
    assert (ran.code, "no certificate of" in ran.err) == (2, True), ran.err
