"""Event logs and event codes of the simulated meters.

Codes mean different things in different companion specifications, so these belong to the templates
here and are no general table. Standard and fraud codes are those two public implementations agree
on [facts-g]; those of the disconnector log rest on [memory].
"""

from __future__ import annotations

__all__ = [
    "CLOCK_NEW_TIME",
    "CLOCK_OLD_TIME",
    "CONTROL_LOG",
    "DST_CHANGED",
    "FAILED_LOGINS",
    "FRAUD_LOG",
    "LOCAL_CONNECTION",
    "LOCAL_DISCONNECTION",
    "LOG_CLEARED",
    "MANUAL_CONNECTION",
    "MANUAL_DISCONNECTION",
    "POWER_UP",
    "READY_FOR_CONNECTION",
    "REMOTE_CONNECTION",
    "REMOTE_DISCONNECTION",
    "STANDARD_LOG",
]

STANDARD_LOG, FRAUD_LOG, CONTROL_LOG = 0, 1, 2

POWER_UP = 2
DST_CHANGED = 3
CLOCK_OLD_TIME = 4
CLOCK_NEW_TIME = 5
FAILED_LOGINS = 46
LOG_CLEARED = 255

READY_FOR_CONNECTION = 59
MANUAL_DISCONNECTION = 60
MANUAL_CONNECTION = 61
REMOTE_DISCONNECTION = 62
REMOTE_CONNECTION = 63
LOCAL_DISCONNECTION = 64
LOCAL_CONNECTION = 69
