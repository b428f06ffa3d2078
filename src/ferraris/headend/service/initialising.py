"""Making a head-end: a folder with its configuration, keys, store and first administrator."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ferraris.core.errors import UsageError
from ferraris.headend.configuration import Configuration, load
from ferraris.keys import KeyStore

__all__ = ["FILE", "Wishes", "initialise"]

FILE = "headend.toml"
"""The name of the configuration in its folder."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a new head-end; `store` is a URL, or empty for a file in the folder."""

    store: str = ""
    tenant: str = "main"
    zone: str = "UTC"
    listen: str = "127.0.0.1:8470"
    behind_proxy: bool = False


def initialise(folder: Path, wishes: Wishes, furnish: Callable[[Configuration], None]) -> Path:
    """Make the folder, wholly or not at all, and return its configuration.

    `furnish` gets the configuration of the folder in the making: it sets up the store and the
    first administrator. What a killed run left behind goes. Raises `UsageError` when the folder is
    not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty: a head-end is made in a folder of its own")
    making = folder.parent / f".{folder.name}.making"
    if making.exists():
        shutil.rmtree(making)
    try:
        making.mkdir(mode=0o700, parents=True)
        _write(making / "passphrase", secrets.token_urlsafe(32) + "\n")
        _write(making / FILE, _text(wishes))
        configuration = load(making / FILE)
        phrase = (making / "passphrase").read_text().removesuffix("\n")
        with KeyStore.create(configuration.place(configuration.keys.file), phrase) as keys:
            keys.create_tenant(configuration.tenant)
        furnish(configuration)
        if folder.exists():
            folder.rmdir()
        making.rename(folder)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder / FILE


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def _text(wishes: Wishes) -> str:
    lines = [
        "# A head-end. What is not said has its default; secrets are in files of their own.",
        f"store = {_quoted(wishes.store or 'ferraris.sqlite')}",
        f"tenant = {_quoted(wishes.tenant)}",
        f"zone = {_quoted(wishes.zone)}",
        "",
        "[keys]",
        'file = "keys.sqlite"',
        'passphrase = "@passphrase"',
        "",
        "[http]",
        f"listen = {_quoted(wishes.listen)}",
    ]
    if wishes.behind_proxy:
        lines.append("behind_proxy = true # which ends TLS")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    if any(ord(character) < 0x20 for character in text):
        raise UsageError("no control characters, please")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
