"""Serial ports, for both drivers and for stacks that serve: the only user of `serialx`.

A unit has left when the port says that it is empty and the time on the wire has passed: only then
is the stack pulled again, so that its clocks and a change of speed come at the right moment. Ports
of some adapters call themselves empty too early, hence the second condition.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from ferraris.core.errors import Error, LineError, UsageError
from ferraris.core.layer import Closed, Deliver, Layer, LineSettings
from ferraris.line.asynchronous import AsyncDriver, AsyncStation
from ferraris.line.blocking import BlockingDriver
from ferraris.line.port import PortSettings, port_settings
from ferraris.line.url import Endpoint

__all__ = ["SerialListener", "connect", "connect_blocking", "listen"]

In = TypeVar("In")
Out = TypeVar("Out")

_WHERE = "serial"
_SHOWN_PORTS = 8


async def connect(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> AsyncDriver[In, Out]:
    """Open the port that `endpoint` names; the stack itself is opened by the driver's `open`.

    Raises `LineError` when the port cannot be had, `UsageError` for settings it does not know or
    when `serialx` is not installed.
    """
    loop = asyncio.get_running_loop()
    driver = _SerialDriver(layer, loop, is_push=is_push, on_push=on_push)
    driver.carrier = await _carry(driver, port_settings(endpoint), timeout_s)
    return driver


def connect_blocking(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> BlockingDriver[In, Out]:
    """The same without an event loop; opening a port takes no time that `timeout_s` could bound."""
    settings = port_settings(endpoint)
    serialx = _serialx()
    try:
        port = serialx.serial_for_url(settings.path, **_arguments(settings))
        port.open()
    except (OSError, ValueError, serialx.SerialException) as cause:
        raise _not_opened(settings, cause) from None
    connection = _BlockingPort(port, settings)
    driver = BlockingDriver(layer, connection, is_push=is_push, on_push=on_push)
    driver.on_settings = connection.change
    return driver


async def listen(
    endpoint: Endpoint,
    make_layer: Callable[[], Layer[Any, Any, bytes]],
    *,
    on_unit: Callable[[str, Any], None] | None = None,
    timeout_s: float = 10.0,
) -> SerialListener:
    """Let one stack serve on the port that `endpoint` names, session after session.

    `on_unit` gets what the stack delivers, with the name of the port. Raises what `connect` raises.
    """
    loop = asyncio.get_running_loop()
    station = _SerialStation(make_layer(), loop, endpoint.host, on_unit)
    carrier = await _carry(station, port_settings(endpoint), timeout_s)
    return SerialListener(station, carrier)


class SerialListener:
    """A stack that serves on a serial port; `async with` closes the port."""

    def __init__(self, station: _SerialStation, carrier: _Carrier) -> None:
        self._station = station
        self._carrier = carrier

    @property
    def port(self) -> int:
        """Serial lines have no port numbers."""
        return 0

    def close(self) -> None:
        """Close the port."""
        self._station.abort()

    async def lost(self) -> None:
        """Wait until the port is gone, which is a `LineError`; return when it is closed."""
        await self._carrier.wait_closed()
        if self._station.loss is not None:
            raise self._station.loss

    async def wait_closed(self) -> None:
        """Until the port is free again; at once when it is gone already."""
        await self._carrier.wait_closed()

    async def __aenter__(self) -> SerialListener:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self.wait_closed()


class _SerialDriver(AsyncDriver[In, Out]):
    """The active end. A port is free for the next one only when it is really closed."""

    carrier: _Carrier

    async def open(self) -> None:
        try:
            await super().open()
        except BaseException:
            await self.carrier.wait_closed()
            raise

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            await self.carrier.wait_closed()


class _SerialStation(AsyncStation):
    """The passive end: when a session is over, the next one begins on the same line."""

    loss: Error | None = None

    def __init__(
        self,
        layer: Layer[Any, Any, bytes],
        loop: asyncio.AbstractEventLoop,
        path: str,
        on_unit: Callable[[str, Any], None] | None,
    ) -> None:
        super().__init__(layer, loop, set())
        self._path = path
        self._deliver = on_unit

    def connection_lost(self, exception: Exception | None) -> None:
        self.loss = LineError(str(exception), where=_WHERE)
        super().connection_lost(exception)

    def _feed(self, now: float) -> None:
        self._waiting = ()  # the last answer has left
        self.layer.open(now)

    def _happened(self, what: Any) -> None:
        if type(what) is Closed:
            self._waiting = (self.layer,)
        elif type(what) is Deliver and self._deliver is not None:
            self._deliver(self._path, what.unit)


class _Carrier(asyncio.Protocol):
    """Between a port and a driver: what the driver takes for a transport.

    One unit is on the line at a time; the driver pauses until it has left.
    """

    def __init__(
        self,
        driver: AsyncDriver[Any, Any] | AsyncStation,
        settings: PortSettings,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._driver = driver
        self._settings = settings
        self._line = settings.line
        self._loop = loop
        self._port: Any = None
        self._task: asyncio.Task[None] | None = None
        self._gone: asyncio.Task[None] | None = None
        self._made = False
        self._ending = False
        driver.on_settings = self.change

    # -- what serialx calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._port = transport

    def begin(self) -> None:
        """The port is as it should be: let the driver have it."""
        self._made = True
        self._driver.connection_made(cast("asyncio.BaseTransport", self))

    def data_received(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._made and not self._ending:
            buffer = self._driver.get_buffer(len(view))
            count = min(len(view), len(buffer))
            buffer[:count] = view[:count]
            view = view[count:]
            self._driver.buffer_updated(count)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._made and not self._ending:
            self._ending = True
            self._driver.connection_lost(_gone(self._settings.path))

    # -- what the driver calls --------------------------------------------------------------

    def write(self, octets: bytes) -> None:
        """Put one unit on the line."""
        self._work(self._send, octets)

    def change(self, line: LineSettings) -> None:
        """Give the line new settings; what was written before has left already."""
        self._work(self._set, line)

    def close(self) -> None:
        """Close the port, now: half a frame is worth nothing."""
        self.abort()

    def abort(self) -> None:
        """Close the port now."""
        self._ending = True
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._port.abort()

    def is_closing(self) -> bool:
        """Has it been closed?"""
        return self._ending

    async def wait_closed(self) -> None:
        """Until the port is free for others; several may wait, and give up waiting."""
        if self._gone is None:
            self._gone = self._loop.create_task(self._port.wait_closed())
        await asyncio.shield(self._gone)

    # -- one piece of work at a time --------------------------------------------------------

    def _work(self, work: Callable[[Any], Awaitable[None]], what: bytes | LineSettings) -> None:
        self._driver.pause_writing()
        self._task = self._loop.create_task(self._finish(work, what))

    async def _finish(
        self, work: Callable[[Any], Awaitable[None]], what: bytes | LineSettings
    ) -> None:
        try:
            await work(what)
        except (OSError, ValueError, _serialx().SerialException) as cause:
            if not self._ending:
                self._ending = True
                self._task = None
                self._port.abort()
                self._driver.connection_lost(OSError(_broken(self._settings.path, cause)))
            return
        self._task = None
        if not self._ending:
            self._driver.resume_writing()

    async def _send(self, octets: bytes) -> None:
        started = self._loop.time()
        if self._settings.direction:
            await self._port.set_modem_pins(rts=True)
        self._port.write(octets)
        left_at = started + self._settings.seconds(len(octets), self._line)
        await asyncio.sleep(left_at - self._loop.time())
        await self._port.flush()
        if self._settings.direction:
            await self._port.set_modem_pins(rts=False)

    async def _set(self, line: LineSettings) -> None:
        await self._port.reconfigure_port(
            baudrate=line.baud, parity=line.parity, byte_size=line.data_bits
        )
        self._line = line


class _BlockingPort:
    """A port with the face of a socket, as far as the blocking driver needs one."""

    def __init__(self, port: Any, settings: PortSettings) -> None:
        self._port = port
        self._settings = settings
        self._line = settings.line
        self._timeout_s: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        """Bound the next reads."""
        self._timeout_s = seconds

    def recv_into(self, buffer: memoryview) -> int:
        """Read what is there or comes in time; `TimeoutError` or, without a port, `OSError`."""
        try:
            count: int = self._port.readinto(buffer, timeout=self._timeout_s)
        except OSError:
            raise _gone(self._settings.path) from None
        if not count:
            raise TimeoutError
        return count

    def sendall(self, octets: bytes) -> None:
        """Put one unit on the line and wait until it has left."""
        started = time.monotonic()
        try:
            if self._settings.direction:
                self._port.set_modem_pins(rts=True)
            self._port.write(octets)
            left_at = started + self._settings.seconds(len(octets), self._line)
            time.sleep(max(0.0, left_at - time.monotonic()))
            self._port.flush()
            if self._settings.direction:
                self._port.set_modem_pins(rts=False)
        except OSError as cause:
            raise OSError(_broken(self._settings.path, cause)) from None

    def change(self, line: LineSettings) -> None:
        """Give the line new settings; what was written before has left already."""
        try:
            self._port.reconfigure_port(
                baudrate=line.baud, parity=line.parity, byte_size=line.data_bits
            )
        except (OSError, ValueError, _serialx().SerialException) as cause:
            raise OSError(_broken(self._settings.path, cause)) from None
        self._line = line

    def close(self) -> None:
        """Close the port."""
        self._port.close()


async def _carry(
    driver: AsyncDriver[Any, Any] | AsyncStation, settings: PortSettings, timeout_s: float
) -> _Carrier:
    """Open the port and let `driver` have it."""
    serialx = _serialx()
    loop = asyncio.get_running_loop()
    carrier = _Carrier(driver, settings, loop)
    try:
        async with asyncio.timeout(timeout_s):
            await serialx.create_serial_connection(
                loop, lambda: carrier, settings.path, **_arguments(settings)
            )
    except TimeoutError:
        text = f"{settings.path} could not be opened within {timeout_s:g} s"
        raise LineError(text, where=_WHERE) from None
    except (OSError, ValueError, serialx.SerialException) as cause:
        raise _not_opened(settings, cause) from None
    carrier.begin()
    return carrier


def _arguments(settings: PortSettings) -> dict[str, Any]:
    serialx = _serialx()
    low = serialx.PinState.LOW
    arguments = {
        "baudrate": settings.line.baud,
        "parity": serialx.Parity(settings.line.parity),
        "stopbits": serialx.StopBits(settings.stop_bits),
        "byte_size": settings.line.data_bits,
        "exclusive": True,
    }
    if settings.direction:
        arguments["rts_on_open"] = low
    return arguments


def _serialx() -> Any:
    """The package, which is an extra."""
    try:
        import serialx  # noqa: PLC0415 - optional, and not to be loaded for those who use none
    except ImportError:
        text = "serial ports need the package serialx: pip install 'ferraris[serial]'"
        raise UsageError(text, where=_WHERE) from None
    return serialx


def _not_opened(settings: PortSettings, cause: Exception) -> Error:
    """Say what is wrong with the port, and what to do."""
    path = settings.path
    number = cause.errno if isinstance(cause, OSError) else None
    if number in (errno.EBUSY, errno.EAGAIN):
        text = f"{path} is in use by another program: end that one first"
    elif number in (errno.EACCES, errno.EPERM):
        text = (
            f"no permission for {path}: join the group that owns it (often dialout), or end the "
            "program that uses it"
        )
    elif number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        text = f"there is no port {path}: {_ports()}"
    elif number in (errno.ENOTTY, errno.EISDIR):
        text = f"{path} is no serial port: {_ports()}"
    elif number is None:
        return UsageError(f"{path} cannot be set like this: {cause}", where=_WHERE)
    else:
        text = f"{path} does not open: {cause}"
    return LineError(text, where=_WHERE)


def _ports() -> str:
    """What ports there are, for a person."""
    try:
        names = [str(found.device) for found in _serialx().list_serial_ports()]
    except (OSError, ValueError, RuntimeError):
        names = []
    if not names:
        return "no port is plugged in"
    return "there are " + ", ".join(sorted(names)[:_SHOWN_PORTS])


def _gone(path: str) -> OSError:
    return OSError(f"{path} is gone: is the cable unplugged?")


def _broken(path: str, cause: Exception) -> str:
    if isinstance(cause, TimeoutError):
        return f"{path} does not send: is it held back by flow control?"
    if isinstance(cause, OSError) and cause.errno in (errno.EIO, errno.ENXIO, errno.EBADF):
        return str(_gone(path))
    return f"{path}: {cause}"
