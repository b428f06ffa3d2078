"""The application: operations under /v1, what is new, its own document, and further routes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, asgi
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from ferraris.headend.access.openid import OpenIdProvider
from ferraris.headend.access.opening import Access
from ferraris.headend.api.answering import HEADERS, Answering, send_answer
from ferraris.headend.api.document import openapi
from ferraris.headend.api.doorkeeper import Doorkeeper
from ferraris.headend.api.problems import PROBLEM, Problem, problem_of
from ferraris.headend.api.routing import Routes
from ferraris.headend.api.settings import ApiSettings
from ferraris.headend.api.watching import Watching
from ferraris.headend.operations.desk import House
from ferraris.headend.operations.feed import Feed
from ferraris.headend.operations.once import Answer
from ferraris.headend.operations.operation import Operation
from ferraris.headend.operations.registry import collected

__all__ = ["access_of", "application"]


def access_of(house: House, settings: ApiSettings, monotonic: Callable[[], float]) -> Access:
    """The access of a house: the one among its parts, or a new one by the settings."""
    found = house.parts.get(Access)
    if isinstance(found, Access):
        return found
    providers = [
        OpenIdProvider(each, clock=house.clock, monotonic=monotonic) for each in settings.openid
    ]
    return Access(
        house.engine,
        house.journal.write,
        clock=house.clock,
        monotonic=monotonic,
        providers=providers,
    )


def application(
    house: House,
    routes: Sequence[ControllerRouterHandler] = (),
    settings: ApiSettings | None = None,
    *,
    operations: Sequence[Operation] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Litestar:
    """The ASGI application of a house; `routes` are further ones, such as those of the page.

    `operations` are all that are declared, unless given. `state.watching` of the application can
    be closed before a server stops, so that it need not wait for those who watch.
    """
    settings = settings or ApiSettings()
    declared = collected() if operations is None else tuple(operations)
    executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="api")
    access = access_of(house, settings, monotonic)
    doorkeeper = Doorkeeper(house, access, settings, executor, monotonic)
    answering = Answering(house, Routes(declared), doorkeeper, settings, executor)

    feed = house.parts.get(Feed) or Feed(house, poll_s=settings.poll_s, monotonic=monotonic)
    watching = Watching(feed, doorkeeper, settings, monotonic)
    described = Answer(200, "application/json", msgspec.json.encode(openapi(declared)))

    @asgi("/v1", is_mount=True, copy_scope=False)
    async def version_one(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].rstrip("/").removeprefix("/v1")
        if path == "/changes":
            await watching(scope, receive, send)
        elif path == "/openapi.json":
            await send_answer(scope, send, described)
        else:
            await answering(scope, receive, send)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            watching.close()
            doorkeeper.close()
            executor.shutdown(cancel_futures=True)

    return Litestar(
        [version_one, *routes],
        openapi_config=None,
        lifespan=[lifespan],
        logging_config=None,
        exception_handlers={HTTPException: _told, Exception: _told},
        state=State({"watching": watching}),
        debug=False,
    )


def _told(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Errors of routes that have no handler of their own, and of addresses that nobody serves."""
    if not isinstance(error, HTTPException) or error.status_code >= 500:
        problem = problem_of(error)
    else:
        problem = Problem(error.status_code, HTTPStatus(error.status_code).phrase, _NO_DETAIL)
    headers = {name.decode(): value.decode() for name, value in (*HEADERS, *problem.headers)}
    return Response(problem.body(), status_code=problem.status, media_type=PROBLEM, headers=headers)


_NO_DETAIL = "the request does not fit what is served here"
