"""Shipment files through the API: longer than other documents, and no longer than that."""

from __future__ import annotations

import asyncio
from base64 import b64encode

from ferraris.headend.operations.shipments import MOST_OCTETS

USUAL = 2_000
MIB = 1 << 20


def shipment(count):
    rows = "".join(f"E{number},FRR-1\n" for number in range(count))
    return {"file": b64encode(f"external_id,model\n{rows}".encode()).decode()}


def test_a_shipment_is_longer_than_other_documents_and_comes_in_once(made):
    api = made(most_body_octets=USUAL)
    assert api.ask("PUT", "/v1/planted/a", body={"model": "m" * USUAL}).status == 413
    once = {"headers": [("Idempotency-Key", "monday")], "body": shipment(1000)}
    first = api.ask("POST", "/v1/shipments", **once)
    assert (first.status, first.json["new"]) == (200, 1000)
    again = api.ask("POST", "/v1/shipments", **once)
    assert again.body == first.body
    assert api.ask("POST", "/v1/shipments", body=shipment(1000)).json["unchanged"] == 1000


def test_one_wrong_row_refuses_all_of_a_long_file(made):
    api = made(most_body_octets=USUAL)
    rows = b"".join(b"E%d,FRR-1\n" % number for number in range(500))
    document = {"file": b64encode(b"external_id,model\na/b,FRR-1\n" + rows).decode()}
    got = api.ask("POST", "/v1/shipments", body=document)
    assert got.status == 400
    assert "line 2, external_id" in got.json["detail"]
    assert [each["meter"] for each in api.ask("GET", "/v1/meters").json["items"]] == [
        "a",
        "b",
        "x/y ü",
    ]


def test_beyond_its_own_limit_it_is_refused_before_it_is_read(made):
    api = made()
    headers = [("Content-Length", str(MOST_OCTETS + 1))]
    got = api.ask("POST", "/v1/shipments", raw=b"{}", headers=headers)
    assert got.status == 413
    assert f"{64 * MIB} octets at most: send it in parts" in got.json["detail"]


def test_who_may_not_import_sends_nothing_long(made):
    api = made(most_body_octets=USUAL)
    assert api.ask("POST", "/v1/shipments", who="viewer", body=shipment(1000)).status == 413
    assert api.ask("POST", "/v1/shipments", who="viewer", body=shipment(1)).status == 403


def test_only_some_long_documents_at_a_time(made):
    api = made(most_body_octets=USUAL, most_long_documents=1)

    async def two():
        held, begun = asyncio.Event(), asyncio.Event()
        first, second = [], []

        async def slowly():
            begun.set()
            await held.wait()
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def to_first(message):
            first.append(message)

        async def to_second(message):
            second.append(message)

        scope = api.scope("POST", "/v1/shipments")
        sending = asyncio.ensure_future(api.app(scope, slowly, to_first))
        await begun.wait()
        await api.app(api.scope("POST", "/v1/shipments"), slowly, to_second)
        held.set()
        await sending
        return first[0], second[0]

    first, second = api.loop.run_until_complete(two())
    assert second["status"] == 503
    assert (b"retry-after", b"10") in second["headers"]
    assert first["status"] == 400  # it was taken up, and had no file
