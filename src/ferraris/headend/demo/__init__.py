"""The main job in one process: a neighbourhood, and a head-end that lives through a night of it."""

from __future__ import annotations
