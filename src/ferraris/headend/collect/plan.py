"""Plans as data: what is read from which group of meters, when, by when and how far back.

A plan is a document, the same in JSON and TOML:

    group = "households"            # empty: all meters
    zone = "Europe/Berlin"
    priority = 4                    # 0 first, 9 last
    profiles = [{profile = "1-0:99.1.0*255", period = "15 min"}]
    registers = ["1-0:1.8.0*255"]
    billing = [{profile = "0-0:98.1.0*255", each = "month"}]
    logs = ["0-0:99.98.0*255"]
    alarms = [{register = "0-0:97.98.20*255", clear = true}]
    windows = [{from = "00:15", until = "05:00"}]
    deadline = "06:00"              # of the day after, or as `deadline_days` says
    back_days = 30
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.headend.collect.alarms import ALARM_OBJECTS
from ferraris.headend.collect.channels import is_of_channel
from ferraris.headend.collect.windows import (
    DAY_MINUTES,
    WEEKDAYS,
    Opening,
    Window,
    instant_of,
    local_day,
    midnight,
    next_opening,
    opening_at,
    zone_of,
)

__all__ = [
    "ALARMS",
    "BILLING",
    "CLEAR",
    "LOG",
    "PROFILE",
    "REGISTERS",
    "Item",
    "Plan",
    "parse_plan",
    "plan_of",
]

PROFILE, BILLING, REGISTERS, LOG, ALARMS = "profile", "billing", "registers", "log", "alarms"

CLEAR: Final = "clear"
"""What stands as `each` of alarms that are cleared in the meter once they are stored."""

_DAY_S: Final = 86_400
_SORTS: Final = {BILLING: PROFILE}
_EACH: Final = ("day", "week", "month", "year")
_REACHES: Final = ("day", "utc day", "now")
_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": _DAY_S}
_MOST_BACK_DAYS: Final = 400
_NAME: Final = re.compile(r"[\w .\-]{1,80}")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_DURATION: Final = re.compile(r"([0-9]{1,6}) ?(s|min|h|d)")


class Item(NamedTuple):
    """One thing that can be due: `name` is an OBIS code, of registers a JSON list of them.

    `period_s` is that of a profile, `each` that of a billing profile, or `CLEAR`.
    """

    kind: str
    name: str
    period_s: int = 0
    each: str = ""

    @property
    def registers(self) -> tuple[str, ...]:
        """The OBIS codes of a group of registers."""
        return tuple(json.loads(self.name)) if self.kind == REGISTERS else ()

    @property
    def of_sub_meters(self) -> bool:
        """Whether sub-meters have it, at their channels; all other meters have the rest."""
        names = self.registers or (self.name,)
        return is_of_channel(names[0])


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan says.

    Attributes:
        name: unique in its tenant.
        items: what is read.
        group: name of a group of the inventory; empty for all meters.
        windows: when, in the local time of `zone`.
        zone: IANA name.
        deadline: minutes after the midnight that begins the day `deadline_days` after the day read.
        deadline_days: 1 for the day after.
        back_days: how many days back gaps are chased.
        reach: until when rows are due: "day" for the last local midnight, "utc day" for the last
            one of UTC, "now" for whatever is there.
        before_days: how many days before a meter became active are due as well.
        priority: 0 first, 9 last.
        active: whether it works at all.
    """

    name: str
    items: tuple[Item, ...]
    group: str = ""
    windows: tuple[Window, ...] = (Window(),)
    zone: str = "UTC"
    deadline: int = 6 * 60
    deadline_days: int = 1
    back_days: int = 30
    reach: str = "day"
    before_days: int = 0
    priority: int = 4
    active: bool = True

    def opening(self, now: float) -> Opening | None:
        """The opening in which a moment lies, the latest to begin; None when the plan rests."""
        found = [opening_at(window, self.zone, now) for window in self.windows]
        return max((each for each in found if each is not None), default=None)

    def next_opening(self, now: float) -> Opening:
        """The first opening that begins after a moment."""
        return min(next_opening(window, self.zone, now) for window in self.windows)

    def due_until(self, now: float) -> int:
        """Rows whose interval ends by then (UTC seconds) are due at a moment."""
        if self.reach == "now":
            return int(now)
        if self.reach == "utc day":
            return int(now) // _DAY_S * _DAY_S
        return midnight(local_day(now, self.zone), self.zone)

    def due_since(self, now: float) -> int:
        """Rows whose interval ends after that are chased at a moment."""
        return self.due_until(now) - self.back_days * _DAY_S

    def deadline_of(self, day: int) -> int:
        """When (UTC seconds) what belongs to a local day has to be there."""
        return instant_of(day + self.deadline_days, self.deadline, self.zone)

    def document(self) -> dict[str, Any]:
        """The plan as `plan_of` takes it."""
        named: dict[str, list[Any]] = {
            key: [] for key in ("profiles", "billing", "logs", "alarms", "registers")
        }
        for item in self.items:
            if item.kind == PROFILE:
                named["profiles"].append(
                    {"profile": item.name, "period": _duration_text(item.period_s)}
                )
            elif item.kind == BILLING:
                named["billing"].append({"profile": item.name, "each": item.each})
            elif item.kind == LOG:
                named["logs"].append(item.name)
            elif item.kind == ALARMS:
                named["alarms"].append({"register": item.name, "clear": item.each == CLEAR})
            else:
                named["registers"] += item.registers
        return {
            "name": self.name,
            "group": self.group,
            "priority": self.priority,
            "active": self.active,
            "zone": self.zone,
            **{key: value for key, value in named.items() if value},
            "windows": [_window_document(window) for window in self.windows],
            "deadline": _time_text(self.deadline),
            "deadline_days": self.deadline_days,
            "back_days": self.back_days,
            "reach": self.reach,
            "before_days": self.before_days,
        }


