"""Rules of validation for the households of the demonstration: what one of them usually takes."""

from __future__ import annotations

from typing import Final

from ferraris.headend.vee.rules_file import built_in

__all__ = ["household_rules"]

_HOURLY_WH: Final = (
    180, 150, 140, 140, 150, 220, 420, 480, 380, 320, 310, 380,
    430, 360, 310, 320, 420, 640, 820, 840, 720, 560, 400, 260,
)  # fmt: skip


def household_rules() -> str:
    """The usual rules, and a day of the class of households for those of whom nothing is known."""
    values = ", ".join(map(str, _HOURLY_WH))
    return f"{built_in()['household-electricity']}\n[[class_profile]]\nvalues = [{values}]\n"
