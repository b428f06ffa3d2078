"""A meter at the other end of a real socket that does what a script says, and a client for it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from ferraris.client.security import NoSecurity
from ferraris.core.layer import Layer, To
from ferraris.core.stack import over
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.get import GetRequestNormal
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.addresses import Addresses
from ferraris.transport.profiles import TCP, UDP, HdlcProfile, Profile

NOON = 1_795_003_200.0
PROFILES: dict[str, Profile] = {
    "tcp": TCP,
    "tls": TCP,
    "udp": UDP,
    "tcp+hdlc": HdlcProfile(
        "hdlc", response_timeout_s=0.1, max_tries=2, inter_octet_timeout_s=0.05
    ),
}
PUSH = DataNotification(1, b"", bytes.fromhex("1207d0"))


def client(scheme: str, timeout_s: float = 0.2) -> Layer[Apdu, Apdu, bytes]:
    """A stack for the public client."""
    parameters = NoSecurity().parameters(bytes)
    parameters.response_timeout_s = timeout_s
    return over(ClientAssociation(parameters), PROFILES[scheme].client_stack(16, 1))


def request() -> GetRequestNormal:
    """Ask for the name of the logical device."""
    return GetRequestNormal(0, AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2))


class ScriptedMeter:
    """Answers as a meter does, but for `mode`: answer, silent, push (first), cut (in the middle).

    It serves one peer in a thread; `finished` is set when that peer has gone.
    """

    def __init__(self, scheme: str, context: ssl.SSLContext | None = None) -> None:
        self.mode = "answer"
        self.finished = threading.Event()
        self._scheme = scheme
        self._context = context
        fleet = Fleet(template("residential"), 1, seed=5)
        self._stack = server_stack(PROFILES[scheme], fleet.find, entropy=bytes, utc=lambda: NOON)
        self._datagrams = scheme == "udp"
        kind = socket.SOCK_DGRAM if self._datagrams else socket.SOCK_STREAM
        self._server = socket.socket(socket.AF_INET, kind)
        self._server.bind(("127.0.0.1", 0))
        if not self._datagrams:
            self._server.listen()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def endpoint(self, options: dict[str, str] | None = None) -> Endpoint:
        """Where it is."""
        return Endpoint(self._scheme, "127.0.0.1", self._server.getsockname()[1], options or {})

    def __enter__(self) -> ScriptedMeter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._datagrams:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", self._server.getsockname())
        else:
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._server.close()
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            if self._datagrams:
                self._serve_datagrams()
                return
            connection, _ = self._server.accept()
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self._serve(lambda: connection.recv(65536), connection.sendall)
            self.finished.set()

    def _serve_datagrams(self) -> None:
        peer: list[Any] = [None]

        def receive() -> bytes:
            octets, peer[0] = self._server.recvfrom(65536)
            return b"" if octets == b"end" else octets

        self._serve(receive, lambda octets: self._server.sendto(octets, peer[0]))

    def _serve(self, receive: Callable[[], bytes], send: Callable[[bytes], object]) -> None:
        self._stack.open(0.0)
        self._settle()
        while octets := receive():
            if self.mode == "silent":
                continue
            if self.mode == "push":
                self.mode = "answer"
                self._push(send)
            self._stack.receive(octets, 0.0)
            for answer in self._settle():
                if self.mode == "cut":
                    send(answer[: len(answer) // 2])
                    if not self._datagrams:
                        return
                else:
                    send(answer)

    def _push(self, send: Callable[[bytes], object]) -> None:
        lower = self._stack.lower  # type: ignore[attr-defined]
        lower.send(To(Addresses(16, 1), PUSH.to_octets(), confirmed=False), 0.0)
        while isinstance(octets := lower.transmit(0.0), bytes):
            send(octets)

    def _settle(self) -> list[bytes]:
        found = []
        while True:
            while self._stack.event() is not None:
                pass
            octets = self._stack.transmit(0.0)
            if not isinstance(octets, bytes):
                return found
            found.append(octets)
