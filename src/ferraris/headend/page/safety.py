"""What every answer of the page carries, and how a form proves that it is ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request

from ferraris.core.errors import SecurityError
from ferraris.headend.page import signing

__all__ = ["HEADERS", "check_form", "local_path"]

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cache-Control": "no-store",
        "Vary": "Cookie, Accept-Language, X-Parts",
    }
)
"""No script, style or picture but our own files; nobody frames us; nothing is kept by caches."""


def check_form(request: Request[Any, Any, Any], secret: str, key: str) -> None:
    """Raise `SecurityError` unless a form comes from a page of ours, made for this browser.

    The key in the form is what counts; what browsers say of where a request comes from is heard
    as well.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    foreign = origin is not None and urlsplit(origin).netloc != host
    if site not in ("same-origin", "none") or foreign or not signing.matches(secret, key):
        raise SecurityError("the form is too old, or was made elsewhere", where="page")


def local_path(text: str) -> str:
    """A path of this host to go on to; the overview for anything else."""
    parts = urlsplit(text)
    harmless = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if harmless and not parts.scheme and not parts.netloc else "/"
