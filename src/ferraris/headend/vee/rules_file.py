"""Reads the rules of a class of profiles: TOML files of a form that `docs/vee.md` describes.

A malformed file is a `UsageError` that names file, line and path, and says what was expected.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import MISSING, fields
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ferraris.core.errors import UsageError
from ferraris.headend.vee.applies import LAST, Applies, Counting
from ferraris.headend.vee.class_profile import ClassProfile, KindOfDay
from ferraris.headend.vee.quality import Verdict
from ferraris.headend.vee.rules import METHODS, RULES, Estimation, Rule, RuleSet
from ferraris.model.companion.tables import Table

__all__ = ["built_in", "default_rules", "digest_of", "load", "parse"]

_DEFAULT = "household-electricity.toml"
_BUILT_IN = (_DEFAULT, "electricity.toml", "gas-and-water.toml", "heat.toml")
_APPLIES, _ESTIMATION = "applies", "estimation"
_LONGEST_S = 86_400


def built_in() -> dict[str, str]:
    """The texts of the rules that come with Ferraris, by name."""
    texts = [files(__package__).joinpath("data", each).read_text("utf-8") for each in _BUILT_IN]
    return {parse(text).name: text for text in texts}


@cache
def default_rules() -> RuleSet:
    """The first of them: quarter-hours of a household's electricity, in Wh."""
    file = files(__package__).joinpath("data", _DEFAULT)
    return parse(file.read_text(encoding="utf-8"), _DEFAULT)


def digest_of(text: str) -> str:
    """What a final value names its rules by: a hash of their text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def load(path: Path) -> RuleSet:
    """The rules of a file; raises `UsageError` when it cannot be read or is malformed."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: UTF-8 expected, octet {error.start} is none") from error


def parse(text: str, file: str = "rules") -> RuleSet:
    """Read rules from their text; `file` is what errors call it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from error
    below = _below_header(document, _ESTIMATION, file, text)
    applies = _applies(_below_header(document, _APPLIES, file, text))
    table = Table(document, file, text)
    name, title = table.text("name"), table.text("title", "")
    period_s = table.number("period_s", 900, 1, _LONGEST_S)
    estimation = _estimation(below)
    profiles = tuple([_class_profile(each) for each in table.tables("class_profile")])
    found: dict[str, Rule] = {}
    for each in table.tables("rules"):
        rule = _rule(each)
        if rule.name in found:
            raise each.error("rule", f"{rule.name} is there twice")
        found[rule.name] = rule
    table.finish()
    return RuleSet(name, tuple(found.values()), estimation, title, period_s, applies, profiles)


def _below_header(document: dict[str, Any], name: str, file: str, text: str) -> Table:
    """Take a table out of the document, as one that knows its lines."""
    values = document.pop(name, {})
    if not isinstance(values, dict):
        raise Table({}, file, text).error(name, f"a table expected, not {values!r:.40}")
    header = re.compile(rf"\s*\[\s*{name}\s*\]")
    lines = (number for number, line in enumerate(text.splitlines(), 1) if header.match(line))
    return Table(values, file, text, name, next(lines, 0))


def _applies(table: Table) -> Applies:
    usual = Applies()
    counting = table.text("counting", usual.counting)
    if counting not in set(Counting):
        expected = f"one of {', '.join(Counting)} expected, not {counting!r:.40}"
        raise table.error("counting", expected)
    lists = {
        name: tuple(table.texts(name, [])) for name in ("channels", "units", "media", "groups")
    }
    order = table.number("order", usual.order, 0, LAST)
    table.finish()
    try:
        return Applies(**lists, order=order, counting=Counting(counting))
    except UsageError as error:
        raise table.error("units", error.message) from error


def _class_profile(table: Table) -> ClassProfile:
    days = table.text("days", KindOfDay.ANY)
    if days not in set(KindOfDay):
        raise table.error("days", f"one of {', '.join(KindOfDay)} expected, not {days!r:.40}")
    values = table.numbers("values", [], 0, 1 << 46)
    table.finish()
    try:
        return ClassProfile(KindOfDay(days), tuple(values))
    except UsageError as error:
        raise table.error("values", error.message) from error


def _rule(table: Table) -> Rule:
    name = table.text("rule")
    kind = RULES.get(name)
    if kind is None:
        raise table.error("rule", f"one of {', '.join(RULES)} expected, not {name!r:.40}")
    given: dict[str, Any] = {}
    for each in fields(kind):
        usual = None if each.default is MISSING else each.default
        if each.name == "verdict":
            given["verdict"] = _verdict(table, str(usual))
        else:
            given[each.name] = table.number(each.name, usual, *kind.bounds_of(each.name))
    table.finish()
    try:
        return kind(**given)
    except UsageError as error:
        raise table.error("rule", error.message) from error


def _verdict(table: Table, usual: str) -> Verdict:
    text = table.text("verdict", usual)
    try:
        return Verdict(text)
    except ValueError as error:
        expected = f"one of {', '.join(Verdict)} expected, not {text!r:.40}"
        raise table.error("verdict", expected) from error


def _estimation(table: Table) -> Estimation:
    usual = Estimation()
    methods = table.texts("methods", list(METHODS))
    for each in methods:
        if each not in METHODS:
            raise table.error("methods", f"{each!r:.40} is none of {', '.join(METHODS)}")
    made = Estimation(
        methods=frozenset(methods),
        longest_interpolated=table.number(
            "longest_interpolated", usual.longest_interpolated, 0, 1 << 16
        ),
        weeks=table.number("weeks", usual.weeks, 0, 53),
        least_days=table.number("least_days", usual.least_days, 1, 371),
        holidays=frozenset(map(table.reading("holidays", _date), table.texts("holidays", []))),
    )
    table.finish()
    return made


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"a date like 2026-12-25 expected, not {text!r:.40}") from error
