"""Logs that machines can read: one JSON object a line on standard error, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from ferraris.core.errors import UsageError
from ferraris.headend.observe.observer import SessionSeen

__all__ = ["SessionLog", "configure_logs", "logger", "masked"]

_SECRET_NAMES = re.compile(
    r"(?i)pass(word|phrase)|secret|token|authoriz|cookie|pin$|(encryption|authentication|master|"
    r"private|transport|unwrapped)_?key|^kek$"
)
_SECRETS_IN_TEXT = (
    (re.compile(r"(?i)(://[^/\s:@]*):[^/\s@]+@"), r"\1:***@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 ***"),
    (re.compile(r"(?i)\b(password|passphrase|token|secret|key)=[^\s&\"']+"), r"\1=***"),
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def logger(room: str) -> Any:
    """The logger of a room: `logger("collect").info("round over", meters=10)`."""
    return structlog.get_logger(room=room)


def configure_logs(level: str = "info", form: str = "json", stream: TextIO | None = None) -> None:
    """Set up the logs of the process, those of libraries included.

    `form` is "json" or "text"; raises `UsageError` for another, and for an unknown level.
    """
    if level not in _LEVELS or form not in ("json", "text"):
        raise UsageError(
            f"log level {level!r} or form {form!r}: one of {', '.join(_LEVELS)}, json or text",
            where="configuration",
        )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    end: Any = structlog.processors.JSONRenderer()
    if form == "text":
        end = structlog.dev.ConsoleRenderer(colors=False)
    out = stream or sys.stderr
    structlog.configure(
        processors=[*shared, end],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                end,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING if level == "info" else 0))


def masked(text: str) -> str:
    """A text with what looks like a secret in a URL or an assignment taken out."""
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _mask(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in line.items():
        if _SECRET_NAMES.search(name):
            line[name] = "***"
        elif isinstance(value, str):
            line[name] = masked(value)
        elif isinstance(value, bytes | bytearray):
            line[name] = f"{len(value)} octets"
    return line


class SessionLog:
    """An `Observer` that writes a line for each session that failed, and counts nothing."""

    def __init__(self) -> None:
        self._log = logger("collect")

    def session(self, seen: SessionSeen) -> None:
        """Failures are worth a line; what went well is in the store."""
        if seen.outcome != "done":
            self._log.warning(
                "session failed",
                meter=seen.meter,
                occasion=seen.occasion,
                outcome=seen.outcome,
                message=seen.message,
                duration_s=round(seen.ended_s - seen.started_s, 3),
            )

    def request(self, operation: str, status: int, duration_s: float) -> None:
        """Faults of ours only; the audit log has the rest."""
        if status >= 500:
            self._log.error("request failed", operation=operation, status=status)

    def pushed(self, kind: str, outcome: str, count: int) -> None:
        """Nothing: there can be thousands a second."""
