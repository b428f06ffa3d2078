"""Keys in a token, with SoftHSM: what never leaves, and each way in which a token is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from pki import NOW, T0, T9, TITLE
from softhsm import PIN, configured, make_token, module

from ferraris.core.errors import LineError, SecurityError, UsageError
from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import Curve, PrivateKey, verify
from ferraris.crypto.requests import CertificateRequest
from ferraris.crypto.wrap import unwrap, wrap
from ferraris.keys import KeyStore
from ferraris.keys.pkcs11 import Token
from ferraris.keys.renewal import Renewals
from ferraris.keys.wallet import token_label

pytestmark = pytest.mark.services
SOURCES = str(Path(__file__).parents[2] / "src")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The library reads its settings once in each process, so there is one token for all tests."""
    module()
    environment = configured(tmp_path_factory.mktemp("softhsm"))
    make_token(environment, "ferraris")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = environment["SOFTHSM2_CONF"]
    with Token.open(module(), label="ferraris", pin=PIN) as token:
        token.make_wrapping_key()
    yield environment
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def token(environment: dict[str, str]) -> Iterator[Token]:
    with Token.open(module(), label="ferraris", pin=PIN.encode()) as token:
        yield token


@pytest.mark.parametrize("curve", list(Curve))
def test_the_token_signs_and_agrees_like_a_key_in_memory(token: Token, curve: Curve) -> None:
    label = f"pair {curve.value}"
    key = token.generate(label, curve)
    again = token.signing_key(label)
    assert again.public_key == key.public_key
    assert key.curve is curve
    signature = again.sign(b"message")
    assert len(signature) == 2 * curve.octets
    verify(key.public_key, signature, b"message")
    own = PrivateKey.generate(curve, Random(1).randbytes)
    assert token.agreement_key(label).agree(own.public_key) == own.agree(key.public_key)
    for wrong in (bytes(2 * curve.octets), own.public_key[:-1]):
        with pytest.raises(SecurityError):
            key.agree(wrong)
    with pytest.raises(UsageError, match="already"):
        token.generate(label, curve)
    assert str(own.public_key) not in repr(key)


def test_private_keys_do_not_come_out(token: Token) -> None:
    from pkcs11 import Attribute, AttributeSensitive, ObjectClass

    token.generate("stays", Curve.P256)
    for kind, label in (
        (ObjectClass.PRIVATE_KEY, "stays"),
        (ObjectClass.SECRET_KEY, "ferraris"),
    ):
        found = token._session.get_key(object_class=kind, label=label)
        assert found[Attribute.SENSITIVE]
        assert not found[Attribute.EXTRACTABLE]
        with pytest.raises(AttributeSensitive):
            found[Attribute.VALUE]


def test_wrapping_is_that_of_the_standard(token: Token) -> None:
    master, key = bytes(range(16)), bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    token.import_wrapping_key("m1", master)
    wrapped = token.wrap(key, under="m1")
    assert wrapped == wrap(master, key)
    assert wrapped.hex().upper() == "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"
    assert token.unwrap(wrapped, under="m1") == unwrap(master, wrapped) == key
    for wrong in (wrapped[:-1] + b"\x00", bytes(24), b"", bytes(5)):
        with pytest.raises(SecurityError, match="does not unwrap"):
            token.unwrap(wrong, under="m1")


def test_a_master_key_in_the_token_wraps_new_keys(token: Token, tmp_path: Path) -> None:
    master = bytes(range(32, 48))
    token.import_wrapping_key("master of m7", master)
    kinds = ["encryption_key"]
    with KeyStore.create(tmp_path / "keys.db", token=token) as store:
        store.put("m7", "encryption_key", b"e" * 16)
        store.put_master_key("m7", "master of m7")
        renewals = Renewals(store)
        renewals.prepare("m7", kinds)
        (sent,) = renewals.send("m7", kinds)
        assert unwrap(master, sent.wrapped) == store.get("m7", "next_encryption_key")


def test_a_master_key_in_the_token_is_renewed_there(token: Token, tmp_path: Path) -> None:
    known = bytes(range(48, 64))  # what the meter has
    token.import_wrapping_key("master of m8", known)
    with KeyStore.create(tmp_path / "keys.db", token=token) as store:
        store.put("m8", "encryption_key", b"e" * 16)
        store.put_master_key("m8", "master of m8")
        renewals = Renewals(store)
        for kinds in (["master_key", "encryption_key"], ["master_key"]):
            renewals.prepare("m8", kinds)
            transfers = {each.key_id: each.wrapped for each in renewals.send("m8", kinds)}
            following = unwrap(known, transfers[3])  # by the meter
            assert len(following) == 16
            assert following != known
            if "encryption_key" in kinds:
                assert unwrap(known, transfers[0]) == store.get("m8", "next_encryption_key")
            renewals.accepted("m8", kinds)
            renewals.proved("m8", kinds)
            label = token_label(store.get("m8", "master_key"))
            assert label not in (None, "master of m8")
            known = following
            # Both ends have the same key now; the store has its name alone.
            assert token.unwrap(wrap(known, bytes(16)), under=label) == bytes(16)
            hidden_value(token, label)
        renewals.prepare("m8", ["master_key"])
        renewals.discard("m8", ["master_key"])
        assert token_label(store.get("m8", "master_key")) == label
        with pytest.raises(UsageError, match="16 or 32"):
            renewals.prepare("m8", ["master_key"], octets=20)
    with pytest.raises(UsageError, match="has no wrapping key"):
        token.wrap_key("nobody's", "master of m8")


