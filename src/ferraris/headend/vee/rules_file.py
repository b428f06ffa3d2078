"""Reads the rules of a class of profiles: TOML files of a form that `docs/vee.md` describes.

A malformed file is a `UsageError` that names file, line and path, and says what was expected.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ferraris.core.errors import UsageError
from ferraris.headend.vee.quality import Verdict
from ferraris.headend.vee.rules import METHODS, RULES, Estimation, Rule, RuleSet
from ferraris.model.companion.tables import Table

__all__ = ["default_rules", "load", "parse"]

_DEFAULT = "household-electricity.toml"
_ESTIMATION = "estimation"
_HEADER = re.compile(r"\s*\[\s*estimation\s*\]")


@cache
def default_rules() -> RuleSet:
    """The rules that come with Ferraris: quarter-hours of a household's electricity, in Wh."""
    file = files(__package__).joinpath("data", _DEFAULT)
    return parse(file.read_text(encoding="utf-8"), _DEFAULT)


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
    below = _below_header(document, file, text)
    table = Table(document, file, text)
    name, title = table.text("name"), table.text("title", "")
    estimation = _estimation(below)
    found: dict[str, Rule] = {}
    for each in table.tables("rules"):
        rule = _rule(each)
        if rule.name in found:
            raise each.error("rule", f"{rule.name} is there twice")
        found[rule.name] = rule
    table.finish()
    return RuleSet(name, tuple(found.values()), estimation, title)


def _below_header(document: dict[str, Any], file: str, text: str) -> Table:
    """Take the table `estimation` out of the document, as one that knows its lines."""
    values = document.pop(_ESTIMATION, {})
    if not isinstance(values, dict):
        raise Table({}, file, text).error(_ESTIMATION, f"a table expected, not {values!r:.40}")
    lines = (number for number, line in enumerate(text.splitlines(), 1) if _HEADER.match(line))
    return Table(values, file, text, _ESTIMATION, next(lines, 0))


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
    )
    table.finish()
    return made
