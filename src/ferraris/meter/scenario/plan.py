"""What a scenario says: groups of meters, and events with their moment, their meters and their act.

scenario: street
seed: 7
start: 2026-03-02T00:00:00+01:00
lasts: 3 d
meters:
  - {group: houses, template: residential, count: 120}
events:
  - {at: "2 06:30", who: "houses[0..19]", what: outage, for: 2 h}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from ferraris.meter.scenario.act import Act
from ferraris.meter.scenario.acts import ACTS
from ferraris.meter.scenario.document import Node
from ferraris.meter.templates import names as template_names

__all__ = ["Event", "Group", "Scenario", "scenario_of"]

_MOST_METERS = 1_000_000
_LONGEST_S = 10 * 366 * 86_400
_MOST_REPETITIONS = 10_000
_MEMBERS = re.compile(r"(?P<group>[\w-]+)(?:\[(?P<first>\d+)(?:\.\.(?P<last>\d+))?\])?")
_SHARE = re.compile(r"(?P<group>[\w-]+)\s+(?P<share>\d+(?:\.\d+)?)\s*%")
_EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Group:
    """`count` meters of one template; `listen` is a URL of their own, None for the common one."""

    name: str
    template: str
    count: int
    suite: int = 0
    listen: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An act upon some meters from UTC second `at`, until `until` where it has an end.

    `members` are pairs of group and place in it; `given` are the parameters of the act. `line` is
    where the document says so.
    """

    at: int
    until: int | None
    members: tuple[tuple[int, int], ...]
    act: Act
    given: Mapping[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that will happen; `start` and `end` are UTC seconds, events in order of time."""

    name: str
    seed: int
    start: int
    end: int
    groups: tuple[Group, ...]
    events: tuple[Event, ...]


def scenario_of(document: Node) -> Scenario:
    """Understand a document; `UsageError` names file and line of what is wrong."""
    top = document.mapping("scenario", "seed", "start", "lasts", "meters", "events")
    for name in ("scenario", "start", "lasts", "meters"):
        if name not in top:
            raise document.error(f"a scenario with {name!r} was expected")
    seed = top["seed"].whole(0, 1 << 62) if "seed" in top else 0
    start, midnight = _start(top["start"])
    lasts_s = top["lasts"].seconds()
    if not 0 < lasts_s <= _LONGEST_S:
        raise top["lasts"].error("a duration up to ten years was expected")
    groups = _groups(top["meters"])
    reader = _Events(groups, seed, start, start + lasts_s, midnight)
    listed = top.get("events")
    events = [] if listed is None or listed.value is None else list(listed.items())
    found = [event for node in events for event in reader.events(node)]
    found.sort(key=lambda event: event.at)
    return Scenario(
        top["scenario"].text(), seed, start, start + lasts_s, tuple(groups), tuple(found)
    )


def _start(node: Node) -> tuple[int, int]:
    """UTC seconds of the start, and of the midnight before it at the same offset."""
    try:
        moment = datetime.fromisoformat(node.text())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise node.error(
            "a date and time with an offset was expected, as 2026-03-02T00:00:00+01:00"
        )
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(moment.timestamp()), int(midnight.timestamp())


def _groups(node: Node) -> list[Group]:
    groups: list[Group] = []
    for each in node.items():
        said = each.mapping("group", "template", "count", "suite", "listen")
        for name in ("group", "template"):
            if name not in said:
                raise each.error(f"a group with {name!r} was expected")
        group = said["group"].text()
        if not re.fullmatch(r"[\w-]+", group) or group == _EVERYBODY:
            raise said["group"].error("a name of letters, digits and hyphens was expected")
        if any(other.name == group for other in groups):
            raise said["group"].error("a name that no other group has was expected")
        template = said["template"].text()
        if template not in template_names():
            raise said["template"].error(
                f"one of the templates {', '.join(template_names())} was expected"
            )
        groups.append(
            Group(
                group,
                template,
                said["count"].whole(1, _MOST_METERS) if "count" in said else 1,
                said["suite"].whole(0, 2) if "suite" in said else 0,
                said["listen"].text() if "listen" in said else None,
            )
        )
    if not groups:
        raise node.error("at least one group was expected")
    return groups


class _Events:
    """Reads events one by one."""

    def __init__(
        self, groups: Sequence[Group], seed: int, start: int, end: int, midnight: int
    ) -> None:
        self._groups = groups
        self._seed = seed
        self._start = start
        self._end = end
        self._midnight = midnight
        self._number = 0

    def events(self, node: Node) -> list[Event]:
        """One event, or several when it comes `every` so often."""
        said = node.mapping(other=True)
        for name in ("at", "who", "what"):
            if name not in said:
                raise node.error(f"an event with {name!r} was expected")
        what = said["what"].text()
        act = ACTS.get(what)
        if act is None:
            raise said["what"].error(f"one of the acts {', '.join(sorted(ACTS))} was expected")
        lasting = ("for",) if act.end is not None else ()
        node.mapping("at", "who", "what", "every", "repeat", *lasting, *act.takes)
        given: dict[str, Any] = {}
        for name, parameter in act.takes.items():
            if name in said:
                given[name] = parameter.read(said[name])
            elif parameter.needed:
                raise node.error(f"{what!r} with {name!r} was expected")
            else:
                given[name] = parameter.default
        self._number += 1
        members = self._members(said["who"])
        lasts_s = said["for"].seconds() if "for" in said else None
        return [
            Event(at, None if lasts_s is None else at + lasts_s, members, act, given, node.line)
            for at in self._moments(said)
        ]

    def _moments(self, said: Mapping[str, Node]) -> list[int]:
        at = said["at"].instant(self._start, self._midnight)
        if not self._start <= at <= self._end:
            raise said["at"].error("a time within the scenario was expected")
        if "every" not in said:
            if "repeat" in said:
                raise said["repeat"].error("'repeat' together with 'every' was expected")
            return [at]
        every_s = said["every"].seconds()
        if not every_s:
            raise said["every"].error("a duration above 0 was expected")
        most = (self._end - at) // every_s + 1
        times = said["repeat"].whole(1, _MOST_REPETITIONS) if "repeat" in said else most
        if min(times, most) > _MOST_REPETITIONS:
            raise said["every"].error(f"at most {_MOST_REPETITIONS} repetitions were expected")
        return [at + number * every_s for number in range(min(times, most))]

    def _members(self, node: Node) -> tuple[tuple[int, int], ...]:
        found: dict[tuple[int, int], None] = {}
        for each in [node] if isinstance(node.value, str) else node.items():
            text = each.text().strip()
            if text == _EVERYBODY:
                found |= dict.fromkeys(
                    (place, index)
                    for place, group in enumerate(self._groups)
                    for index in range(group.count)
                )
                continue
            share, members = _SHARE.fullmatch(text), _MEMBERS.fullmatch(text)
            if share is not None:
                place = self._place(each, share["group"])
                found |= dict.fromkeys(self._drawn(place, float(share["share"]) / 100))
            elif members is not None:
                place = self._place(each, members["group"])
                found |= dict.fromkeys(
                    (place, index) for index in self._range(each, place, members)
                )
            else:
                raise each.error(
                    "meters were expected: everybody, houses, houses[3], houses[0..9], houses 5 %"
                )
        return tuple(found)

    def _place(self, node: Node, name: str) -> int:
        for place, group in enumerate(self._groups):
            if group.name == name:
                return place
        raise node.error(
            f"one of the groups {', '.join(group.name for group in self._groups)} was expected"
        )

    def _range(self, node: Node, place: int, members: re.Match[str]) -> range:
        count = self._groups[place].count
        if members["first"] is None:
            return range(count)
        first = int(members["first"])
        last = first if members["last"] is None else int(members["last"])
        if not first <= last < count:
            raise node.error(f"meters from 0 to {count - 1} were expected")
        return range(first, last + 1)

    def _drawn(self, place: int, share: float) -> list[tuple[int, int]]:
        """A share of a group, drawn by lot: the number of meters nearest to it, at least one."""
        count = self._groups[place].count
        wanted = min(count, max(1, round(share * count)))
        lots = sorted((self._lot(place, index), index) for index in range(count))
        return sorted((place, index) for _, index in lots[:wanted])

    def _lot(self, place: int, index: int) -> bytes:
        lot = b"%d %d %d %d" % (self._seed, self._number, place, index)
        return blake2b(lot, digest_size=8, person=b"scenario").digest()
