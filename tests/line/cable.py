"""A null-modem cable: two pseudo-terminals, what goes into one comes out of the other."""

from __future__ import annotations

import os
import select
import threading
import tty

__all__ = ["Cable"]


class Cable:
    """`reader` and `meter` are the paths of its ends.

    `echo`: what the reader sends comes back to it first, as from some optical heads.
    """

    def __init__(self, *, echo: bool = False) -> None:
        self.echo = echo
        self.carried: list[tuple[str, bytes]] = []
        pairs = [os.openpty() for _ in range(2)]
        self._masters = [master for master, _ in pairs]
        self._slaves = [slave for _, slave in pairs]  # held open: a free end is no hang-up
        for slave in self._slaves:
            tty.setraw(slave)
        self.reader, self.meter = (os.ttyname(slave) for slave in self._slaves)
        self._stop, self._told = os.pipe()
        self._unplugging = threading.Lock()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def unplug(self) -> None:
        """Pull both ends; those who have them open are told."""
        with self._unplugging:
            if not self._thread.is_alive():
                return
            os.write(self._told, b"!")
            self._thread.join()
            for descriptor in (*self._masters, *self._slaves, self._stop, self._told):
                os.close(descriptor)

    def _carry(self) -> None:
        reader, meter = self._masters
        while True:
            ready, _, _ = select.select([reader, meter, self._stop], [], [])
            if self._stop in ready:
                return
            for source in ready:
                octets = os.read(source, 4096)
                self.carried.append(("reader" if source == reader else "meter", octets))
                if self.echo and source == reader:
                    os.write(reader, octets)
                os.write(meter if source == reader else reader, octets)
