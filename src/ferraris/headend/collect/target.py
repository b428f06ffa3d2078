"""Where a meter is and how to speak to it, as the inventory has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ferraris.headend.inventory.hosts import dialled

__all__ = ["ACTIVE", "CALLED", "CALLS_IN", "SLEEPY", "SUB_METER", "Target"]

CALLED, CALLS_IN, SLEEPY = "called", "calls in", "sleepy"
ACTIVE: Final = "active"
SUB_METER = "sub-meter"


@dataclass(frozen=True, slots=True)
class Target:
    """A meter to be read; its secrets are in the key store under `external_id`.

    `node` is its place in the segment tree, 0 for none; `alike` names meters that share object
    lists and layouts. A sub-meter has a `host`, whose association reads it at `channel`, and the
    address of that one; `device` is what the inventory knows of it: maker and serial number.
    `host_name` and `host_state` are those of whatever it stands behind. `hours` are the only ones
    at which it, or its host, can be called, and the zone in which they are meant.
    """

    meter: int
    external_id: str
    node: int = 0
    address: str = ""
    client: int = 1
    server: int = 1
    authentication: str = "gmac"
    suite: int = 0
    ciphering: str = "service"
    system_title: bytes = b""
    zone: str = "UTC"
    contact: str = CALLED
    companion: str = ""
    alike: tuple[str, ...] = ()
    host: int = 0
    channel: int = 0
    device: tuple[str, str] = ("", "")
    host_name: str = ""
    host_state: str = ACTIVE
    hours: tuple[str, str] = ("", "UTC")

    @property
    def visited(self) -> int:
        """The number of the meter that is claimed and spoken to."""
        return self.host or self.meter

    @classmethod
    def of(cls, row: Any) -> Target:
        """From a row of `meter`; of what stands behind another one with that one beside it."""
        alike = (row.companion, row.template, row.model, row.firmware)
        behind = getattr(row, "host_kind", None)
        is_sub_meter = row.kind == SUB_METER
        hours = (row.awake, row.zone)
        if is_sub_meter and behind is not None:
            hours = (row.host_awake, row.host_zone)
        return cls(
            row.id, row.external_id, row.node or 0,
            row.address if behind is None else _address(row, is_sub_meter), row.client, row.server,
            row.authentication, row.suite, row.ciphering, bytes(row.system_title), row.zone,
            row.host_contact if behind is not None and is_sub_meter else row.contact,
            row.companion, alike if any(alike) else (),
            host=(row.behind or 0) if is_sub_meter else 0,
            channel=(row.channel or 0) if is_sub_meter else 0,
            device=(row.maker, row.serial_number),
            host_name="" if behind is None else row.host_name,
            host_state=ACTIVE if behind is None else row.host_state,
            hours=hours,
        )  # fmt: skip


def _address(row: Any, is_sub_meter: bool) -> str:
    """Of a sub-meter that of its host; of a meter behind a gateway perhaps only `?via=…`."""
    if row.host_state != ACTIVE:
        return ""
    if is_sub_meter:
        return str(row.host_address)
    return dialled(row.address, row.host_address)
