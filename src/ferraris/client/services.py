"""Procedures for services: whatever the size, one call reads, writes or acts.

Each is a coroutine over a driver's `exchange`, so that it runs on every driver. Blocks are used as
negotiated. Refusals become `RefusedError` with the standard's own reason, or a value in a list.

A write or an action that was not answered is never repeated: its error has `outcome_unknown` set,
and what the meter did is unknown until read back. One that was sent unconfirmed has no answer at
all, so its outcome is unknown from the start.
"""

from __future__ import annotations

from ferraris.client.access import access
from ferraris.client.action_service import act, act_list
from ferraris.client.blocks import Exchange
from ferraris.client.get_service import get, get_list
from ferraris.client.set_service import set_, set_list

__all__ = ["Exchange", "access", "act", "act_list", "get", "get_list", "set_", "set_list"]
