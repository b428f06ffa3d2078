"""`ferraris headend --url`: a real server over TLS; what it prints is what is printed here."""

from __future__ import annotations

import datetime
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from ferraris.core.errors import UsageError
from ferraris.headend.access.first import first_administrator
from ferraris.headend.api import application, serving_options, settings_of
from ferraris.headend.configuration import load, parse
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.operations import House
from ferraris.headend.store.changes import note
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.keys import MemoryKeys


def certify(folder: Path) -> None:
    """A key and a certificate of its own for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


class Served:
    """A head-end over TLS on loopback."""

    def __init__(self, folder: Path) -> None:
        certify(folder)
        (folder / "headend.toml").write_text(
            'store = "store.sqlite"\n'
            '[http]\nlisten = "127.0.0.1:0"\n'
            'certificate = "certificate.pem"\nprivate_key = "key.pem"\n'
        )
        configuration = load(folder / "headend.toml")
        self.engine = Engine(configuration.location())
        migrate(self.engine)
        house = House(self.engine, MemoryKeys(), time.time)
        with self.engine.transaction() as connection:
            tenant = tenant_number(connection, "main", make=True)
            secret = first_administrator(connection, tenant, house.journal.write, at_s=time.time())
        (folder / "token").write_text(secret)
        app = application(house, settings=settings_of(configuration))
        self.server = uvicorn.Server(uvicorn.Config(app, **serving_options(configuration)))
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, args=([listening],))
        self.thread.start()
        self.url = f"https://localhost:{self.port}"
        self.listening = listening

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.listening.close()
        self.engine.close()


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Served(tmp_path)
    yield made
    made.close()


def test_the_same_from_here_and_from_afar(ferraris, served) -> None:
    here = ("headend", "--config", "headend.toml")
    there = ("headend", "--url", served.url, "--token", "@token")
    there += ("--authority", "certificate.pem")
    ran = ferraris(*there, "principals", "add", "--name", "eve", "--roles", "viewer")
    assert (ran.code, ran.err) == (0, "")
    for words in (
        ("principals", "list"),
        ("principals", "show", "eve"),
        ("principals", "show", "eve", "--json"),
        ("roles",),
        ("audit", "list", "--outcome", "done", "--json"),
        ("audit", "check"),
    ):
        near, far = ferraris(*here, *words), ferraris(*there, *words)
        assert near == far, words
        assert near.code == 0
        assert near.out
    for words, code in (
        (("principals", "show", "nobody"), 2),
        (("principals", "add", "--name", "eve", "--body", '{"roles":[]}'), 2),
        (("principals", "add", "--name", "x", "--roles", "emperor"), 2),
        (("principals", "add", "--body", "[]"), 2),
        (("tokens", "revoke", "eve", "x"), 2),
        (("audit", "list", "--limit", "0"), 2),
    ):
        near, far = ferraris(*here, *words), ferraris(*there, *words)
        assert near == far, words
        assert near.code == code
    ran = ferraris(*there, "tokens", "add", "eve", "--name", "laptop", "--days", "1", "--json")
    eve = ("headend", "--url", served.url, "--token", ran.json["token"])
    eve += ("--authority", "certificate.pem")
    assert ferraris(*eve, "me", "--json").json["name"] == "eve"
    ran = ferraris(*eve, "principals", "list")
    assert (ran.code, ran.out) == (1, "")
    assert "eve lacks the right to manage access" in ran.err


def test_what_is_new_is_watched(ferraris, served) -> None:
    there = ("--url", served.url, "--token", "@token", "--authority", "certificate.pem")
    done = threading.Event()

    def happen() -> None:
        while not done.wait(0.05):
            with served.engine.transaction() as connection:
                note(connection, 1, "plan", "daily", at_s=1.5)
                note(connection, 1, "meter", "m\u0007", at_s=1.5, detail={"state": "active"})

    thread = threading.Thread(target=happen)
    thread.start()
    try:
        for where in (("--config", "headend.toml"), there):
            watch = ("headend", *where, "watch", "--kind", "meter", "--count", "2")
            ran = ferraris(*watch)
            line = "1970-01-01T00:00:01Z  meter     m·  state=active"
            assert (ran.code, ran.out.splitlines()) == (0, [line] * 2)
            first, second = ferraris(*watch, "--json").json_lines
            assert set(first) == {"number", "kind", "subject", "detail", "at_s"}
            assert first["number"] < second["number"]
    finally:
        done.set()
        thread.join()
    assert ferraris("headend", *there, "watch", "--kind", "nonsense").code == 2


def test_who_cannot_be_trusted_gets_no_token(ferraris, served) -> None:
    ran = ferraris("headend", "--url", served.url, "--token", "@token", "me")
    assert ran.code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in ran.err
    wrong = ("--url", served.url, "--authority", "certificate.pem", "--token", "env:WRONG")
    ran = ferraris("headend", *wrong, "me")
    assert (ran.code, "WRONG" in ran.err) == (2, True)
    ran = ferraris("headend", *wrong[:-2], "me")
    assert ran.code == 1
    assert "show a token" in ran.err


def test_a_large_document_is_refused_before_it_is_read(served, tmp_path) -> None:
    import ssl

    context = ssl.create_default_context(cafile="certificate.pem")
    token = (tmp_path / "token").read_text()
    with (
        socket.create_connection(("localhost", served.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as line,
    ):
        line.settimeout(20)
        line.sendall(
            f"POST /v1/principals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {10 << 20}\r\n\r\n".encode()
            + b"[" * 1000
        )
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"strict-transport-security" in answer
        assert b"\r\nserver:" not in answer.lower()
    with (
        socket.create_connection(("localhost", served.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as line,
    ):
        line.settimeout(20)
        line.sendall(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\nAuthorization : x\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_nobody_is_served_in_the_clear_by_accident() -> None:
    for listen in ("0.0.0.0:8470", "[::]:8470", "192.0.2.1:8470"):
        with pytest.raises(UsageError, match="TLS"):
            serving_options(parse(f'[http]\nlisten = "{listen}"\n'))
        text = f'[http]\nlisten = "{listen}"\nbehind_proxy = true\n'
        assert serving_options(parse(text))["proxy_headers"]
    assert serving_options(parse('[http]\nlisten = "[::1]:1"\n'))["host"] == "::1"
    for listen in ("8470", ":1", "h:x", "h:70000"):
        with pytest.raises(UsageError):
            serving_options(parse(f'[http]\nlisten = "{listen}"\n'))
