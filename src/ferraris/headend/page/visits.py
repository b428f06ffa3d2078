"""One request: the cookies it brings, who it is, the language and the colours it wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import Cookie

from ferraris.headend.page import signing
from ferraris.headend.page.words import Words, preferred, words_of

__all__ = ["FORM", "SESSION", "THEMES", "TOLD", "VIEW", "Visit", "cookie", "visit_of"]

SESSION, FORM, VIEW, TOLD = (
    "ferraris_session", "ferraris_form", "ferraris_view", "ferraris_told",
)  # fmt: skip
THEMES: Final = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Visit:
    """What is known of a request before anything is looked up; `told` is what was done just now."""

    words: Words
    theme: str
    secret: str
    form_secret: str
    secure: bool
    told: str = ""

    @property
    def key(self) -> str:
        """What forms for this visitor carry."""
        return signing.form_key(self.secret or self.form_secret)

    @property
    def proof(self) -> str:
        """The secret that a form has to fit."""
        return self.secret or self.form_secret


def visit_of(request: Request[Any, Any, Any], secure: bool | None) -> Visit:
    """Read the cookies and headers of a request; `secure` None means: as the request came."""
    chosen = dict(parse_qsl(request.cookies.get(VIEW, "")[:200]))
    theme = chosen.get("theme", "")
    language = preferred(request.headers.get("accept-language", ""), chosen.get("language", ""))
    return Visit(
        words_of(language),
        theme if theme in THEMES else THEMES[0],
        request.cookies.get(SESSION, ""),
        request.cookies.get(FORM, ""),
        request.url.scheme == "https" if secure is None else secure,
        request.cookies.get(TOLD, "")[:40],
    )


def cookie(visit: Visit, name: str, value: str, *, lasts_s: int | None = None) -> Cookie:
    """A cookie that only this host gets back, and no script sees; gone at once when 0 lasts."""
    return Cookie(
        key=name,
        value=value,
        path="/",
        max_age=lasts_s,
        httponly=True,
        secure=visit.secure,
        samesite="strict",
    )
