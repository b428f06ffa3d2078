"""`ferraris capture`: record what a client and a meter say to each other, and our own sessions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.cli.protected import Secrets
    from ferraris.client.connecting import Tap
    from ferraris.core.explain import Line
    from ferraris.line.recording import Recording

__all__ = ["recording_to", "register", "wanted_tap", "with_capture"]

_Capture = Annotated[
    str | None,
    typer.Option("--capture", metavar="FILE", help="Record the session as pcapng."),
]

_LISTENING = ("tcp", "udp")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("capture")(capture)


def capture(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The meter: tcp://…, udp://…, serial:…")
    ],
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="The pcapng file to write.")],
    listen: Annotated[
        str, typer.Option(metavar="URL", help="Where the client connects: tcp://127.0.0.1:4060")
    ],
    key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Encryption key: @FILE, env:, store:ID.")
    ] = None,
    auth_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Authentication key, likewise.")
    ] = None,
    system_title: Annotated[
        str | None, typer.Option(metavar="HEX", help="The meter's, when nobody says it.")
    ] = None,
    keys: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keys by meter, as from meter run.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End with the first connection instead of Ctrl-C.")
    ] = False,
) -> None:
    """Stand between any client and a meter, and record what passes as pcapng.

    Each frame or wrapper unit is a packet, explained in its comment. Passwords and keys are
    written as asterisks. With keys, comments tell what ciphered APDUs say; packets stay ciphered.
    """
    from ferraris.cli.decode import secrets_of
    from ferraris.cli.relayed import relay
    from ferraris.line.url import parse_url

    meter = parse_url(url)
    here = parse_url(listen)
    if here.line not in _LISTENING or (here.line == "udp") != (meter.line == "udp"):
        raise UsageError(
            f"--listen {here.line}: clients of a meter over {meter.line} connect by "
            f"{'udp' if meter.line == 'udp' else 'tcp'}"
        )
    if keys is not None and (key is not None or auth_key is not None):
        raise UsageError("--keys FILE and --key do not go together")
    secrets = secrets_of(key, auth_key, system_title)
    if keys is not None:
        secrets = _keys_of_file(keys, None, 1)
    with recording_to(to, secrets, about=f"{meter}, relayed from {here}") as recording:
        relay(here, meter, recording, once=once)
        typer.echo(f"{to}: {recording.packets} packets", err=True)


@contextlib.contextmanager
def recording_to(
    file: str, secrets: Secrets | None = None, *, about: str = ""
) -> Iterator[Recording]:
    """A recording into a new file; whatever was recorded is on disk at every moment.

    Raises `UsageError` when the file cannot be written.
    """
    from ferraris.line.recording import Recording

    given = secrets or _no_secrets()
    try:
        output = Path(file).open("wb", buffering=0)  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    with output:
        recording = Recording(output.write, time.time_ns, words=lambda: _Words(given), about=about)
        try:
            yield recording
        finally:
            recording.close()


def _no_secrets() -> Secrets:
    from ferraris.cli.protected import Secrets

    return Secrets()


class _Words:
    """Explains the units of one conversation, which names its ends as it goes on."""

    def __init__(self, secrets: Secrets) -> None:
        from ferraris.cli.session import Session

        self._secrets = secrets
        self._session = Session()

    def __call__(self, octets: bytes) -> Sequence[Line]:
        from ferraris.cli.explained import explained
        from ferraris.cli.telegram import read

        telegram = read(octets, secrets=self._secrets, session=self._session)
        return explained(octets, telegram, self._secrets, self._session)


_TAP: ContextVar[Tap | None] = ContextVar("tap", default=None)


def wanted_tap() -> Tap | None:
    """What `--capture` of the running command wants between our stacks and their lines."""
    return _TAP.get()


def with_capture(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--capture FILE`, which records every session that it opens.

    With `--key` and `--auth-key`, or `--keys`, the comments tell what is in ciphered APDUs.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters = [
        each.replace(annotation=hints[each.name], kind=Parameter.KEYWORD_ONLY)
        for each in signature(command).parameters.values()
    ]
    parameters.append(
        Parameter("capture", Parameter.KEYWORD_ONLY, default=None, annotation=_Capture)
    )

    @wraps(command)
    def recorded(*, capture: str | None = None, **values: Any) -> Any:
        if capture is None:
            return command(**values)
        secrets = _given_keys(values)
        with recording_to(capture, secrets, about=f"ferraris {command.__name__}") as recording:
            token = _TAP.set(recording.tap)
            try:
                return command(**values)
            finally:
                _TAP.reset(token)

    recorded.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    recorded.__annotations__ = {each.name: each.annotation for each in parameters}
    del recorded.__wrapped__  # its hints are not those of the option
    return recorded


def _given_keys(values: Mapping[str, Any]) -> Secrets:
    """What the options of a command say of keys: two, or a file with those of many meters."""
    from ferraris.cli.key_store import referenced
    from ferraris.cli.protected import Secrets

    key, auth_key, file = (values.get(name) for name in ("key", "auth_key", "keys"))
    if file is not None:
        return _keys_of_file(file, values.get("url"), values.get("server", 1))
    if key is None or auth_key is None:
        return Secrets()
    other = referenced(auth_key, kind="authentication_key", quiet=True)  # the command itself warns
    return Secrets(referenced(key, quiet=True), other)


def _keys_of_file(file: str, url: str | None, server: int) -> Secrets:
    """Keys by system title; where the command asks one meter alone, they are its client's too.

    Lines without keys are for the command to complain of.
    """
    from ferraris.cli.credentials import entries_of
    from ferraris.cli.protected import Secrets

    found: dict[bytes, tuple[bytes, bytes | None]] = {}
    entries = entries_of(file)
    asked = [each for each in entries if (each.get("url"), each.get("server")) == (url, server)]
    for entry in asked or entries:
        try:
            title, key = (bytes.fromhex(entry[name]) for name in ("system_title", "encryption_key"))
            other = entry.get("authentication_key")
            found[title] = (key, None if other is None else bytes.fromhex(other))
        except (KeyError, TypeError, ValueError):
            continue
    if len(found) == 1:
        (key, auth_key) = next(iter(found.values()))
        return Secrets(key, auth_key)
    return Secrets(by_title=found)
