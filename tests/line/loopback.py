"""What the tests on real sockets share: loopback in both families, certificates."""

from __future__ import annotations

import socket

import pytest

Files = tuple[dict[str, str], dict[str, str]]
"""Options of a URL for a listener, and for clients that trust it."""


def has_ipv6() -> bool:
    """Whether this machine can speak to itself over IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
