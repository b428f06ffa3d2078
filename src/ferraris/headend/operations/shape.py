"""What an operation takes and gives, read from its signature, and arguments that fit it."""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from ferraris.core.errors import UsageError
from ferraris.headend.operations.operation import Operation

__all__ = ["Field", "Shape", "bare", "body_fields", "converted", "is_list", "shape_of"]

_NONE = type(None)


@dataclass(frozen=True, slots=True)
class Field:
    """One named argument, or one field of a body; `help` comes from its annotation."""

    name: str
    type: Any
    required: bool
    default: Any = None
    help: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """The arguments of an operation by where they come from; `body` and `result` are types."""

    path: tuple[Field, ...]
    query: tuple[Field, ...]
    body: Any
    body_required: bool
    result: Any

    def bind(
        self, path: Mapping[str, str], query: Mapping[str, Sequence[str]], body: Any = None
    ) -> dict[str, Any]:
        """The arguments of the function; `UsageError` names the one that does not fit.

        `body` is the document as plain dicts, lists, texts and numbers.
        """
        bound = {each.name: converted(each.name, path[each.name], each.type) for each in self.path}
        known = {each.name: each for each in self.query}
        for name, values in query.items():
            if name not in known:
                raise UsageError(f"there is no argument {name}")
            if is_list(known[name].type):
                bound[name] = converted(name, list(values), known[name].type)
            elif len(values) != 1:
                raise UsageError(f"{name} can be given once only")
            else:
                bound[name] = converted(name, values[0], known[name].type)
        missing = [each.name for each in self.query if each.required and each.name not in bound]
        if missing:
            raise UsageError(f"{missing[0]} is missing")
        if self.body is not None and (body is not None or self.body_required):
            bound["body"] = _document(body, self.body)
        elif body is not None:
            raise UsageError("no document goes with this request")
        return bound


def shape_of(operation: Operation) -> Shape:
    """The shape of an operation."""
    return _shape(operation.path, operation.function)


@cache
def _shape(route: str, function: Any) -> Shape:
    hints = get_type_hints(function, include_extras=True)
    names = [part[1:-1] for part in route.split("/") if part.startswith("{")]
    parameters = dict(list(inspect.signature(function).parameters.items())[1:])
    given = {name: _field(name, hints[name], each.default) for name, each in parameters.items()}
    body = given.pop("body", None)
    return Shape(
        tuple(given.pop(name) for name in names),
        tuple(given.values()),
        bare(body.type) if body else None,
        body is not None and body.required,
        hints.get("return", _NONE),
    )


def _field(name: str, kind: Any, default: Any, missing: object = inspect.Parameter.empty) -> Field:
    told = ""
    if get_origin(kind) is Annotated:
        kind, *notes = get_args(kind)
        texts = [getattr(note, "description", note) for note in notes]
        told = next((text for text in texts if isinstance(text, str)), "")
    required = default is missing
    return Field(name, kind, required, None if required else default, told)


def body_fields(body: Any) -> tuple[Field, ...]:
    """The fields of a document's type; none for one that is no record."""
    if body is None or not isinstance(body, type):
        return ()
    hints = get_type_hints(body, include_extras=True)
    if is_dataclass(body):
        defaults = {
            each.name: each.default_factory()
            if each.default_factory is not MISSING
            else each.default
            for each in fields(body)
        }
        return tuple(_field(name, hints[name], each, MISSING) for name, each in defaults.items())
    if issubclass(body, msgspec.Struct):
        return tuple(
            _field(
                each.name,
                hints[each.name],
                each.default_factory() if callable(each.default_factory) else each.default,
                msgspec.NODEFAULT,
            )
            for each in msgspec.structs.fields(body)
        )
    return ()


def bare(kind: Any) -> Any:
    """A type without None as its alternative."""
    if get_origin(kind) in (Union, types.UnionType):
        rest = [each for each in get_args(kind) if each is not _NONE]
        if len(rest) == 1:
            return rest[0]
    return kind


def is_list(kind: Any) -> bool:
    """Whether several can be given."""
    return get_origin(bare(kind)) in (list, tuple, set, frozenset)


def converted(name: str, value: Any, kind: Any) -> Any:
    """A value out of text; moments without an offset are UTC."""
    if bare(kind) is datetime and isinstance(value, str):
        return _moment(name, value)
    try:
        made = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {_reason(error)}") from None
    if isinstance(made, int) and not -(1 << 63) <= made < 1 << 63:
        raise UsageError(f"{name}: more than 64 bits")
    if isinstance(made, float) and not math.isfinite(made):
        raise UsageError(f"{name}: not finite")
    return made


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{name}: not a time as in 2026-03-01T00:15:00Z") from None


def _document(body: Any, kind: Any) -> Any:
    if body is None:
        raise UsageError("the request needs a document")
    known = {each.name for each in body_fields(kind)}
    if known and isinstance(body, dict):
        strange = next((name for name in body if name not in known), None)
        if strange is not None:
            raise UsageError(f"the document has no field {str(strange)[:60]!r}")
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"the document does not fit: {_reason(error)}") from None


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "bytes": "octets in base64",
    "array": "a list",
    "object": "an object",
    "null": "nothing",
    "datetime": "a time",
    "date": "a date",
}
_EXPECTED = re.compile(r"Expected `([a-z |]+)`(?:, got `([a-z]+)`)?")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


def _reason(error: msgspec.ValidationError) -> str:
    """In words for people, who need not know the library."""

    def expected(found: re.Match[str]) -> str:
        wanted = " or ".join(_KINDS.get(each.strip(), each) for each in found[1].split("|"))
        return f"{wanted} is needed"

    told = _EXPECTED.sub(expected, " ".join(str(error).split()))
    return _MISSING.sub(r"\1 is missing", told).replace("`$.", "`")[:200]
