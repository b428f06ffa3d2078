"""Modems: a serial port; what is said to the modem on it is a layer of the stack."""

from __future__ import annotations

from ferraris.line.serial import connect, connect_blocking

__all__ = ["connect", "connect_blocking"]
