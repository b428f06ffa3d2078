"""Image transfer as a table: status, what happens, next status.

The statuses are those of the standard [facts-g]; which step is allowed in which rests on [memory].
A transfer begins anew from anywhere, but while the meter verifies or activates.
"""

from __future__ import annotations

from enum import StrEnum, unique

from ferraris.model.management import ImageTransferStatus as Status

__all__ = ["TRANSITIONS", "ImageTrigger", "after"]


@unique
class ImageTrigger(StrEnum):
    """What moves an image transfer on."""

    INITIATE = "initiate"
    BLOCK = "block"
    VERIFY = "verify"
    VERIFIED = "verified"
    REJECTED = "rejected"
    ACTIVATE = "activate"
    STARTED = "new firmware started"
    FELL_BACK = "old firmware started again"


TRANSITIONS: dict[tuple[Status, ImageTrigger], Status] = {
    **{
        (status, ImageTrigger.INITIATE): Status.INITIATED
        for status in Status
        if status not in (Status.VERIFICATION_INITIATED, Status.ACTIVATION_INITIATED)
    },
    (Status.INITIATED, ImageTrigger.BLOCK): Status.INITIATED,
    (Status.INITIATED, ImageTrigger.VERIFY): Status.VERIFICATION_INITIATED,
    (Status.VERIFICATION_FAILED, ImageTrigger.VERIFY): Status.VERIFICATION_INITIATED,
    (Status.VERIFICATION_INITIATED, ImageTrigger.VERIFIED): Status.VERIFICATION_SUCCESSFUL,
    (Status.VERIFICATION_INITIATED, ImageTrigger.REJECTED): Status.VERIFICATION_FAILED,
    (Status.VERIFICATION_SUCCESSFUL, ImageTrigger.ACTIVATE): Status.ACTIVATION_INITIATED,
    (Status.ACTIVATION_FAILED, ImageTrigger.ACTIVATE): Status.ACTIVATION_INITIATED,
    (Status.ACTIVATION_INITIATED, ImageTrigger.STARTED): Status.ACTIVATION_SUCCESSFUL,
    (Status.ACTIVATION_INITIATED, ImageTrigger.FELL_BACK): Status.ACTIVATION_FAILED,
}
"""What leads where; nothing else does."""


def after(status: int, trigger: ImageTrigger) -> Status | None:
    """The status after `trigger`, None where it does nothing."""
    return TRANSITIONS.get((Status(status), trigger))
