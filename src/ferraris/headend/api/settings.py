"""What the API is told: limits, and the OpenID providers whose tokens it takes."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.headend.access.openid import OpenIdSettings
from ferraris.headend.configuration import Configuration

__all__ = ["ApiSettings", "settings_of"]


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Limits of one process.

    A principal may ask `requests_a_second` in the long run and `burst` at once; one address four
    times that, for several may share one. `threads` work for requests at the same time.
    """

    requests_a_second: float = 50.0
    burst: int = 200
    most_body_octets: int = 4 << 20
    body_patience_s: float = 30.0
    most_long_documents: int = 2
    threads: int = 8
    most_streams: int = 4
    most_watchers: int = 200
    most_watchers_each: int = 10
    heartbeat_s: float = 15.0
    poll_s: float = 0.5
    openid: tuple[OpenIdSettings, ...] = ()


def settings_of(configuration: Configuration) -> ApiSettings:
    """What the configuration file says of the API."""
    http = configuration.http
    return ApiSettings(
        requests_a_second=http.requests_a_second,
        burst=http.burst,
        most_body_octets=http.most_body_octets,
        openid=tuple(
            OpenIdSettings(
                each.issuer, each.audience, each.claim, each.roles, each.tenant, each.algorithms
            )
            for each in configuration.openid
        ),
    )
