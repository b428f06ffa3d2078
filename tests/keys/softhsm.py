"""A SoftHSM token of one's own, in a temporary directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN = "4711"


def module() -> str:
    """The library; the test is skipped without it."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")
    for place in MODULES:
        if Path(place).is_file():
            return place
    pytest.skip("softhsm2 is not installed")


def configured(folder: Path) -> dict[str, str]:
    """The environment that finds tokens in that folder only."""
    tokens = folder / "tokens"
    tokens.mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    return {**os.environ, "SOFTHSM2_CONF": str(settings)}


def make_token(environment: dict[str, str], label: str) -> None:
    """Initialise a token."""
    subprocess.run(
        f"softhsm2-util --init-token --free --label {label} --so-pin 471100 --pin {PIN}".split(),
        env=environment,
        check=True,
        capture_output=True,
    )
