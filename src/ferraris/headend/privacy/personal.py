"""Every table of the store: what it tells about a person, and what becomes of it at an erasure.

Declared here and nowhere else; a table that is not listed fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["PERSONAL_DATA", "Fate", "Treatment"]


class Fate(StrEnum):
    """What an erasure does with a customer's rows."""

    NOTHING_PERSONAL = "holds nothing about customers"
    STAFF = "is about those who work with the head-end, not about customers"
    KEY = "lies under the customer's key and goes with it"
    DELETED = "is deleted"
    KEPT = "is kept, as it names no person"


class Treatment(NamedTuple):
    """`told` says what is there and why it fares so; `exported` if the customer is given it."""

    fate: Fate
    told: str
    exported: bool = False


_NONE: Final = Fate.NOTHING_PERSONAL

PERSONAL_DATA: Final[Mapping[str, Treatment]] = MappingProxyType(
    {
        # Who and what there is
        "tenant": Treatment(_NONE, "names of utilities"),
        "node": Treatment(_NONE, "the network"),
        "meter": Treatment(_NONE, "devices, as they were delivered and configured"),
        "label": Treatment(_NONE, "words that select devices; what tells of a person has no place"),
        "registration": Treatment(_NONE, "how far a device is on its way to being active"),
        "life": Treatment(_NONE, "life-cycle states of devices"),
        "service_point": Treatment(Fate.KEPT, "a place in the network under the utility's number"),
        "customer": Treatment(
            Fate.KEPT,
            "the utility's reference, without a name or an address, and when it was erased: so "
            "that the erasure can be shown",
            exported=True,
        ),
        "service_point_meter": Treatment(
            Fate.KEPT,
            "which reference had which meter when; without it, late readings would lie open",
            exported=True,
        ),
        "meter_group": Treatment(_NONE, "queries"),
        "stranger": Treatment(_NONE, "devices that nobody knows"),
        # What meters measured
        "channel": Treatment(_NONE, "what can be measured"),
        "layout": Treatment(_NONE, "the order of channels"),
        "profile": Treatment(_NONE, "names of profiles"),
        "block": Treatment(Fate.KEY, "interval values, with the status of each", exported=True),
        "register_read": Treatment(Fate.KEY, "values of registers", exported=True),
        "undated": Treatment(Fate.KEY, "interval values whose time is unknown", exported=True),
        "final": Treatment(Fate.KEY, "validated values; on a shared day deleted", exported=True),
        "day_total": Treatment(Fate.DELETED, "made from blocks, for figures of a whole network"),
        "event": Treatment(Fate.DELETED, "the meter's log: what befell the supply", exported=True),
        "alarm": Treatment(Fate.DELETED, "what the meter wanted to be noticed", exported=True),
        "human_edit": Treatment(Fate.DELETED, "values that somebody set", exported=True),
        "vee_due": Treatment(_NONE, "which days are to be validated"),
        "vee_rules": Treatment(_NONE, "rules"),
        # How they were collected
        "item": Treatment(_NONE, "what can be collected"),
        "plan": Treatment(_NONE, "plans"),
        "plan_item": Treatment(_NONE, "plans"),
        "plan_meter": Treatment(_NONE, "plans"),
        "worker": Treatment(_NONE, "processes"),
        "contact": Treatment(_NONE, "when a device can be tried again"),
        "lack": Treatment(_NONE, "what a device did not have"),
        "push_lists": Treatment(_NONE, "what is in the pushes of devices"),
        "item_layout": Treatment(_NONE, "the layouts of what is collected"),
        "reread": Treatment(_NONE, "which days are to be read again"),
        "log_read": Treatment(_NONE, "until when a log is known"),
        "session": Treatment(Fate.KEPT, "when a device was talked to and how it went", True),
        "read_success": Treatment(_NONE, "counts of a whole network"),
        "command": Treatment(Fate.DELETED, "results, which can hold readings; the rest is kept"),
        # Who may do what
        "principal": Treatment(Fate.STAFF, "names of users and programs"),
        "sign_in": Treatment(Fate.STAFF, "their visits to the page"),
        "token": Treatment(Fate.STAFF, "hashes of their tokens"),
        "access_grant": Treatment(Fate.STAFF, "their roles"),
        "audit": Treatment(
            Fate.STAFF, "who did what, and looked at whose readings; never the readings", True
        ),
        "looked_at": Treatment(
            Fate.STAFF, "which meters a line of the audit log means, when it means many", True
        ),
        "audit_chain": Treatment(_NONE, "heads of the audit log"),
        "anchor": Treatment(_NONE, "heads of the audit log"),
        "change": Treatment(_NONE, "that something is new, never what was measured"),
        "idempotency": Treatment(_NONE, "answers to requests that change something, for a day"),
    }
)
"""By the name of each table."""
