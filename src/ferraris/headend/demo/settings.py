"""How large a demonstration is, and what is read in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PROFILE", "REGISTERS", "NightSettings"]

PROFILE: Final = "1-0:99.1.0*255"
REGISTERS: Final = (
    "0-0:1.0.0*255",
    "1-0:1.8.0*255",
    "1-0:1.8.1*255",
    "1-0:1.8.2*255",
    "1-0:2.8.0*255",
    "1-0:2.8.1*255",
    "1-0:2.8.2*255",
    "1-0:3.8.0*255",
    "1-0:4.8.0*255",
    "1-0:1.4.0*255",
    "0-0:96.1.0*255",
    "1-0:1.7.0*255",
    "1-0:2.7.0*255",
    "1-0:31.7.0*255",
    "1-0:32.7.0*255",
    "1-0:13.7.0*255",
    "1-0:14.7.0*255",
    "0-0:96.14.0*255",
    "0-0:97.97.0*255",
    "0-0:97.98.0*255",
)
"""What is read besides the load profile."""


@dataclass(frozen=True, slots=True)
class NightSettings:
    """How large the neighbourhood is, and where what it tells is kept.

    `store` is a file or URL, `keys` the file of the key store, which must not exist yet: meters
    get fresh keys at every start. `concurrency` sessions run at a time.
    """

    store: str | Path
    keys: Path
    meters: int = 100
    seed: int = 1
    concurrency: int = 64
    listen: str = "127.0.0.1:0"
