"""Validation, estimation and editing of interval values: rules are data, raw stays what it was.

This face holds plain values. The work on columns needs NumPy (the `data` extra) and lives in
`columns` (what comes in), `columns_validation`, `columns_estimation` and `columns_editing`.
"""

from __future__ import annotations

from ferraris.headend.vee.axis import Axis, same_wall_time
from ferraris.headend.vee.dependence import dependent_days, similar_days
from ferraris.headend.vee.quality import Finding, Made, Quality, Verdict
from ferraris.headend.vee.rules import (
    RULES,
    Clock,
    Duplicates,
    Estimation,
    Gaps,
    High,
    Low,
    Negative,
    Overlap,
    Rollover,
    Rule,
    RuleSet,
    Spike,
    Status,
    SumCheck,
    ZeroRun,
)
from ferraris.headend.vee.rules_file import default_rules, load, parse
from ferraris.headend.vee.sharing import share

__all__ = [
    "RULES",
    "Axis",
    "Clock",
    "Duplicates",
    "Estimation",
    "Finding",
    "Gaps",
    "High",
    "Low",
    "Made",
    "Negative",
    "Overlap",
    "Quality",
    "Rollover",
    "Rule",
    "RuleSet",
    "Spike",
    "Status",
    "SumCheck",
    "Verdict",
    "ZeroRun",
    "default_rules",
    "dependent_days",
    "load",
    "parse",
    "same_wall_time",
    "share",
    "similar_days",
]
