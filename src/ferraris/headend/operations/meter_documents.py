"""What operations on meters take and give."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final

__all__ = [
    "QUERY",
    "Awake",
    "MeterChange",
    "MeterDocument",
    "MeterLine",
    "MeterView",
    "Move",
    "MoveMany",
    "Moved",
    "Placing",
    "StateCount",
    "Touched",
    "Wanted",
]

QUERY: Final = "As in state=active and below=Cell-7; see the page on the inventory."


@dataclass(frozen=True, slots=True)
class MeterLine:
    """A meter in a list."""

    meter: str
    kind: str
    state: str
    maker: str
    model: str
    serial_number: str
    medium: str
    node: str | None
    behind: str | None
    channel: int | None
    contact: str
    firmware: str
    heard: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class MeterView:
    """All that the inventory has of a meter; `system_title` is hexadecimal."""

    meter: str
    kind: str
    state: str
    behind: str | None
    channel: int | None
    node: str | None
    system_title: str
    logical_device_name: str
    serial_number: str
    maker: str
    model: str
    medium: str
    zone: str
    address: str
    contact: str
    awake: str
    client: int
    server: int
    authentication: str
    suite: int
    ciphering: str
    first_authentication: str
    first_client: int | None
    companion: str
    template: str
    firmware: str
    firmware_wanted: str
    configuration: str
    configuration_wanted: str
    labels: dict[str, str]
    created: datetime
    changed: datetime
    heard: datetime | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDocument:
    """A meter to be added; only `meter`, its external id, must be told."""

    meter: str
    kind: Annotated[str, "meter, gateway or sub-meter."] = "meter"
    behind: Annotated[str | None, "The host of a sub-meter, or the gateway of a meter."] = None
    channel: Annotated[int | None, "At the host."] = None
    node: Annotated[str | None, "Where it hangs in the segment tree."] = None
    system_title: Annotated[str, "16 hexadecimal digits."] = ""
    logical_device_name: Annotated[str, "What it calls itself, if not by its id."] = ""
    serial_number: str = ""
    maker: str = ""
    model: str = ""
    medium: str = "electricity"
    zone: Annotated[str, "IANA name, for stamps without a deviation."] = "UTC"
    address: Annotated[str, "URL; empty for a meter that calls in."] = ""
    contact: Annotated[str, "called, calls in or sleepy."] = "called"
    awake: Annotated[str, "The only hours at which it is called, as 02:00-04:00."] = ""
    client: int = 1
    server: int = 1
    authentication: Annotated[str, "none, password, md5, sha1, sha256, gmac or ecdsa."] = "gmac"
    suite: Annotated[int, "The security suite: 0, 1 or 2."] = 0
    ciphering: Annotated[
        str, "none, service, general, envelope, wrapped, one-pass or static; `+signed` signs."
    ] = "service"
    first_authentication: Annotated[
        str, "By which it is given its keys, where that is another way."
    ] = ""
    first_client: Annotated[int | None, "The client address of that way."] = None
    companion: str = ""
    template: str = ""
    firmware: str = ""
    firmware_wanted: str = ""
    configuration: str = ""
    configuration_wanted: str = ""
    labels: Annotated[dict[str, str], "All of them, as JSON."] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterChange:
    """What shall be different; what is left out stays. An empty `node` or `behind` is none."""

    version: Annotated[int | None, "Refused when the meter has another one by now."] = None
    behind: str | None = None
    channel: int | None = None
    node: str | None = None
    system_title: str | None = None
    logical_device_name: str | None = None
    serial_number: str | None = None
    maker: str | None = None
    model: str | None = None
    medium: str | None = None
    zone: str | None = None
    address: str | None = None
    contact: str | None = None
    awake: str | None = None
    client: int | None = None
    server: int | None = None
    authentication: str | None = None
    suite: int | None = None
    ciphering: str | None = None
    first_authentication: str | None = None
    first_client: int | None = None
    companion: str | None = None
    template: str | None = None
    firmware: str | None = None
    firmware_wanted: str | None = None
    configuration: str | None = None
    configuration_wanted: str | None = None
    labels: Annotated[dict[str, str] | None, "All of them, as JSON."] = None


@dataclass(frozen=True, slots=True)
class Awake:
    """When the meters that a query finds can be called."""

    query: Annotated[str, QUERY]
    awake: Annotated[str, "The only hours, as 02:00-04:00; empty for any."]


@dataclass(frozen=True, slots=True)
class Move:
    """Where the life of a meter goes on, and why."""

    to: Annotated[str, "known, installed, active, suspended or retired."]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MoveMany:
    """Where the lives of the meters that a query finds go on, and why."""

    query: Annotated[str, QUERY]
    to: Annotated[str, "known, installed, active, suspended or retired."]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the meters that a query finds hang from now on; empty: nowhere."""

    query: Annotated[str, QUERY]
    node: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which firmware or configuration the meters that a query finds should have."""

    query: Annotated[str, QUERY]
    firmware: str | None = None
    configuration: str | None = None


@dataclass(frozen=True, slots=True)
class Touched:
    """How many meters it was."""

    meters: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A step in the life of a meter; the first has nothing before."""

    before: str
    after: str
    at: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many meters are in a state."""

    state: str
    meters: int
