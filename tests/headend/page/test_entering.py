"""Signing in and out, cookies, forms, and what strangers get."""

from __future__ import annotations

import json
import re
import time

import jwt
import pytest
import town
from cryptography.hazmat.primitives.asymmetric import ec
from front import entered, form_key
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from ferraris.headend.access import principals, tokens
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.openid import OpenIdProvider, OpenIdSettings
from ferraris.headend.access.opening import Access
from ferraris.headend.page.routes import Page
from ferraris.headend.page.safety import local_path
from ferraris.headend.page.signing import IDLE_S, LONGEST_S
from ferraris.headend.store.tables.access import AUDIT, PRINCIPAL, SIGN_IN, TOKEN

PAGES = ("/", "/missing", "/meters", f"/meters/{town.SHOWN}")


def secret_of(answer):
    return re.search(r"ferraris_session=([^;]+)", answer.headers["set-cookie"])[1]


@pytest.mark.parametrize("path", PAGES)
def test_the_door_is_shown_to_strangers(visitor, path):
    answer = visitor.get(path, follow_redirects=False)
    assert answer.status_code in (302, 303)
    assert answer.headers["location"].startswith("/login")
    assert visitor.get(path, headers={"X-Parts": "today"}).status_code == 401
    shown = visitor.get(path)
    assert shown.url.path == "/login"
    assert '<section class="sheet" id' not in shown.text


def test_a_session_that_nobody_opened_is_none(visitor):
    for secret in ("", "x", "é" * 40, "A" * 5000, "' OR 1=1 --"):
        visitor.cookies.clear()
        answer = visitor.get("/", headers={"Cookie": f"ferraris_session={secret}".encode()})
        assert answer.url.path == "/login", secret


def test_cookies_are_kept_from_scripts_and_other_sites(place, visitor):
    answer = entered(visitor, place.token("viewer"))
    assert answer.status_code == 303
    [kept] = [
        each
        for each in answer.headers.get_list("set-cookie")
        if each.startswith("ferraris_session")
    ]
    parts = {part.strip().lower() for part in kept.split(";")[1:]}
    assert {"httponly", "secure", "samesite=strict", "path=/", f"max-age={LONGEST_S}"} <= parts
    assert not any(part.startswith("domain") for part in parts)


def test_without_tls_the_cookie_is_not_marked_secure(place, visitor):
    visitor.base_url = "http://headend.example"
    answer = entered(visitor, place.token("viewer"))
    assert "secure" not in secret_of(answer).lower()
    assert "; secure" not in answer.headers["set-cookie"].lower()


def test_the_store_knows_only_hashes(place, visitor):
    secret = secret_of(entered(visitor, place.token("viewer")))
    assert len(secret) >= 43
    with place.engine.reading() as connection:
        rows = connection.execute(select(SIGN_IN)).all()
        told = str(connection.execute(select(AUDIT)).all())
    assert secret not in str(rows) + told
    assert secret.encode() not in [row.digest for row in rows]
    assert place.token("viewer") not in str(rows) + told


def test_a_wrong_token_opens_nothing(place, visitor):
    for wrong in ("", "nonsense", "ferraris_" + "A" * 43, place.token("viewer")[:-1]):
        answer = entered(visitor, wrong)
        assert answer.status_code == 403
        assert "ferraris_session" not in answer.headers.get("set-cookie", "")
        assert "This token is not valid" in answer.text
        assert wrong == "" or wrong not in answer.text


def test_signing_in_makes_a_new_session_and_ends_the_old_one(place, visitor):
    first = secret_of(entered(visitor, place.token("viewer")))
    key = form_key(visitor.get("/").text)
    form = {"token": place.token("operator"), "csrf": key}
    second = secret_of(visitor.post("/login", data=form, follow_redirects=False))
    assert first != second
    visitor.cookies.clear()
    visitor.cookies.set("ferraris_session", first)
    assert visitor.get("/").url.path == "/login"


def test_signing_out_ends_the_session_for_good(enter):
    visitor = enter("viewer")
    secret = visitor.cookies["ferraris_session"]
    answer = visitor.post(
        "/logout", data={"csrf": form_key(visitor.get("/").text)}, follow_redirects=False
    )
    assert answer.status_code == 303
    assert visitor.cookies.get("ferraris_session") is None
    visitor.cookies.set("ferraris_session", secret)
    assert visitor.get("/").url.path == "/login"


