"""The routes of the page, to be served by the same process as the API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from litestar import Request, Response, Router, get, post
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.response import Redirect, Stream
from litestar.types import ControllerRouterHandler
from sqlalchemy import Connection

from ferraris.core.errors import Error
from ferraris.headend.access.identity import UnknownCallerError
from ferraris.headend.access.opening import Access
from ferraris.headend.operations import Caller, House
from ferraris.headend.page import signing, views
from ferraris.headend.page.acting import ACTIONS, Action
from ferraris.headend.page.look import View
from ferraris.headend.page.rendering import STATIC
from ferraris.headend.page.safety import HEADERS, check_form, local_path
from ferraris.headend.page.site import PageSettings, SignedOutError, Site
from ferraris.headend.page.stream import Wish
from ferraris.headend.page.visits import SESSION, THEMES, TOLD, VIEW, Visit, cookie
from ferraris.headend.page.words import LANGUAGES

__all__ = ["Page"]

_YEAR_S = 365 * 86_400
_MOST_FORM = 16_384
_TOLD_S = 60
_NUMBER = re.compile("[0-9]{1,18}")


class Page:
    """All of the page, at the root of the host; `access` lets callers in.

    `routes` are for the application that serves the API as well. Whatever nobody serves gets a
    page that says so.
    """

    def __init__(
        self, house: House, access: Access, settings: PageSettings | None = None
    ) -> None:  # fmt: skip
        site = Site(house, access, settings or PageSettings())
        self.pages = site.pages
        self.routes: list[ControllerRouterHandler] = _routes(site)

    def close(self) -> None:
        """Let the streams of open pages go, before a server stops."""
        self.pages.close()


def _routes(site: Site) -> list[ControllerRouterHandler]:
    def door(request: Request[Any, Any, Any], _: SignedOutError) -> Response[Any]:
        target = quote(request.url.path)
        if request.url.query:
            target += f"?{request.url.query}"
        if request.headers.get("x-parts"):
            return Response("", status_code=401, headers=dict(HEADERS))
        query = urlencode({"next": target}) if target != "/" else ""
        return Redirect(f"/login?{query}" if query else "/login", headers=dict(HEADERS))

    # A function, not a method of the site: handlers are copied deeply with all they hold.
    def trouble(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
        return site.trouble(request, error)

    @get("/{path:path}", sync_to_thread=True, include_in_schema=False)
    def nowhere(request: Request[Any, Any, Any]) -> Response[str]:
        return site.trouble(request, NotFoundException())

    router = Router(
        "/",
        route_handlers=[
            *(_shown(site, *each) for each in _PAGES),
            *(_acted(site, action) for action in ACTIONS),
            *_entering(site),
            _watching(site),
            _static,
        ],
        exception_handlers={
            SignedOutError: door,
            Error: trouble,
            HTTPException: trouble,
            Exception: trouble,
        },
        include_in_schema=False,
        request_max_body_size=_MOST_FORM,
    )
    return [router, nowhere]


_PAGES: Final = (
    ("/", views.OVERVIEW, ""),
    ("/missing", views.MISSING, ""),
    ("/lost", views.LOST, ""),
    ("/meters", views.METERS, ""),
    ("/meters/{meter:str}", views.METER, "meter"),
    ("/alarms", views.ALARMS, ""),
    ("/strangers", views.STRANGERS, ""),
    ("/strangers/{number:int}", views.STRANGER, "number"),
)
"""Where each page is, and which part of its path names what it is about."""


def _shown(site: Site, path: str, view: View, name: str) -> Any:
    @get(path, sync_to_thread=True, name=f"page {path}")
    def page(request: Request[Any, Any, Any]) -> Response[str]:
        return site.page(request, view, str(request.path_params[name]) if name else "")

    return page


def _acted(site: Site, action: Action) -> Any:
    def act(visit: Visit, path: Mapping[str, Any], form: Mapping[str, str]) -> None:
        caller = site.caller(visit)
        if caller is None:
            raise SignedOutError
        action.act(site.house, caller, path, form)

    @post(action.path, status_code=303, name=f"page {action.told}")
    async def asked_for(request: Request[Any, Any, Any]) -> Response[Any]:
        visit, form = await _form(site, request)
        await asyncio.to_thread(act, visit, request.path_params, form)
        told = visit.words(f"told.{action.told}")
        if request.headers.get("x-parts"):
            return Response(told, media_type=MediaType.TEXT, status_code=200, headers=dict(HEADERS))
        going = local_path(action.goes_on(request.path_params, form))
        kept = cookie(visit, TOLD, action.told, lasts_s=_TOLD_S)
        return Redirect(going, status_code=303, headers=dict(HEADERS), cookies=[kept])

    return asked_for


def _watching(site: Site) -> Any:
    @get("/changes")
    async def changes(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
        visit = site.visit(request)

        async def still() -> Caller | None:
            return await asyncio.to_thread(site.caller, visit, used=False)

        caller = await still()
        if caller is None or site.pages.full:
            status = 401 if caller is None else 503
            return Response("", status_code=status, headers=dict(HEADERS))
        query = request.query_params
        after = str(request.headers.get("last-event-id") or query.get("after", ""))
        wish = Wish(query.get("subject", ""), int(after) if _NUMBER.fullmatch(after) else None)
        return Stream(
            site.pages.events(caller, still, wish),
            media_type="text/event-stream",
            headers={**HEADERS, "X-Accel-Buffering": "no"},
        )

    return changes


def _entering(site: Site) -> list[Any]:
    @get("/login", sync_to_thread=True)
    def login(request: Request[Any, Any, Any]) -> Response[Any]:
        visit = site.visit(request)
        going = local_path(request.query_params.get("next", "/"))
        if site.caller(visit) is not None:
            return Redirect(going, headers=dict(HEADERS))
        return site.plain(visit, "login.html", wrong=False, next=going)

    @post("/login", status_code=303)
    async def enter(request: Request[Any, Any, Any]) -> Response[Any]:
        visit, form = await _form(site, request)
        return await asyncio.to_thread(_enter, site, visit, form)

    @post("/logout", status_code=303)
    async def leave(request: Request[Any, Any, Any]) -> Response[Any]:
        visit, _ = await _form(site, request)
        await asyncio.to_thread(_leave, site, visit)
        gone = cookie(visit, SESSION, "", lasts_s=0)
        headers = {**HEADERS, "Clear-Site-Data": '"cache"'}
        return Redirect("/login", status_code=303, headers=headers, cookies=[gone])

    @post("/view", status_code=303)
    async def view(request: Request[Any, Any, Any]) -> Response[Any]:
        visit, form = await _form(site, request)
        theme, language = form.get("theme", ""), form.get("language", "")
        chosen = urlencode(
            {
                "theme": theme if theme in THEMES else visit.theme,
                "language": language if language in LANGUAGES else visit.words.language,
            }
        )
        kept = cookie(visit, VIEW, chosen, lasts_s=_YEAR_S)
        going = local_path(form.get("next", "/"))
        return Redirect(going, status_code=303, headers=dict(HEADERS), cookies=[kept])

    return [login, enter, leave, view]


async def _form(site: Site, request: Request[Any, Any, Any]) -> tuple[Visit, Mapping[str, str]]:
    """The fields of a form that is ours."""
    visit = site.visit(request)
    fields = await request.form()
    form = {key: value for key, value in fields.items() if isinstance(value, str)}
    check_form(request, visit.proof, form.get("csrf", ""))
    return visit, form


def _enter(site: Site, visit: Visit, form: Mapping[str, str]) -> Response[Any]:
    going = local_path(form.get("next", "/"))
    try:
        identity = site.access.identify(form.get("token", "").strip())
    except UnknownCallerError:
        return site.plain(visit, "login.html", status=403, wrong=True, next=going)
    with site.house.engine.transaction() as connection:
        if visit.secret:
            signing.end(connection, visit.secret)
        secret = signing.begin(connection, identity, site.house.clock())
        _witness(site, connection, identity.tenant, identity.name, "sign_in")
    kept = cookie(visit, SESSION, secret, lasts_s=signing.LONGEST_S)
    return Redirect(going, status_code=303, headers=dict(HEADERS), cookies=[kept])


def _leave(site: Site, visit: Visit) -> None:
    caller = site.caller(visit)
    with site.house.engine.transaction() as connection:
        signing.end(connection, visit.secret)
        if caller is not None:
            _witness(site, connection, caller.tenant, caller.name, "sign_out")


def _witness(site: Site, connection: Connection, tenant: int, name: str, action: str) -> None:
    site.house.journal.write(
        connection,
        tenant=tenant,
        principal=name,
        action=action,
        subject=name,
        detail={"by": "page"},
        at_s=site.house.clock(),
    )


@get("/static/{version:str}/{name:str}", sync_to_thread=False)
def _static(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A static file; an address with the hash of today never changes its meaning."""
    version, name = request.path_params["version"], request.path_params["name"]
    if name not in STATIC.files:
        raise NotFoundException
    octets, kind = STATIC.files[name]
    lasting = version == STATIC.hash
    caching = "public, max-age=31536000, immutable" if lasting else "no-cache"
    headers = {**HEADERS, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    return Response(octets, media_type=kind, headers=headers)