def parse_plan(text: str) -> Plan:
    """The plan of a JSON or TOML document; `UsageError` says what is wrong and where."""
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"neither JSON nor TOML: {error}", where="plan") from None
    return plan_of(document)


def plan_of(document: Any) -> Plan:
    """The plan of a decoded document; `UsageError` says what is wrong and where."""
    given = _Fields(document, "")
    plan = Plan(
        name=given.take("name", _name),
        items=_items(given),
        group=given.take("group", _text, ""),
        windows=given.take("windows", _windows, (Window(),)),
        zone=given.take("zone", _zone, "UTC"),
        deadline=given.take("deadline", _time, 6 * 60),
        deadline_days=given.take("deadline_days", _number(0, 31), 1),
        back_days=given.take("back_days", _number(1, _MOST_BACK_DAYS), 30),
        reach=given.take("reach", _one_of(_REACHES), "day"),
        before_days=given.take("before_days", _number(0, _MOST_BACK_DAYS), 0),
        priority=given.take("priority", _number(0, 9), 4),
        active=given.take("active", _switch, True),
    )
    given.finish()
    if not plan.items:
        what = "no profiles, registers, billing, logs or alarms"
        raise UsageError(f"it reads nothing: {what}", where="plan")
    return plan


class _Fields:
    """A table of a document, taken field by field; what is left over is an error."""

    def __init__(self, document: Any, where: str) -> None:
        if not isinstance(document, Mapping):
            raise UsageError(f"{where or 'a plan'} is a table of fields", where="plan")
        self._left = dict(document)
        self._where = where

    def take(self, key: str, check: Callable[[Any], Any], default: Any = ...) -> Any:
        if key not in self._left:
            if default is ...:
                raise UsageError(f"{self._path(key)} is missing", where="plan")
            return default
        try:
            return check(self._left.pop(key))
        except _WrongError as error:
            raise UsageError(f"{self._path(key)}{error}", where="plan") from None

    def finish(self) -> None:
        if self._left:
            raise UsageError(f"there is no field {self._path(min(self._left, key=str))}",
                             where="plan")  # fmt: skip

    def _path(self, key: Any) -> str:
        text = str(key)[:40]
        return f"{self._where}.{text}" if self._where else text


class _WrongError(Exception):
    """Why a value of a field is none; the text begins where the name of the field ends."""


def _items(given: _Fields) -> tuple[Item, ...]:
    items = [
        *given.take("profiles", _tables(_profile_item), []),
        *given.take("billing", _tables(_billing_item), []),
    ]
    registers = list(dict.fromkeys(given.take("registers", _list(_obis), [])))
    for of_channel in (False, True):
        if some := [name for name in registers if is_of_channel(name) is of_channel]:
            items.append(Item(REGISTERS, json.dumps(some)))
    items += [Item(LOG, name) for name in given.take("logs", _list(_obis), [])]
    items += given.take("alarms", _tables(_alarm_item), [])
    names = [(_SORTS.get(item.kind, item.kind), item.name) for item in items]
    if len(set(names)) < len(names):
        raise UsageError("it names the same profile, log or alarm register twice", where="plan")
    return tuple(items)


def _profile_item(fields: _Fields) -> Item:
    name = fields.take("profile", _obis)
    return Item(PROFILE, name, fields.take("period", _period, 900))


