"""The OpenAPI document: complete, and true for requests that nobody thought of."""

from __future__ import annotations

import warnings
from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings
from tests.headend.api.conftest import BOTH

from ferraris.headend.api.document import openapi
from ferraris.headend.api.routing import Routes
from ferraris.headend.operations.registry import collected

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its imports are not ours
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_every_operation_has_a_route_and_is_described() -> None:
    document = openapi(collected())
    routes = Routes(collected())
    for each in collected():
        described = document["paths"][f"/v1{each.path}"][each.method.lower()]
        assert described["operationId"] == each.name
        path = each.path.replace("{", "").replace("}", "").encode()
        assert routes.find(each.method, path).operation is each
    assert "/v1/changes" in document["paths"]


def test_descriptions_say_what_types_do_not() -> None:
    schemas = openapi(collected())["components"]["schemas"]
    assert schemas["AuditLine"]["properties"]["at"] == {"type": "string", "format": "date-time"}
    assert schemas["NewToken"]["properties"]["name"]["description"] == "What it is for."
    assert schemas["NewToken"]["additionalProperties"] is False
    assert schemas["AuditLine"]["required"][0] == "at"


@BOTH
def test_requests_that_nobody_thought_of(made, back_end) -> None:
    api = made(requests_a_second=1e9, burst=10**9)
    document = api.ask("GET", "/v1/openapi.json", who=None).json
    del document["paths"]["/v1/changes"]  # it does not end
    schema = schemathesis.openapi.from_dict(document)
    schema.app = api.app
    token = {"Authorization": f"Bearer {api.tokens['admin']}"}
    statuses = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=3 if back_end == "postgresql" else 5,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case) -> None:
            response = case.call(headers=token)
            statuses[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        ask()
    assert statuses[200] > 0
    assert statuses[401] == 0
