"""What seals the data key of a store: a passphrase, or a wrapping key in a token."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes
from typing import Protocol

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.box import Box, passphrase_key

__all__ = ["DEFAULT_COST", "HEADER_NAMES", "Sealing", "WrappingToken", "new_sealing", "unsealed"]

DEFAULT_COST = 1 << 15
HEADER_NAMES = ("scrypt", "salt", "token", "data_key")
"""Rows of the header that belong to the sealing, and change with it."""


class WrappingToken(Protocol):
    """What a store asks of a token: `keys.pkcs11.Token` is one."""

    @property
    def label(self) -> str:
        """Name of the token."""

    @property
    def wrapping_label(self) -> str:
        """Name of its wrapping key."""

    def wrap(self, key: bytes) -> bytes:
        """`key` wrapped under the wrapping key, which never leaves the token [rfc3394]."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key inside; `SecurityError` when it was wrapped otherwise or altered."""


class Sealing(Protocol):
    """Seals one data key as rows of the header."""

    def seal(self, data_key: bytes) -> dict[str, bytes]:
        """The rows to keep."""


class _PassphraseSealing:
    """How a passphrase becomes a key: parameters, salt, and the box under that key."""

    def __init__(self, passphrase: str | bytes, cost: int, block: int, parallel: int, salt: bytes):
        octets = (
            unicodedata.normalize("NFKC", passphrase).encode()
            if isinstance(passphrase, str)
            else bytes(passphrase)
        )
        if not octets:
            raise UsageError("a key store needs a passphrase")
        self.parameters = json.dumps({"n": cost, "r": block, "p": parallel}).encode()
        self.salt = salt
        self.context = b"ferraris key store\x00" + self.parameters + b"\x00" + salt
        self.box = Box(passphrase_key(octets, salt, cost=cost, block_size=block, parallel=parallel))

    def seal(self, data_key: bytes) -> dict[str, bytes]:
        sealed = self.box.seal(token_bytes(12), data_key, self.context)
        return {"scrypt": self.parameters, "salt": self.salt, "data_key": sealed}


class _TokenSealing:
    """The data key wrapped by a token."""

    def __init__(self, token: WrappingToken) -> None:
        self._token = token

    def seal(self, data_key: bytes) -> dict[str, bytes]:
        names = {"token": self._token.label, "key": self._token.wrapping_label}
        return {"token": json.dumps(names).encode(), "data_key": self._token.wrap(data_key)}


def new_sealing(
    passphrase: str | bytes | None, token: WrappingToken | None, cost: int = DEFAULT_COST
) -> Sealing:
    """A fresh sealing by one of both; `UsageError` for both or none."""
    if token is not None and passphrase is None:
        return _TokenSealing(token)
    if token is not None or passphrase is None:
        raise UsageError("a key store is sealed by a passphrase or by a token")
    return _PassphraseSealing(passphrase, cost, 8, 1, token_bytes(16))


def unsealed(
    place: Path,
    stored: Mapping[str, object],
    passphrase: str | bytes | None,
    token: WrappingToken | None,
) -> bytes:
    """The data key of a store with this header.

    Raises `UsageError` for a damaged header, or when the store is sealed in the other way;
    `SecurityError` for a wrong passphrase or another token.
    """
    sealed = stored.get("data_key")
    if "token" in stored:
        if token is None:
            raise UsageError(f"key store {place}: sealed by a token, so it opens with that token")
        data_key = token.unwrap(_octets(place, sealed))
    else:
        if passphrase is None:
            raise UsageError(f"key store {place}: sealed by a passphrase, not by a token")
        header = _read(place, stored, passphrase)
        try:
            data_key = header.box.open(_octets(place, sealed), header.context)
        except SecurityError:
            message = f"key store {place}: wrong passphrase, or an altered file"
            raise SecurityError(message) from None
    if len(data_key) != 32:
        raise SecurityError(f"key store {place}: the data key is altered")
    return data_key


def _read(place: Path, stored: Mapping[str, object], passphrase: str | bytes) -> _PassphraseSealing:
    try:
        numbers = json.loads(stored["scrypt"])  # type: ignore[arg-type]  # TypeError is caught
        cost, block, parallel = (int(numbers[name]) for name in "nrp")
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
        raise UsageError(f"key store {place}: the header is damaged") from None
    salt = _octets(place, stored.get("salt"))
    return _PassphraseSealing(passphrase, cost, block, parallel, salt)


def _octets(place: Path, value: object) -> bytes:
    if not isinstance(value, bytes):
        raise UsageError(f"key store {place}: the header is damaged")
    return value
