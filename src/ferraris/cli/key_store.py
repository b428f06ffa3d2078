"""Opening the key store for commands: where it is, and what opens it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.keys import KeyStore
    from ferraris.keys.pkcs11 import Token

__all__ = [
    "DEFAULT_STORE",
    "Opening",
    "opened_by_environment",
    "opening",
    "referenced",
    "store_options",
    "warn",
]

DEFAULT_STORE = "keys.db"
_MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@dataclass(slots=True)
class Opening:
    """What the options said; secrets still as references."""

    path: str
    passphrase: str | None
    token: str | None
    module: str
    pin: str | None
    wrapping_key: str

    def phrase(self) -> bytes | None:
        """The passphrase; asked for on a terminal when no option names it and no token opens."""
        if self.passphrase is not None:
            return passphrase_of(self.passphrase)
        if self.token is not None:
            return None
        if not on_terminal():
            message = "the key store needs --passphrase @file or env:NAME, or --token LABEL"
            raise UsageError(message)
        text: str = typer.prompt("Passphrase", hide_input=True, err=True)
        return text.encode()

    @contextmanager
    def opened_token(self) -> Iterator[Token | None]:
        """The token that the options name, if any, logged in."""
        if self.token is None:
            yield None
            return
        from ferraris.keys.pkcs11 import Token

        if self.pin is None:
            raise UsageError("--token needs --pin @file or env:NAME")
        pin = passphrase_of(self.pin)
        token = Token.open(self.module, label=self.token, pin=pin, wrapping_label=self.wrapping_key)
        with token:
            yield token

    @contextmanager
    def opened(self) -> Iterator[KeyStore]:
        """The store, open."""
        from ferraris.keys import KeyStore

        with (
            self.opened_token() as token,
            KeyStore.open(self.path, self.phrase(), token=token) as store,
        ):
            yield store


def store_options(
    context: typer.Context,
    store: Annotated[
        str, typer.Option(metavar="FILE", envvar="FERRARIS_KEYS", help="The key store.")
    ] = DEFAULT_STORE,
    passphrase: Annotated[
        str | None,
        typer.Option(
            metavar="SECRET", envvar="FERRARIS_PASSPHRASE", help="Its passphrase: @file, env:NAME."
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option(metavar="LABEL", help="The token that opens it or holds keys.")
    ] = None,
    module: Annotated[
        str, typer.Option(metavar="FILE", envvar="FERRARIS_PKCS11", help="PKCS#11 library.")
    ] = _MODULE,
    pin: Annotated[
        str | None, typer.Option(metavar="SECRET", help="PIN of the token: @file, env:NAME.")
    ] = None,
    wrapping_key: Annotated[
        str, typer.Option(metavar="LABEL", help="Wrapping key in the token.")
    ] = "ferraris",
) -> None:
    """Where the key store is and what opens it; the options go before the command."""
    context.obj = Opening(store, passphrase, token, module, pin, wrapping_key)


def on_terminal() -> bool:
    """Is there somebody to ask?"""
    return sys.stdin.isatty()


def opening(context: typer.Context) -> Opening:
    """What `store_options` left."""
    found = context.obj
    assert isinstance(found, Opening)
    return found


def referenced(
    reference: str,
    *,
    form: Literal["hex", "text"] = "hex",
    kind: str = "encryption_key",
    quiet: bool = False,
) -> bytes:
    """The secret that a meter command names; `store:ID` opens the store of the environment.

    That is the file in `FERRARIS_KEYS`, keys.db otherwise, with the passphrase that
    `FERRARIS_PASSPHRASE` names. Secrets on the command line are warned of, unless `quiet`.
    """
    from ferraris.keys.secrets import secret

    if not reference.startswith("store:"):
        return secret(reference, form=form, kind=kind, warn=None if quiet else warn)
    with opened_by_environment() as store:
        return secret(reference, form=form, kind=kind, store=store)


@contextmanager
def opened_by_environment() -> Iterator[KeyStore]:
    """The key store that `FERRARIS_KEYS` and `FERRARIS_PASSPHRASE` name, open."""
    path, passphrase = os.environ.get("FERRARIS_KEYS"), os.environ.get("FERRARIS_PASSPHRASE")
    given = Opening(path or DEFAULT_STORE, passphrase, None, _MODULE, None, "")
    with given.opened() as store:
        yield store


def passphrase_of(reference: str) -> bytes:
    """A passphrase or PIN by reference; plain ones warn."""
    from ferraris.keys.secrets import secret

    return secret(reference, form="text", kind="password", warn=warn)


def warn(message: str) -> None:
    """One line on standard error."""
    typer.echo(f"ferraris: warning: {message}", err=True)
