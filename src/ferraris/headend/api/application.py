"""The application: operations under /v1, what is new, its own document, and further routes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, asgi
from litestar.types import ControllerRouterHandler

from ferraris.headend.access.openid import OpenIdProvider
from ferraris.headend.access.opening import Access
from ferraris.headend.api.answering import Answering, Doorkeeper
from ferraris.headend.api.routing import Routes
from ferraris.headend.api.settings import ApiSettings
from ferraris.headend.operations.desk import House
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

    `operations` are all that are declared, unless given.
    """
    settings = settings or ApiSettings()
    declared = collected() if operations is None else tuple(operations)
    executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="api")
    access = access_of(house, settings, monotonic)
    doorkeeper = Doorkeeper(house, access, settings, executor, monotonic)
    answering = Answering(house, Routes(declared), doorkeeper, settings, executor)

    @asgi("/v1", is_mount=True, copy_scope=False)
    async def version_one(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            executor.shutdown(cancel_futures=True)

    return Litestar(
        [version_one, *routes],
        openapi_config=None,
        lifespan=[lifespan],
        logging_config=None,
        debug=False,
    )
