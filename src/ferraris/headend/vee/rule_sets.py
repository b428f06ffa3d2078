"""The rules of a tenant in the store: versions by name, the newest of which counts."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, select

from ferraris.core.errors import UsageError
from ferraris.headend.store.due import mark_due
from ferraris.headend.store.records import StoreAwayError
from ferraris.headend.store.tables.readings import BLOCK
from ferraris.headend.store.tables.validated import FINAL, VEE_RULES
from ferraris.headend.store.upsert import add
from ferraris.headend.vee.gathering import Catalogue, windows
from ferraris.headend.vee.local_days import DAY_S
from ferraris.headend.vee.rule_book import Book, Members, Ruled
from ferraris.headend.vee.rules import RuleSet
from ferraris.headend.vee.rules_file import built_in, digest_of, parse

__all__ = [
    "FERRARIS",
    "RuleVersion",
    "book_of",
    "install",
    "put_rules",
    "rule_versions",
    "withdraw",
]

FERRARIS = "ferraris"
"""Who put the rules that come with the program."""

BACK_LOG_DAYS = 35
_CHANGED = "other rules"


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of a set of rules; `document` is empty when it withdraws the name."""

    name: str
    version: int
    digest: str
    document: str
    by: str
    at_s: float

    @property
    def rules(self) -> RuleSet | None:
        """The rules themselves; None when they are withdrawn."""
        return _parsed(self.document, self.name) if self.document else None


_parsed = lru_cache(maxsize=256)(parse)


def rule_versions(connection: Connection, tenant: int, *, newest: bool = True) -> list[RuleVersion]:
    """The sets of rules by name; with all their versions, the newest first, unless `newest`."""
    rows = connection.execute(
        select(
            VEE_RULES.c.name, VEE_RULES.c.version, VEE_RULES.c.digest, VEE_RULES.c.document,
            VEE_RULES.c.by, VEE_RULES.c.at_s,
        )
        .where(VEE_RULES.c.tenant == tenant)
        .order_by(VEE_RULES.c.name, VEE_RULES.c.version.desc())
    )  # fmt: skip
    found = [RuleVersion(*row) for row in rows]
    if not newest:
        return found
    return list({each.name: each for each in reversed(found)}.values())[::-1]


def book_of(connection: Connection, tenant: int, members: Members | None = None) -> Book:
    """The rules in force; `members` tells who is in the groups that they name."""
    sets = [
        Ruled(each.digest, rules)
        for each in rule_versions(connection, tenant)
        if (rules := each.rules) is not None
    ]
    groups: dict[str, Collection[int]] = {}
    if members is not None:
        for name in Book(sets).groups_named:
            with contextlib.suppress(UsageError):  # a group that is gone has no members
                groups[name] = members(connection, tenant, name)
    return Book(sets, groups)


def put_rules(
    connection: Connection,
    tenant: int,
    text: str,
    *,
    by: str,
    at_s: float,
    back_log_days: int = BACK_LOG_DAYS,
) -> RuleVersion:
    """Put a set of rules in force, in the place of the one of its name.

    Days of the back-log that the rules before or these are for run again. The same text again
    changes nothing. Raises `UsageError` for a malformed one.
    """
    rules = parse(text)
    return _put(connection, tenant, (rules.name, text, by), at_s, back_log_days)


def withdraw(
    connection: Connection,
    tenant: int,
    name: str,
    *,
    by: str,
    at_s: float,
    back_log_days: int = BACK_LOG_DAYS,
) -> RuleVersion:
    """Take a set of rules out of force; what was made by it and newer than the back-log stays.

    Raises `UsageError` when there is none of this name.
    """
    if not any(each.name == name and each.document for each in rule_versions(connection, tenant)):
        raise UsageError(f"no rules {name!r} are in force", where="vee")
    return _put(connection, tenant, (name, "", by), at_s, back_log_days)


def install(connection: Connection, tenant: int, *, at_s: float) -> int:
    """Put the rules that come with Ferraris in force, unless somebody has put others; how many."""
    known = {each.name: each for each in rule_versions(connection, tenant)}
    count = 0
    for name, text in built_in().items():
        before = known.get(name)
        if before is None or (before.by == FERRARIS and before.digest != digest_of(text)):
            put_rules(connection, tenant, text, by=FERRARIS, at_s=at_s)
            count += 1
    return count


def _put(
    connection: Connection,
    tenant: int,
    what: tuple[str, str, str],
    at_s: float,
    back_log_days: int,
) -> RuleVersion:
    name, text, by = what
    before = {each.name: each for each in rule_versions(connection, tenant)}.get(name)
    if before is not None and before.document == text:
        return before
    made = RuleVersion(
        name, 1 if before is None else before.version + 1, digest_of(text), text, by, at_s
    )
    row = {
        "tenant": tenant, "name": name, "version": made.version, "digest": made.digest,
        "document": text, "by": by, "at_s": at_s,
    }  # fmt: skip
    if not add(connection, VEE_RULES, [row]):
        raise StoreAwayError("somebody else has just changed these rules", where="vee")
    since = int(at_s // DAY_S) - back_log_days
    keys = _made_by(connection, tenant, before, since) | _meant_by(connection, tenant, made, since)
    mark_due(connection, tenant, keys, reason=_CHANGED, at_s=at_s)
    return made


def _made_by(
    connection: Connection, tenant: int, before: RuleVersion | None, since: int
) -> set[tuple[int, int, int]]:
    if before is None:
        return set()
    rows = connection.execute(
        select(FINAL.c.meter, FINAL.c.profile, FINAL.c.day)
        .where(FINAL.c.tenant == tenant, FINAL.c.day >= since, FINAL.c.rules == before.digest)
        .distinct()
    )
    return {(meter, profile, day) for meter, profile, day in rows}


def _meant_by(
    connection: Connection, tenant: int, made: RuleVersion, since: int
) -> set[tuple[int, int, int]]:
    """Blocks with a channel that the rules are for; of which meters, the run finds out."""
    rules = made.rules
    if rules is None:
        return set()
    catalogue = Catalogue()
    layouts = connection.execute(
        select(BLOCK.c.layout).where(BLOCK.c.tenant == tenant, BLOCK.c.day >= since).distinct()
    ).scalars()
    meant = [
        layout
        for layout in layouts
        if any(
            rules.applies.to_channel(key)
            for key in catalogue.channels(connection, catalogue.layout(connection, layout)).values()
        )
    ]
    found: set[tuple[int, int, int]] = set()
    for lot in windows(meant):
        rows = connection.execute(
            select(BLOCK.c.meter, BLOCK.c.profile, BLOCK.c.day)
            .where(BLOCK.c.tenant == tenant, BLOCK.c.day >= since, BLOCK.c.layout.in_(lot))
            .distinct()
        )
        found.update((meter, profile, day) for meter, profile, day in rows)
    return found