def _billing_item(fields: _Fields) -> Item:
    name = fields.take("profile", _obis)
    return Item(BILLING, name, each=fields.take("each", _one_of(_EACH), "month"))


def _alarm_item(fields: _Fields) -> Item:
    name = fields.take("register", _alarm_object)
    return Item(ALARMS, name, each=CLEAR if fields.take("clear", _switch, False) else "")


def _alarm_object(value: Any) -> str:
    name = _obis(value)
    obis = Obis.parse(name)
    if (obis.a, obis.c, obis.d) != (0, *ALARM_OBJECTS):
        raise _WrongError(" is an alarm register or its descriptor, as 0-0:97.98.20*255")
    return name


def _windows(value: Any) -> tuple[Window, ...]:
    found = tuple(_tables(_window)(value))
    if not found:
        raise _WrongError(" needs at least one window")
    return found


def _window(fields: _Fields) -> Window:
    since, until = fields.take("from", _time, 0), fields.take("until", _time, DAY_MINUTES)
    days = fields.take("on", _list(_weekday), list(range(7)))
    every, lasting = fields.take("every", _minutes, 0), fields.take("for", _minutes, 0)
    if since == DAY_MINUTES:
        raise _WrongError(".from is before 24:00")
    if not days:
        raise _WrongError(".on names no day")
    if bool(every) != bool(lasting) or lasting > every:
        raise _WrongError(" opens `every` so often `for` so long, which is no longer")
    return Window(since, until, frozenset(days), every, lasting)


def _tables(make: Callable[[_Fields], Any]) -> Callable[[Any], list[Any]]:
    def check(value: Any) -> list[Any]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _WrongError(" is a list of tables")
        found = []
        for place, each in enumerate(value):
            if not isinstance(each, Mapping):
                raise _WrongError(f"[{place}] is a table of fields")
            fields = _Fields(each, f"[{place}]")
            try:
                found.append(make(fields))
                fields.finish()
            except UsageError as error:
                raise _WrongError(f" {error.message}") from None
            except _WrongError as error:
                raise _WrongError(f"[{place}]{error}") from None
        return found

    return check


def _list(check: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def checked(value: Any) -> list[Any]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _WrongError(" is a list")
        return [check(each) for each in value]

    return checked


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 80 or not value.isprintable():
        raise _WrongError(" is a text of at most 80 characters")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _WrongError(" has 1 to 80 letters, digits, spaces, dots and hyphens")
    return value


def _obis(value: Any) -> str:
    try:
        return str(Obis.parse(_text(value)))
    except UsageError as error:
        raise _WrongError(f": {error.message}") from None


def _zone(value: Any) -> str:
    try:
        zone_of(_text(value))
    except UsageError as error:
        raise _WrongError(f": {error.message}") from None
    return str(value)


def _time(value: Any) -> int:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    minutes = int(match[1]) * 60 + int(match[2]) if match else -1
    if match is None or int(match[2]) > 59 or minutes > DAY_MINUTES:
        raise _WrongError(" is a time of day as 05:30, 24:00 at most")
    return minutes


def _duration(value: Any) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _WrongError(" is a duration as 15 min or 4 h")
    return int(match[1]) * _UNITS[match[2]]


def _minutes(value: Any) -> int:
    seconds = _duration(value)
    if not 60 <= seconds <= _DAY_S or seconds % 60:
        raise _WrongError(" has whole minutes, up to a day")
    return seconds // 60


def _period(value: Any) -> int:
    seconds = _duration(value)
    if not 0 < seconds <= _DAY_S or _DAY_S % seconds:
        raise _WrongError(" divides a day")
    return seconds


def _weekday(value: Any) -> int:
    if value not in WEEKDAYS:
        raise _WrongError(f" has some of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(value)


def _number(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _WrongError(f" is a number from {least} to {most}")
        return value

    return check


def _one_of(names: Sequence[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names:
            raise _WrongError(f" is one of {', '.join(names)}")
        return str(value)

    return check


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongError(" is true or false")
    return value


def _time_text(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _duration_text(seconds: int) -> str:
    for unit in ("h", "min"):
        if seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]} {unit}"
    return f"{seconds} s"


def _window_document(window: Window) -> dict[str, Any]:
    document: dict[str, Any] = {
        "from": _time_text(window.since),
        "until": _time_text(window.until),
    }
    if len(window.weekdays) < 7:
        document["on"] = [WEEKDAYS[day] for day in sorted(window.weekdays)]
    if window.every:
        document["every"] = _duration_text(window.every * 60)
        document["for"] = _duration_text(window.lasting * 60)
    return document
