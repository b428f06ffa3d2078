"""The OpenAPI document of the API, made out of the declared operations and their types."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, get_args, get_origin

import msgspec

from ferraris._version import __version__
from ferraris.headend.api.examples import BODIES, PATHS, PROBLEM_EXAMPLE
from ferraris.headend.operations.operation import Operation
from ferraris.headend.operations.paging import MOST
from ferraris.headend.operations.shape import Field, Shape, bare, body_fields, is_list, shape_of
from ferraris.headend.operations.streams import Stream
from ferraris.headend.operations.watching import RIGHTS

__all__ = ["openapi"]

_PLACE: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {
    "description": "A problem document (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM_SCHEMA: Final = {
    "title": "Problem",
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": "A URN that names the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
    "examples": [PROBLEM_EXAMPLE],
}
# Statuses of problems: of every request, and of those that change something.
_ALWAYS: Final = (400, 401, 403, 404, 414, 429, 500, 502, 503, 507)
_CHANGING: Final = (408, 409, 412, 413, 415, 422)
_TITLES: Final = {
    400: "The request cannot be understood.",
    401: "No token, or one that opens nothing.",
    403: "The caller has no right to this.",
    404: "There is no such thing, or not for this caller.",
    408: "The document did not come in time.",
    409: "It does not fit what is there.",
    412: "It was changed since the caller looked at it.",
    413: "The document is too large.",
    414: "The address is too long.",
    415: "Documents are application/json.",
    422: "The idempotency key belongs to another request.",
    429: "Too many requests; Retry-After says when to come back.",
    500: "The head-end failed.",
    502: "A meter or another peer failed.",
    503: "The store does not answer at the moment, nothing was changed.",
    507: "The store has no room left, nothing was changed.",
}
_KEY_HEADER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Sent twice with the same key, a request is carried out once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
_MATCH_HEADER: Final = {
    "name": "If-Match",
    "in": "header",
    "description": "Only while the resource still has this ETag.",
    "schema": {"type": "string", "pattern": '^("[!#-~]*"|\\*)$'},
}
_NONE_MATCH_HEADER: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Answer 304 while the resource still has this ETag.",
    "schema": {"type": "string", "pattern": '^"[!#-~]*"$'},
}


_CHANGES: Final = {
    "operationId": "watch_changes",
    "summary": "Watch what is new, as server-sent events.",
    "description": (
        "Each event has a kind, a subject and a small detail, never readings; it is told to those"
        " who have the right to see it. After a pause, Last-Event-ID goes on where the stream"
        " ended: nothing is missed, and some events may come again, which their number tells."
    ),
    "tags": ["changes"],
    "parameters": [
        {
            "name": "kind",
            "in": "query",
            "description": "Only these kinds.",
            "explode": True,
            "schema": {"type": "array", "items": {"type": "string", "enum": sorted(RIGHTS)}},
        },
        {
            "name": "Last-Event-ID",
            "in": "header",
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
        },
    ],
    "responses": {
        "200": {
            "description": "Events, until one side ends it.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **{
            str(status): _PROBLEM | {"description": _TITLES[status]}
            for status in (400, 401, 429, 500, 503)
        },
    },
}


def openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document, version 3.1."""
    types = {id(kind): kind for each in operations for kind in _types(shape_of(each))}
    schemas, components = msgspec.json.schema_components(list(types.values()), ref_template=_PLACE)
    known = dict(zip(types, schemas, strict=True))
    for kind in types.values():
        _refine(kind, components)
    for each in operations:
        body = shape_of(each).body
        if body_fields(body):
            # What nobody knows is refused, and so it is described.
            components[body.__name__]["additionalProperties"] = False
    paths: dict[str, Any] = {}
    gets = {each.path for each in operations if not each.changes}
    for each in operations:
        made = _operation(each, known, versioned=each.path in gets)
        paths.setdefault(f"/v1{each.path}", {})[each.method.lower()] = made
    paths["/v1/changes"] = {"get": _CHANGES}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ferraris head-end",
            "version": __version__,
            "description": "Inventory, collection, readings and access of a smart-metering system.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in sorted({_tag(each) for each in operations})],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((components | {"Problem": _PROBLEM_SCHEMA}).items())),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of this head-end, or one of its OpenID providers.",
                }
            },
        },
    }


