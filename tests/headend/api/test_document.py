"""The OpenAPI document: complete, and true for requests that nobody thought of."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from tests.headend.api.conftest import BOTH

from ferraris.headend.api.document import openapi
from ferraris.headend.api.examples import BODIES, PATHS
from ferraris.headend.api.routing import Routes
from ferraris.headend.operations.registry import collected
from ferraris.headend.operations.shape import shape_of

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


def test_every_operation_says_all_that_a_program_needs() -> None:
    """What it is for, whose right it needs, what goes in with an example, what can go wrong."""
    document = openapi(collected())
    for each in collected():
        described = document["paths"][f"/v1{each.path}"][each.method.lower()]
        assert described["summary"].endswith("."), each.name
        assert ("Needs the right to" in described["description"]) == (each.right is not None)
        responses = described["responses"]
        assert {"400", "401", "403", "404", "500", "503"} <= responses.keys()
        assert all(told["description"] for told in responses.values())
        shape = shape_of(each)
        paths = {found.name: str(PATHS[found.name]) for found in shape.path}
        query = {found.name: ["1"] for found in shape.query if found.required}
        if shape.body is not None:
            example = described["requestBody"]["content"]["application/json"]["example"]
            bound = shape.bind(paths, {}, example) if not query else None
            assert bound is None or isinstance(bound["body"], shape.body)
        for parameter in described.get("parameters", ()):
            if parameter["in"] == "path":
                assert parameter["example"] == PATHS[parameter["name"]]
    assert BODIES.keys() == {each.name for each in collected() if shape_of(each).body is not None}


def test_names_of_schemas_are_stable() -> None:
    """Programs are generated from them: a name goes as a name of the public face goes."""
    names = sorted(openapi(collected())["components"]["schemas"])
    kept = Path(__file__).with_name("schema_names.txt").read_text().split()
    assert sorted(set(kept) - set(names)) == []  # new ones are added to the file


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
