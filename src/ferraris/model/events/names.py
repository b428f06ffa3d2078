"""What events and alarms are called, by companion specification and log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import UsageError
from ferraris.model.events.tables import FAMILIES, Family, Table, family

if TYPE_CHECKING:
    from ferraris.model.interface_class import Provenance

__all__ = [
    "AlarmName",
    "EventName",
    "LogName",
    "StatusName",
    "alarm",
    "alarms",
    "events",
    "families",
    "find",
    "logs",
    "name",
    "says",
    "status_bits",
]


class LogName(NamedTuple):
    """A log: its number E in 0-0:99.98.E*255, its key, and its title."""

    number: int
    key: str
    title: str


class EventName(NamedTuple):
    """What a code in a log says."""

    companion: str
    log: LogName
    code: int
    words: str
    provenance: Provenance


class AlarmName(NamedTuple):
    """What a bit of an alarm register says; the register is numbered from 1."""

    companion: str
    register: int
    bit: int
    words: str
    provenance: Provenance


class StatusName(NamedTuple):
    """What a bit of the status of a profile says."""

    companion: str
    bit: int
    words: str
    provenance: Provenance


def families() -> tuple[str, ...]:
    """The families of specifications whose events are known."""
    return FAMILIES


def logs(companion: str) -> tuple[LogName, ...]:
    """The logs of a companion specification, such as `smr-5.2`, `idis-like`, or a family.

    A family by itself means its newest version. `UsageError` when no events of it are known.
    """
    return tuple(_log_name(table) for table in _logs(companion))


def events(companion: str, log: int | str | None = None) -> tuple[EventName, ...]:
    """Every code of a log, by its number or key, or of all logs; `UsageError` for an unknown one.

    A key may have a family before it, as in `smr/power-quality`.
    """
    tables = _logs(companion) if log is None else (_log(companion, log),)
    return tuple(_event(companion, table, code) for table in tables for code in sorted(table.codes))


def name(companion: str, log: int | str, code: int) -> EventName | None:
    """What a code means in a log; None when the specification does not say.

    The same code means other things in other specifications and logs, so there is no name without
    both. `UsageError` for an unknown specification or log.
    """
    table = _log(companion, log)
    return _event(companion, table, code) if code in table.codes else None


def find(words: str, companion: str | None = None, log: int | str | None = None) -> list[EventName]:
    """The events that say all of these words or begin so, those with the fewest others first."""
    chosen = FAMILIES if companion is None else (companion,)
    found = [
        event
        for each in chosen
        for event in events(each, log)
        if words.split() and says(event.words, words)
    ]
    return sorted(found, key=lambda event: len(event.words))


def says(text: str, words: str) -> bool:
    """Whether a text has words that begin like each of these, in any order."""
    told = f" {text.lower()}"
    return all(f" {word}" in told for word in words.lower().split())


def alarms(companion: str, register: int | None = None) -> tuple[AlarmName, ...]:
    """Every bit of an alarm register, or of all; none where the specification has no such one."""
    of, version = _family(companion)
    return tuple(
        AlarmName(companion, table.number, bit, said.words, said.provenance)
        for table in _in_version(of.alarms.values(), version)
        if register in (None, table.number)
        for bit, said in sorted(table.codes.items())
    )


def alarm(companion: str, register: int, bit: int) -> AlarmName | None:
    """What a bit of an alarm register says; None when the specification does not say."""
    return next((each for each in alarms(companion, register) if each.bit == bit), None)


def status_bits(companion: str) -> tuple[StatusName, ...]:
    """The bits of the status of profile entries; bit 0 has the value 1."""
    of, _ = _family(companion)
    return tuple(
        StatusName(companion, bit, said.words, said.provenance)
        for bit, said in sorted(of.status.items())
    )


def _event(companion: str, table: Table, code: int) -> EventName:
    said = table.codes[code]
    return EventName(companion, _log_name(table), code, said.words, said.provenance)


def _log_name(table: Table) -> LogName:
    return LogName(table.number, table.key, table.title)


def _family(companion: str) -> tuple[Family, tuple[int, ...] | None]:
    """The family of a specification, and its version when the name has one."""
    for known in FAMILIES:
        if companion == known or companion.startswith(f"{known}-"):
            version = companion.removeprefix(known).removeprefix("-").split(".")
            numbers = tuple(int(part) for part in version if part.isdecimal() and len(part) < 6)
            return family(known), numbers or None
    return family(companion), None


def _in_version(tables: Iterable[Table], version: tuple[int, ...] | None) -> list[Table]:
    chosen = [table for table in tables if version is None or table.since <= version]
    return sorted(chosen, key=lambda table: table.number)


def _logs(companion: str) -> list[Table]:
    of, version = _family(companion)
    return _in_version(of.logs.values(), version)


def _log(companion: str, log: int | str) -> Table:
    tables = _logs(companion)
    key = log.rpartition("/")[2] if isinstance(log, str) else log
    for table in tables:
        if key in (table.number, table.key):
            return table
    known = ", ".join(f"{table.number} {table.key}" for table in tables)
    raise UsageError(f"{companion} has no log {str(log)[:40]!r}: it has {known}")
