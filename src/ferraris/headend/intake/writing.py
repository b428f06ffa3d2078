"""Batches of pushes into the store: whose they are, what they tell, all in one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, update

from ferraris.client import Push
from ferraris.core.errors import Error
from ferraris.headend.collect.alarms import LAST_GASP, Signal, all_alarms, signal
from ferraris.headend.intake.decoding import NOBODY, Told, told_by
from ferraris.headend.intake.envelopes import rests_on_certificates
from ferraris.headend.intake.senders import Sender, Senders
from ferraris.headend.intake.sub_meters import (
    ANOTHER,
    STORED,
    STRANGE,
    channels_in,
    objection,
)
from ferraris.headend.inventory.hosts import SubMeter, sub_meters
from ferraris.headend.registration.recognition import Known, Reason
from ferraris.headend.registration.strangers import Strangers
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.changes import note_many
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import Brought, StoreAwayError, StoreError
from ferraris.headend.store.tables.inventory import METER, TENANT

__all__ = ["Arrived", "Outcome", "PushWriter"]

_LOG = logging.getLogger("ferraris.intake")
_HEARD_EVERY_S = 60.0
_MOST_HEARD = 200_000


class Arrived(NamedTuple):
    """A push and who sent it, as far as it is known; None for a claim that nothing proves."""

    push: Push
    sender: Sender | None


@dataclass(slots=True)
class Outcome:
    """What became of a batch; `fresh` are senders that were looked up again, `days` those of which
    readings came, `kept` the pushes that are on the disk. `channels` counts what hosts told of the
    meters behind them, once for each channel of a push."""

    stored: int = 0
    undecodable: int = 0
    announced: int = 0
    turned_away: Counter[str] = field(default_factory=Counter)
    fresh: list[Sender] = field(default_factory=list)
    days: set[int] = field(default_factory=set)
    kept: list[Push] = field(default_factory=list)
    channels: Counter[str] = field(default_factory=Counter)


class _Line(NamedTuple):
    """One push on its way into the store."""

    known: Known
    push: Push
    told: Told


class _Entry(NamedTuple):
    """What goes into the store for one meter: who pushed, or one behind it."""

    number: int
    external_id: str
    brought: Brought


def _entries(lines: Sequence[_Line]) -> list[_Entry]:
    found = []
    for line in lines:
        found.append(_Entry(line.known.number, line.known.external_id, line.told.brought))
        found += [_Entry(who.number, who.external_id, its.brought) for who, its in line.told.behind]
    return found


def _tells_of_channels(push: Push) -> bool:
    try:
        return bool(channels_in(push))
    except (Error, ValueError, ArithmeticError):  # it is no more than that, as will be found out
        return False


class PushWriter:
    """Writes for one tenant, in threads; `announced` hears of meters that are not active yet."""

    def __init__(
        self,
        engine: Engine,
        archive: Archive,
        senders: Senders,
        strangers: Strangers,
        *,
        announced: Callable[[Connection, Known, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._archive = archive
        self._tenant = archive.tenant
        self._senders = senders
        self._strangers = strangers
        self._announced = announced
        self._clock = clock
        self._heard: dict[int, float] = {}
        self._warned: set[tuple[int, int]] = set()

    def write(self, batch: Sequence[Arrived]) -> Outcome:
        """Sort, take apart and write; the floors follow what they stand for.

        Raises `StoreError` when nothing can be written: the batch may be written again, and what
        is there already changes nothing.
        """
        outcome = Outcome()
        known = self._whose(batch, outcome)
        behind = self._behind(batch, known)
        lines: list[_Line] = []
        newcomers: dict[int, tuple[Known, str]] = {}
        for arrived, whose in zip(batch, known, strict=True):
            if whose is None:
                continue
            if whose.state != "active":
                newcomers[whose.number] = (whose, arrived.push.peer)
                continue
            channels = behind.get(whose.number, NOBODY)
            told = self._told(arrived, whose, channels)
            if told is None:
                outcome.undecodable += 1
            else:
                if whose.number in behind:
                    self._judge(arrived.push, whose, told, channels, outcome)
                lines.append(_Line(whose, arrived.push, told))
        self._into_store(lines, list(newcomers.values()), outcome)
        outcome.announced = len(newcomers)
        for each in _entries(lines):
            outcome.days |= {block.day for block in each.brought.blocks}
            outcome.days |= {read.day for read in each.brought.reads}
        self._senders.keep_floors({a.sender.title: a.sender for a in batch if a.sender}.values())
        return outcome

    # -- whose ------------------------------------------------------------------------------

    def _whose(self, batch: Sequence[Arrived], outcome: Outcome) -> list[Known | None]:
        """For each push the meter that may have sent it; the others are turned away."""
        stale = [a.sender.title for a in batch if a.sender and self._senders.is_stale(a.sender)]
        fresh = {each.title: each for each in self._senders.look_up(stale)} if stale else {}
        outcome.fresh = list(fresh.values())
        names = [a.push.device for a in batch if a.sender is None]
        by_name = self._senders.named(names) if names else {}
        return [self._one(arrived, fresh, by_name, outcome) for arrived in batch]

    def _one(
        self,
        arrived: Arrived,
        fresh: dict[bytes, Sender],
        by_name: dict[str, Known],
        outcome: Outcome,
    ) -> Known | None:
        push, message = arrived.push, ""
        if arrived.sender is not None:
            sender = fresh.get(arrived.sender.title, arrived.sender)
            known, reason = sender.verdict.known, sender.verdict.reason
            if reason is None and sender.trouble and rests_on_certificates(push):
                reason, message = Reason.CERTIFICATE, sender.trouble
        else:
            known = by_name.get(push.device)
            reason = _of_claim(known)
        if reason is None:
            return known
        outcome.turned_away[reason.value] += 1
        name = push.device if known is None else known.external_id
        self._strangers.take_note(self._tenant, name, reason, peer=push.peer, message=message)
        return None

    # -- of whom ----------------------------------------------------------------------------

    def _behind(
        self, batch: Sequence[Arrived], known: Sequence[Known | None]
    ) -> dict[int, dict[int, SubMeter]]:
        """The sub-meters of those hosts that tell of their channels, by host and channel."""
        hosts = {
            whose.number
            for arrived, whose in zip(batch, known, strict=True)
            if whose is not None and whose.state == "active" and _tells_of_channels(arrived.push)
        }
        if not hosts:
            return {}
        with self._engine.reading() as connection:
            return sub_meters(connection, hosts)

    def _judge(
        self,
        push: Push,
        host: Known,
        told: Told,
        channels: Mapping[int, SubMeter],
        outcome: Outcome,
    ) -> None:
        """Keep what a host may tell of the meters behind it; say what became of the rest."""
        for channel in sorted(channels_in(push) - set(channels)):
            outcome.channels[STRANGE] += 1
            self._warn(host, channel, "no meter is known there: its values are kept as the host's")
        kept = []
        for sub_meter, its in told.behind:
            what, why = objection(push, sub_meter)
            outcome.channels[what or STORED] += 1
            if not what:
                kept.append((sub_meter, its))
                continue
            self._warn(host, sub_meter.channel, why)
            if what == ANOTHER:
                self._strangers.take_note(
                    self._tenant, sub_meter.external_id, Reason.OTHER_IDENTITY, peer=push.peer,
                    message=f"channel {sub_meter.channel} of {host.external_id}: {why}",
                )  # fmt: skip
        told.behind = kept

    def _warn(self, host: Known, channel: int, why: str) -> None:
        """Once in this process: a host pushes often."""
        if (host.number, channel) in self._warned or len(self._warned) >= _MOST_HEARD:
            return
        self._warned.add((host.number, channel))
        _LOG.warning("%s pushes values of channel %d: %s", host.external_id, channel, why)

    def _told(
        self, arrived: Arrived, known: Known, channels: Mapping[int, SubMeter]
    ) -> Told | None:
        sender = arrived.sender
        try:
            return told_by(
                arrived.push,
                zone=known.zone,
                companion=known.companion,
                lists=None if sender is None else sender.lists,
                now=self._clock(),
                behind=channels,
            )
        except (Error, ValueError, ArithmeticError) as error:
            _LOG.warning("%s: a push that is not what its list says: %s", known.external_id, error)
            return None

    # -- into the store ---------------------------------------------------------------------

    def _into_store(
        self, lines: list[_Line], newcomers: list[tuple[Known, str]], outcome: Outcome
    ) -> None:
        try:
            self._in_one(lines, newcomers)
            outcome.stored += len(lines)
            outcome.kept += [line.push for line in lines]
        except StoreAwayError:
            raise
        except StoreError:
            self._probe()  # the store itself is at fault: nothing is lost, the batch comes again
            self._in_one([], newcomers)
            for line in lines:
                self._alone(line, outcome)

    def _alone(self, line: _Line, outcome: Outcome) -> None:
        """One that the store refuses keeps no other from being written."""
        try:
            self._in_one([line], [])
            outcome.stored += 1
            outcome.kept.append(line.push)
        except StoreAwayError:
            raise
        except StoreError as error:
            self._probe()
            outcome.undecodable += 1
            _LOG.error("%s: a push that the store refuses: %s", line.known.external_id, error)

    def _probe(self) -> None:
        """Raises `StoreError` when the store takes nothing at all, as on a full disk."""
        with self._engine.transaction() as connection:
            connection.execute(
                update(TENANT).where(TENANT.c.id == self._tenant).values(name=TENANT.c.name)
            )

    def _in_one(self, lines: Sequence[_Line], newcomers: Sequence[tuple[Known, str]]) -> None:
        heard = self._engine.repeated(lambda connection: self._put(connection, lines, newcomers))
        self._heard |= heard
        if len(self._heard) > _MOST_HEARD:
            self._heard.clear()

    def _put(
        self,
        connection: Connection,
        lines: Sequence[_Line],
        newcomers: Sequence[tuple[Known, str]],
    ) -> dict[int, float]:
        now = self._clock()
        for known, peer in newcomers:
            self._announced(connection, known, peer)
        if not lines:
            return {}
        entries = _entries(lines)
        stored = self._archive.put_many(
            connection,
            [(each.number, each.brought) for each in entries],
            source="push",
            now=now,
        )
        signal(connection, self._tenant, [_signal_of(line) for line in lines])
        gained = {
            entry.external_id
            for entry, each in zip(entries, stored, strict=True)
            if each.intervals or each.events
        }
        note_many(connection, self._tenant, "readings", sorted(gained), at_s=now)
        return self._note_heard(connection, {each.number for each in entries}, now)

    def _note_heard(
        self, connection: Connection, numbers: Collection[int], now: float
    ) -> dict[int, float]:
        """When meters were heard, to the minute: not a row for each push."""
        heard = {
            number: now
            for number in numbers
            if now - self._heard.get(number, -1e9) >= _HEARD_EVERY_S
        }
        if heard:
            connection.execute(
                update(METER).where(METER.c.id == bindparam("number")).values(heard_s=now),
                [{"number": number} for number in sorted(heard)],
            )
        return heard


def _signal_of(line: _Line) -> Signal:
    alarms = all_alarms(line.known.companion, line.told.alarms)
    alarms[LAST_GASP] = line.told.last_gasp  # who is heard again has power again
    return Signal(line.known.number, line.known.external_id, line.told.at_s, alarms)


def _of_claim(known: Known | None) -> Reason | None:
    """What is to be thought of a push that nothing proves: it may announce a meter, no more."""
    if known is None:
        return Reason.UNKNOWN
    if known.state == "retired":
        return Reason.RETIRED
    if known.state == "suspended":
        return Reason.SUSPENDED
    if known.state == "active" and known.authentication != "none":
        return Reason.UNPROTECTED
    return None
