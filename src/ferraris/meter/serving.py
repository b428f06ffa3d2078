"""Fleets on the wire: listeners that carry thousands of simulated meters, and meters in process.

Each listener carries up to 65,520 meters of a fleet as logical devices of their own address, 16,000
over HDLC; a larger fleet takes the ports that follow.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Never

from ferraris.client.security import MECHANISMS, HighECDSA, HighGMAC
from ferraris.core.errors import Error, LineError, UsageError
from ferraris.core.layer import Layer
from ferraris.line.serial import SerialListener
from ferraris.line.serving import Listener, serve
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet, KeysLine
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.schemes import profile_of

__all__ = ["Listening", "Simulation", "listen", "simulate"]

_HDLC_METERS = 16_000  # upper HDLC addresses have 14 bits [hdlc-quoted]
_LAST_SHORT_ADDRESS = 0x7F
_FIRST_PAUSE_S = 0.25  # before a lost port is tried again; each time twice as long
_LONGEST_PAUSE_S = 10.0
_PHYSICAL = "17"  # of a listener that takes any
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not listening
_OVER_HDLC = ("+hdlc", "serial")
_SCHEMES = ("tcp", "tls", "udp", "tcp+hdlc", "tls+hdlc", "udp+hdlc", "serial")


class Listening:
    """The open listeners of a fleet; `async with` closes them."""

    def __init__(
        self,
        fleet: Fleet,
        serve: Callable[[], Awaitable[list[Listener]]],
        servers: list[Listener],
        endpoint: Endpoint,
    ) -> None:
        self.fleet = fleet
        self._serve = serve
        self._servers = servers
        self._ports = [server.port for server in servers]
        self._scheme = endpoint.scheme
        self._host = _ANYWHERE.get(endpoint.host, endpoint.host)
        self._physical = endpoint.options.get("physical")
        # The other end of a serial line needs the same settings.
        self._settings = dict(endpoint.options) if endpoint.scheme == "serial" else {}

    def endpoint(self, index: int = 0) -> Endpoint:
        """Where a client on this machine reaches the meter with this place in the fleet.

        In HDLC a logical address above 127 can only be named together with a physical one.
        """
        physical = self._physical
        if physical is None and self._scheme.endswith(_OVER_HDLC):
            far = self.fleet.server_sap(index) > _LAST_SHORT_ADDRESS
            physical = _PHYSICAL if far else None
        options = self._settings | ({} if physical is None else {"physical": physical})
        if self.fleet.template.short_names:
            options["names"] = "short"
        port = self._ports[self.fleet.listener(index)]
        return Endpoint(self._scheme, self._host, port, options)

    def line(self, index: int) -> KeysLine:
        """Address and secrets of one meter."""
        return self.fleet.line(index, self.endpoint(index).url)

    async def __aenter__(self) -> Listening:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Take no more connections and cut those that are open."""
        for server in self._servers:
            server.close()
            if isinstance(server, SerialListener):
                await server.wait_closed()
        await asyncio.sleep(0)  # transports end in the next turn of the loop

    async def keep(self, on_failure: Callable[[Error], None]) -> None:
        """Serve on until cancelled: a serial port that is lost is opened again when it is back.

        `on_failure` hears of every loss, and of each reason why the port does not open.
        """
        while True:
            try:
                await self._lost()
            except LineError as error:
                on_failure(error)
            await self._reopen(on_failure)

    async def _lost(self) -> None:
        """Wait until a serial port is gone, which is a `LineError`; listeners on sockets stay."""
        for server in self._servers:
            if isinstance(server, SerialListener):
                await server.lost()
                return
        await asyncio.Event().wait()

    async def _reopen(self, on_failure: Callable[[Error], None]) -> None:
        pause_s, told = _FIRST_PAUSE_S, set[str]()
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                self._servers = await self._serve()
            except LineError as error:
                if str(error) not in told:
                    told.add(str(error))
                    on_failure(error)
            else:
                return


