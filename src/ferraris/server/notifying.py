"""Pushes on their way out: a bounded queue that never breaks into an answer half sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ferraris.messaging.dlms.notify import (
    LONG_INVOKE_ID,
    DataNotification,
    DataNotificationConfirm,
    EventNotification,
)
from ferraris.messaging.dlms.short_name import InformationReportRequest
from ferraris.transport.addresses import Addresses

__all__ = ["Delivery", "Notification", "Outbox"]

_MOST = 32  # pushes that wait for the line, and receipts that are awaited
_HOLD_S = 30.0  # how long a push waits for the client to fetch the rest of an answer


class Delivery(Enum):
    """How far a push has come."""

    WAITING = "waiting"
    SENT = "sent"
    CONFIRMED = "confirmed"
    DROPPED = "dropped"  # no room, no keys, or no such client


@dataclass(slots=True, eq=False)
class Notification:
    """One push to one client address; `state` tells its sender how far it has come.

    `control` and `general` choose the protection as in `ServerAssociation.notification`. Whether a
    receipt is wanted stands in the push itself.
    """

    address: Addresses
    push: DataNotification | EventNotification | InformationReportRequest
    control: int | None = None
    general: bool | None = None
    state: Delivery = Delivery.WAITING


class Outbox:
    """The pushes of one line, oldest first for each client."""

    def __init__(self) -> None:
        self._waiting: deque[Notification] = deque()
        self._awaited: deque[Notification] = deque(maxlen=_MOST)
        self._held_since: float | None = None
        self._overdue = False  # what waits has waited long enough
        self.dropped = 0

    @property
    def is_empty(self) -> bool:
        """Whether no push waits, for its turn or its time."""
        return not self._waiting and not self._overdue

    @property
    def deadline(self) -> float | None:
        """When a push that was held goes in spite of the half-sent answer."""
        return None if self._held_since is None else self._held_since + _HOLD_S

    def wake(self, now: float) -> None:
        """Called at or after `deadline`."""
        if self._held_since is not None and now >= self._held_since + _HOLD_S:
            self._held_since = None
            self._overdue = True

    def progress(self, now: float) -> None:
        """An answer goes on: what waits for its end waits anew."""
        if self._held_since is not None:
            self._held_since = now

    def put(self, notification: Notification) -> None:
        """Queue a push; without room it is dropped and counted."""
        if len(self._waiting) >= _MOST:
            self.drop(notification)
        else:
            self._waiting.append(notification)

    def drop(self, notification: Notification) -> None:
        """Give a push up."""
        notification.state = Delivery.DROPPED
        self.dropped += 1

    def take(self, now: float, is_busy: Callable[[Addresses], bool]) -> Notification | None:
        """The next push whose client has no answer half sent, or has kept it for too long."""
        for place, notification in enumerate(self._waiting):
            if self._overdue or not is_busy(notification.address):
                del self._waiting[place]
                self._held_since = None
                return notification
        self._overdue = False
        if self._waiting and self._held_since is None:
            self._held_since = now
        return None

    def sent(self, notification: Notification) -> None:
        """It was handed to the line; its receipt is awaited when it asked for one."""
        notification.state = Delivery.SENT
        push = notification.push
        if isinstance(push, DataNotification) and push.wants_receipt:
            self._awaited.append(notification)

    def confirmed(self, address: Addresses, confirm: DataNotificationConfirm) -> None:
        """A receipt came; one that nobody awaits is ignored."""
        number = confirm.long_invoke_id_and_priority & LONG_INVOKE_ID
        for notification in self._awaited:
            push = notification.push
            assert isinstance(push, DataNotification)
            is_it = push.long_invoke_id_and_priority & LONG_INVOKE_ID == number
            if is_it and notification.address == address:
                notification.state = Delivery.CONFIRMED
                self._awaited.remove(notification)
                return
