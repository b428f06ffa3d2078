"""What validation, estimation and editing made of the readings: versions beside the raw blocks."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, Table

from ferraris.headend.store.tables.base import (
    METADATA,
    instant,
    moment,
    number,
    octets,
    refers,
    tenant,
    text,
)

__all__ = ["FINAL", "HUMAN_EDIT", "VEE_DUE", "VEE_RULES"]

# One channel of a meter on one local day of its service point: final values, quality, rule and
# the version of every value, packed; the raw values stay in the blocks.
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
    number("intervals"),
    number("estimated"),  # how many are
    number("suspect"),
    number("missing"),
    text("rules"),  # digest of the rule set
    instant("stored_s"),
    number("seal", default=0),
    octets("digest"),
    octets("body"),
    Index(None, "day"),
    postgresql_partition_by="RANGE (day)",
)

# What must run again because something it depends on is new; the work queue of VEE.
VEE_DUE: Final = Table(
    "vee_due",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    refers("profile", "profile", key=True),
    number("day", key=True),  # local
    text("reason"),
    moment("since_s"),
)

# What a human set, and why; never deleted.
HUMAN_EDIT: Final = Table(
    "human_edit",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    refers("channel", "channel", key=True),
    instant("end_s", key=True),  # the end of the interval
    number("version", key=True),
    number("value", null=True),  # NULL gives the value back to the rules
    text("by"),
    text("reason"),
    moment("at_s"),
)

# The rule sets that were in force: their digest is what a final value names.
VEE_RULES: Final = Table(
    "vee_rules", METADATA, tenant(), text("digest", key=True), text("document"), moment("at_s")
)
