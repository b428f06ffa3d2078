"""Answers to requests: who asks is found out, the operation carried out, the outcome told."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec

from ferraris.headend.api.asking import Asked, Receive, Scope, Send, asked, document, parsed
from ferraris.headend.api.doorkeeper import Doorkeeper
from ferraris.headend.api.problems import PROBLEM, HttpError, Problem, problem_of
from ferraris.headend.api.routing import Match, Routes
from ferraris.headend.api.settings import ApiSettings
from ferraris.headend.operations.desk import Caller, House
from ferraris.headend.operations.once import Answer, Once
from ferraris.headend.operations.performing import Condition, perform, refuse
from ferraris.headend.operations.shape import shape_of
from ferraris.headend.operations.streams import Stream

__all__ = [
    "HEADERS",
    "VERSION",
    "Answering",
    "response_headers",
    "send_answer",
    "send_problem",
]

VERSION: Final = b"/v1"
_JSON: Final = "application/json"
_LONGEST_KEY: Final = 200
HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_TLS: Final = (b"strict-transport-security", b"max-age=31536000")


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer and its further headers."""

    answer: Answer
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Answering:
    """The ASGI application of all operations."""

    def __init__(
        self,
        house: House,
        routes: Routes,
        doorkeeper: Doorkeeper,
        settings: ApiSettings,
        executor: Executor,
    ) -> None:
        self._house = house
        self._routes = routes
        self._doorkeeper = doorkeeper
        self._settings = settings
        self._executor = executor
        self._streams = 0
        self._long = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            request = asked(scope, VERSION)
            caller = await self._doorkeeper.caller(request)
            match = self._routes.find(request.method, request.path)
            outcome = await self._outcome(request, caller, match, receive)
        except Exception as error:  # noqa: BLE001  (told or logged by `problem_of`)
            await send_problem(scope, send, problem_of(error))
            return
        if isinstance(outcome, Stream):
            await self._pouring(scope, receive, send, outcome)
        else:
            await send_answer(scope, send, outcome.answer, outcome.headers)

    async def _outcome(
        self, request: Asked, caller: Caller, match: Match, receive: Receive
    ) -> _Told | Stream:
        loop = asyncio.get_running_loop()
        if not match.operation.changes:
            return await loop.run_in_executor(self._executor, self._look, request, caller, match)
        usual = self._settings.most_body_octets
        most = max(usual, match.operation.most_octets)
        if _is_usual(request, usual) or match.operation.right not in caller.rights:
            most = usual
        if most == usual:
            return await self._changed(request, caller, match, receive, usual)
        # Long documents stand in memory whole, several times over while they are taken apart.
        if self._long >= self._settings.most_long_documents:
            raise HttpError(503, "Busy", "too many long documents at a time", retry_after="10")
        self._long += 1
        try:
            return await self._changed(request, caller, match, receive, most)
        finally:
            self._long -= 1

    async def _changed(
        self, request: Asked, caller: Caller, match: Match, receive: Receive, most: int
    ) -> _Told | Stream:
        loop, settings = asyncio.get_running_loop(), self._settings
        patience_s = settings.body_patience_s * (1 if most == settings.most_body_octets else 4)
        try:
            octets = await document(request, receive, most, patience_s)
        except HttpError as error:
            await loop.run_in_executor(self._executor, self._refuse, caller, match, error)
            raise
        return await loop.run_in_executor(
            self._executor, self._change, request, caller, match, octets
        )

    def _look(self, request: Asked, caller: Caller, match: Match) -> _Told | Stream:
        operation = match.operation
        arguments = shape_of(operation).bind(match.path, request.arguments())
        result = perform(self._house, caller, operation, arguments)
        if isinstance(result, Stream):
            return result
        answer = _encoded(result)
        tag = _tag(answer.body)
        if tag in request.headers.get(b"if-none-match", b""):
            answer = Answer(304, "", b"")
        return _Told(answer, ((b"etag", tag),))

    def _change(
        self, request: Asked, caller: Caller, match: Match, octets: bytes
    ) -> _Told | Stream:
        operation = match.operation
        try:
            body = parsed(request, octets)
            arguments = shape_of(operation).bind(match.path, request.arguments(), body)
            once = _once(request, match, octets)
            condition = self._condition(request, match)
        except Exception as error:
            self._refuse(caller, match, error)
            raise
        result = perform(self._house, caller, operation, arguments, once, condition)
        if isinstance(result, Answer):
            return _Told(result)
        return result if isinstance(result, Stream) else _Told(_encoded(result))

    def _refuse(self, caller: Caller, match: Match, error: Exception) -> None:
        """Whoever sends garbage to change something leaves a line, too."""
        refuse(self._house, caller, match.operation, "/".join(match.path.values()), error)

    def _condition(self, request: Asked, match: Match) -> Condition | None:
        """What If-Match says: the resource must still be the one that the caller saw."""
        wanted = request.headers.get(b"if-match")
        if wanted is None:
            return None
        try:
            view = self._routes.find("GET", request.path)
        except HttpError:
            raise HttpError(412, "Precondition failed", "this has no version to match") from None
        arguments = shape_of(view.operation).bind(view.path, {})
        return Condition(view.operation, arguments, lambda result: _same(result, wanted))

    async def _pouring(self, scope: Scope, receive: Receive, send: Send, stream: Stream) -> None:
        """Send a long answer, which holds a view of the store: only some at a time."""
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(_gone(receive))
        self._streams += 1
        try:
            if self._streams > self._settings.most_streams:
                raise HttpError(503, "Busy", "too many long answers at a time", retry_after="10")
            end = object()
            first = await loop.run_in_executor(self._executor, next, stream.chunks, end)
        except Exception as error:  # noqa: BLE001  (nothing is sent yet, so it can still be told)
            await send_problem(scope, send, problem_of(error))
        else:
            await self._pour(scope, send, stream, (first, end, gone))
        finally:
            self._streams -= 1
            gone.cancel()
            await loop.run_in_executor(self._executor, stream.close)

    async def _pour(
        self,
        scope: Scope,
        send: Send,
        stream: Stream,
        begun: tuple[Any, object, asyncio.Future[None]],
    ) -> None:
        chunk, end, gone = begun
        loop = asyncio.get_running_loop()
        headers = [(b"content-type", stream.media_type.encode()), *response_headers(scope)]
        if stream.file_name:
            headers.append((b"content-disposition", _disposition(stream.file_name)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while chunk is not end and scope["method"] != "HEAD" and not gone.done():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await loop.run_in_executor(self._executor, next, stream.chunks, end)
        await send({"type": "http.response.body", "body": b""})


def _is_usual(request: Asked, usual: int) -> bool:
    told = request.header(b"content-length")
    return told.isascii() and told.isdigit() and int(told) <= usual


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _encoded(result: Any) -> Answer:
    if result is None:
        return Answer(204, "", b"")
    return Answer(200, _JSON, msgspec.json.encode(result))


def _tag(body: bytes) -> bytes:
    return b'"' + blake2b(body, digest_size=12).hexdigest().encode() + b'"'


def _same(result: Any, wanted: bytes) -> None:
    tags = {each.strip() for each in wanted.split(b",")}
    if b"*" not in tags and _tag(_encoded(result).body) not in tags:
        raise HttpError(412, "Precondition failed", "it was changed since you looked at it")


def _once(request: Asked, match: Match, octets: bytes) -> Once | None:
    key = request.header(b"idempotency-key")
    if b"idempotency-key" not in request.headers:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise HttpError(400, "Bad request", "an idempotency key is 1 to 200 printable characters")
    if match.operation.secret:
        raise HttpError(
            400, "Bad request", "the answer is a secret, which is not kept to be given again"
        )
    whole = blake2b(digest_size=32)
    for part in (request.method.encode(), request.path, request.query, octets):
        whole.update(len(part).to_bytes(8, "big") + part)
    return Once(key, whole.digest(), _encoded)


def _disposition(name: str) -> bytes:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    return f'attachment; filename="{plain}"'.encode()


def response_headers(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """What every answer says to browsers and caches."""
    return (*HEADERS, _TLS) if scope.get("scheme") == "https" else HEADERS


async def send_answer(
    scope: Scope, send: Send, answer: Answer, more: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send an answer in one piece."""
    headers = [*response_headers(scope), *more]
    if answer.status not in (204, 304):
        headers.append((b"content-type", answer.media_type.encode()))
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


async def send_problem(scope: Scope, send: Send, problem: Problem) -> None:
    """Send a problem document."""
    await send_answer(scope, send, Answer(problem.status, PROBLEM, problem.body()), problem.headers)
