"""What meters measured and reported: channels, packed blocks, register reads, events, alarms.

Blocks and register reads are never changed: a correction is a new version. `seal` is 0 for a body
in the clear, else the number of the customer under whose key it is sealed.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint
from sqlalchemy import text as condition

from ferraris.headend.store.tables.base import (
    METADATA,
    flag,
    identity,
    instant,
    moment,
    number,
    octets,
    refers,
    small,
    tenant,
    text,
)

__all__ = [
    "ALARM",
    "BLOCK",
    "CHANNEL",
    "DAY_TOTAL",
    "EVENT",
    "LAYOUT",
    "PROFILE",
    "REGISTER_READ",
    "UNDATED",
]

# A channel never changes: another scaler or unit is another channel, with the next version.
CHANNEL: Final = Table(
    "channel",
    METADATA,
    identity(),
    tenant(),
    text("name"),
    flag("is_obis"),
    number("class_id"),
    number("attribute"),
    number("element"),
    number("scaler"),
    number("unit"),
    text("origin"),
    number("version"),
    UniqueConstraint(
        "tenant",
        "name",
        "is_obis",
        "class_id",
        "attribute",
        "element",
        "scaler",
        "unit",
        "origin",
        name="uq_channel_identity",
    ),
    UniqueConstraint(
        "tenant",
        "name",
        "is_obis",
        "class_id",
        "attribute",
        "element",
        "version",
        name="uq_channel_version",
    ),
)

# The channels of a block or register read, in the order of its columns (a JSON list of numbers).
LAYOUT: Final = Table(
    "layout",
    METADATA,
    identity(),
    tenant(),
    text("channels"),
    UniqueConstraint("tenant", "channels"),
)

PROFILE: Final = Table(
    "profile", METADATA, identity(), tenant(), text("obis"), UniqueConstraint("tenant", "obis")
)

# In PostgreSQL partitioned by `day`, a month each.
BLOCK: Final = Table(
    "block",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    refers("profile", "profile", key=True),
    number("day", key=True),  # UTC days since 1970
    refers("layout", "layout", key=True),
    number("version", key=True),
    number("rows"),
    instant("stored_s"),
    text("source", default="pull"),  # pull, push, import
    number("seal", default=0),
    octets("digest"),
    octets("body"),
    Index(None, "day"),
    postgresql_partition_by="RANGE (day)",
)

# First and last value, least and most of every channel of a meter's day, of whole numbers: derived
# from the newest blocks, so it can be made again (`store.totals`), and so it refers to nothing; it
# goes when a customer's readings are erased. The order of the key is that of its main question:
# one channel of all meters on a day.
DAY_TOTAL: Final = Table(
    "day_total",
    METADATA,
    small("tenant", key=True),
    small("day", key=True),
    small("profile", key=True),
    small("channel", key=True),
    number("meter", key=True),
    small("rows"),
    number("first"),
    number("last"),
    number("least"),
    number("most"),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (day)",
)

REGISTER_READ: Final = Table(
    "register_read",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    number("day", key=True),
    instant("read_s", key=True),
    refers("layout", "layout", key=True),
    number("version", key=True),
    number("count"),
    text("source", default="pull"),
    number("seal", default=0),
    octets("digest"),
    octets("body"),
    Index(None, "day"),
    postgresql_partition_by="RANGE (day)",
)

# Rows whose stamps tell no instant, so no day holds them.
UNDATED: Final = Table(
    "undated",
    METADATA,
    identity(),
    tenant(),
    refers("meter", "meter"),
    refers("profile", "profile"),
    number("rows"),
    instant("stored_s"),
    number("seal", default=0),
    octets("digest"),
    octets("body"),
    UniqueConstraint("meter", "profile", "digest"),
)

# One line of a meter's event log; `turn` counts equal ones of one second.
EVENT: Final = Table(
    "event",
    METADATA,
    identity(),
    tenant(),
    refers("meter", "meter"),
    text("log"),  # OBIS code of the log, or "push"
    instant("at_s"),
    number("turn"),
    number("code"),
    octets("stamp"),
    text("detail", default=""),  # JSON: the further columns of the log
    instant("stored_s"),
    UniqueConstraint("meter", "log", "at_s", "code", "turn"),
    Index(None, "tenant", "at_s"),
)

# Something a meter wants to be noticed: raised by a push or a read alarm register, until somebody
# has seen it and it is over.
ALARM: Final = Table(
    "alarm",
    METADATA,
    identity(),
    tenant(),
    refers("meter", "meter"),
    text("name"),
    text("source"),  # push, read
    moment("raised_s"),
    moment("last_s"),
    number("times"),
    moment("cleared_s", null=True),
    moment("acknowledged_s", null=True),
    text("acknowledged_by", default=""),
    text("comment", default=""),  # of whoever acknowledged it
    Index(None, "tenant", "raised_s"),
    Index(
        None,
        "tenant",
        "meter",
        "name",
        unique=True,
        sqlite_where=condition("cleared_s IS NULL"),
        postgresql_where=condition("cleared_s IS NULL"),
    ),
    Index(None, "meter", "name"),
)
