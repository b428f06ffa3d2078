"""Simulated serial cables: two pseudo-terminals, joined directly, by an optical head, or by modems.

What goes into one end comes out of the other. With this, readers and simulated meters talk over
serial ports on a machine that has none. POSIX only.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time

from ferraris.core.errors import UsageError
from ferraris.meter.simulated_modem import SimulatedModem

__all__ = ["Cable"]

_CHUNK = 4096
_AGAIN_S = 0.02  # between looks at a port that nobody has open


class Cable:
    """A cable, alive until `unplug`; `reader` and `meter` are the paths of its ends.

    `echo`: what the reader sends comes back to it first, as from some optical heads. With `modem`
    the reader's end is a modem, and the meter is at the number that it dials. `carried` is all that
    came in, with the end where it did.
    """

    def __init__(self, *, echo: bool = False, modem: SimulatedModem | None = None) -> None:
        self.echo = echo
        self.modem = modem
        self.carried: list[tuple[str, bytes]] = []
        (self._reader, reader, self.reader), (self._meter, meter, self.meter) = (
            _pseudo_terminal(waits=False),
            _pseudo_terminal(waits=True),
        )
        # Ends that are held open are never hung up; that of a modem shall be, as by DTR.
        self._held = [meter] if modem is not None else [reader, meter]
        if modem is not None:
            os.close(reader)
        self._stop, self._told = os.pipe()
        self._unplugging = threading.Lock()
        self._thread = threading.Thread(target=self._carry, name="cable", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull both ends; those who have them open are told. Repeated calls do nothing."""
        with self._unplugging:
            if not self._thread.is_alive():
                return
            os.write(self._told, b"!")
            self._thread.join()
            for descriptor in (*self._held, self._reader, self._meter, self._stop, self._told):
                os.close(descriptor)

    def lose_carrier(self) -> None:
        """The meter's modem hangs up."""
        if self.modem is not None:
            os.write(self._reader, self.modem.lose_carrier())

    def _carry(self) -> None:
        open_ends = [self._reader, self._meter]
        while True:
            ready, _, _ = select.select([*open_ends, self._stop], [], [], self._patience(open_ends))
            if self._stop in ready:
                return
            if self.modem is not None:
                self._write(self._reader, self.modem.wake(time.monotonic()))
            if self._meter in ready:
                self._from_meter(os.read(self._meter, _CHUNK))
            if self._reader in ready or self._reader not in open_ends:
                is_open = self._from_reader()
                open_ends = [self._reader, self._meter] if is_open else [self._meter]

    def _patience(self, open_ends: list[int]) -> float | None:
        if self._reader not in open_ends:
            return _AGAIN_S
        if self.modem is None or self.modem.deadline is None:
            return None
        return max(0.0, self.modem.deadline - time.monotonic())

    def _from_reader(self) -> bool:
        """Carry what the reader sent; False when nobody has its end open."""
        try:
            octets = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # as Linux says it; an empty read elsewhere
            octets = b""
        if not octets:
            if self.modem is not None:
                self.modem.drop()
            return False
        self.carried.append(("reader", octets))
        if self.echo:
            self._write(self._reader, octets)
        if self.modem is not None:
            back, octets = self.modem.heard(octets, time.monotonic())
            self._write(self._reader, back)
        self._write(self._meter, octets)
        return True

    def _from_meter(self, octets: bytes) -> None:
        self.carried.append(("meter", octets))
        if self.modem is None or self.modem.online:
            self._write(self._reader, octets)

    def _write(self, end: int, octets: bytes) -> None:
        if octets:
            os.write(end, octets)


def _pseudo_terminal(*, waits: bool) -> tuple[int, int, str]:
    """Our end, the end for a program, and the path of that."""
    if sys.platform == "win32" or not hasattr(os, "openpty"):
        raise UsageError("this system has no pseudo-terminals: use two real ports and a cable")
    import tty  # noqa: PLC0415 - POSIX only

    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, waits)
    return ours, theirs, os.ttyname(theirs)