def test_a_session_ends_when_nobody_uses_it(place, enter):
    visitor = enter("viewer")
    place.clock.now += IDLE_S - 1
    assert visitor.get("/").url.path == "/"
    place.clock.now += IDLE_S - 1
    assert visitor.get("/").url.path == "/"
    place.clock.now += IDLE_S - 1
    # What an open page fetches by itself is not a person.
    assert visitor.get("/", headers={"X-Parts": "today"}).status_code == 200
    place.clock.now += 1
    assert visitor.get("/").url.path == "/login"


def test_a_session_ends_after_half_a_day(place, enter):
    visitor = enter("viewer")
    used = 0
    while used + 1800 < LONGEST_S:
        used += 1800
        place.clock.now = town.NOW + used
        assert visitor.get("/login", follow_redirects=False).status_code == 302
    place.clock.now = town.NOW + LONGEST_S
    assert visitor.get("/").url.path == "/login"


def test_a_session_ends_with_its_token(place, visitor):
    entered(visitor, town.token(place.engine, "viewer", name="short", expires_s=town.NOW + 100))
    assert visitor.get("/").url.path == "/"
    place.clock.now += 100
    assert visitor.get("/").url.path == "/login"
    place.clock.now = town.NOW
    entered(visitor, town.token(place.engine, "viewer", name="revoked"))
    assert visitor.get("/").url.path == "/"
    with place.engine.transaction() as connection:
        row = connection.execute(
            select(TOKEN).join(PRINCIPAL).where(PRINCIPAL.c.name == "revoked")
        ).one()
        tokens.revoke(connection, row.principal, row.id, at_s=town.NOW)
    assert visitor.get("/").url.path == "/login"


def test_a_session_ends_with_its_principal(place, visitor):
    entered(visitor, town.token(place.engine, "viewer", name="leaver"))
    assert visitor.get("/").url.path == "/"
    with place.engine.transaction() as connection:
        number = principals.principal_row(connection, 1, "leaver").id
        principals.change_active(connection, number, active=False)
    assert visitor.get("/").url.path == "/login"


@pytest.mark.parametrize("path", ["/login", "/logout", "/view"])
def test_forms_of_others_do_nothing(place, enter, path):
    visitor = enter("operator")
    secret = visitor.cookies["ferraris_session"]
    key = form_key(visitor.get("/").text)
    fields = {"token": place.token("viewer"), "theme": "dark"}
    tries = [
        (fields, {}),
        ({**fields, "csrf": ""}, {}),
        ({**fields, "csrf": "0" * len(key)}, {}),
        ({**fields, "csrf": "é"}, {}),
        ({**fields, "csrf": key}, {"Origin": "https://evil.example"}),
        ({**fields, "csrf": key}, {"Origin": "null"}),
        ({**fields, "csrf": key}, {"Sec-Fetch-Site": "cross-site"}),
        ({**fields, "csrf": key}, {"Sec-Fetch-Site": "same-site"}),
    ]
    for data, headers in tries:
        answer = visitor.post(path, data=data, headers=headers, follow_redirects=False)
        assert answer.status_code == 403, (data, headers)
        assert "This form does not hold any more" in answer.text
        assert visitor.cookies["ferraris_session"] == secret
        assert visitor.cookies.get("ferraris_view") is None
    fine = {"Origin": "https://headend.example", "Sec-Fetch-Site": "same-origin"}
    answer = visitor.post(
        "/view", data={"csrf": key, "theme": "dark"}, headers=fine, follow_redirects=False
    )
    assert answer.status_code == 303


def test_the_key_of_another_session_does_not_fit(place, enter):
    other = form_key(enter("viewer").get("/").text)
    visitor = enter("operator")
    assert visitor.post("/logout", data={"csrf": other}).status_code == 403


