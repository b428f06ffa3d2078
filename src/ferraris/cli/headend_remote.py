"""A head-end at a URL, asked over its API; what it answers looks as if it were asked here."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from ferraris.core.errors import Error, LineError, SecurityError, UsageError
from ferraris.headend.operations.errors import ConflictError, ForbiddenError, NotFoundError
from ferraris.headend.operations.operation import Operation
from ferraris.headend.operations.streams import Stream
from ferraris.headend.store.records import StoreAwayError, StoreFullError

__all__ = ["Remote"]

_PATIENCE_S = 60.0
_CHUNK = 64 * 1024
_MOST_ERROR = 64 * 1024
_KINDS: dict[int, type[Error]] = {
    401: SecurityError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
    503: StoreAwayError,
    507: StoreFullError,
}


class _NoRedirect(HTTPRedirectHandler):
    """A token goes to the server that was named, nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Remote:
    """The API of a head-end; the token goes over TLS, or to this machine itself."""

    def __init__(self, url: str, token: str, authority: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("the URL of a head-end is https://HOST:PORT")
        if token and parts.scheme == "http" and parts.hostname not in _HERE:
            raise UsageError("a token goes over https:// only")
        self._url = url.rstrip("/")
        self._token = token
        try:
            context = ssl.create_default_context(cafile=authority or None)
        except OSError as error:
            raise UsageError(f"{authority}: {error.strerror or 'no certificate'}") from None
        self._told: Callable[..., None] | None = None
        self._opener = build_opener(HTTPSHandler(context=context), _NoRedirect)

    def ask(
        self,
        operation: Operation,
        path: Mapping[str, str],
        query: Mapping[str, Sequence[str]],
        body: Any,
    ) -> Any:
        """Carry out an operation."""
        place = operation.path
        for name, value in path.items():
            place = place.replace(f"{{{name}}}", quote(value, safe=""))
        if query:
            place += "?" + urlencode(query, doseq=True)
        headers, data = {"Accept": "application/json, */*"}, None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = self._request(place, headers, data, operation.method)
        return _answer(self._sent(request, changes=operation.changes))

    def tell(self, progress: Callable[..., None] | None) -> None:
        """From now on tell how much of a long document has been sent: (done, all, remark)."""
        self._told = progress

    def watch(self, kinds: Sequence[str]) -> Iterator[Any]:
        """What is new, line by line, until the server ends it."""
        place = "/changes?" + urlencode({"kind": list(kinds)}, doseq=True)
        request = self._request(place, {"Accept": "text/event-stream"}, None, "GET")
        with self._sent(request, changes=False) as response:
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def _request(
        self, place: str, headers: dict[str, str], data: bytes | None, method: str
    ) -> Request:
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        url = f"{self._url}/v1{place}"
        sent: Any = data
        if data is not None and self._told is not None:
            headers["Content-Length"] = str(len(data))
            sent = _Told(data, self._told)
        return Request(url, data=sent, headers=headers, method=method)  # noqa: S310  (looked at)

    def _sent(self, request: Request, *, changes: bool) -> HTTPResponse:
        try:
            response: HTTPResponse = self._opener.open(request, timeout=_PATIENCE_S)
        except HTTPError as error:
            raise _problem(error) from None
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            text = f"{self._url} does not answer ({reason}): does it run there?"
            silent = LineError(text)
            raise (silent.with_unknown_outcome() if changes else silent) from None
        return response


class _Told(BytesIO):
    """A document that tells how much of it was taken."""

    def __init__(self, octets: bytes, told: Callable[..., None]) -> None:
        super().__init__(octets)
        self._all = len(octets)
        self._told = told

    def read(self, size: int | None = -1) -> bytes:
        """The next octets."""
        taken = super().read(size)
        self._told(self.tell(), self._all, "octets sent")
        return taken


_HERE = ("localhost", "127.0.0.1", "::1")


def _answer(response: HTTPResponse) -> Any:
    media_type = response.headers.get_content_type()
    if response.status == 204:
        return None
    if media_type != "application/json":
        return Stream(media_type, _chunks(response), response.headers.get_filename() or "")
    with response:
        return json.loads(response.read())


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    with response:
        while chunk := response.read(_CHUNK):
            yield chunk


def _problem(error: HTTPError) -> Error:
    try:
        problem = json.loads(error.read(_MOST_ERROR))
        text = str(problem.get("detail") or problem.get("title"))
    except (ValueError, AttributeError, OSError):
        text = f"{error.code} {error.reason}"
    if error.code in _KINDS:
        return _KINDS[error.code](text)
    return UsageError(text) if 400 <= error.code < 500 and error.code != 429 else Error(text)
