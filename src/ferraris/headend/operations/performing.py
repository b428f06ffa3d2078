"""Carrying out an operation: the right, the transaction, and the line in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Connection, func, select

from ferraris.core.errors import Error, UsageError
from ferraris.headend.audit.looked_at import keep_meters
from ferraris.headend.operations.desk import Caller, Desk, House
from ferraris.headend.operations.errors import ForbiddenError, NotFoundError
from ferraris.headend.operations.once import Answer, Once
from ferraris.headend.operations.operation import Operation
from ferraris.headend.operations.streams import Stream
from ferraris.headend.store.records import StoreError

__all__ = ["Condition", "perform", "refuse", "witness"]

_MESSAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Condition:
    """What a caller saw of a resource must still be so: `holds` raises when it is not."""

    operation: Operation
    arguments: Mapping[str, Any]
    holds: Callable[[Any], None]


def perform(
    house: House,
    caller: Caller,
    operation: Operation,
    arguments: Mapping[str, Any],
    once: Once | None = None,
    condition: Condition | None = None,
) -> Any:
    """Do it, or raise: what the function gives, or with `once` the `Answer` made of it.

    `condition` must hold in the transaction of a change, or nothing happens. `arguments` are those
    of `Shape.bind`. Blocks for as long as the store does, so event loops call it in a thread.
    """
    subject = "/".join(
        str(arguments[part[1:-1]]) for part in operation.path.split("/") if part.startswith("{")
    )
    desks: list[Desk] = []
    try:
        if operation.right is not None and operation.right not in caller.rights:
            raise ForbiddenError(f"{caller.name} lacks the right to {operation.right}")
        if operation.changes:

            def change(connection: Connection) -> Any:
                desks[:] = [Desk(house, caller, connection, subject)]
                return _change(desks[0], operation, arguments, once, condition)

            return house.engine.repeated(change)
        with ExitStack() as stack:
            desk = Desk(house, caller, stack.enter_context(house.engine.reading()), subject)
            desks.append(desk)
            result = operation.function(desk, **arguments)
            if isinstance(result, Stream):
                # The view stays open for as long as chunks are made out of it.
                result = replace(result, chunks=_Held(result.chunks, stack.pop_all()))
        if desk.looks:
            try:
                witness(house, [(operation.name, desk)])
            except BaseException:
                if isinstance(result, Stream):
                    result.close()  # nobody gets what could not be written down
                raise
    except Exception as error:
        if operation.changes or isinstance(error, ForbiddenError | NotFoundError):
            refuse(house, caller, operation, desks[0].subject if desks else subject, error)
        raise
    return result


def _change(
    desk: Desk,
    operation: Operation,
    arguments: Mapping[str, Any],
    once: Once | None,
    condition: Condition | None,
) -> Any:
    connection, caller = desk.connection, desk.caller
    if once is not None:
        before = once.take(connection, caller, desk.now)
        if before is not None:
            return before
    if condition is not None:
        _meet(condition, desk)
    result = operation.function(desk, **arguments)
    _write(desk, operation.name, {desk.subject: {}, **desk.looks})
    if once is None:
        return result
    answer: Answer = once.encode(result)
    once.keep(connection, caller, answer)
    return answer


def _meet(condition: Condition, desk: Desk) -> None:
    view = condition.operation
    if desk.house.engine.is_postgresql:
        # Of two who saw the same version only one may come first.
        whole = f"{desk.tenant} {view.name} {sorted(condition.arguments.items())}".encode()
        number = int.from_bytes(blake2b(whole, digest_size=8).digest(), "big", signed=True)
        desk.connection.execute(select(func.pg_advisory_xact_lock(number)))
    if view.right is not None:
        desk.demand(view.right)
    aside = replace(desk, detail={}, looks={}, among=())
    condition.holds(view.function(aside, **condition.arguments))


def _write(
    desk: Desk, action: str, subjects: Mapping[str, Mapping[str, Any]]
) -> None:  # fmt: skip
    detail = dict(desk.detail)
    if desk.among:
        detail |= keep_meters(desk.connection, desk.tenant, desk.among, at_s=desk.now)
    for subject, own in subjects.items():
        desk.house.journal.write(
            desk.connection,
            tenant=desk.tenant,
            principal=desk.caller.name,
            action=action,
            subject=subject,
            detail={**detail, **own},
            at_s=desk.now,
        )


def witness(house: House, looked: Sequence[tuple[str, Desk]]) -> None:
    """Nobody sees personal data before the lines that say so are on the disk.

    `looked` are actions, each with the desk at which it looked; what two have in common is one.
    """
    with house.engine.transaction() as connection:
        written: list[tuple[Any, ...]] = []
        for action, desk in looked:
            for subject, own in desk.looks.items():
                line = action, subject, own, desk.detail, desk.among
                if line not in written:
                    written.append(line)
                    _write(replace(desk, connection=connection), action, {subject: own})


class _Held(Iterator[bytes]):
    """Chunks whose view ends with the last of them, or when they are closed, even unused."""

    def __init__(self, chunks: Iterator[bytes], stack: ExitStack) -> None:
        self._chunks = chunks
        self._stack = stack

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BaseException:  # the end is one, too
            self.close()
            raise

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        self._stack.close()


def refuse(
    house: House, caller: Caller, operation: Operation, subject: str, error: Exception
) -> None:
    """Write a line about a request that was not carried out, in a transaction of its own."""
    refused = isinstance(error, UsageError | ForbiddenError)
    detail = {"error": type(error).__name__}
    if isinstance(error, Error):
        detail["message"] = error.message[:_MESSAGE]
    # The caller learns of the first error; a store that is away takes no line.
    with suppress(StoreError), house.engine.transaction() as connection:
        house.journal.write(
            connection,
            tenant=caller.tenant,
            principal=caller.name,
            action=operation.name,
            subject=subject,
            outcome="refused" if refused else "failed",
            detail=detail,
            at_s=house.clock(),
        )
