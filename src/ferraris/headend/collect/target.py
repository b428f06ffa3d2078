"""Where a meter is and how to speak to it, as the inventory has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["CALLED", "CALLS_IN", "SLEEPY", "Target"]

CALLED, CALLS_IN, SLEEPY = "called", "calls in", "sleepy"


@dataclass(frozen=True, slots=True)
class Target:
    """A meter to be read; its secrets are in the key store under `external_id`.

    `node` is its place in the segment tree, 0 for none; `alike` names meters that share object
    lists and layouts.
    """

    meter: int
    external_id: str
    node: int = 0
    address: str = ""
    client: int = 1
    server: int = 1
    authentication: str = "gmac"
    system_title: bytes = b""
    zone: str = "UTC"
    contact: str = CALLED
    companion: str = ""
    alike: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Any) -> Target:
        """From a row of `meter`."""
        alike = (row.companion, row.template, row.model, row.firmware)
        return cls(
            row.id, row.external_id, row.node or 0, row.address, row.client, row.server,
            row.authentication, bytes(row.system_title), row.zone, row.contact, row.companion,
            alike if any(alike) else (),
        )  # fmt: skip
