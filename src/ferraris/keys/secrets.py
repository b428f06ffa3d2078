"""How secrets enter: `@file`, `env:NAME`, `store:ID`, and plain text with a warning."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ferraris.core.errors import UsageError
from ferraris.keys.keys import KINDS, Keys

__all__ = ["secret"]

_MOST_OCTETS = 4096


def secret(
    text: str,
    *,
    form: Literal["hex", "text"] = "hex",
    kind: str = "encryption_key",
    store: Keys | None = None,
    warn: Callable[[str], None] | None = None,
) -> bytes:
    """The octets of a secret named on a command line or in a configuration.

    `@FILE` reads a file, `env:NAME` an environment variable, `store:ID` or `store:ID/KIND` the key
    store. Anything else is the secret itself; `warn` is then called with one line, since other
    users can see command lines. Keys are hexadecimal; `form="text"` takes passwords as they are,
    without a line break at the end. Raises `UsageError`, which never shows the secret.
    """
    if text.startswith("store:"):
        return _from_store(text.removeprefix("store:"), kind, store)
    if text.startswith("@"):
        source, content = f"file {text[1:]}", _from_file(text[1:])
    elif text.startswith("env:"):
        name = text.removeprefix("env:")
        source, value = f"environment variable {name}", os.environ.get(name)
        if value is None:
            raise UsageError(f"{source} is not set")
        content = value
    else:
        source, content = "the command line", text
        if warn is not None:
            warn("a secret on the command line is seen by other users: use @file or env:NAME")
    return _octets(content, form, source)


def _octets(content: str, form: str, source: str) -> bytes:
    if form == "text":
        octets = content.removesuffix("\n").removesuffix("\r").encode("utf-8", "surrogateescape")
    else:
        try:
            octets = bytes.fromhex(content.strip().replace(":", ""))
        except ValueError:
            raise UsageError(f"the secret from {source} is not hexadecimal") from None
    if not octets:
        raise UsageError(f"the secret from {source} is empty")
    return octets


def _from_file(name: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            octets = file.read(_MOST_OCTETS + 1)
    except OSError as error:
        raise UsageError(f"file {name}: {error.strerror}") from None
    if len(octets) > _MOST_OCTETS:
        raise UsageError(f"file {name}: too long for a secret")
    return octets.decode("utf-8", "surrogateescape")


def _from_store(name: str, kind: str, store: Keys | None) -> bytes:
    if store is None:
        raise UsageError("store:ID needs a key store")
    key_id, slash, last = name.rpartition("/")
    # Ids of tenants have slashes themselves; only a kind behind the last one is a kind.
    return store.get(key_id, last) if slash and last in KINDS else store.get(name, kind)