def hidden_value(token: Token, label: str | None) -> None:
    """The token does not tell the key."""
    from pkcs11 import Attribute

    with pytest.raises((UsageError, SecurityError)):
        token._run(lambda session: token._wrapping_key(session, label)[Attribute.VALUE])


def test_a_store_sealed_by_the_token(token: Token, tmp_path: Path) -> None:
    place = tmp_path / "keys.db"
    with KeyStore.create(place, token=token) as store:
        store.put("m1", "encryption_key", b"e" * 16)
        store.put_private_key("head-end", Usage.SIGNING, "in the token")
    key = token.generate("in the token", Curve.P256)
    with KeyStore.open(place, token=token) as store:
        assert store.get("m1", "encryption_key") == b"e" * 16
        assert store.signing_key("head-end").public_key == key.public_key
        store.rotate(token=token)
        store.change_passphrase("phrase", cost=2)
    with pytest.raises(UsageError, match="sealed by a passphrase"):
        KeyStore.open(place, token=token)
    with KeyStore.open(place, "phrase", token=token) as store:
        assert store.signing_key("head-end").public_key == key.public_key
        store.change_token(token)
    with pytest.raises(UsageError, match="opens with that token"):
        KeyStore.open(place, "phrase")
    token.wrapping_label = "another"
    with pytest.raises(UsageError, match="no wrapping key 'another'"):
        KeyStore.open(place, token=token)
    token.make_wrapping_key()
    with pytest.raises(SecurityError, match="does not unwrap"):
        KeyStore.open(place, token=token)
    for wrong in ({}, {"passphrase": "x", "token": token}):
        with pytest.raises(UsageError, match="by a passphrase or by a token"):
            KeyStore.create(tmp_path / "new.db", **wrong)  # type: ignore[arg-type]


def test_an_authority_in_the_token(token: Token) -> None:
    entropy = Random(1).randbytes
    root_key = token.generate("root", Curve.P384)
    root = Authority.root(root_key, "Root", not_before=T0, not_after=T9, entropy=entropy)
    device = token.generate("device", Curve.P384)
    request = CertificateRequest.make(device, TITLE, Usage.SIGNING)
    made = root.sign(
        CertificateRequest.from_der(request.der),
        title=TITLE,
        usage=Usage.SIGNING,
        not_before=T0,
        not_after=T9,
        entropy=entropy,
    )
    Trust([root.certificate]).check(made, at=NOW, title=TITLE, curve=Curve.P384)


def test_what_is_missing_is_said(token: Token, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no PKCS#11 module"):
        Token.open(str(tmp_path / "absent.so"), label="ferraris", pin=PIN)
    with pytest.raises(UsageError, match="'absent' is missing"):
        Token.open(module(), label="absent", pin=PIN)
    with pytest.raises(UsageError, match="no private key 'absent'"):
        token.signing_key("absent")
    with pytest.raises(UsageError, match="no wrapping key 'absent'"):
        token.wrap(bytes(16), under="absent")
    with pytest.raises(UsageError, match="open in this process already"):
        Token.open(module(), label="ferraris", pin=PIN)
    with pytest.raises(UsageError, match="label"):
        token.generate("", Curve.P256)


def test_a_wrong_pin(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        Token.open(module(), label="ferraris", pin=b"\xff\xff\xff\xff")
    for pin in ("0815", ""):
        with pytest.raises(SecurityError, match="wrong PIN") as caught:
            Token.open(module(), label="ferraris", pin=pin)
        assert "0815" not in str(caught.value)


def test_a_lost_session(environment: dict[str, str]) -> None:
    token = Token.open(module(), label="ferraris", pin=PIN)
    key = token.generate("lost", Curve.P256)
    token.close()
    for act in (lambda: key.sign(b"x"), lambda: token.wrap(bytes(16)), token.close):
        with pytest.raises(LineError, match="session was lost"):
            act()
    with Token.open(module(), label="ferraris", pin=PIN) as again:
        verify(key.public_key, again.signing_key("lost").sign(b"x"), b"x")


FORKING = """
import os, sys
from ferraris.core.errors import UsageError
from ferraris.keys.pkcs11 import Token
from ferraris.keys.renewal import Renewals
token = Token.open(sys.argv[1], label="ferraris", pin=sys.argv[2])
child = os.fork()
if child == 0:
    try:
        token.wrap(bytes(16))
    except UsageError as error:
        os._exit(7 if "fork" in str(error) else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(token.wrap(bytes(16))))
"""


def test_a_fork_opens_its_own(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, module(), PIN],
        env={**environment, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout.split() == ["7", "24"]
