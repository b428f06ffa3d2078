"""`ferraris meter cable`: simulated serial cables, optical heads and modems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import typer

from ferraris.cli.meter_station import until_told
from ferraris.core.errors import UsageError
from ferraris.meter.cable import Cable
from ferraris.meter.simulated_modem import SimulatedModem

__all__ = ["join"]


async def join(reader: str, meter: str, *, echo: bool, modem: bool) -> None:
    """Lay a cable between two new ports, and keep it until interrupted."""
    cable = Cable(echo=echo, modem=SimulatedModem() if modem else None)
    try:
        with _named(reader, cable.reader), _named(meter, cable.meter):
            between = "modem - " if modem else ""
            await until_told(partial(typer.echo, f"{reader} - {between}{meter}"))
    finally:
        cable.unplug()


@contextmanager
def _named(name: str, path: str) -> Iterator[None]:
    """A name for a port, taken away at the end."""
    link = Path(name)
    try:
        os.symlink(path, link)
    except OSError as cause:
        raise UsageError(f"{name} cannot be made: {cause.strerror}") from None
    try:
        yield
    finally:
        link.unlink(missing_ok=True)