async def listen(
    fleet: Fleet,
    endpoint: Endpoint,
    *,
    utc: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Listening:
    """Let every meter of `fleet` answer at `endpoint`; port 0 takes any free one.

    Raises `UsageError` for a line that meters cannot listen on, `LineError` for a port in use.
    """
    if endpoint.scheme not in _SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise UsageError(f"meters listen on one of {known}, not {endpoint.scheme}:")
    if endpoint.scheme.endswith(_OVER_HDLC) and len(fleet) > _HDLC_METERS:
        if endpoint.scheme == "serial":
            raise UsageError(f"at most {_HDLC_METERS} meters have an HDLC address on one line")
        fleet.meters_of_a_line = _HDLC_METERS
    profile = profile_of(endpoint.scheme, endpoint.options)
    physical = endpoint.number("physical")

    def stack(number: int) -> Layer[Never, None, bytes]:
        directory = partial(fleet.find, listener=number)
        if fleet.may_fail:
            # Faults are loaded by whoever has them, and cost sound fleets nothing.
            from ferraris.meter.faults.stack import faulty_stack  # noqa: PLC0415

            return faulty_stack(profile, directory, entropy=entropy, utc=utc, physical=physical)
        return server_stack(profile, directory, entropy=entropy, utc=utc, physical=physical)

    async def open_all() -> list[Listener]:
        servers: list[Listener] = []
        for number in range(fleet.listener(len(fleet) - 1) + 1):
            port = endpoint.port + number if endpoint.port else 0
            try:
                servers.append(await serve(replace(endpoint, port=port), partial(stack, number)))
            except BaseException:
                for server in servers:
                    server.close()
                raise
        return servers

    return Listening(fleet, open_all, await open_all(), endpoint)


class Simulation:
    """One meter in a thread of this process: what `sim://` URLs reach.

    Attributes:
        endpoint: where it listens, on loopback.
        security: what its management client needs.
        server: address of the logical device.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        seed = endpoint.number("seed", 1) or 0
        suite = endpoint.number("suite", 0) or 0
        mechanism = endpoint.number("mechanism")
        # Whoever writes a weak mechanism into the URL asks for it: meter and client are one.
        weak = mechanism is not None
        variant = endpoint.options.get("kind")
        name = f"{endpoint.host}:{variant}" if variant else endpoint.host
        kind = template(name, suite=suite, mechanism=mechanism, weak=weak)
        self._fleet = Fleet(kind, 1, seed, secret=os.urandom(32))
        self._fleet.always_awake = True
        self._loop = asyncio.new_event_loop()
        self._ready: threading.Event = threading.Event()
        self._failure: BaseException | None = None
        self._listening: Listening | None = None
        self._thread = threading.Thread(target=self._run, name="simulated meter", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        assert self._listening is not None
        self.endpoint: Endpoint = self._listening.endpoint()
        keys = self._listening.line(0)
        self.server: int = keys["server"]
        self.security = (HighECDSA if suite else HighGMAC)(
            bytes.fromhex(keys["encryption_key"]),
            bytes.fromhex(keys["authentication_key"]),
            client=keys["client"],
            invocation_counter=1,
            server_system_title=bytes.fromhex(keys["system_title"]),
            suite=suite,
            pairs=self._fleet.client_pairs(0),
        )
        if "mechanism" in keys:
            self.security = replace(
                self.security,
                mechanism=MECHANISMS[keys["mechanism"]],
                secret=keys["password"].encode("ascii"),
                weak=weak,
            )

    def stop(self) -> None:
        """End the meter and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        loop = self._loop
        try:
            self._listening = loop.run_until_complete(
                listen(self._fleet, Endpoint("tcp", "127.0.0.1", 0))
            )
        except BaseException as failure:  # noqa: BLE001 - raised again where it was asked for
            self._failure = failure
            self._ready.set()
            return
        self._ready.set()
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(self._listening.close())
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


def simulate(endpoint: Endpoint) -> Simulation:
    """Start the meter that a `sim://TEMPLATE?seed=N&suite=N&mechanism=N` URL names."""
    return Simulation(endpoint)
