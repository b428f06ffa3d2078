"""Requests that should work, requests that must not, and what each leaves in the audit log."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import jwt
from sqlalchemy import select, text
from tests.headend.api.conftest import BOTH

from ferraris.headend.access import tokens
from ferraris.headend.access.openid import OpenIdSettings
from ferraris.headend.audit import check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.access import AUDIT, PRINCIPAL, TOKEN
from ferraris.headend.store.tables.inventory import METER


def audited(api):
    with api.house.engine.reading() as connection:
        assert check(connection) == []
        rows = connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).all()
    return [(row.principal, row.action, row.subject, row.outcome) for row in rows]


def model(api, meter="a"):
    with api.house.engine.reading() as connection:
        wanted = select(METER.c.model).where(METER.c.external_id == meter)
        return connection.execute(wanted).scalar()


def check_problem(got, status):
    assert got.status == status, got
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json["status"] == status
    assert set(got.json) == {"type", "title", "status", "detail"}
    return got.json["detail"]


@BOTH
def test_a_view_a_change_and_their_line(api) -> None:
    got = api.ask("GET", "/v1/planted/a")
    assert (got.status, got.json) == (200, {"meter": "a", "model": ""})
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in got.headers
    assert api.ask("HEAD", "/v1/planted/a").body == b""
    assert api.ask("GET", "/v1/planted/x%2Fy%20%C3%BC").json["meter"] == "x/y ü"
    got = api.ask("PUT", "/v1/planted/a", body={"model": "m"})
    assert (got.status, got.json["model"]) == (200, "m")
    assert audited(api) == [("admin", "change_planted", "a", "done")]


def test_nobody_comes_in_without_a_token(api) -> None:
    good = api.tokens["admin"]
    for who in (None, "", "wrong", good[:-1], good + "x", "é" * 50, "a.b.c"):
        for path in ("/v1/planted/a", "/v1/nowhere", "/v1/principals"):
            got = api.ask("GET", path, who=who)
            check_problem(got, 401)
            assert got.headers["www-authenticate"].startswith("Bearer")
    basic = [("Authorization", "Basic YTpi")]
    check_problem(api.ask("GET", "/v1/planted/a", who=None, headers=basic), 401)
    check_problem(api.ask("GET", "/v1/planted/a", headers=basic), 400)  # two of them
    assert audited(api) == []


def test_a_provider_that_is_away_is_not_the_end(made, caplog) -> None:
    api = made(openid=(OpenIdSettings("http://127.0.0.1:1", "ferraris"),))
    claims = {"iss": "http://127.0.0.1:1", "aud": "ferraris", "sub": "x", "exp": 9e9}
    shown = jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": "k"})
    check_problem(api.ask("GET", "/v1/me", who=shown), 401)  # an algorithm that is not allowed
    head = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"k"}').rstrip(b"=").decode()
    got = api.ask("GET", "/v1/me", who=head + shown[shown.index(".") :])
    assert "127.0.0.1" not in check_problem(got, 503)
    assert got.headers["retry-after"] == "5"
    assert api.ask("GET", "/v1/me").status == 200


def test_a_token_that_was_revoked_or_has_expired(api) -> None:
    assert api.ask("GET", "/v1/me", who="viewer").status == 200
    with api.house.engine.transaction() as connection:
        row = connection.execute(
            select(TOKEN)
            .join(PRINCIPAL, PRINCIPAL.c.id == TOKEN.c.principal)
            .where(PRINCIPAL.c.name == "viewer")
        ).one()
        tokens.revoke(connection, row.principal, row.id, at_s=api.clock())
    api.clock.now_s += 5
    check_problem(api.ask("GET", "/v1/me", who="viewer"), 401)
    api.clock.now_s += 86_400
    check_problem(api.ask("GET", "/v1/me", who="analyst"), 401)
    assert audited(api) == [
        ("viewer", "sign_in", "viewer", "refused"),
        ("analyst", "sign_in", "analyst", "refused"),
    ]


def test_a_viewer_who_writes(api) -> None:
    detail = check_problem(api.ask("PUT", "/v1/planted/a", who="viewer", body={"model": "m"}), 403)
    assert detail == "viewer lacks the right to manage meters"
    check_problem(api.ask("GET", "/v1/principals", who="viewer"), 403)
    assert model(api) == ""
    assert audited(api) == [
        ("viewer", "change_planted", "a", "refused"),
        ("viewer", "list_principals", "", "refused"),
    ]


@BOTH
def test_what_is_of_another_tenant_is_not_there(api) -> None:
    """Nor what is of another group: the same answer as for what does not exist."""
    for who, others in (("stranger", "ab"), ("admin", "c"), ("north", "bc")):
        answers = {
            api.ask(method, f"/v1/planted/{meter}", who=who, body=body).body.replace(
                f"'{meter}'".encode(), b"'?'"
            )
            for meter in (*others, "nosuch")
            for method, body in (("GET", None), ("PUT", {"model": "m"}))
        }
        assert len(answers) == 1, who
        assert b'"status":404' in answers.pop()
    assert api.ask("GET", "/v1/planted/a", who="north").status == 200
    assert {model(api, meter) for meter in "abc"} == {""}
    assert {outcome for *_, outcome in audited(api)} == {"refused"}
    assert api.ask("GET", "/v1/principals", who="stranger").json["items"][0]["name"] == "stranger"
    check_problem(api.ask("GET", "/v1/principals/viewer", who="stranger"), 404)
    check_problem(api.ask("GET", "/v1/principals", who="north"), 403)


@BOTH
def test_an_error_tells_nothing_of_the_inside(api, caplog) -> None:
    got = api.ask("PUT", "/v1/planted/a", body={"model": "m", "how": "break"})
    check_problem(got, 500)
    assert b"secret" not in got.body
    assert b"Zero" not in got.body
    assert caplog.text.count("ZeroDivisionError") > 0
    with api.house.engine.transaction() as connection:
        connection.execute(text("ALTER TABLE meter RENAME TO elsewhere"))
    got = api.ask("GET", "/v1/planted/a")
    check_problem(got, 500)
    with api.house.engine.transaction() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO meter"))
    for told in (b"meter", b"elsewhere", b"sqlite", b"postgresql", b"SELECT"):
        assert told not in got.body
    assert audited(api) == [("admin", "change_planted", "a", "failed")]


DOCUMENTS = [
    ({"raw": b"x" * 6_000_000}, 413),
    ({"raw": b"", "headers": [("Content-Length", str(10 << 20))]}, 413),
    ({"raw": b"{}", "headers": [("Content-Length", "-1")]}, 400),
    ({"raw": b"[" * 1_000_000 + b"]" * 1_000_000}, 400),
    ({"raw": b'{"model":' + b"[" * 70 + b"]" * 70 + b"}"}, 400),
    ({"raw": b'{"model":"\xff"}'}, 400),
    ({"raw": b'{"model":"\\u0000"}'}, 400),
    ({"raw": b'{"model":"\\ud800"}'}, 400),
    ({"raw": b'{"model":"a"'}, 400),
    ({"raw": b"model=a"}, 400),
    ({"raw": b"null"}, 400),
    ({"raw": b"[]"}, 400),
    ({"raw": b'{"model":1}'}, 400),
    ({"raw": b'{"model":NaN}'}, 400),
    ({"raw": b'{"model":1e999}'}, 400),
    ({"raw": b'{"model":"a","more":1}'}, 400),
    ({"raw": b'{"model":' + b"9" * 4000 + b"}"}, 400),
    ({"raw": b""}, 400),
    ({"raw": b'{"model":"a"}', "headers": [("Content-Type", "text/plain")]}, 415),
    ({"body": {"model": "a"}, "headers": [("Idempotency-Key", "")]}, 400),
    ({"body": {"model": "a"}, "headers": [("Idempotency-Key", "a\x01b")]}, 400),
    ({"body": {"model": "a"}, "headers": [("Idempotency-Key", "k" * 201)]}, 400),
    ({"body": {"model": "a"}, "headers": [("If-Match", '"stale"')]}, 412),
]


@BOTH
def test_documents_that_are_none(api) -> None:
    for what, status in DOCUMENTS:
        check_problem(api.ask("PUT", "/v1/planted/a", **what), status)
    assert model(api) == ""
    assert audited(api) == [("admin", "change_planted", "a", "refused")] * len(DOCUMENTS)


ADDRESSES = [
    ("/v1", 404),
    ("/v1/", 404),
    ("/v1/nowhere", 404),
    ("/v1/planted", 404),
    ("/v1/planted/", 404),
    ("/v1/planted/../principals", 404),
    ("/v1/planted/..%2Fprincipals", 404),
    ("/v1/planted/%2e%2e/principals", 404),
    ("/v1/planted/a/", 200),
    ("/v1/planted/a%00", 400),
    ("/v1/planted/%ff", 400),
    ("/v1/planted/%zz", 404),
    ("/v1/planted/a?x=1", 400),
    ("/v1/planted/a/columns?chunks=1&chunks=2", 400),
    ("/v1/planted/a/columns?chunks=x", 400),
    ("/v1/planted/a/columns?chunks=9223372036854775808", 400),
    ("/v1/audit?after=%00", 400),
    ("/v1/audit?subject=%ff", 400),
    ("/v1/audit?subject=" + "a" * 9000, 414),
    ("/v1/audit?" + "&".join(["a"] * 200), 400),
    ("/v1/audit?since=0001-01-01T00:00:00%2B14:00", 400),
    ("/v1/audit?since=9999-12-31T23:59:59", 200),
    ("/v1/audit?limit=1001", 400),
    ("/v1/changes?kind=x", 400),
    ("/v1/changes?since=x", 400),
    ("/v1/principals/" + "%F0%9F%92%A9" * 2000, 404),
    ("/", 404),
    ("/v2/me", 404),
]


def test_addresses_with_tricks(api) -> None:
    for path, status in ADDRESSES:
        got = api.ask("GET", path)
        assert got.status == status, (path, got)
        if status != 200:
            check_problem(got, status)


def test_methods_that_are_not_there(api) -> None:
    for method in ("DELETE", "OPTIONS", "TRACE", "get", "X"):
        got = api.ask(method, "/v1/planted/a")
        check_problem(got, 405)
        assert got.headers["allow"] == "GET, HEAD, PUT"


@BOTH
def test_a_long_answer_and_its_name(api) -> None:
    got = api.ask("GET", "/v1/planted/a/columns?chunks=5")
    assert (got.status, got.body) == (200, b"aaaaa")
    assert got.headers["content-disposition"] == 'attachment; filename="__..__X_ y.bin"'
    for _ in range(40):
        assert api.ask("HEAD", "/v1/planted/a/columns").body == b""


@BOTH
def test_versions_of_a_view(api) -> None:
    tag = api.ask("GET", "/v1/planted/a").headers["etag"]
    got = api.ask("GET", "/v1/planted/a", headers=[("If-None-Match", tag)])
    assert (got.status, got.body) == (304, b"")
    matching = [("If-Match", tag)]
    assert api.ask("PUT", "/v1/planted/a", body={"model": "1"}, headers=matching).status == 200
    got = api.ask("PUT", "/v1/planted/a", body={"model": "2"}, headers=matching)
    check_problem(got, 412)
    assert api.ask("GET", "/v1/planted/a", headers=[("If-None-Match", tag)]).status == 200
    assert model(api) == "1"


@BOTH
def test_a_request_with_a_key(api, made) -> None:
    key = [("Idempotency-Key", "k-1")]

    def put(api, model="m", headers=key, **more):
        return api.ask("PUT", "/v1/planted/a", body={"model": model}, headers=headers, **more)

    first = put(api)
    again = put(made())  # another process, as it were: nothing is kept in memory
    assert (first.status, first.body) == (again.status, again.body) == (200, first.body)
    assert model(api) == "m"
    check_problem(put(api, "other"), 422)
    check_problem(put(api, who="viewer"), 403)
    assert put(api, headers=[("Idempotency-Key", "k-2")]).json["model"] == "mm"
    with ThreadPoolExecutor(4) as pool:
        apis = [made() for _ in range(4)]
        for each in apis:
            each.loop = __import__("asyncio").new_event_loop()
        third = [("Idempotency-Key", "k-3")]
        answers = list(pool.map(lambda api: put(api, headers=third).body, apis))
        for each in apis:
            each.loop.close()
    assert len(set(answers)) == 1
    assert model(api) == "mmm"
    token = {"name": "t"}
    got = api.ask("POST", "/v1/principals/viewer/tokens", body=token, headers=key)
    assert "secret" in check_problem(got, 400)


def test_who_asks_too_often_waits(made) -> None:
    api = made(requests_a_second=10, burst=5)
    statuses = [api.ask("GET", "/v1/me").status for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert int(api.ask("GET", "/v1/me").headers["retry-after"]) >= 1
    assert api.ask("GET", "/v1/me", who="viewer").status == 200
    api.clock.now_s += 0.2
    assert [api.ask("GET", "/v1/me").status for _ in range(3)] == [200, 200, 429]


def test_who_guesses_tokens_waits_longer(made) -> None:
    api = made(requests_a_second=10, burst=50)
    statuses = [api.ask("GET", "/v1/me", who=f"ferraris_{n}").status for n in range(40)]
    assert statuses.count(401) <= 200 / 10
    assert statuses[-1] == 429
    assert api.ask("GET", "/v1/me", address="127.0.0.2").status == 200


@BOTH
def test_access_is_managed(api) -> None:
    created = api.ask("POST", "/v1/principals", body={"name": "eve", "roles": ["viewer"]})
    assert created.json["grants"] == [{"role": "viewer", "group": ""}]
    check_problem(api.ask("POST", "/v1/principals", body={"name": "eve", "roles": []}), 409)
    check_problem(api.ask("POST", "/v1/principals", body={"name": "x", "roles": ["god"]}), 400)
    got = api.ask("POST", "/v1/principals/eve/tokens", body={"name": "laptop", "days": 1})
    secret = got.json["token"]
    mine = api.ask("GET", "/v1/me", who=secret).json
    assert mine == {
        "name": "eve",
        "tenant": "main",
        "rights": ["see meters"],
        "rights_for_some": [],
    }
    north = {"role": "operator", "group": "north"}
    assert api.ask("POST", "/v1/principals/eve/grants", body=north).status == 200
    check_problem(api.ask("POST", "/v1/principals/eve/grants", body=north), 409)
    nowhere = {"role": "operator", "group": "nowhere"}
    check_problem(api.ask("POST", "/v1/principals/eve/grants", body=nowhere), 404)
    api.clock.now_s += 5
    assert "command" in api.ask("GET", "/v1/me", who=secret).json["rights_for_some"]
    listed = api.ask("GET", "/v1/principals/eve/tokens")
    assert secret.encode() not in listed.body
    number = listed.json[0]["number"]
    check_problem(api.ask("DELETE", f"/v1/principals/viewer/tokens/{number}"), 404)
    assert api.ask("DELETE", f"/v1/principals/eve/tokens/{number}").status == 204
    api.clock.now_s += 5
    check_problem(api.ask("GET", "/v1/me", who=secret), 401)
    assert secret not in json.dumps(audited(api))
    with api.house.engine.reading() as connection:
        lines = connection.execute(select(AUDIT.c.detail)).scalars().all()
    assert not any(secret.removeprefix(tokens.PREFIX) in line for line in lines)


def test_somebody_can_always_manage_access(api) -> None:
    admin = {"role": "administrator"}
    check_problem(api.ask("POST", "/v1/principals/admin/grants/withdraw", body=admin), 409)
    check_problem(api.ask("PATCH", "/v1/principals/admin", body={"active": False}), 409)
    assert api.ask("POST", "/v1/principals/viewer/grants", body=admin).status == 200
    assert api.ask("PATCH", "/v1/principals/admin", body={"active": False}).status == 200
    api.clock.now_s += 5
    check_problem(api.ask("GET", "/v1/me"), 401)


def test_the_store_is_away(api, monkeypatch) -> None:
    assert api.ask("GET", "/v1/planted/a").status == 200

    from ferraris.headend.store.records import StoreAwayError

    def away(*_):
        raise StoreAwayError("postgresql://user@host/db: gone")

    monkeypatch.setattr(Engine, "reading", away)
    monkeypatch.setattr(Engine, "transaction", away)
    for method, body in (("GET", None), ("PUT", {"model": "m"})):
        got = api.ask(method, "/v1/planted/a", body=body)
        assert "host" not in check_problem(got, 503)
        assert got.headers["retry-after"] == "2"
