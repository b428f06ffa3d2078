"""What is due, who is at it, and how it went: plans, claims, sessions, read success, commands."""

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
    refers,
    tenant,
    text,
)

__all__ = [
    "COMMAND",
    "CONTACT",
    "ITEM",
    "ITEM_LAYOUT",
    "LACK",
    "LOG_READ",
    "PLAN",
    "PLAN_ITEM",
    "PLAN_METER",
    "READ_SUCCESS",
    "REREAD",
    "SESSION",
    "WORKER",
]

# What can be due from a meter; plans that want the same share it, so it is read once.
ITEM: Final = Table(
    "item",
    METADATA,
    identity(),
    tenant(),
    text("kind"),  # profile, billing, registers, log
    text("name"),  # OBIS code; of registers a JSON list
    number("period_s"),  # of a profile; 0 otherwise
    text("each", default=""),  # of a billing profile: day, week, month, year
    UniqueConstraint("tenant", "kind", "name", "period_s", "each"),
)
# The layouts of register reads that are all that some meters have of an item.
ITEM_LAYOUT: Final = Table(
    "item_layout",
    METADATA,
    tenant(),
    refers("item", "item", key=True),
    refers("layout", "layout", key=True),
)

# `document` (JSON) says the rest: windows, deadline, back-log, zone.
PLAN: Final = Table(
    "plan",
    METADATA,
    identity(),
    tenant(),
    text("name"),
    text("group_name", default=""),
    number("priority", default=4),  # 0 first, 9 last
    flag("active", default=True),
    text("document", default="{}"),
    instant("changed_s"),
    UniqueConstraint("tenant", "name"),
)
PLAN_ITEM: Final = Table(
    "plan_item",
    METADATA,
    tenant(),
    refers("plan", "plan", key=True),
    refers("item", "item", key=True),
)
# The members of the plan's group, refreshed each round; `until_day` when one has left.
PLAN_METER: Final = Table(
    "plan_meter",
    METADATA,
    tenant(),
    refers("plan", "plan", key=True),
    refers("meter", "meter", key=True),
    number("since_day"),
    number("until_day", null=True),
    Index(None, "meter"),
)

# A worker's claims hold while its beats go on. The others watch the number change by their own
# steady clocks, so no two wall clocks are ever compared; `alive_s` is for people.
WORKER: Final = Table(
    "worker",
    METADATA,
    identity(),
    tenant(),
    text("name"),
    number("beat"),
    moment("alive_s"),
    UniqueConstraint("name"),
)

# How things stand with a meter as a whole: claimed by a worker, resting after a failure, or held
# for a human. No row: free.
CONTACT: Final = Table(
    "contact",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    text("state"),  # claimed, waiting, held
    refers("worker", "worker", null=True),
    number("tries"),
    moment("not_before_s"),
    text("reason"),
    text("message"),
    moment("since_s"),  # of the state
    Index(None, "worker"),
    Index(None, "tenant", "state"),
)

# A gap that a session could not fill although the meter answered: rows it does not have (short),
# an object it refuses.
LACK: Final = Table(
    "lack",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    refers("item", "item", key=True),
    number("day", key=True),
    flag("held"),
    number("tries"),
    moment("not_before_s"),
    text("reason"),
    text("message"),
    moment("since_s"),
    Index(None, "item", "day"),
)

# What an operator wants read once more although it is there.
REREAD: Final = Table(
    "reread",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    refers("item", "item", key=True),
    number("day", key=True),
    text("asked_by"),
    moment("asked_s"),
)

# Until when a log of a meter is known: events at `until_s` or before are stored.
LOG_READ: Final = Table(
    "log_read",
    METADATA,
    tenant(),
    refers("meter", "meter", key=True),
    text("log", key=True),
    instant("until_s"),
    instant("read_s"),
)

SESSION: Final = Table(
    "session",
    METADATA,
    identity(),
    tenant(),
    refers("meter", "meter"),
    moment("started_s"),
    moment("ended_s"),
    text("occasion"),  # plan, operator, call, push, registration
    text("outcome"),  # done, or the kind of failure
    text("message"),
    number("intervals"),
    number("registers"),
    number("events"),
    moment("deviation_s", null=True),  # how much the meter's clock was ahead of ours
    Index(None, "meter", "started_s"),
    Index(None, "tenant", "started_s"),
)

# Read success of a plan for a day, counted by segment, model and firmware; made again from blocks
# and reads while the day can still change.
READ_SUCCESS: Final = Table(
    "read_success",
    METADATA,
    tenant(),
    refers("plan", "plan", key=True),
    number("day", key=True),
    number("node", key=True),  # 0: none
    text("model", key=True),
    text("firmware", key=True),
    number("due"),
    number("in_time"),
    number("late"),
    number("lost", default=0),  # registers that nobody read in time, and nobody can any more
    moment("deadline_s"),
    moment("counted_s"),
    flag("final"),  # nothing that belongs to the day is chased any more
    Index(None, "tenant", "day"),
)

# What an operator or the head-end itself wants done at a meter; an outcome can stay unknown.
COMMAND: Final = Table(
    "command",
    METADATA,
    identity(),
    tenant(),
    refers("meter", "meter"),
    text("kind"),  # read, set clock, renew keys, ...
    text("parameters"),  # JSON, without secrets
    number("priority"),
    text("state"),  # queued, running, done, failed, unknown, cancelled
    text("requested_by"),
    moment("requested_s"),
    moment("not_after_s", null=True),
    moment("ended_s", null=True),
    text("result", default=""),  # JSON
    text("message", default=""),
    refers("worker", "worker", null=True),  # whose it is while it runs
    moment("started_s", null=True),
    flag("changes"),  # the meter: without an answer it is unknown, and never repeated
    Index(None, "tenant", "state"),
    Index(None, "meter"),
)
