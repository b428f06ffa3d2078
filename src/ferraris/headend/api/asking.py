"""A request as it came: headers, query and document, read with a limit to all of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from ferraris.headend.api.problems import HttpError

__all__ = ["Asked", "Receive", "Scope", "Send", "asked", "document", "parsed"]

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_ONCE: Final = frozenset(
    {b"authorization", b"content-length", b"content-type", b"idempotency-key", b"if-match"}
)
_LONGEST_QUERY: Final = 8192
_MOST_ARGUMENTS: Final = 100
_LEAST_INT: Final = -(1 << 63)
_MOST_INT: Final = (1 << 63) - 1
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """A request without its document; `path` is still escaped, from the version on."""

    method: str
    path: bytes
    headers: Mapping[bytes, bytes]
    query: bytes
    address: str

    def header(self, name: bytes) -> str:
        """The value of a header, empty when it is not there."""
        return self.headers.get(name, b"").decode("latin-1").strip()

    def secret(self) -> str:
        """What the caller shows; empty for nothing."""
        scheme, _, secret = self.header(b"authorization").partition(" ")
        return secret.strip() if scheme.lower() == "bearer" else ""

    def arguments(self) -> dict[str, list[str]]:
        """The query, by name."""
        if not self.query:
            return {}
        if len(self.query) > _LONGEST_QUERY:
            raise HttpError(414, "Address too long", "the query is too long")
        found: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(
                self.query.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=False,
                errors="strict",
                max_num_fields=_MOST_ARGUMENTS,
            )
        except ValueError:  # UnicodeDecodeError is one
            raise HttpError(400, "Bad request", "the query cannot be read") from None
        for name, value in pairs:
            if "\0" in value:
                raise HttpError(400, "Bad request", "the query holds a NUL")
            found.setdefault(name, []).append(value)
        return found


def asked(scope: Scope, version: bytes) -> Asked:
    """The request of an ASGI scope; raises 400 for one that says something twice."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and name in _ONCE:
            raise HttpError(400, "Bad request", f"two headers {name.decode('latin-1')}")
        headers[name] = value
    raw = scope.get("raw_path") or scope["path"].encode()
    client = scope.get("client")
    return Asked(
        scope["method"],
        raw.partition(b"?")[0].removeprefix(version),
        headers,
        scope.get("query_string", b""),
        client[0] if client else "",
    )


async def document(request: Asked, receive: Receive, most: int, patience_s: float) -> bytes:
    """The octets of the document; raises 413 without reading on, 408 for one that never ends."""
    told = request.header(b"content-length")
    if told and (not told.isascii() or not told.isdigit()):
        raise HttpError(400, "Bad request", "the length is no number", connection="close")
    if told and int(told) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(patience_s):
            return await _octets(receive, most)
    except TimeoutError:
        raise HttpError(408, "Too slow", "the document did not come", connection="close") from None


async def _octets(receive: Receive, most: int) -> bytes:
    parts, length = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "Bad request", "the document ended early", connection="close")
        part = message.get("body", b"")
        length += len(part)
        if length > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most: int) -> HttpError:
    return HttpError(
        413,
        "Too large",
        f"a document has {most} octets at most: send it in parts",
        connection="close",
    )


def parsed(request: Asked, octets: bytes) -> Any:
    """The document as plain values; None for an empty one."""
    if not octets:
        return None
    kind = request.header(b"content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HttpError(415, "Unsupported media type", "documents are application/json")
    try:
        value = msgspec.json.decode(octets)
        return _sane(value, 0)
    except msgspec.DecodeError as error:
        raise HttpError(400, "Bad request", f"no JSON: {str(error)[:100]}") from None
    except (RecursionError, UnicodeError):
        raise HttpError(400, "Bad request", "no JSON that can be read") from None


def _sane(value: Any, depth: int) -> Any:
    """Refuse what no column can keep, before anything looks at it."""
    if isinstance(value, str):
        if "\0" in value:
            raise HttpError(400, "Bad request", "a text holds a NUL")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise HttpError(400, "Bad request", "a number is not finite")
    elif isinstance(value, int):
        if not _LEAST_INT <= value <= _MOST_INT:
            raise HttpError(400, "Bad request", "a number has more than 64 bits")
    elif isinstance(value, dict | list):
        if depth >= _DEEPEST:
            raise HttpError(400, "Bad request", "the document is too deep")
        if isinstance(value, dict):
            for name in value:
                _sane(name, depth)
        for each in value.values() if isinstance(value, dict) else value:
            _sane(each, depth + 1)
    return value
