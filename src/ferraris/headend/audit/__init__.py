"""The audit log: who did what, when, and how it ended, in lines that cannot be altered unseen."""

from __future__ import annotations

from ferraris.headend.audit.anchors import anchor
from ferraris.headend.audit.checking import check
from ferraris.headend.audit.journal import Audit, Journal, Told
from ferraris.headend.audit.line import Line

__all__ = ["Audit", "Journal", "Line", "Told", "anchor", "check"]
