"""The site: pages gathered in one view of the store, rendered, and answered with their headers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from markupsafe import Markup

from ferraris.core.errors import Error, SecurityError, UsageError
from ferraris.headend.access.opening import Access
from ferraris.headend.access.rights import Right
from ferraris.headend.observe.health import Health
from ferraris.headend.operations import (
    Caller,
    ConflictError,
    ForbiddenError,
    House,
    NotFoundError,
)
from ferraris.headend.operations.feed import Feed
from ferraris.headend.operations.performing import witness
from ferraris.headend.page import signing
from ferraris.headend.page.formats import Formats
from ferraris.headend.page.look import Look, Memory, Part, View
from ferraris.headend.page.rendering import picture, render
from ferraris.headend.page.safety import HEADERS, local_path
from ferraris.headend.page.stream import Pages
from ferraris.headend.page.visits import FORM, THEMES, TOLD, Visit, cookie, visit_of
from ferraris.headend.page.words import LANGUAGES, words_of
from ferraris.headend.store.changes import newest_change
from ferraris.headend.store.records import StoreAwayError

__all__ = ["PageSettings", "Site"]

_LOG: Final = logging.getLogger("ferraris.headend.page")
_CHANGES: Final = "/changes"


@dataclass(frozen=True, slots=True)
class PageSettings:
    """How the page is: `zone` of the head-end, `target` of read success, `secure` cookies.

    `secure` None marks cookies by the scheme that a request came with.
    """

    zone: tzinfo = UTC
    target: float = 0.98
    secure: bool | None = None


class SignedOutError(Exception):
    """Nobody is signed in: the door is shown instead."""


class Site:
    """What all handlers share."""

    def __init__(self, house: House, access: Access, settings: PageSettings) -> None:
        self.house = house
        self.access = access
        self.settings = settings
        self.pages = Pages(house.parts.get(Feed) or Feed(house))
        self.memory: Memory = {}

    def visit(self, request: Request[Any, Any, Any]) -> Visit:
        """What the request brings."""
        return visit_of(request, self.settings.secure)

    def caller(self, visit: Visit, *, used: bool = True) -> Caller | None:
        """Who is signed in; `used` when a person asks, not what an open page does by itself."""
        if not visit.secret:
            return None
        now = self.house.clock()
        with self.house.engine.reading() as connection:
            session = signing.found(connection, visit.secret, now)
            caller = session and signing.caller_in(connection, session)
        if used and session and caller and session.stale:
            with self.house.engine.transaction() as connection:
                signing.seen(connection, visit.secret, now)
        return caller or None

    def page(
        self, request: Request[Any, Any, Any], view: View, subject: str = ""
    ) -> Response[str]:  # fmt: skip
        """A page, or those of its parts that the request asks for."""
        visit = self.visit(request)
        wanted = request.headers.get("x-parts", "").split()
        caller = self.caller(visit, used=not wanted)
        if caller is None:
            raise SignedOutError
        query = {key: value[:200] for key, value in request.query_params.items()}
        with self.house.engine.reading() as connection:
            look = Look(
                self.house,
                caller,
                connection,
                visit.words,
                self.settings.zone,
                self.house.clock(),
                request.url.path,
                query,
                subject,
                self.settings.target,
                self.memory,
            )
            newest = newest_change(connection)
            around = view.gather(look)
            template = "fragments.html" if wanted else view.template
            values = {
                **self._common(visit, caller, look.now),
                **around,
                "here": view.here,
                "live": True,
                "next": look.address(),
                "changes": f"{_CHANGES}?{urlencode({'subject': subject, 'after': newest})}",
                "wanted": [name for name in view.parts if name in wanted],
            }
            text = render(
                template,
                **values,
                part=lambda name: self._part(look, view.parts[name], values),
            )
        if look.looked:
            witness(self.house, look.looked)
        heard = [cookie(visit, TOLD, "", lasts_s=0)] if visit.told and not wanted else []
        return self.answer(text, cookies=heard)

    def _part(self, look: Look, part: Part, values: Mapping[str, Any]) -> Markup:
        refused, found = "", {}
        try:
            found = dict(part.gather(look))
        except ForbiddenError as error:
            refused = next((each for each in Right if f" to {each}" in error.message), "")
        told = {
            "name": part.name,
            "kinds": " ".join(part.kinds),
            "every": part.every_s,
            "subject": look.subject,
            "refused": refused,
        }
        return picture(render("part.html", **{**values, **found, **told}))

    def plain(
        self,
        visit: Visit,
        template: str,
        *,
        status: int = 200,
        caller: Caller | None = None,
        **values: Any,
    ) -> Response[str]:
        """A page without parts: the door, and what went wrong."""
        cookies: list[Cookie] = []
        if not visit.secret and not visit.form_secret:
            visit = replace(visit, form_secret=signing.fresh())
            cookies.append(cookie(visit, FORM, visit.form_secret))
        text = render(
            template,
            **{
                **self._common(visit, caller, self.house.clock()),
                "here": "",
                "live": False,
                "next": "/",
                **values,
            },
        )
        return self.answer(text, status, cookies)

    def answer(
        self, text: str, status: int = 200, cookies: list[Cookie] | None = None
    ) -> Response[str]:  # fmt: skip
        """HTML with the headers that every page has."""
        return Response(
            text,
            status_code=status,
            media_type=MediaType.HTML,
            headers=dict(HEADERS),
            cookies=cookies or [],
        )

    def _common(self, visit: Visit, caller: Caller | None, now: float) -> dict[str, Any]:
        themes = THEMES
        return {
            "t": visit.words,
            "f": Formats(visit.words, self.settings.zone),
            "theme": visit.theme,
            "after_theme": themes[(themes.index(visit.theme) + 1) % len(themes)],
            "languages": {language: words_of(language) for language in LANGUAGES},
            "csrf": visit.key,
            "caller": caller,
            "faults": self._faults() if caller else (),
            "now": now,
            "zone_name": str(self.settings.zone),
            "told": visit.words.only("told", visit.told),
        }

    def _faults(self) -> list[str]:
        """What of the head-end itself everybody should know; why, its log and /ready say."""
        health = self.house.parts.get(Health)
        parts = {} if health is None else health.ready().parts
        return [name for name in _TOLD if parts.get(name, "ok") != "ok"]

    def trouble(self, request: Request[Any, Any, Any], error: Exception) -> Response[str]:
        """The page that says what went wrong, and nothing of how we are made."""
        visit = self.visit(request)
        kind, status = _kind_of(error)
        if kind == "broken":
            _LOG.error("a page failed: %s", request.url.path, exc_info=error)
        message = ""
        if isinstance(error, UsageError | ForbiddenError) and kind not in ("missing",):
            message = error.message
        caller = None
        if kind != "away":
            try:
                caller = self.caller(visit)
            except Error:
                kind, status = "away", 503
        came = urlsplit(request.headers.get("referer", ""))
        back = local_path(came.path) if came.netloc == request.headers.get("host", "") else "/"
        return self.plain(
            visit,
            "trouble.html",
            status=status,
            caller=caller,
            kind=kind,
            message=message,
            back="" if back in ("/", "/login", request.url.path) else back,
        )


_TOLD: Final = ("clock", "store")
_KINDS: Final[tuple[tuple[type[Exception], str, int], ...]] = (
    (NotFoundError, "missing", 404),
    (ConflictError, "conflict", 409),
    (ForbiddenError, "forbidden", 403),
    (SecurityError, "form", 403),
    (UsageError, "usage", 400),
    (StoreAwayError, "away", 503),
)


def _kind_of(error: Exception) -> tuple[str, int]:
    for kind, name, status in _KINDS:
        if isinstance(error, kind):
            return name, status
    status = getattr(error, "status_code", 500)  # of Litestar's own
    names: Mapping[int, str] = {404: "missing", 405: "missing", 400: "usage", 413: "usage"}
    return (names[status], status) if status in names else ("broken", 500)
