"""Reading meters by plan: gaps become sessions, sessions become blocks."""

from __future__ import annotations

from ferraris.headend.collect.collection import Collection
from ferraris.headend.collect.command_kinds import Answer, CommandKind, CommandKinds, Order
from ferraris.headend.collect.dlms import DlmsFace, DlmsMeters
from ferraris.headend.collect.meter_face import MeterFace, OpenMeter
from ferraris.headend.collect.plan import Item, Plan, parse_plan, plan_of
from ferraris.headend.collect.plans import put_plan
from ferraris.headend.collect.policy import BackOff, Failure, Policy, failure_of
from ferraris.headend.collect.session import SessionLimits
from ferraris.headend.collect.settings import CollectionSettings, Progress, Summary
from ferraris.headend.collect.target import Target

__all__ = [
    "Answer",
    "BackOff",
    "Collection",
    "CollectionSettings",
    "CommandKind",
    "CommandKinds",
    "DlmsFace",
    "DlmsMeters",
    "Failure",
    "Item",
    "MeterFace",
    "OpenMeter",
    "Order",
    "Plan",
    "Policy",
    "Progress",
    "SessionLimits",
    "Summary",
    "Target",
    "failure_of",
    "parse_plan",
    "plan_of",
    "put_plan",
]