def _types(shape: Shape) -> list[Any]:
    found = [each.type for each in (*shape.path, *shape.query)]
    if shape.body is not None:
        found.append(shape.body)
    if shape.result is not Stream and shape.result is not type(None):
        found.append(shape.result)
    return found


def _tag(operation: Operation) -> str:
    return operation.path.strip("/").partition("/")[0]


def _operation(
    operation: Operation, known: Mapping[int, Any], *, versioned: bool
) -> dict[str, Any]:  # fmt: skip
    shape = shape_of(operation)
    parameters = [_parameter(each, "path", known) for each in shape.path]
    parameters += [_parameter(each, "query", known) for each in shape.query]
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _description(operation),
        "tags": [_tag(operation)],
    }
    if operation.changes:
        if not operation.secret:
            parameters.append(_KEY_HEADER)
        if versioned:
            parameters.append(_MATCH_HEADER)
    elif shape.result is not Stream:
        parameters.append(_NONE_MATCH_HEADER)
    if parameters:
        made["parameters"] = parameters
    if shape.body is not None:
        content: dict[str, Any] = {"schema": known[id(shape.body)]}
        if operation.name in BODIES:
            content["example"] = BODIES[operation.name]
        made["requestBody"] = {
            "required": shape.body_required,
            "content": {"application/json": content},
        }
    made["responses"] = _responses(operation, shape, known)
    return made


def _description(operation: Operation) -> str:
    text = inspect.getdoc(operation.function) or ""
    needs = f"Needs the right to {operation.right}." if operation.right else "For every caller."
    return f"{text}\n\n{needs}"


def _parameter(field: Field, place: str, known: Mapping[int, Any]) -> dict[str, Any]:
    schema = dict(known[id(field.type)])
    if place == "query":
        schema = _without_null(schema)
        if field.name == "limit":
            schema |= {"minimum": 1, "maximum": MOST}
        if field.default not in (None, "", [], ()) and isinstance(field.default, str | int | float):
            schema["default"] = field.default
    elif field.type is str:
        schema["minLength"] = 1
    if bare(field.type) is int:
        schema.setdefault("format", "int64")
    made = {"name": field.name, "in": place, "required": field.required, "schema": schema}
    if is_list(field.type):
        made["explode"] = True
    if field.help:
        made["description"] = field.help
    if place == "path" and field.name in PATHS:
        made["example"] = PATHS[field.name]
    return made


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: an argument that is not there is left out."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return dict(choices[0]) if len(choices) == 1 else schema


def _responses(operation: Operation, shape: Shape, known: Mapping[int, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if shape.result is Stream:
        responses["200"] = {
            "description": "The answer, while it is made.",
            "content": {"*/*": {"schema": {}}},
        }
    elif shape.result is type(None):
        responses["204"] = {"description": "Done."}
    else:
        responses["200"] = {
            "description": "Done." if operation.changes else "The answer.",
            "content": {"application/json": {"schema": known[id(shape.result)]}},
        }
    if not operation.changes and shape.result is not Stream:
        responses["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
        responses["304"] = {"description": "It is what the caller has."}
    statuses = (*_ALWAYS, *_CHANGING) if operation.changes else _ALWAYS
    for status in sorted(statuses):
        responses[str(status)] = _PROBLEM | {"description": _TITLES[status]}
    return responses


def _refine(kind: Any, components: Mapping[str, Any]) -> None:
    """Say of records what msgspec does not: moments, what fields mean, tidy descriptions."""
    for inner in get_args(kind):
        _refine(inner, components)
    plain = get_origin(kind) or kind
    fields = body_fields(plain)
    for name in _names(kind, components) if fields else ():
        schema = components[name]
        schema["description"] = inspect.getdoc(plain) or ""
        for field in fields:
            told = schema.get("properties", {}).get(field.name)
            if told is None:
                continue
            if bare(field.type) is datetime:
                for each in told.get("anyOf", [told]):
                    if each.get("type") == "string":
                        each["format"] = "date-time"
            if field.help:
                told["description"] = field.help
    for field in fields:
        if field.type is not kind:
            _refine(field.type, components)


def _names(kind: Any, components: Mapping[str, Any]) -> list[str]:
    """Under which names a type stands among the components; generic ones stand there often."""
    name = (get_origin(kind) or kind).__name__
    return [each for each in components if each == name or each.startswith(f"{name}_")]
