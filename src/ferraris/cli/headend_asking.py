"""Where the head-end is: a store that is opened here, or a server that is asked."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

import typer

from ferraris.cli.key_store import referenced
from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.headend.configuration import Configuration
    from ferraris.headend.operations.desk import Caller, House
    from ferraris.headend.operations.operation import Operation
    from ferraris.headend.store.engine import Engine
    from ferraris.keys import Keys, KeyStore

__all__ = ["Head", "Local", "Place", "asking", "headend_options", "place", "user"]

_DEFAULT = "headend.toml"


class Head(Protocol):
    """A head-end that can be asked."""

    def ask(
        self,
        operation: Operation,
        path: Mapping[str, str],
        query: Mapping[str, Sequence[str]],
        body: Any,
    ) -> Any:
        """Carry out an operation; the answer as plain values, or a `Stream`."""

    def tell(self, progress: Callable[..., None] | None) -> None:
        """From now on tell how far a long one is: (done, all, remark)."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the options said."""

    configuration: Configuration
    url: str = ""
    token: str = ""
    authority: str = ""

    @contextmanager
    def keys(self) -> Iterator[Keys]:
        """The key store; it is opened when the first secret is asked for."""
        keys = _KeysWhenAsked(self.configuration)
        try:
            yield cast("Keys", keys)
        finally:
            keys.shut()

    @contextmanager
    def engine(self, *, new: bool = False) -> Iterator[Engine]:
        """The store, open; one that is not there only where a `new` one is wanted."""
        from ferraris.headend.store.engine import Engine

        location = self.configuration.location()
        if not new and "://" not in location and not Path(location).is_file():
            raise UsageError(
                f"there is no store {location}: name another, or make a head-end with "
                "`ferraris headend init`"
            )
        engine = Engine(location)
        try:
            yield engine
        finally:
            engine.close()


def headend_options(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", envvar="FERRARIS_HEADEND", help=f"By default ./{_DEFAULT}."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="FERRARIS_STORE", help="File or postgresql://…"),
    ] = None,
    keys: Annotated[
        str | None, typer.Option(metavar="FILE", envvar="FERRARIS_KEYS", help="The key store.")
    ] = None,
    passphrase: Annotated[
        str | None,
        typer.Option(metavar="SECRET", envvar="FERRARIS_PASSPHRASE", help="Of the key store."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(metavar="NAME", help="Whose meters.")] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="FERRARIS_URL", help="A server, https://HOST:PORT."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="SECRET", envvar="FERRARIS_TOKEN", help="For it: @file, env:NAME."),
    ] = None,
    authority: Annotated[
        str | None, typer.Option(metavar="FILE", help="Who vouches for its certificate (PEM).")
    ] = None,
) -> None:
    """The head-end. Options for where it is go before the command."""
    from ferraris.headend.configuration import Configuration

    if url is not None:
        context.obj = Place(Configuration(), url, token or "", authority or "")
        return
    context.obj = Place(_configuration(config, store, keys, passphrase, tenant))


def _configuration(
    config: str | None,
    store: str | None,
    keys: str | None,
    passphrase: str | None,
    tenant: str | None,
) -> Configuration:
    """What the file says, with what options say over it."""
    from msgspec.structs import replace

    from ferraris.headend.configuration import Configuration, KeyPlace, load

    if config is None and store is None and Path(_DEFAULT).exists():
        config = _DEFAULT
    found = load(config) if config is not None else Configuration(store="")
    if store is not None:
        found = replace(found, store=store, folder=".")
    if tenant is not None:
        found = replace(found, tenant=tenant)
    if keys is not None or passphrase is not None:
        place = KeyPlace(
            file=str(Path(keys).absolute()) if keys else found.keys.file,
            passphrase=passphrase or found.keys.passphrase,
        )
        found = replace(found, keys=place)
    return found


def place(context: typer.Context) -> Place:
    """What `headend_options` left; `UsageError` when it names no head-end."""
    found = context.obj
    assert isinstance(found, Place)
    if not found.url and not found.configuration.store:
        raise UsageError(f"no head-end named: --url, --config, --store, or a {_DEFAULT} here")
    return found


@contextmanager
def asking(context: typer.Context) -> Iterator[Head]:
    """The head-end that the options name."""
    where = place(context)
    if where.url:
        from ferraris.cli.headend_remote import Remote

        token = referenced(where.token, form="text", kind="password") if where.token else b""
        yield Remote(where.url, token.decode().strip(), where.authority)
        return
    from ferraris.headend.operations.callers import local_caller
    from ferraris.headend.operations.desk import House

    with where.engine() as engine, where.keys() as keys:
        house = House(engine, keys, time.time)
        with engine.reading() as connection:
            caller = local_caller(connection, user(), where.configuration.tenant)
        local = Local(house, caller)
        try:
            yield local
        finally:
            local.close()


class Local:
    """A store opened here: who can open it can do everything, and the audit log says so."""

    def __init__(self, house: House, caller: Caller) -> None:
        self._house = house
        self._caller = caller
        self._wrote = False

    def ask(
        self,
        operation: Operation,
        path: Mapping[str, str],
        query: Mapping[str, Sequence[str]],
        body: Any,
    ) -> Any:
        """Carry out an operation."""
        from ferraris.headend.operations.performing import perform
        from ferraris.headend.operations.shape import shape_of

        arguments = shape_of(operation).bind(path, query, body)
        self._wrote = self._wrote or operation.changes
        return perform(self._house, self._caller, operation, arguments)

    def tell(self, progress: Callable[..., None] | None) -> None:
        """From now on tell how far a long one is: (done, all, remark)."""
        from dataclasses import replace

        from ferraris.headend.operations.desk import Progress

        parts: dict[type, Any] = {} if progress is None else {Progress: Progress(progress)}
        self._house = replace(self._house, parts=parts)

    def close(self) -> None:
        """Anchor what was written: this process ends, and its chain with it."""
        if self._wrote:
            from ferraris.headend.audit import anchor

            with self._house.engine.transaction() as connection:
                anchor(connection, at_s=self._house.clock())


class _KeysWhenAsked:
    """The key store, opened when an operation needs it: most do not, and it asks for a secret."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._opened: KeyStore | None = None
        self._stack = ExitStack()

    def __getattr__(self, name: str) -> Any:
        if self._opened is None:
            from ferraris.headend.service.keys_at_hand import keys_at_hand

            given = self._configuration.keys
            if not given.token and not given.passphrase:
                raise UsageError("the key store needs --passphrase @file or env:NAME")
            self._opened = self._stack.enter_context(keys_at_hand(self._configuration))
        return getattr(self._opened, name)

    def shut(self) -> None:
        """Let go of the store and of its token."""
        self._stack.close()


def user() -> str:
    """Who runs this program, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have users without names
        return "nameless"
