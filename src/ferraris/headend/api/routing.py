"""Which operation a request means: the path as it came over the line, segment by segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ferraris.headend.api.problems import HttpError
from ferraris.headend.operations.operation import Operation

__all__ = ["Match", "Routes", "decoded"]


@dataclass(frozen=True, slots=True)
class Match:
    """An operation, and the values in its path."""

    operation: Operation
    path: dict[str, str]


@dataclass(slots=True)
class _Node:
    named: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    operations: dict[str, tuple[Operation, tuple[str, ...]]] = field(default_factory=dict)


class Routes:
    """A tree of segments. Values may hold whatever a client escapes, slashes too."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._root = _Node()
        for each in operations:
            node, names = self._root, []
            for part in each.path.strip("/").split("/"):
                if part.startswith("{"):
                    names.append(part[1:-1])
                    node.any = node.any or _Node()
                    node = node.any
                else:
                    node = node.named.setdefault(part, _Node())
            node.operations[each.method] = each, tuple(names)

    def find(self, method: str, path: bytes) -> Match:
        """The operation; raises 404 or 405. `path` is what follows the version, still escaped."""
        parts = [decoded(part) for part in path.strip(b"/").split(b"/")]
        found = self._walk(self._root, parts, 0, ())
        if found is None:
            raise HttpError(404, "Not found", "there is no such resource")
        operations, values = found
        wanted = operations.get("GET" if method == "HEAD" else method)
        if wanted is None:
            raise HttpError(
                405,
                "Method not allowed",
                "the resource does not do this",
                allow=_allowed(operations),
            )
        operation, names = wanted
        return Match(operation, dict(zip(names, values, strict=True)))

    def _walk(
        self, node: _Node, parts: Sequence[str], at: int, values: tuple[str, ...]
    ) -> tuple[dict[str, tuple[Operation, tuple[str, ...]]], tuple[str, ...]] | None:
        if at == len(parts):
            return (node.operations, values) if node.operations else None
        named = node.named.get(parts[at])
        if named is not None:
            found = self._walk(named, parts, at + 1, values)
            if found is not None:
                return found
        if node.any is not None and parts[at]:
            return self._walk(node.any, parts, at + 1, (*values, parts[at]))
        return None


def _allowed(operations: dict[str, tuple[Operation, tuple[str, ...]]]) -> str:
    return ", ".join(sorted({*operations, *({"HEAD"} if "GET" in operations else ())}))


def decoded(octets: bytes) -> str:
    """A value as it was before it was escaped; raises 400 for what is no text."""
    if b"%" not in octets and octets.isascii():
        text = octets.decode("ascii")
    else:
        try:
            text = unquote_to_bytes(octets).decode("utf-8")
        except UnicodeDecodeError:
            raise HttpError(400, "Bad request", "the address is not UTF-8") from None
    if "\0" in text:
        raise HttpError(400, "Bad request", "the address holds a NUL")
    return text
