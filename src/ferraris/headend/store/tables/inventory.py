"""Who and what there is: tenants, the segment tree, meters, service points, strangers."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from ferraris.headend.store.tables.base import (
    METADATA,
    flag,
    identity,
    instant,
    moment,
    number,
    octets,
    refers,
    tenant,
    text,
)

__all__ = [
    "CUSTOMER",
    "GROUP",
    "LABEL",
    "LIFE",
    "METER",
    "NODE",
    "PUSH_LISTS",
    "REGISTRATION",
    "SERVICE_POINT",
    "SERVICE_POINT_METER",
    "STRANGER",
    "TENANT",
]

TENANT: Final = Table("tenant", METADATA, identity(), text("name"), UniqueConstraint("name"))

# The segment tree: network > concentrator or cell > ...; a meter hangs below one node.
NODE: Final = Table(
    "node",
    METADATA,
    identity(),
    tenant(),
    refers("parent", "node", null=True),
    text("kind"),  # network, concentrator, cell
    text("name"),
    text("address", default=""),  # of a concentrator
    number("most_sessions", null=True),  # at a time, below this node
    moment("most_connects", null=True),  # new connections a second, below this node
    UniqueConstraint("tenant", "name"),
)

# Meters, gateways and sub-meters; `behind` and `channel` place a sub-meter at its host, and a
# meter at its gateway.
METER: Final = Table(
    "meter",
    METADATA,
    identity(),
    tenant(),
    text("external_id"),
    text("kind", default="meter"),  # meter, gateway, sub-meter
    text("state", default="known"),  # known, installed, active, suspended, retired
    refers("behind", "meter", null=True),
    number("channel", null=True),
    refers("node", "node", null=True),
    octets("system_title"),
    text("serial_number", default=""),
    text("logical_device_name", default=""),  # as the meter proved it; before, as it should be
    text("maker", default=""),
    text("model", default=""),
    text("medium", default="electricity"),
    text("zone", default="UTC"),  # IANA name, for stamps without a deviation
    text("address", default=""),  # URL of ferraris.open; empty for a meter that calls in
    text("contact", default="called"),  # called, calls in, sleepy
    text("awake", default=""),  # the only hours at which it is called: inventory/awake.py
    number("client", default=1),
    number("server", default=1),
    text("authentication", default="gmac"),  # none, password, md5, sha1, sha256, gmac, ecdsa
    number("suite", default=0),
    text("ciphering", default="service"),  # how APDUs are protected: inventory/records.py
    text("first_authentication", default=""),  # as it came, where that is another way
    number("first_client", null=True),
    text("companion", default=""),
    text("template", default=""),  # what alike meters share: their object lists
    text("firmware", default=""),
    text("firmware_wanted", default=""),
    text("configuration", default=""),
    text("configuration_wanted", default=""),
    octets("delivered", null=True),  # digest of its row in the shipment file, keys as wrapped
    instant("created_s"),
    instant("changed_s"),
    number("version", default=1),  # counts what people changed
    moment("heard_s", null=True),  # when it last answered or called
    UniqueConstraint("tenant", "external_id"),
    Index(None, "tenant", "state"),
    Index(None, "node"),
    Index(None, "behind"),
    Index(None, "system_title"),
)

# Whatever a utility wants to select meters by.
LABEL: Final = Table(
    "label",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    text("name", key=True),
    text("value"),
    Index(None, "tenant", "name", "value"),
)

# Every change of life-cycle state, with its reason.
LIFE: Final = Table(
    "life",
    METADATA,
    identity(),
    tenant(),
    refers("meter", "meter"),
    text("before"),
    text("after"),
    moment("at_s"),
    text("reason"),
    text("by"),
    Index(None, "meter", "at_s"),
)

CUSTOMER: Final = Table(
    "customer",
    METADATA,
    identity(),
    tenant(),
    text("name"),  # what the utility calls them; no personal data beyond it
    moment("erased_s", null=True),
    UniqueConstraint("tenant", "name"),
)

SERVICE_POINT: Final = Table(
    "service_point",
    METADATA,
    identity(),
    tenant(),
    text("name"),
    text("zone", default="UTC"),
    text("commodity", default="electricity"),
    UniqueConstraint("tenant", "name"),
)

# Which meter measures for a service point, and for whom; `since_s` belongs to it, `until_s` not.
SERVICE_POINT_METER: Final = Table(
    "service_point_meter",
    METADATA,
    tenant(),
    refers("service_point", "service_point", key=True),
    instant("since_s", key=True),
    instant("until_s", null=True),
    refers("meter", "meter"),
    refers("customer", "customer", null=True),
    Index(None, "meter", "since_s"),
    Index(None, "customer"),
)

# A group is a query (JSON), so membership follows the inventory.
GROUP: Final = Table(
    "meter_group",
    METADATA,
    identity(),
    tenant(),
    text("name"),
    text("query"),
    flag("built_in"),
    UniqueConstraint("tenant", "name"),
)

# Who announced itself or called in and is not known, or is not who it says: quarantined.
STRANGER: Final = Table(
    "stranger",
    METADATA,
    identity(),
    tenant(),
    text("identity"),  # system title in hex, or what it said
    text("peer"),  # where it came from
    text("reason"),
    text("message"),
    moment("first_s"),
    moment("last_s"),
    number("times"),
    text("decision", default=""),  # empty, admitted, refused
    UniqueConstraint("tenant", "identity", "reason"),
)

# What meters push: their push object lists with scalers, units and columns of profiles. Meters that
# are alike share a row, found by the hash of the lists as they stand in the meter.
PUSH_LISTS: Final = Table(
    "push_lists",
    METADATA,
    identity(),
    tenant(),
    octets("digest"),
    text("document"),  # JSON
    UniqueConstraint("tenant", "digest"),
)

# How far a meter is on its way to being active, of the last time: a process that is killed goes on
# from here. `claimed_by` has it until `claimed_until_s`.
REGISTRATION: Final = Table(
    "registration",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    text("step"),  # of registration/states.py
    text("occasion"),  # push, call, operator
    text("peer", default=""),
    text("asked_by"),
    moment("since_s"),
    moment("changed_s"),
    number("tries", default=0),
    moment("not_before_s"),
    text("claimed_by", default=""),
    moment("claimed_until_s", null=True),
    flag("counter_asked"),  # the meter was asked which invocation counter it expects
    number("clock_offset_s", null=True),  # before the clock was set
    refers("push_lists", "push_lists", null=True),
    text("findings", default="[]"),  # JSON: how it differs from its companion specification
    text("message", default=""),
    Index(None, "tenant", "step"),
    Index(None, "step", "not_before_s"),
)
