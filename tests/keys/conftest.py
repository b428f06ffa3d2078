"""Makes the authorities of `tests/crypto`, and the token of this folder, importable."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "crypto")]
