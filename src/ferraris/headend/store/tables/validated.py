"""What validation, estimation and editing made of the readings: versions beside the raw blocks."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, Table

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

__all__ = ["FINAL", "HUMAN_EDIT", "VEE_DUE", "VEE_RULES"]

# One channel of a meter on one local day: raw and final values, quality, rule, findings and the
# version of every value, packed. A version never changes; a new one holds the whole day again.
FINAL: Final = Table(
    "final",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    refers("profile", "profile", key=True),
    refers("channel", "channel", key=True),
    number("day", key=True),  # local days since 1970
    number("version", key=True),
    text("zone"),
    instant("start_s"),  # where the first interval begins
    number("period_s"),
    number("intervals"),
    number("suspect"),  # how many are
    number("estimated"),
    number("edited"),
    number("missing"),
    number("findings"),  # of all intervals together
    text("rules"),  # digest of the rule set
    instant("stored_s"),
    number("seal", default=0),
    octets("digest"),
    octets("body"),
    Index(None, "day"),
    postgresql_partition_by="RANGE (day)",
)

# What must run again because something it depends on is new; the work queue of VEE. `marks`
# counts how often, so a worker notices what came while it was at work.
VEE_DUE: Final = Table(
    "vee_due",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    refers("profile", "profile", key=True),
    number("day", key=True),  # UTC day of a block; the local day itself where `local`
    flag("local"),
    text("reason"),
    moment("since_s"),
    number("marks", default=1),
    moment("claimed_until_s", null=True),
    Index(None, "tenant", "day", "meter"),
)

# What a human decided about a value, and why; never deleted, the newest version counts.
HUMAN_EDIT: Final = Table(
    "human_edit",
    METADATA,
    identity(),
    tenant(),
    refers("meter", "meter"),
    refers("profile", "profile"),
    refers("channel", "channel"),
    instant("end_s"),  # the end of the interval
    number("version"),
    text("kind"),  # set, accept, rules (gives the value back to them)
    number("value", null=True),
    number("raw", null=True),  # what the meter said then, so a contradiction shows
    text("by"),
    text("reason"),
    moment("at_s"),
    Index(None, "meter", "profile", "end_s"),
    Index(None, "meter", "profile", "channel", "end_s", "version", unique=True),
)

# The rule sets that are in force or were: their digest is what a final value names. The newest
# version of a name counts.
VEE_RULES: Final = Table(
    "vee_rules",
    METADATA,
    tenant(key=True),
    text("name", key=True),
    number("version", key=True),
    text("digest"),
    text("document"),  # TOML; empty when the rules of this name are withdrawn
    text("by"),
    moment("at_s"),
    Index(None, "tenant", "digest"),
)
