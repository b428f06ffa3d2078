"""`ferraris listen`: what meters send by themselves, as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.client.listening import Listening
    from ferraris.client.push import Push, PushFailed
    from ferraris.client.push_keys import PushKeys, Senders

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    from ferraris.cli.capture import with_capture

    app.command("listen")(with_capture(listen))


def listen(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="udp://[::]:4059, tcp://…, tls://…, tcp+hdlc://…")
    ],
    key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Encryption key of all senders.")
    ] = None,
    auth_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Authentication key of all senders.")
    ] = None,
    system_title: Annotated[
        str | None, typer.Option(metavar="HEX", help="Of a sender that does not name itself.")
    ] = None,
    keys: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keys by sender, as from meter run.")
    ] = None,
    protection: Annotated[
        str | None,
        typer.Option(metavar="LEAST", help="Least taken: both, authentication, encryption, any."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Take unprotected pushes too, beside keys.")
    ] = False,
    link: Annotated[str, typer.Option(metavar="LINK", help="mbus: M-Bus long frames.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a push.")] = False,
    count: Annotated[
        int | None, typer.Option(metavar="N", help="End after so many pushes.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", help="End after so many seconds.")
    ] = None,
) -> int:
    """Show what meters push to URL, until interrupted.

    Secrets are @FILE, env:NAME or store:ID. What cannot be taken is one line on standard error and
    ends nothing. The exit code is 1 when pushes were waited for (--count) and did not all come.
    """
    from ferraris.cli.capture import wanted_tap
    from ferraris.cli.loop import run_to_end
    from ferraris.client.listening import listen as open_ear

    for name, number in (("--count", count), ("--seconds", seconds)):
        if number is not None and number <= 0:
            raise UsageError(f"{name} is more than 0, not {number:g}")
    senders = _senders(key, auth_key, system_title, keys, protection)
    show = _show_json if as_json else _show_text

    def failed(failure: PushFailed) -> None:
        if as_json:
            _show_failure(failure)
        else:
            typer.echo(f"ferraris: {_line(str(failure))}", err=True)

    listening = open_ear(
        url,
        senders,
        plain=True if plain or senders is None else None,
        link=link,
        on_error=failed,
        tap=wanted_tap(),
    )
    return run_to_end(_listen(listening, show, count, seconds))


async def _listen(listening: Listening, show: Any, count: int | None, seconds: float | None) -> int:
    seen = 0
    async with listening:
        told = asyncio.create_task(_heed_signals().wait())
        typer.echo(f"listening at {listening.url}", err=True)
        try:
            async with asyncio.timeout(seconds):
                while count is None or seen < count:
                    push = await _next(listening, told)
                    if push is None:
                        break
                    show(push)
                    seen += 1
        except TimeoutError:
            pass
        finally:
            told.cancel()
        drops = f", {listening.drops} dropped by the kernel" if listening.drops else ""
        typer.echo(f"{seen} pushes, {listening.failures} failures{drops}", err=True)
    return 1 if count is not None and seen < count else 0


async def _next(listening: Listening, told: asyncio.Task[Any]) -> Push | None:
    """The next push, or None when somebody says that it is enough."""
    coming = asyncio.ensure_future(listening.next())
    try:
        await asyncio.wait((coming, told), return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        coming.cancel()
        raise
    if coming.done():
        return coming.result()
    coming.cancel()
    return None


def _heed_signals() -> asyncio.Event:
    """Set when the user or the system asks for the end."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt does it
            loop.add_signal_handler(number, told.set)
    return told


# -- keys -----------------------------------------------------------------------------------------


def _senders(
    key: str | None,
    auth_key: str | None,
    system_title: str | None,
    keys: str | None,
    protection: str | None,
) -> Senders | None:
    from ferraris.cli.key_store import referenced
    from ferraris.client.push_keys import PushKeys

    if keys is not None:
        if key is not None or auth_key is not None:
            raise UsageError("--keys FILE and --key do not go together")
        return _from_file(keys, protection)
    if key is None:
        if auth_key is not None or protection is not None or system_title is not None:
            raise UsageError("--auth-key, --system-title and --protection go with --key SECRET")
        return None
    title = b"" if system_title is None else _title(system_title)
    authentication = None
    if auth_key is not None:
        authentication = referenced(auth_key, kind="authentication_key")
    encryption = referenced(key)
    return PushKeys(encryption, authentication, protection=protection, system_title=title)


def _from_file(file: str, protection: str | None) -> dict[bytes, PushKeys]:
    from ferraris.client.push_keys import PushKeys

    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            title = bytes.fromhex(entry["system_title"])
            encryption = bytes.fromhex(entry["encryption_key"])
            other = entry.get("authentication_key")
            authentication = None if other is None else bytes.fromhex(other)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UsageError(
                f"{file}, line {number}: a JSON object with system_title, encryption_key and "
                "perhaps authentication_key is needed"
            ) from None
        found[title] = PushKeys(encryption, authentication, protection=protection)
    return found


def _title(text: str) -> bytes:
    try:
        title = bytes.fromhex(text)
    except ValueError:
        raise UsageError("a system title is written in hexadecimal") from None
    if len(title) != 8:
        raise UsageError(f"a system title has 8 octets, not {len(title)}")
    return title


# -- showing --------------------------------------------------------------------------------------


def _show_text(push: Push) -> None:
    """One line a push; on a terminal its values too."""
    from ferraris.cli.readings import text_line

    time = "" if push.time is None else f" {push.time.isoformat()}"
    readings = push.readings
    typer.echo(
        f"{_line(push.device)} from {push.peer}{time}: {push.service}, {push.protection}, "
        f"{len(readings)} values"
    )
    if sys.stdout.isatty():
        for reading in readings:
            typer.echo("  " + _line(text_line(reading._replace(time=None))))


def _show_json(push: Push) -> None:
    from ferraris.cli.output import json_text
    from ferraris.cli.readings import reading_shape
    from ferraris.cli.shapes import data_shape

    protection = push.protection
    shape: dict[str, Any] = {
        "version": 1,
        "peer": push.peer,
        "device": push.device,
        "system_title": push.system_title.hex() or None,
        "service": push.service,
        "time": None if push.time is None else push.time.isoformat(),
        "protection": {
            "authenticated": protection.authenticated,
            "encrypted": protection.encrypted,
            "invocation_counter": protection.counter,
        },
        "readings": [reading_shape(reading) for reading in push.readings],
        "data": data_shape(push.data),
        "base_names": list(push.base_names) or None,
        "raw": push.raw,
        "error": None,
    }
    typer.echo(json_text(shape))


def _show_failure(failed: PushFailed) -> None:
    from ferraris.cli.failures import failure
    from ferraris.cli.output import json_text

    shape = {
        "version": 1,
        "peer": failed.peer,
        "system_title": failed.system_title.hex() or None,
        "raw": failed.raw,
        "error": failure(failed.error),
    }
    typer.echo(json_text(shape))


def _line(text: str) -> str:
    """Text of a peer for a terminal: one line, nothing that steers it."""
    return "".join(c if c.isprintable() else "·" for c in text)[:400]
