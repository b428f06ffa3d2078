"""What whoever runs the process asks it: metrics, alive, ready; on an address of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from ferraris.headend.observe.health import Health
from ferraris.headend.observe.metrics import Metrics

__all__ = ["watched"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_JSON = "application/json"


def watched(metrics: Metrics, health: Health) -> Callable[[Any, Any, Send], Awaitable[None]]:
    """An ASGI application with /metrics, /live and /ready; 503 while a part is at fault."""

    async def answer(scope: Any, _: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, media_type, body = _answer(scope["path"], metrics, health)
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def _answer(path: str, metrics: Metrics, health: Health) -> tuple[int, str, bytes]:
    if path == "/metrics":
        return 200, metrics.media_type, metrics.text()
    if path == "/live":
        return 200, _JSON, b'{"ok":true}'
    if path == "/ready":
        report = health.ready()
        return 200 if report.ok else 503, _JSON, msgspec.json.encode(report)
    return 404, _JSON, b'{"ok":false}'
