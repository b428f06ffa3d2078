"""Accepted TCP connections of a listener, watched together: a turn takes, serves, then answers.

Between two calls of the system everything that Python needs has left the processor's nearest
memory. So what all connections received is taken first, then served, and the answers leave
together: that saves a third of an exchange, and who waits for answers is not woken for each.

It takes `epoll`, a loop that can watch descriptors, and plain sockets; TLS and other systems keep
the transports of asyncio.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import select
import socket
import sys
from collections.abc import Callable
from typing import Any

from ferraris.line.pump import Pump

__all__ = ["Connection", "Streams", "can_watch"]

_LOG = logging.getLogger("ferraris.line")
_BATCH = 128  # connections served in one turn of the loop
_MOST_OCTETS = 65536  # of one connection in a turn
_HIGH_WATER = 65536  # octets that wait for a peer, as with asyncio
_PAUSE_S = 1.0  # without descriptors or memory, before anybody else is accepted
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_READ, _WRITE = 1, 4  # EPOLLIN and EPOLLOUT, which not every system has


def can_watch() -> bool:
    """Whether connections can be watched together here."""
    return sys.platform == "linux"


class Streams:
    """Accepts at the listening `sockets`, and watches what it accepted, until `close`."""

    def __init__(
        self,
        sockets: list[socket.socket],
        make_station: Callable[[], Pump[Any, Any]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.sockets = sockets
        self.loop = loop
        self.leaving: list[Connection] | None = None
        """Connections with something to say at the end of this turn; None between turns."""
        self._make_station = make_station
        self._connections: dict[int, Connection] = {}
        self._poll: Any = select.epoll()  # type: ignore[attr-defined,unused-ignore] # Linux
        self._closed = False
        self._look(self._poll.fileno(), self._turn)
        for each in sockets:
            each.setblocking(False)
            self._look(each.fileno(), self._accept, each)

    def close(self) -> None:
        """Accept nobody more; connections live on until they end, or are cut."""
        if self._closed:
            return
        self._closed = True
        for each in self.sockets:
            self.loop.remove_reader(each.fileno())
            each.close()
        self._end()

    def forget(self, number: int) -> None:
        """A connection is over; its descriptor is closed afterwards."""
        if self._connections.pop(number, None) is not None:
            self._poll.unregister(number)
            self._end()

    def watch(self, number: int, events: int) -> None:
        """Be told of these events of a connection from now on."""
        self._poll.modify(number, events)

    def _look(self, number: int, then: Callable[..., None], *arguments: Any) -> None:
        if sys.platform == "linux":  # as `can_watch` has said
            self.loop.add_reader(number, then, *arguments)

    def _end(self) -> None:
        if self._closed and not self._connections and not self._poll.closed:
            self.loop.remove_reader(self._poll.fileno())
            self._poll.close()

    # -- one turn of the loop -------------------------------------------------------------

    def _turn(self) -> None:
        """Take what came, serve it, let answers leave."""
        came = self._take()
        leaving = self.leaving = []
        answers: list[tuple[Connection, bytes]] = []
        try:
            for connection, octets in came:
                try:
                    serve = connection.serve
                    if serve is not None and octets and not connection.out:
                        answer = serve(octets)
                        if answer is not None:
                            answers.append((connection, answer))
                            continue
                    connection.hear(octets)
                except Exception as error:  # noqa: BLE001 - its fault is not that of the others
                    self._failed(connection, error)
        finally:
            self.leaving = None
            for connection, answer in answers:
                try:
                    sent = connection.send(answer)
                except OSError:  # `keep` finds out what it was
                    sent = 0
                if sent < len(answer):
                    connection.keep(answer[sent:])
            for connection in leaving:
                connection.flush()

    def _take(self) -> list[tuple[Connection, bytes]]:
        """What is there of all connections; b"" where nothing will come any more."""
        came = []
        for number, events in self._poll.poll(0, _BATCH):
            connection = self._connections.get(number)
            if connection is None:
                continue
            if events & _WRITE:
                connection.flush()
            if events == _WRITE:
                continue
            if connection.closing:  # the peer has gone before it took everything
                connection.abort()
                continue
            try:
                came.append((connection, connection.receive(_MOST_OCTETS)))
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                connection.fail(error)
        return came

    def _failed(self, connection: Connection, error: Exception) -> None:
        station = connection.station
        context = {"message": "a station failed", "exception": error, "protocol": station}
        self.loop.call_exception_handler(context)
        connection.fail(error)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                _LOG.warning("nobody is accepted for a while: %s", error)
                self.loop.remove_reader(listening.fileno())
                self.loop.call_later(_PAUSE_S, self._accept_again, listening)
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                station = self._make_station()
            except BaseException:
                accepted.close()
                raise
            connection = Connection(self, accepted, peer, station)
            number = accepted.fileno()
            self._connections[number] = connection
            self._poll.register(number, _READ)
            station.connection_made(connection)

    def _accept_again(self, listening: socket.socket) -> None:
        if not self._closed:
            self._look(listening.fileno(), self._accept, listening)


class Connection(asyncio.Transport):
    """One accepted connection, as far as stations need a transport."""

    def __init__(
        self, streams: Streams, accepted: socket.socket, peer: Any, station: Pump[Any, Any]
    ) -> None:
        super().__init__({"peername": peer, "socket": accepted})
        self.receive = accepted.recv
        self.send = accepted.send
        self.station = station
        self.serve = station.serve
        self._socket = accepted
        self._streams = streams
        self.out: list[bytes] = []
        """What has not left yet."""
        self._out_octets = 0
        self.closing = False
        """Nothing is read any more."""
        self._over = False
        self._waits = False  # for room in the system's buffer
        self._paused = False  # the station knows that its peer is slow

    def is_closing(self) -> bool:
        """Whether nothing is read any more."""
        return self.closing

    def write(self, data: Any) -> None:
        """Send at the end of the turn; between turns, now."""
        if self.closing:
            return
        leaving = self._streams.leaving
        if not self.out and leaving is not None:
            leaving.append(self)
        self.out.append(data)
        self._out_octets += len(data)
        if self._waits:
            self._pause()
        elif leaving is None or self._out_octets > _HIGH_WATER:
            self.flush()

    def hear(self, octets: bytes) -> None:
        """Let the stack have what came; b"" is the end."""
        if self.closing:
            return
        if octets:
            self.station.received(octets)
        else:
            self.station.eof_received()
            self.close()

    def keep(self, octets: bytes) -> None:
        """What is left of an answer leaves before anything that was said after it."""
        if not self._over:
            self.out.insert(0, octets)
            self._out_octets += len(octets)
            self.flush()

    def flush(self) -> None:
        """Send what is there, as far as the system takes it."""
        out = self.out
        if self._over:
            return
        if out:
            octets = out[0] if len(out) == 1 else b"".join(out)
            try:
                sent = self.send(octets)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self.fail(error)
                return
            out.clear()
            self._out_octets -= sent
            if self._out_octets:
                out.append(octets[sent:])
                self._wait(True)
                self._pause()
                return
        if self._waits:
            self._wait(False)
        if self.closing:
            self.fail(None)
        elif self._paused:
            self._paused = False
            self.station.resume_writing()

    def close(self) -> None:
        """Read no more, send what is there, then end."""
        if self.closing:
            return
        self.closing = True
        if self.out:
            self._wait(self._waits)
        else:
            self.fail(None)

    def abort(self) -> None:
        """End now."""
        self.fail(None)

    def fail(self, error: Exception | None) -> None:
        """End now, because of `error`; None when somebody wanted it."""
        if self._over:
            return
        self._over = self.closing = True
        self.out.clear()
        self._streams.forget(self._socket.fileno())
        self._streams.loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        try:
            self.station.connection_lost(error)
        finally:
            self._socket.close()

    def _wait(self, waits: bool) -> None:
        self._waits = waits
        events = (0 if self.closing else _READ) | (_WRITE if waits else 0)
        self._streams.watch(self._socket.fileno(), events)

    def _pause(self) -> None:
        if self._out_octets > _HIGH_WATER and not self._paused:
            self._paused = True
            self.station.pause_writing()
