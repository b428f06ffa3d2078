"""The tree as JSON and back: records are objects, lists are arrays of objects with one name.

Numbers are whole; those beyond 2^53 are written as texts of digits, since many readers of JSON
would round them. Both forms are read.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.translation.node import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_ELEMENTS,
    Node,
    Value,
    attach,
)

__all__ = ["read_json", "shape", "write_json"]

_EXACT = (1 << 53) - 1
_MOST_DIGITS = 20


def write_json(root: Node) -> str:
    """The document, indented by two spaces, with a line break at its end."""
    return json.dumps(shape(root), indent=2, ensure_ascii=False) + "\n"


def shape(root: Node) -> dict[str, Any]:
    """The tree as objects, lists and values for whoever writes JSON."""
    return {root.name: _shape(root)}


def read_json(document: bytes) -> Node:
    """The tree of a document in UTF-8; `UsageError` with its line or element for whatever else."""
    if len(document) > MAX_CHARACTERS:
        raise UsageError(f"more than {MAX_CHARACTERS >> 20} MiB of JSON", where="json")
    if sum(map(document.count, (b"{", b"[", b","))) > 2 * MAX_ELEMENTS:
        raise UsageError(f"at most {MAX_ELEMENTS} elements expected", where="json")
    try:
        found = json.loads(
            document.decode("utf-8-sig"),
            object_pairs_hook=_Pairs,
            parse_int=_integer,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
    except UnicodeDecodeError as error:
        line = document.count(b"\n", 0, error.start) + 1
        raise UsageError("a document in UTF-8 expected", where=f"json line {line}") from None
    except json.JSONDecodeError as error:
        where = f"json line {error.lineno}"
        raise UsageError(f"JSON expected: {error.msg[:80]}", where=where) from None
    except RecursionError:
        _too_deep()
    if not isinstance(found, _Pairs) or len(found) != 1:
        raise UsageError("an object with the one name of an APDU expected", where="json")
    return _node(*found[0], None, 1)


class _Pairs(list[tuple[str, Any]]):
    """Names and values of an object, in order."""


def _shape(node: Node) -> Any:
    if node.listed:
        return [{child.name: _shape(child)} for child in node.children]
    if node.children:
        return {child.name: _shape(child) for child in node.children}
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    return value


def _node(name: str, value: Any, parent: Node | None, depth: int) -> Node:
    if depth > MAX_DEPTH:
        _too_deep()
    node = Node(_text(name, parent))
    if parent is not None:
        attach(parent, node)
    if isinstance(value, _Pairs):
        names = [each for each, _ in value]
        if len(set(names)) != len(names):
            raise UsageError("each name once expected", where=node.path)
        node.value = None
        for each, inner in value:
            _node(each, inner, node, depth + 1)
    elif isinstance(value, list):
        node.listed = True
        for each in value:
            if not isinstance(each, _Pairs) or len(each) != 1:
                raise UsageError("a list of objects with one name each expected", where=node.path)
            _node(*each[0], node, depth + 1)
    else:
        node.value = _value(value, node)
    return node


def _value(value: Any, node: Node) -> Value:
    return _text(value, node) if isinstance(value, str) else value


def _text(text: str, near: Node | None) -> str:
    """A text without half characters, which no octets spell."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        where = "json" if near is None else near.path
        raise UsageError("whole characters expected, no surrogates", where=where) from None
    return text


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise UsageError("a number of at most 64 bits expected", where="json")
    return int(digits)


def _no_fraction(text: str) -> NoReturn:
    raise UsageError("whole numbers expected: floats are written as octets", where="json")


def _too_deep() -> NoReturn:
    raise UsageError(f"at most {MAX_DEPTH} elements within one another expected", where="json")
