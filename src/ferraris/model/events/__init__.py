"""Events and alarms by name, for each companion specification by itself.

The same code means other things in other specifications and logs, so nothing here is a general
table. The codes are text files in this folder and are read when they are first asked for.
"""

from __future__ import annotations

from ferraris.model.events.names import (
    AlarmName,
    EventName,
    LogName,
    StatusName,
    alarm,
    alarms,
    events,
    families,
    find,
    logs,
    name,
    says,
    status_bits,
)

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
