"""The document of a request, put together from `--body` and the options for its fields."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

from ferraris.core.errors import UsageError
from ferraris.headend.operations.shape import Field, Shape, bare, converted, is_list

__all__ = ["document"]


def document(shape: Shape, body: str | None, values: Sequence[tuple[Field, Any]]) -> Any:
    """The document as plain dicts, lists, texts and numbers; None when nothing was given.

    Options go over what `--body` says.
    """
    if shape.body is None:
        return None
    whole = _given(body) if body is not None else {}
    named = {each.name: _value(each, value) for each, value in values if value is not None}
    if not named:
        return whole if body is not None or shape.body_required else None
    if not isinstance(whole, dict):
        raise UsageError("--body is no JSON object, so options cannot go over it")
    return whole | named


def _given(body: str) -> Any:
    if body == "-":
        octets = sys.stdin.buffer.read()
    elif body.lstrip()[:1] in ("{", "["):
        octets = body.encode()
    else:
        octets = _file(body)
    return _parsed(octets, "--body")


def _file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from None


def _parsed(octets: bytes, where: str) -> Any:
    try:
        return json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {str(error)[:80]}") from None


def _value(field: Field, given: Any) -> Any:
    kind = bare(field.type)
    if isinstance(given, bool):
        return given
    if is_list(kind):
        (inner, *_) = get_args(kind) or (str,)
        return [_one(field.name, bare(inner), text) for text in given]
    return _one(field.name, kind, given)


def _one(name: str, kind: Any, text: str) -> Any:
    """A text as the type of the field wants it; `@FILE` is what the file holds."""
    octets = None
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        octets = _file(text[1:])
    if kind is bytes:
        return base64.b64encode(octets if octets is not None else text.encode()).decode()
    if octets is not None:
        try:
            text = octets.decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"--{name}: not UTF-8 at octet {error.start}") from None
    try:
        return msgspec.to_builtins(converted(name, text, kind))
    except UsageError:
        if _composed(kind):
            return _parsed(text.encode(), f"--{name.replace('_', '-')}")
        raise


def _composed(kind: Any) -> bool:
    """Whether JSON is the only way to write such a value."""
    if not isinstance(kind, type):
        return True
    return is_dataclass(kind) or issubclass(kind, dict | msgspec.Struct)
