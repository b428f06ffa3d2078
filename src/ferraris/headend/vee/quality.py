"""What is said about a value: what was found, how good it is, and what made it."""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum

__all__ = ["Finding", "Made", "Quality", "Verdict"]


class Finding(IntFlag):
    """What the rules found about one interval; several can meet."""

    GAP = 0x0001
    """No row of the meter for this interval."""
    DUPLICATE = 0x0002
    """More than one row, all with the same value and status."""
    CONFLICT = 0x0004
    """More than one row, and they differ; raw is the first."""
    OVERLAP = 0x0008
    """A row between two places of the axis covers a part of this interval, too."""
    SUM = 0x0010
    """The intervals do not add up to what the register counted."""
    SPIKE = 0x0020
    HIGH = 0x0040
    LOW = 0x0080
    ZERO_RUN = 0x0100
    NEGATIVE = 0x0200
    ROLLOVER = 0x0400
    """The counter began again at zero within this interval."""
    CLOCK = 0x0800
    """The meter doubts its clock, or has adjusted it."""
    STATUS = 0x1000
    """The meter says itself that the value is not good."""
    CONTRADICTED = 0x2000
    """The meter says something else than it did when a human decided about this value."""


class Quality(IntEnum):
    """How good a final value is, best first."""

    VALID = 0
    """Measured, and no rule objects."""
    SUSPECT = 1
    """Measured and used, but a rule doubts it: somebody should look."""
    ESTIMATED = 2
    """Not measured, or rejected; a method of estimation made it."""
    EDITED = 3
    """A human set it, or accepted what the meter said."""
    MISSING = 4
    """Not measured or rejected, and nothing to estimate from; final means nothing."""


class Made(IntEnum):
    """The rule that made a final value."""

    MEASURED = 0
    """Final is raw."""
    ROLLOVER = 1
    """Raw, and the modulus of the counter added."""
    REGISTER_DIFFERENCE = 2
    """What the registers leave for it: exactly, or in even shares as the last resort."""
    INTERPOLATION = 3
    SIMILAR_DAYS = 4
    CLASS_PROFILE = 5
    HUMAN = 6
    NOTHING = 7
    """There is no final value."""


class Verdict(StrEnum):
    """What a finding of a rule means for the value."""

    NOTE = "note"
    """The value stays valid; the finding is kept beside it."""
    SUSPECT = "suspect"
    """The value is used and marked."""
    REJECT = "reject"
    """The value is replaced by an estimate."""
