"""Telling systemd how things stand: ready, alive, stopping; silent where nobody listens."""

from __future__ import annotations

import os
import socket
import sys

__all__ = ["notify", "watchdog_s"]


def notify(state: str) -> bool:
    """Send a state such as "READY=1" to the socket that the environment names."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform == "win32" or not address.startswith(("/", "@")):
        return False
    place = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)  # whoever does not listen must not stop the event loop
        try:
            out.sendto(state.encode(), place)
        except OSError:
            return False  # gone, or asleep; that is no reason to stop
    return True


def watchdog_s() -> float | None:
    """How often systemd wants to hear of us at the latest; None when it does not."""
    given = os.environ.get("WATCHDOG_USEC", "")
    return int(given) / 1e6 if given.isdigit() and int(given) else None
