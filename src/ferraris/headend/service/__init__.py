"""The running head-end: its parts made from the configuration, started, watched and stopped."""

from __future__ import annotations
