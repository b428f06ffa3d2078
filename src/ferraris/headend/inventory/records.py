"""Meters, gateways and sub-meters as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ferraris.headend.inventory.states import State

__all__ = [
    "FIRST_WAYS",
    "HOSTS",
    "MEDIA",
    "SUITES",
    "Authentication",
    "Ciphering",
    "Contact",
    "Kind",
    "Meter",
    "NewMeter",
]


class Kind(StrEnum):
    """What a device is to the head-end."""

    METER = "meter"
    GATEWAY = "gateway"
    SUB_METER = "sub-meter"  # an M-Bus device on a channel of its host


class Contact(StrEnum):
    """Who begins a conversation."""

    CALLED = "called"
    CALLS_IN = "calls in"
    SLEEPY = "sleepy"


class Authentication(StrEnum):
    """How the head-end and a meter prove themselves to each other, by mechanism [asn1]."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105 (the name of a mechanism)
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    GMAC = "gmac"
    ECDSA = "ecdsa"


class Ciphering(StrEnum):
    """How APDUs are protected where keys are shared: not at all, or in which form.

    The last three are envelopes with keys of their own; `+signed` is signed, then ciphered.
    """

    NONE = "none"
    SERVICE = "service"
    GENERAL = "general"
    ENVELOPE = "envelope"
    WRAPPED = "wrapped"
    ONE_PASS = "one-pass"  # noqa: S105 (the name of a form)
    STATIC = "static"
    GENERAL_SIGNED = "general+signed"
    ENVELOPE_SIGNED = "envelope+signed"
    ONE_PASS_SIGNED = "one-pass+signed"  # noqa: S105 (the name of a form)
    STATIC_SIGNED = "static+signed"


FIRST_WAYS: Final = ("none", "password", "md5", "sha1", "sha256")
"""By which a meter may come that has no keys yet."""

SUITES: Final = (0, 1, 2)
"""Security suites [facts-g]."""


MEDIA: Final = ("electricity", "gas", "water", "heat", "cooling", "other")
"""What is measured."""

HOSTS: Final[Mapping[Kind, tuple[Kind, ...]]] = {
    Kind.METER: (Kind.GATEWAY,),
    Kind.GATEWAY: (),
    Kind.SUB_METER: (Kind.METER, Kind.GATEWAY),
}
"""Behind what each kind may stand. As no chain of kinds comes back to its start, no loop can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMeter:
    """A meter as it is enrolled; only its `external_id` must be told.

    `node` and `behind` are names. Whatever is behind a host hangs at the host's node. `zone` (IANA
    name) serves stamps without a deviation. `address` is a URL of `ferraris.open`, empty for a
    meter that calls in. `awake` are the only hours at which it is called (`awake.hours_of`).
    `logical_device_name` is what it calls itself, if not by its id. A meter
    that comes with a password alone, or a secret, has `first_authentication` and `first_client`
    until it is registered: by these it is given the keys for the way that is its own.
    `delivered` is the digest of its row in a shipment file.
    """

    external_id: str
    kind: Kind = Kind.METER
    behind: str | None = None
    channel: int | None = None
    node: str | None = None
    system_title: bytes = b""
    logical_device_name: str = ""
    serial_number: str = ""
    maker: str = ""
    model: str = ""
    medium: str = "electricity"
    zone: str = "UTC"
    address: str = ""
    contact: Contact = Contact.CALLED
    awake: str = ""
    client: int = 1
    server: int = 1
    authentication: Authentication = Authentication.GMAC
    suite: int = 0
    ciphering: Ciphering = Ciphering.SERVICE
    first_authentication: str = ""
    first_client: int | None = None
    companion: str = ""
    template: str = ""
    firmware: str = ""
    firmware_wanted: str = ""
    configuration: str = ""
    configuration_wanted: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    delivered: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter(NewMeter):
    """A meter of the inventory: `number` is its row, `version` what a change must fit."""

    number: int
    state: State = State.KNOWN
    created_s: int = 0
    changed_s: int = 0
    version: int = 1
    heard_s: float | None = None
