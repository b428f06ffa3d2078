"""URLs of meters: which line, where, and what the line needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from ferraris.core.errors import UsageError

__all__ = ["DEFAULT_PORT", "Endpoint", "parse_url"]

DEFAULT_PORT = 4059  # registered for DLMS/COSEM [facts-g §10]

_SCHEMES = ("tcp", "tcp+hdlc", "sim")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A parsed URL. `scheme` is tcp, tcp+hdlc or sim; for sim, `host` is the template."""

    scheme: str
    host: str
    port: int = DEFAULT_PORT
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.scheme == "sim" else f":{self.port}")

    def number(self, name: str, default: int | None = None) -> int | None:
        """The option `name` as a number; `UsageError` when it is none."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            return int(text, 0)
        except ValueError:
            raise UsageError(f"{name}={text} in the URL is not a number", where="url") from None


def parse_url(url: str, *, schemes: tuple[str, ...] = _SCHEMES) -> Endpoint:
    """Take a URL apart: `tcp://10.1.2.3:4059`, `tcp+hdlc://[::1]:4059?physical=17`, `sim://residential`.

    User names and passwords in a URL are refused, since URLs end up in logs. Raises `UsageError`.
    """
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        raise UsageError(f"{parts.scheme or 'no scheme'}: one of {known} is needed", where="url")
    if "@" in parts.netloc:
        raise UsageError("no user or password belongs in the URL of a meter", where="url")
    try:
        port = parts.port
    except ValueError:
        raise UsageError("the port is a number from 0 to 65535", where="url") from None
    if not parts.hostname:
        raise UsageError("a host is missing, as in tcp://10.1.2.3:4059", where="url")
    host = parts.hostname
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Endpoint(parts.scheme, host, DEFAULT_PORT if port is None else port, options)
