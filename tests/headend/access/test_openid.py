"""Tokens of an OpenID provider: a real one on this machine, and everything that can be forged."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from ferraris.core.errors import Error, LineError, SecurityError, UsageError
from ferraris.headend.access import principals
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.identity import UnknownCallerError
from ferraris.headend.access.openid import OpenIdProvider, OpenIdSettings
from ferraris.headend.access.opening import Access
from ferraris.headend.store.tables.access import AUDIT, PRINCIPAL

RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def published(key, key_id, **others):
    kind = jwt.algorithms.ECAlgorithm if hasattr(key, "curve") else jwt.algorithms.RSAAlgorithm
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": key_id, "use": "sig"} | others


class Issuer:
    """A small OpenID provider on loopback."""

    def __init__(self) -> None:
        self.keys = [published(RSA, "r"), published(EC, "e")]
        self.asked: list[str] = []
        self.broken = False
        self.own_name = ""
        issuer = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                document = issuer.document(self.path)
                self.send_response(500 if issuer.broken else 200)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def document(self, path):
        if path.endswith("/openid-configuration"):
            return {"issuer": self.own_name or self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": self.keys}

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def issuer():
    made = Issuer()
    yield made
    made.close()


def settings(at, **others):
    given = {
        "issuer": at.url,
        "audience": "ferraris",
        "claim": "realm_access.roles",
        "roles": {"meter-reader": "viewer", "north": "operator @ north"},
    }
    return OpenIdSettings(**given | others)


@pytest.fixture
def provider(issuer, clock):
    return OpenIdProvider(settings(issuer), clock=clock, monotonic=clock.monotonic)


def token(issuer, clock, *, key=EC, algorithm="ES256", headers=None, without=(), **claims):
    whole = {
        "iss": issuer.url,
        "aud": "ferraris",
        "sub": "ada-1",
        "iat": clock(),
        "exp": clock() + 300,
        "realm_access": {"roles": ["meter-reader", "unknown", 7]},
    } | claims
    for name in without:
        del whole[name]
    return jwt.encode(whole, key, algorithm=algorithm, headers={"kid": "e"} | (headers or {}))


def test_claims_become_grants(issuer, provider, clock) -> None:
    claims = provider.verify(token(issuer, clock))
    assert (claims.subject, claims.grants) == ("ada-1", (Grant("viewer"),))
    both = {"roles": ["north", "meter-reader", "north"]}
    claims = provider.verify(token(issuer, clock, realm_access=both, aud=["x", "ferraris"]))
    assert claims.grants == (Grant("operator", "north"), Grant("viewer"))
    by_rsa = token(issuer, clock, key=RSA, algorithm="RS256", headers={"kid": "r"})
    assert provider.verify(by_rsa).subject == "ada-1"
    assert provider.verify(token(issuer, clock, realm_access={"roles": "north x"})).grants
    assert provider.verify(token(issuer, clock, realm_access="x")).grants == ()
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def forged(issuer, clock):
    good = token(issuer, clock)
    head, body, seal = good.split(".")
    public = RSA.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"e"}').rstrip(b"=").decode()
    symmetric = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"r"}').rstrip(b"=").decode()
    mac = hmac.new(pem, f"{symmetric}.{body}".encode(), hashlib.sha256).digest()
    mac = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    yield "another key", token(issuer, clock, key=OTHER)
    yield "no signature", f"{none}.{body}."
    yield "the public key as a shared secret", f"{symmetric}.{body}.{mac}"
    yield (
        "the key of another algorithm",
        token(issuer, clock, key=RSA, algorithm="RS256", headers={"kid": "e"}),
    )
    yield (
        "an algorithm not allowed",
        token(issuer, clock, key=RSA, algorithm="PS256", headers={"kid": "r"}),
    )
    yield "an unknown key", token(issuer, clock, headers={"kid": "zz"})
    nameless = base64.urlsafe_b64encode(b'{"alg":"ES256"}').rstrip(b"=").decode()
    yield "no key id", f"{nameless}.{body}.{seal}"
    yield "another audience", token(issuer, clock, aud="others")
    yield "no audience", token(issuer, clock, without=["aud"])
    yield "another issuer", token(issuer, clock, iss="https://elsewhere.example")
    yield "no subject", token(issuer, clock, without=["sub"])
    yield "an empty subject", token(issuer, clock, sub="")
    yield "no end", token(issuer, clock, without=["exp"])
    yield "an end that is no number", token(issuer, clock, exp=str(clock() + 300))
    yield "expired", token(issuer, clock, exp=clock() - 61)
    yield "not yet", token(issuer, clock, nbf=clock() + 61)
    yield "issued in the future", token(issuer, clock, iat=clock() + 61)
    yield "altered claims", f"{head}.{body[:-4]}AAAA.{seal}"
    yield "cut", good[:-8]
    yield "too long", good + "A" * 20_000
    yield "nothing", "a.b.c"
    yield (
        "deep",
        base64.urlsafe_b64encode(b'{"a":' + b"[" * 9_000).decode() + "." + body + "." + seal,
    )


def test_whatever_does_not_hold_opens_nothing(issuer, provider, clock) -> None:
    for what, each in forged(issuer, clock):
        with pytest.raises(SecurityError) as caught:
            provider.verify(each)
        assert each not in str(caught.value), what


def test_clocks_may_differ_by_a_minute(issuer, provider, clock) -> None:
    assert provider.verify(token(issuer, clock, exp=clock() - 59))
    assert provider.verify(token(issuer, clock, nbf=clock() + 59, iat=clock() + 59))


def test_new_keys_are_fetched_when_one_is_named(issuer, provider, clock) -> None:
    provider.verify(token(issuer, clock))
    issuer.keys = [published(OTHER, "new")]
    fresh = token(issuer, clock, key=OTHER, headers={"kid": "new"})
    clock.go(11)
    assert provider.verify(fresh)
    with pytest.raises(SecurityError):  # its key was withdrawn
        provider.verify(token(issuer, clock))
    asked = len(issuer.asked)
    for number in range(50):
        with pytest.raises(SecurityError):
            provider.verify(token(issuer, clock, headers={"kid": f"made up {number}"}))
    assert len(issuer.asked) == asked


def test_keys_go_on_while_the_provider_is_away(issuer, provider, clock) -> None:
    provider.verify(token(issuer, clock))
    issuer.broken = True
    clock.go(2 * 3600)
    assert provider.verify(token(issuer, clock))


def test_a_provider_that_is_not_there_or_not_itself(issuer, clock) -> None:
    issuer.broken = True
    provider = OpenIdProvider(settings(issuer), clock=clock, monotonic=clock.monotonic)
    with pytest.raises(LineError):
        provider.verify(token(issuer, clock))
    issuer.broken, issuer.own_name = False, "https://elsewhere.example"
    clock.go(11)
    with pytest.raises(LineError):
        provider.verify(token(issuer, clock))


def test_keys_that_are_too_weak_or_for_something_else_are_none(issuer, provider, clock) -> None:
    issuer.keys = [
        published(SMALL, "small"),
        published(EC, "e", use="enc"),
        {"kty": "oct", "kid": "shared", "k": "AAAA"},
        {"kty": "RSA", "kid": "half"},
        "nothing",
    ]
    for key_id, key, algorithm in (("small", SMALL, "RS256"), ("e", EC, "ES256")):
        with pytest.warns() if key is SMALL else contextlib.nullcontext():
            made = token(issuer, clock, key=key, algorithm=algorithm, headers={"kid": key_id})
        with pytest.raises(Error):
            provider.verify(made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithms": ("none",)},
        {"algorithms": ("HS256",)},
        {"algorithms": ()},
        {"audience": ""},
        {"roles": {"x": "emperor"}},
    ],
)
def test_settings_that_would_let_anybody_in(issuer, wrong) -> None:
    with pytest.raises(UsageError):
        settings(issuer, **wrong)


@pytest.mark.parametrize("url", ["http://issuer.example", "ftp://x", "https://u@x", "nowhere"])
def test_a_provider_is_asked_over_tls(issuer, clock, url) -> None:
    with pytest.raises(UsageError):
        OpenIdProvider(settings(issuer, issuer=url), clock=clock, monotonic=clock.monotonic)


@pytest.fixture
def access(engine, tenant, journal, clock, provider):
    return Access(
        engine, journal.write, clock=clock, monotonic=clock.monotonic, providers=[provider]
    )


def test_a_principal_appears_once_and_can_be_shut_out(access, engine, issuer, clock) -> None:
    shown = token(issuer, clock)
    identity = access.identify(shown)
    assert (identity.name, identity.grants) == ("ada-1@127.0.0.1", (Grant("viewer"),))
    with engine.transaction() as connection:
        principals.grant(connection, 1, identity.principal, Grant("auditor"))
    clock.go(5)
    again = access.identify(token(issuer, clock))
    assert again.principal == identity.principal
    assert again.grants == (Grant("auditor"), Grant("viewer"))
    with engine.reading() as connection:
        assert len(connection.execute(select(PRINCIPAL)).all()) == 1
        (line,) = connection.execute(select(AUDIT)).all()
    assert (line.principal, line.action) == ("ada-1@127.0.0.1", "appear")
    with engine.transaction() as connection:
        principals.change_active(connection, identity.principal, active=False)
    clock.go(5)
    with pytest.raises(UnknownCallerError):
        access.identify(shown)


def test_the_name_of_another_is_not_taken_over(access, engine, issuer, clock) -> None:
    with engine.transaction() as connection:
        ours = principals.create(connection, 1, "ada-1@127.0.0.1", at_s=0)
        principals.grant(connection, 1, ours, Grant("administrator"))
    identity = access.identify(token(issuer, clock))
    assert identity.principal != ours
    assert identity.grants == (Grant("viewer"),)


def test_what_no_provider_issued_is_nobody(access, issuer, clock) -> None:
    for wrong in (token(issuer, clock, iss="https://elsewhere.example"), "a.b.c", "x"):
        with pytest.raises(UnknownCallerError):
            access.identify(wrong)


def test_known_keys_do_not_wait_for_a_provider_that_hangs(issuer, clock) -> None:
    hanging, held, over = threading.Event(), threading.Event(), threading.Event()

    def fetch(url):
        if hanging.is_set():
            held.set()
            over.wait(20)
            raise LineError("too late")
        return issuer.document(url)

    provider = OpenIdProvider(settings(issuer), clock=clock, monotonic=clock.monotonic, fetch=fetch)
    good = token(issuer, clock)
    provider.verify(good)
    clock.go(11)
    hanging.set()

    def ask() -> None:
        with pytest.raises(SecurityError):
            provider.verify(token(issuer, clock, headers={"kid": "made up"}))

    asking = threading.Thread(target=ask)
    asking.start()
    assert held.wait(20)
    assert provider.verify(good).subject == "ada-1"
    over.set()
    asking.join()
