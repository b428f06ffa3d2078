"""Operations on the rules of validation: what is in force, putting others, trying them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.vee.rule_sets import (
    BACK_LOG_DAYS,
    RuleVersion,
    put_rules,
    rule_versions,
    withdraw,
)
from ferraris.headend.vee.rules import RuleSet
from ferraris.headend.vee.rules_file import digest_of, parse

__all__ = [
    "RuleDocument",
    "Rules",
    "RulesChecked",
    "RulesVersion",
    "check_rules",
    "list_rules",
    "put_rules_document",
    "show_rules",
    "withdraw_rules",
]

_MOST_OCTETS = 1 << 16
_MOST_BACK_LOG = 400


@dataclass(frozen=True, slots=True)
class RuleDocument:
    """A set of rules as TOML; days of the last `back_log_days` run again."""

    document: str
    back_log_days: int = BACK_LOG_DAYS


@dataclass(frozen=True, slots=True)
class Rules:
    """A set of rules in force, in the order in which they are tried."""

    name: str
    version: int
    digest: str
    title: str
    order: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """One version of a set of rules; an empty document withdrew it."""

    version: int
    digest: str
    document: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RulesChecked:
    """What a document says: its name, and the rules in the order in which they are carried out."""

    name: str
    digest: str
    rules: list[str]


@operation("GET /validation/rules", command="rules list", right=Right.SEE_METERS)
def list_rules(desk: Desk) -> list[Rules]:
    """List the rules in force."""
    found = [
        (each, rules)
        for each in rule_versions(desk.connection, desk.tenant)
        if (rules := each.rules) is not None
    ]
    found.sort(key=lambda pair: (pair[1].applies.order, pair[1].name))
    return [_rules(each, rules) for each, rules in found]


@operation("GET /validation/rules/{name}", command="rules show", right=Right.SEE_METERS)
def show_rules(desk: Desk, name: str) -> list[RulesVersion]:
    """Show all versions of a set of rules, the newest first."""
    found = [
        RulesVersion(each.version, each.digest, each.document, each.by, _moment(each.at_s))
        for each in rule_versions(desk.connection, desk.tenant, newest=False)
        if each.name == name
    ]
    if not found:
        raise NotFoundError(f"no rules {name[:60]!r}")
    return found


@operation("PUT /validation/rules/{name}", command="rules put", right=Right.PLAN)
def put_rules_document(desk: Desk, name: str, body: RuleDocument) -> Rules:
    """Put a set of rules in force; what they are for runs again."""
    desk.demand_everywhere(Right.PLAN)
    rules = _parsed(body.document)
    if rules.name != name:
        raise UsageError(f"the document is named {rules.name[:60]!r}")
    made = put_rules(
        desk.connection,
        desk.tenant,
        body.document,
        by=desk.caller.name,
        at_s=desk.now,
        back_log_days=_back_log(body.back_log_days),
    )
    desk.detail.update(version=made.version, digest=made.digest)
    return _rules(made, rules)


@operation("DELETE /validation/rules/{name}", command="rules withdraw", right=Right.PLAN)
def withdraw_rules(desk: Desk, name: str) -> None:
    """Take a set of rules out of force."""
    desk.demand_everywhere(Right.PLAN)
    known = rule_versions(desk.connection, desk.tenant)
    if not any(each.name == name and each.document for each in known):
        raise NotFoundError(f"no rules {name[:60]!r} are in force")
    withdraw(desk.connection, desk.tenant, name, by=desk.caller.name, at_s=desk.now)


@operation("POST /validation/rules/check", command="rules check", right=Right.PLAN)
def check_rules(desk: Desk, body: RuleDocument) -> RulesChecked:
    """Check a set of rules without putting it in force."""
    del desk
    rules = _parsed(body.document)
    names = [f"{each.name}: {each.verdict}" for each in rules.ordered]
    return RulesChecked(rules.name, digest_of(body.document), names)


def _parsed(document: str) -> RuleSet:
    if len(document) > _MOST_OCTETS:
        raise UsageError(f"a document has at most {_MOST_OCTETS} characters")
    return parse(document, "the document")


def _back_log(days: int) -> int:
    if not 0 <= days <= _MOST_BACK_LOG:
        raise UsageError(f"back_log_days: 0 to {_MOST_BACK_LOG}, not {days}")
    return days


def _rules(each: RuleVersion, rules: RuleSet) -> Rules:
    return Rules(
        each.name, each.version, each.digest, rules.title, rules.applies.order, each.by,
        _moment(each.at_s),
    )  # fmt: skip


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
