"""Companion specifications as data: which objects the meters of a country or a group have."""

from __future__ import annotations

from ferraris.model.companion.loading import companion, names, parse
from ferraris.model.companion.shapes import Shape
from ferraris.model.companion.specification import (
    READABLE,
    WRITABLE,
    Client,
    Companion,
    CompanionColumn,
    CompanionObject,
    Profile,
)

__all__ = [
    "READABLE",
    "WRITABLE",
    "Client",
    "Companion",
    "CompanionColumn",
    "CompanionObject",
    "Profile",
    "Shape",
    "companion",
    "names",
    "parse",
]
