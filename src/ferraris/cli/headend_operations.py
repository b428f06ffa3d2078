"""Commands made out of operations: words, arguments, options, and what they print."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any, get_args

import typer

from ferraris.cli.headend_asking import asking
from ferraris.cli.headend_documents import document
from ferraris.cli.headend_printing import show
from ferraris.core.errors import UsageError
from ferraris.headend.operations.operation import Operation
from ferraris.headend.operations.shape import Field, bare, body_fields, is_list, shape_of
from ferraris.headend.operations.streams import Stream

__all__ = ["add_operation", "command_of"]


def add_operation(app: typer.Typer, name: str, operation: Operation) -> None:
    """Add the command of an operation."""
    if operation.name == "import_shipment":
        from ferraris.cli.headend_shipments import command_of_import

        app.command(name)(command_of_import(operation))
        return
    app.command(name, help=(operation.function.__doc__ or "").strip())(command_of(operation))


def command_of(operation: Operation) -> Callable[..., int]:
    """A function that typer can read: it asks for the operation and prints the answer."""
    shape = shape_of(operation)
    fields = body_fields(shape.body)

    def run(context: typer.Context, **given: Any) -> int:
        path = {each.name: given[f"path_{each.name}"] for each in shape.path}
        query = {
            each.name: _texts(given[f"query_{each.name}"])
            for each in shape.query
            if given[f"query_{each.name}"] is not None
        }
        values = [(each, given[f"field_{each.name}"]) for each in fields]
        body = document(shape, given.get("body"), values)
        if shape.result is Stream and given["as_json"] and not given["out"]:
            raise UsageError("this answer is no JSON: name a file for it, with --out")
        with asking(context) as head:
            answer = head.ask(operation, path, query, body)
            return show(answer, as_json=given["as_json"], out=given.get("out"))

    parameters = [Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
    parameters += [_argument(each) for each in shape.path]
    parameters += [_option(f"query_{each.name}", each) for each in shape.query]
    parameters += [_option(f"field_{each.name}", each) for each in fields]
    if shape.body is not None:
        parameters.append(_keyword("body", _BODY, None))
    parameters += [_keyword("as_json", _AS_JSON, False), _keyword("out", _OUT, None)]
    run.__signature__ = Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": int}
    run.__name__ = operation.name
    return run


_BODY = Annotated[
    str | None, typer.Option("--body", metavar="FILE|-|JSON", help="The whole document as JSON.")
]
_AS_JSON = Annotated[bool, typer.Option("--json", help="JSON.")]
_OUT = Annotated[
    str | None, typer.Option("--out", metavar="FILE", help="Write the answer to a file.")
]


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return value
    return [str(value).lower() if isinstance(value, bool) else value]


def _keyword(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


def _argument(field: Field) -> Parameter:
    annotation = Annotated[str, typer.Argument(metavar=field.name.upper(), help=field.help)]
    return Parameter(f"path_{field.name}", Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)


def _option(name: str, field: Field) -> Parameter:
    """Values stay texts here: they are converted by the operation's own types, as in the API."""
    flag = "--" + field.name.replace("_", "-")
    told = field.help or _told(field)
    kind: Any
    if bare(field.type) is bool:
        kind, names = bool | None, (f"{flag}/--no-{flag[2:]}",)
        return _keyword(name, Annotated[kind, typer.Option(*names, help=told)], None)
    kind = list[str] | None if is_list(field.type) else str | None
    option = typer.Option(flag, metavar=_metavar(field.type), help=told)
    return _keyword(name, Annotated[kind, option], None)


def _told(field: Field) -> str:
    if field.required:
        return "Must be given, here or in --body." if field.name != "body" else ""
    if field.default in (None, "", [], (), {}):
        return ""
    return f"By default {field.default}."


def _metavar(kind: Any) -> str:
    plain = bare(kind)
    if is_list(kind):
        plain = (get_args(plain) or (str,))[0]
    return {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "datetime": "TIME"}.get(
        getattr(plain, "__name__", ""), "VALUE"
    )
