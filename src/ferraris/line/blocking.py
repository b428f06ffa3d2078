"""The blocking driver: the same stacks and procedures on a plain socket, without an event loop."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from ferraris.core.errors import Error, LineError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Layer, LineSettings, Opened

__all__ = ["BlockingDriver", "Connection", "run"]

In = TypeVar("In")
Out = TypeVar("Out")
Result = TypeVar("Result")

_PATIENCE_S = 5.0  # as in the asyncio driver
_LOG = logging.getLogger("ferraris.line")


def run(procedure: Coroutine[Any, Any, Result]) -> Result:
    """Run a procedure whose driver never suspends; `UsageError` when it does after all."""
    try:
        procedure.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    procedure.close()
    raise UsageError("this procedure needs an event loop", where="line")


class Connection(Protocol):
    """What is needed of a socket, so that other lines can have its face."""

    def settimeout(self, seconds: float | None, /) -> None: ...

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def sendall(self, octets: bytes, /) -> None: ...

    def close(self) -> None: ...


def _explain(cause: BaseException | None) -> Error:
    """Why a line was lost."""
    text = "the peer closed the connection" if cause is None else str(cause)
    return LineError(text, where="line")


class BlockingDriver(Generic[In, Out]):
    """The active end on a connection; its coroutines never suspend.

    `datagrams`: each read is one datagram, and an empty one is not the end.
    """

    def __init__(
        self,
        layer: Layer[In, Out, bytes],
        connection: Connection,
        *,
        is_push: Callable[[Out], bool] | None = None,
        on_push: Callable[[Out], None] | None = None,
        datagrams: bool = False,
    ) -> None:
        connection.settimeout(None)
        self.layer = layer
        self._is_push = is_push
        self._on_push = on_push
        self._datagrams = datagrams
        self._socket: Connection | None = connection
        self._waits: float | None = None
        self._buffer = memoryview(bytearray(65536))
        self.opened = False
        """Whether the stack has been open; it may be down again."""
        self._down: Error | None = None
        self._closed = False
        self._pending: In | None = None
        self._answer: Out | None = None
        self._failure: Error | None = None
        self.explain: Callable[[BaseException | None], Error] = _explain
        """Says what the loss of the line means."""
        self.on_settings: Callable[[LineSettings], None] | None = None
        """Changes the line's settings, `OSError` if it cannot; None for lines that have none."""

    async def open(self) -> None:
        try:
            self.layer.open(time.monotonic())
            while not self.opened:
                self._turn()
        except BaseException:
            self.abort()
            raise

    async def exchange(self, unit: In) -> Out:
        if self._down is not None:
            raise self._down
        # One that was interrupted keeps its slot until its answer or time-out.
        while self._pending is not None or not self.layer.room:
            self._turn()
        self.layer.send(unit, time.monotonic())
        self._pending, self._answer, self._failure = unit, None, None
        while self._pending is not None:
            self._turn()
        if self._failure is not None:
            raise self._failure
        return self._answer  # type: ignore[return-value]

    async def close(self) -> None:
        """Close in order; an exchange that was interrupted is awaited for five seconds first."""
        try:
            if self._socket is not None and self._down is None and self._settle():
                self.layer.close(time.monotonic())
                while not self._closed:
                    self._turn()
        except Error:
            pass  # a peer that does not answer a release is given up
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the line now."""
        if self._down is None:
            self._down = LineError("the connection was closed here", where="line")
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _settle(self) -> bool:
        """Wait for the answer to what is in flight, but not for ever; False when none came."""
        end = time.monotonic() + _PATIENCE_S
        while self._pending is not None and time.monotonic() < end:
            self._turn(end)
        return self._pending is None

    def _turn(self, end: float | None = None) -> None:
        """Drain the stack, then wait for the next octets, the next deadline, or `end`."""
        if self._drain():
            return
        if self._down is not None:
            raise self._down
        if self._socket is None:
            raise LineError("the connection is closed", where="line")
        deadline = self.layer.deadline
        now = time.monotonic()
        if deadline is not None and deadline <= now:
            self.layer.wake(now)
            return
        if end is not None and (deadline is None or end < deadline):
            deadline = max(end, now + 0.001)
        self._limit(None if deadline is None else deadline - now)
        self._read()

    def _read(self) -> None:
        assert self._socket is not None
        try:
            count = self._socket.recv_into(self._buffer)
        except TimeoutError:
            self.layer.wake(time.monotonic())
            return
        except OSError as cause:
            # That a datagram did not arrive is no news to a stack that has met its peer.
            if not self._datagrams or not self.opened:
                self._lost(cause)
            return
        if count:
            self.layer.receive(bytes(self._buffer[:count]), time.monotonic())
        elif not self._datagrams:
            self._lost(None)

    def _limit(self, seconds: float | None) -> None:
        """Bound the next wait; nearly the same bound is kept, since setting it costs a system call.

        A wait that ends too early is harmless: `wake` does nothing before its deadline.
        """
        known = self._waits
        if seconds is None or known is None or not 0.9 * seconds <= known <= seconds:
            assert self._socket is not None
            self._socket.settimeout(seconds)
            self._waits = seconds

    def _lost(self, cause: BaseException | None) -> None:
        self.layer.notice(Closed(self.explain(cause)), time.monotonic())

    def _drain(self) -> bool:
        """Hand on events and octets; True when anything that the caller waits for happened."""
        happened = False
        while True:
            while (what := self.layer.event()) is not None:
                happened = self._happened(what) or happened
            unit = self.layer.transmit(time.monotonic())
            if unit is None:
                what = self.layer.event()
                if what is None:
                    return happened
                happened = self._happened(what) or happened
            elif self._socket is not None:
                self._put(unit)

    def _put(self, unit: bytes | LineSettings) -> None:
        assert self._socket is not None
        try:
            if isinstance(unit, LineSettings):
                if self.on_settings is not None:
                    self.on_settings(unit)
            else:
                self._socket.sendall(unit)
        except OSError as cause:
            if not self._datagrams:
                self._lost(cause)
            elif cause.errno == errno.EMSGSIZE and self._pending is not None:
                self._pending = None
                self._failure = LineError("the request is too long for a datagram", where="line")
            elif not self.opened:
                self._lost(cause)

    def _happened(self, what: Any) -> bool:
        kind = type(what)
        if kind is Deliver:
            if self._is_push is not None and self._is_push(what.unit):
                self._pushed(what.unit)
            elif self._pending is not None:
                self._answer, self._pending = what.unit, None
            return True
        if kind is Failed:
            if what.ref is not None and what.ref is self._pending:
                self._failure, self._pending = what.error, None
            return True
        if kind is Opened:
            self.opened = True
            return True
        if kind is Closed:
            self._closed = True
            self._down = what.error or LineError("the connection is closed", where="line")
            if self._pending is not None:
                self._failure, self._pending = self._down, None
                return True
            return self.opened
        return False

    def _pushed(self, unit: Out) -> None:
        if self._on_push is not None:
            try:
                self._on_push(unit)
            except Exception:  # noqa: BLE001 - theirs, not the line's
                _LOG.exception("what takes pushes failed")
