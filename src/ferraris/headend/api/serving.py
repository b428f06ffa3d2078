"""How a server of ASGI applications is to serve the API: options of uvicorn."""

from __future__ import annotations

from typing import Any, Final

from ferraris.core.errors import UsageError
from ferraris.headend.configuration import Configuration

__all__ = ["serving_options"]

_HERE: Final = ("127.0.0.1", "::1", "localhost")


def serving_options(configuration: Configuration) -> dict[str, Any]:
    """Arguments of `uvicorn.Config` beside the application.

    Raises `UsageError` for an address that others reach without TLS, unless a proxy ends it.
    """
    http = configuration.http
    host, port = _address(http.listen)
    if not http.certificate and host not in _HERE and not http.behind_proxy:
        raise UsageError(
            f"{host} can be reached by others: set http.certificate and http.private_key, "
            "or http.behind_proxy when a proxy ends TLS",
            where="configuration",
        )
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        "access_log": False,
        "server_header": False,
        "log_config": None,
        "proxy_headers": http.behind_proxy,
        "limit_concurrency": 2000,
        "backlog": 1024,
        "timeout_keep_alive": 30,
        "timeout_graceful_shutdown": 10,
    }
    if http.certificate:
        options["ssl_certfile"] = str(configuration.place(http.certificate))
        options["ssl_keyfile"] = str(configuration.place(http.private_key))
        options["ssl_ciphers"] = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; 1.3 has its own
    return options


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError(f"http.listen is HOST:PORT, not {listen!r}", where="configuration")
    return host.removeprefix("[").removesuffix("]"), int(port)
