"""What needs somebody, as the rooms tell it: plain records, with the caller's rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from ferraris.headend.operations import NotFoundError
from ferraris.headend.operations.alarms import AlarmView, list_alarms
from ferraris.headend.operations.collecting import CommandView, list_commands
from ferraris.headend.operations.paging import Page
from ferraris.headend.operations.strangers import StrangerView, list_strangers
from ferraris.headend.operations.troubles import (
    TroublePart,
    TroubleView,
    counted,
    list_troubles,
)
from ferraris.headend.operations.validation import list_exceptions
from ferraris.headend.page.look import Look
from ferraris.headend.vee.exceptions import DayException

__all__ = ["alarms", "commands", "counts", "doubts", "silent", "stranger", "strangers", "under_way"]

_MANY: Final = 100
_WEEK: Final = 7


def counts(look: Look) -> Mapping[str, Sequence[TroublePart]]:
    """How many meters were tried in vain: by reason, segment, model and firmware."""
    return counted(look.desk)


def silent(look: Look, limit: int, **wanted: str) -> tuple[list[TroubleView], str]:
    """Meters that were tried in vain, and where the list goes on; `wanted` is what narrows it."""
    found = look.ask(list_troubles, limit=limit, **wanted)
    return found.items, found.next


def alarms(look: Look, **wanted: Any) -> Page[AlarmView]:
    """Alarms, the newest first; `wanted` is what narrows the list."""
    return look.ask(list_alarms, **wanted)


def strangers(look: Look) -> tuple[bool, list[StrangerView]]:
    """Who waits for a decision, those who came last first; whether there are more of them."""
    found = look.ask(list_strangers, limit=_MANY)
    return bool(found.next), sorted(found.items, key=lambda each: each.last, reverse=True)


def stranger(look: Look, number: int) -> StrangerView:
    """One who waits; `NotFoundError` for others."""
    before = str(number - 1) if number > 1 else ""
    for each in look.ask(list_strangers, after=before, limit=1).items:
        if each.number == number:
            return each
    raise NotFoundError(f"no stranger {number} waits")


def commands(look: Look, limit: int, meter: str = "") -> list[CommandView]:
    """The newest commands of all, or of one meter."""
    return look.ask(list_commands, meter=meter, limit=limit).items


def under_way(look: Look) -> tuple[bool, int]:
    """How many commands are under way; whether there are more of them."""
    found = [look.ask(list_commands, state=state, limit=_MANY) for state in ("queued", "running")]
    return any(each.next for each in found), sum(len(each.items) for each in found)


def doubts(look: Look) -> tuple[bool, list[DayException]]:
    """Days of the last week that validation doubts, the newest first; whether there are more."""
    today = look.formats.local(look.now).date()
    found = look.ask(list_exceptions, since=today - timedelta(days=_WEEK), until=today, limit=_MANY)
    return bool(found.next), found.items
