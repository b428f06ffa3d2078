"""`ferraris decode`: explain any telegram."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.cli.failures import BAD_INPUT, DONE, exit_code, failure, one_line
from ferraris.cli.sources import content_of, hex_octets, octets_of
from ferraris.core.errors import DecodeError, Error, UsageError

if TYPE_CHECKING:
    from ferraris.cli.captured import Captured
    from ferraris.cli.deviating import Read
    from ferraris.cli.protected import Secrets
    from ferraris.cli.session import Session
    from ferraris.cli.telegram import Telegram
    from ferraris.core.explain import Line
    from ferraris.messaging.dlms.translation import Node

__all__ = ["register", "secrets_of"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("decode")(decode)


def decode(
    source: Annotated[
        str,
        typer.Argument(metavar="[HEX|FILE|-]", help="A telegram, a file of one, or - for input."),
    ] = "-",
    family: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="hdlc, wrapper, apdu, data or opening."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Encryption key: @FILE, env:, store:ID.")
    ] = None,
    auth_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Authentication key, likewise.")
    ] = None,
    system_title: Annotated[
        str | None, typer.Option(metavar="HEX", help="The sender's, when the telegram has none.")
    ] = None,
    decrypted: Annotated[
        bool, typer.Option("--decrypted", help="Contents are plain behind their security header.")
    ] = False,
    lines: Annotated[
        bool,
        typer.Option("--lines", help="One telegram a line; a bad line does not stop the rest."),
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what every octet says.")] = False,
    port: Annotated[
        list[int] | None,
        typer.Option(metavar="PORT", help="Of a capture, only what goes to or from this port."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a telegram.")] = False,
    xml: Annotated[
        bool, typer.Option("--xml", help="The APDU as XML, which encode takes back.")
    ] = False,
    tree: Annotated[
        bool, typer.Option("--tree", help="The APDU as JSON, which encode takes back.")
    ] = False,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="With --xml and --tree: hide nothing.")
    ] = False,
    deviation: Annotated[
        str | None, typer.Option(metavar="NAME", help="A deployment's own messages: gbcs.")
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(metavar="FILE|HEX", help="Certificate or public key of who signed it."),
    ] = None,
    peer: Annotated[
        str | None,
        typer.Option(metavar="FILE|HEX", help="The same of who agreed on its key with us."),
    ] = None,
    agreement_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Our private key for key agreement.")
    ] = None,
    shared_secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="What key agreement gave, in its place.")
    ] = None,
) -> int:
    """Explain a telegram: HDLC frames, wrapper units, APDUs, COSEM data; or a capture of many.

    Without --as, whatever fits first is taken: framing proven by its checksum, the wrapper, an
    APDU, plain data. With --lines, and for pcapng and pcap files, the exit code is 2 when anything
    in them was bad. With --json, --tree adds the list `tree` to the object.
    """
    from ferraris.cli import telegram
    from ferraris.cli.explained import explained
    from ferraris.cli.session import Session

    _check_forms(xml=xml, tree=tree, as_json=as_json, explain=explain, with_secrets=with_secrets)
    deviating = _deviating(deviation, (signer, peer, agreement_key, shared_secret))
    if deviating is not None and (xml or tree or explain or family is not None):
        raise UsageError("--deviation goes without --as, --explain, --xml and --tree")
    session = Session()
    secrets = secrets_of(key, auth_key, system_title, decrypted)
    if family is not None and family not in telegram.FAMILIES:
        raise UsageError(f"--as knows {', '.join(telegram.FAMILIES)}, not {family}")
    outcome = DONE
    for item in _items(source, lines, port or ()):
        around = session if item.captured is None else item.captured.session
        if item.error is not None:
            found = telegram.Telegram(error=item.error)
        elif deviating is not None:
            found = deviating(item.octets, around)
        else:
            found = telegram.read(item.octets, family, secrets, around)
            if explain:
                found.lines = explained(item.octets, found, secrets, around)
        if xml or tree:
            found.trees = _trees(item.octets, found, secrets, around, with_secrets=with_secrets)
        if xml or (tree and not as_json):
            _show_documents(found, as_xml=xml)
        else:
            _show(found, item.captured, as_json=as_json)
        if found.error is not None:
            outcome = BAD_INPUT if item.many else exit_code(found.error, from_peer=False)
    return outcome


def secrets_of(
    key: str | None, auth_key: str | None, system_title: str | None, decrypted: bool = False
) -> Secrets:
    """Keys from references; `UsageError` when one cannot be had."""
    from ferraris.cli.protected import Secrets

    if key is None and auth_key is None and system_title is None:
        return Secrets(decrypted=decrypted)
    from ferraris.cli.key_store import referenced

    def given(text: str | None, kind: str) -> bytes | None:
        return None if text is None else referenced(text, kind=kind)

    title = None if system_title is None else hex_octets(system_title)
    if title is not None and len(title) != 8:
        raise UsageError(f"a system title has 8 octets, not {len(title)}")
    return Secrets(
        given(key, "encryption_key"), given(auth_key, "authentication_key"), title, decrypted
    )


def _deviating(name: str | None, given: tuple[str | None, ...]) -> Read | None:
    """What reads messages of a deviation; None for those of the standard."""
    if name is None:
        if any(given):
            raise UsageError(
                "--signer, --peer, --agreement-key and --shared-secret go with --deviation"
            )
        return None
    from ferraris.cli.deviating import Ends, reader

    return reader(name, Ends(*given))


def _check_forms(
    *, xml: bool, tree: bool, as_json: bool, explain: bool, with_secrets: bool
) -> None:
    if xml and (tree or as_json or explain):
        raise UsageError("--xml goes without --tree, --json and --explain")
    if tree and explain and not as_json:
        raise UsageError("--tree goes with --explain in --json only")
    if with_secrets and not (xml or tree):
        raise UsageError("--with-secrets goes with --xml or --tree")


def _trees(
    octets: bytes, found: Telegram, secrets: Secrets, session: Session, *, with_secrets: bool
) -> list[Node]:
    from ferraris.cli.translated import Trees

    trees = Trees(secrets, session, with_secrets=with_secrets)
    made = list(trees.of(octets, found))
    if trees.hidden:
        _warn("secrets are asterisks, so encode gives other octets; --with-secrets shows them")
    return made


def _show_documents(found: Telegram, *, as_xml: bool) -> None:
    from ferraris.messaging.dlms.translation import write_json, write_xml

    for tree in found.trees:
        typer.echo(write_xml(tree) if as_xml else write_json(tree), nl=False)
    if not found.trees and found.error is None:
        _warn("there is no APDU in it")
    if found.error is not None:
        typer.echo(f"ferraris: {one_line(found.error)}", err=True)


def _warn(message: str) -> None:
    typer.echo(f"ferraris: warning: {message}", err=True)


@dataclass(slots=True)
class _Item:
    """A telegram of the input, or why there is none; one of `many` does not stop the rest."""

    octets: bytes = b""
    error: Error | None = None
    many: bool = False
    captured: Captured | None = None


def _items(source: str, lines: bool, ports: Sequence[int]) -> Iterator[_Item]:
    """The telegrams of the input; a line that is no hex is an error in its place."""
    from ferraris.core.pcapng import is_capture

    content = content_of(source)
    if is_capture(content):
        yield from _of_capture(content, ports)
        return
    if ports:
        raise UsageError("--port goes with a pcapng or pcap file")
    if not lines:
        yield _Item(octets_of(content))
        return
    for number, line in enumerate(content.splitlines(), 1):
        text = line.split(b"#", 1)[0].strip()
        if text:
            try:
                yield _Item(hex_octets(text.decode("latin-1")), many=True)
            except UsageError as error:
                yield _Item(error=UsageError(error.message, where=f"line {number}"), many=True)


def _of_capture(content: bytes, ports: Sequence[int]) -> Iterator[_Item]:
    from ferraris.cli.captured import captured

    try:
        for each in captured(content, ports):
            yield _Item(each.octets, many=True, captured=each)
    except DecodeError as error:
        error.excerpt = ""
        yield _Item(error=error, many=True)


def _show(found: Telegram, captured: Captured | None, *, as_json: bool) -> None:
    if as_json:
        _show_json(found, captured)
        return
    from ferraris.cli.output import colourful, explained_text, indented

    if captured is not None:
        typer.echo(f"\n{captured.time}  {captured.source} > {captured.destination}")
    if found.protocol is not None:
        typer.echo(f"protocol: {found.protocol}" + _also(found))
    for text in explained_text(found.lines, colour=colourful(sys.stdout)):
        typer.echo(text)
    if found.error is not None and found.data is None:
        typer.echo(f"ferraris: {one_line(found.error)}", err=True)
        return
    if not found.lines:
        for text in indented(found.data):
            typer.echo(text)
    _show_readings(found)
    if found.error is not None:
        typer.echo(f"ferraris: {one_line(found.error)}", err=True)


def _also(found: Telegram) -> str:
    return f"   (also fits: {', '.join(found.also)})" if found.also else ""


def _show_readings(found: Telegram) -> None:
    from ferraris.cli.output import indented

    if found.readings:
        typer.echo("readings:")
    for reading in found.readings:
        value = "".join(indented(reading["value"]))
        unit = f" {reading['unit']}" if reading["unit"] else ""
        name = f"  {reading['name']}" if reading["name"] else ""
        typer.echo(f"  {reading['obis']:<18} {value}{unit}{name}")


def _show_json(found: Telegram, captured: Captured | None) -> None:
    from ferraris.cli.output import json_text

    device = {name: found.device.get(name) for name in ("id", "manufacturer", "version", "medium")}
    shape: dict[str, Any] = {
        "protocol": found.protocol,
        "device": device,
        "readings": found.readings,
        "data": found.data,
        "also": found.also,
        "error": None if found.error is None else failure(found.error),
    }
    if captured is not None:
        ends = {"source": captured.source, "destination": captured.destination}
        shape["captured"] = {"time": captured.time, **ends}
    if found.trees:
        from ferraris.messaging.dlms.translation import shape as tree_shape

        shape["tree"] = [tree_shape(tree) for tree in found.trees]
    if found.lines:
        shape["explain"] = [_line_shape(line) for line in found.lines]
    typer.echo(json_text(shape))


def _line_shape(line: Line) -> dict[str, Any]:
    shape = {"offset": line.offset, "octets": line.shown, "depth": line.depth, "text": line.text}
    if line.secret:
        shape["secret"] = True
    if line.deciphered:
        shape["deciphered"] = True
    return shape