@pytest.mark.parametrize(
    ("going", "arrives"),
    [
        ("/meters?q=1", "/meters?q=1"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_sent_away(going, arrives):
    assert local_path(going) == arrives


def test_after_signing_in_one_is_where_one_wanted_to_be(place, visitor):
    shown = visitor.get("/meters?q=FRR")
    going = re.search(r'<input type="hidden" name="next" value="(/meters[^"]*)"', shown.text)[1]
    form = {"token": place.token("viewer"), "csrf": form_key(shown.text), "next": going}
    assert str(visitor.post("/login", data=form).url).endswith("/meters?q=FRR")


def test_what_was_done_is_in_the_audit_log(place, enter):
    visitor = enter("auditor")
    visitor.post("/logout", data={"csrf": form_key(visitor.get("/").text)})
    with place.engine.reading() as connection:
        lines = connection.execute(
            select(AUDIT.c.action, AUDIT.c.outcome).where(AUDIT.c.principal == "auditor")
        ).all()
    assert [tuple(line) for line in lines] == [("sign_in", "done"), ("sign_out", "done")]


def test_every_answer_has_a_strict_policy(place, enter, visitor):
    entered_ = enter("operator")
    static = re.search(r'href="(/static/[^"]+page.css)"', entered_.get("/").text)[1]
    paths = [*PAGES, "/login", "/no/such/page", "/meters/nobody", static, "/static/0/page.css"]
    for path in paths:
        answer = entered_.get(path, follow_redirects=False)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        lasting = path == static
        assert ("immutable" in answer.headers["cache-control"]) == lasting
    assert entered_.get("/no/such/page").status_code == 404


def test_forms_have_a_bound(visitor):
    key = form_key(visitor.get("/login").text)
    answer = visitor.post("/login", data={"csrf": key, "token": "x" * 100_000})
    assert answer.status_code == 413
    assert visitor.post(
        "/login", content=b"\xff\x00", headers={"content-type": "text/x"}
    ).status_code in (400, 403)


ISSUER = "https://login.example"
KEY = ec.generate_private_key(ec.SECP256R1())


def vouched(*roles):
    """A token of a provider for jane, with roles in its claims."""
    claims = {"iss": ISSUER, "aud": "headend", "sub": "jane", "exp": town.NOW + 3600}
    return jwt.encode({**claims, "roles": roles}, KEY, "ES256", headers={"kid": "k"})


@pytest.fixture
def through_provider(place):
    """A browser in front of a page that lets in whom a provider vouches for."""

    def published(url, *_):
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        return {"keys": [key | {"kid": "k", "use": "sig"}]}

    place.clock.now = town.NOW
    settings = OpenIdSettings(
        ISSUER, "headend", roles={"ops": "operator", "look": "viewer"}, tenant="town"
    )
    clocks = {"clock": place.clock, "monotonic": time.monotonic}
    provider = OpenIdProvider(settings, fetch=published, **clocks)
    access = Access(place.engine, place.house.journal.write, providers=[provider], **clocks)
    page = Page(place.house, access)
    app = Litestar(page.routes, openapi_config=None)
    with TestClient(app, base_url="https://headend.example") as client:
        yield client
    page.close()


def test_roles_of_a_providers_token_hold_for_the_whole_session(place, through_provider):
    visitor = through_provider
    assert entered(visitor, vouched("ops")).status_code == 303
    assert "Read now" in visitor.get(f"/meters/{town.SHOWN}").text
    # What the store grants besides comes and goes; what the token brought stays.
    with place.engine.transaction() as connection:
        jane = principals.principal_row(connection, 1, "jane@login.example").id
        principals.grant(connection, 1, jane, Grant("operator"))
    assert entered(visitor, vouched("ops")).status_code == 303
    with place.engine.transaction() as connection:
        principals.withdraw(connection, jane, Grant("operator"))
    assert "Read now" in visitor.get(f"/meters/{town.SHOWN}").text
    # The next token says less.
    assert entered(visitor, vouched("look")).status_code == 303
    assert "Read now" not in visitor.get(f"/meters/{town.SHOWN}").text


def test_a_providers_token_without_a_role_shows_nothing(through_provider):
    assert entered(through_provider, vouched()).status_code == 303
    page = through_provider.get("/").text
    assert "You would need the right" in page
    assert town.SHOWN not in page
