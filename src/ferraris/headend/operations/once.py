"""A request that is carried out once, however often it is sent."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, select, text, update

from ferraris.headend.operations.desk import Caller
from ferraris.headend.operations.errors import ConflictError
from ferraris.headend.store.tables.access import IDEMPOTENCY

__all__ = ["Answer", "KeyUsedError", "Once"]

_KEPT_S: Final = 24 * 3600.0


class KeyUsedError(ConflictError):
    """The key of a request belongs to another request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered, as it went over the line."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Once:
    """A request with a key of the caller's choice; `request` is a hash of all that it asks for.

    The key is taken and the answer kept in the transaction of the change itself: either all of it
    is there after a crash or nothing. One that is sent twice at the same time waits for the first.
    """

    key: str
    request: bytes
    encode: Callable[[Any], Answer]

    def take(self, connection: Connection, caller: Caller, now_s: float) -> Answer | None:
        """Take the key; the answer that is already there, if the request was carried out."""
        mine = self._mine(caller)
        connection.execute(delete(IDEMPOTENCY).where(mine, IDEMPOTENCY.c.until_s <= now_s))
        taken = connection.execute(
            _TAKE,
            {
                "tenant": caller.tenant,
                "principal": caller.principal,
                "key": self.key,
                "request": self.request,
                "none": b"",
                "until_s": now_s + _KEPT_S,
            },
        ).rowcount
        if taken:
            return None
        row = connection.execute(select(IDEMPOTENCY).where(mine)).one()
        if not hmac.compare_digest(bytes(row.request), self.request):
            raise KeyUsedError("this idempotency key was used for another request")
        return Answer(row.status, row.media_type, bytes(row.response))

    def keep(self, connection: Connection, caller: Caller, answer: Answer) -> None:
        """Keep the answer for whoever asks again."""
        connection.execute(
            update(IDEMPOTENCY)
            .where(self._mine(caller))
            .values(status=answer.status, media_type=answer.media_type, response=answer.body)
        )

    def _mine(self, caller: Caller) -> Any:
        return (
            (IDEMPOTENCY.c.tenant == caller.tenant)
            & (IDEMPOTENCY.c.principal == caller.principal)
            & (IDEMPOTENCY.c.key == self.key)
        )


_TAKE = text(
    "INSERT INTO idempotency (tenant, principal, key, request, status, media_type, response,"
    " until_s) VALUES (:tenant, :principal, :key, :request, 0, '', :none, :until_s)"
    " ON CONFLICT (tenant, principal, key) DO NOTHING"
)
