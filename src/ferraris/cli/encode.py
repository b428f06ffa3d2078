"""`ferraris encode`: the octets of an APDU that is written in XML or JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ferraris.cli.decode import secrets_of
from ferraris.cli.failures import DONE
from ferraris.cli.sources import content_of
from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.messaging.dlms.translation import Node

__all__ = ["register"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FAMILIES = ("apdu", "data")
_FRAMES = ("hdlc", "wrapper")
_UNASKED = ("data-notification", "event-notification-request", "information-report-request")
_OF_SERVERS = ("aare", "rlre", "confirmed-service-error", *_UNASKED)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("encode")(encode)


def encode(
    source: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="A document in XML or JSON, or - for input.")
    ] = "-",
    family: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="It must be this: apdu or data.")
    ] = None,
    frame: Annotated[
        str | None, typer.Option(metavar="LINK", help="Put it into a frame: hdlc or wrapper.")
    ] = None,
    client: Annotated[int, typer.Option(min=0, max=0xFFFF, help="The client's address.")] = 16,
    server: Annotated[int, typer.Option(min=0, max=0xFFFF, help="The server's address.")] = 1,
    raw: Annotated[bool, typer.Option("--raw", help="Octets instead of hexadecimal.")] = False,
    key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Encryption key: @FILE or env:NAME.")
    ] = None,
    auth_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Authentication key: @FILE or env:NAME.")
    ] = None,
    system_title: Annotated[
        str | None, typer.Option(metavar="HEX", help="The sender's, when the APDU has none.")
    ] = None,
    counter: Annotated[
        int | None,
        typer.Option(min=0, max=0xFFFFFFFF, help="Invocation counter of what is protected."),
    ] = None,
) -> int:
    """Write an APDU, or COSEM data, from XML or JSON: what `decode --xml` and `--tree` print.

    Contents that the document shows open are protected with the keys given. The frame is that of a
    link that has just begun; who sends it follows from the APDU.
    """
    from ferraris.cli.translated import sealing
    from ferraris.messaging.dlms.translation import from_tree

    if family is not None and family not in _FAMILIES:
        raise UsageError(f"--as knows {', '.join(_FAMILIES)}, not {family}")
    if frame is not None and frame not in _FRAMES:
        raise UsageError(f"--frame knows {', '.join(_FRAMES)}, not {frame}")
    root = _document(content_of(source))
    is_data = root.name == "Data"
    if family is not None and is_data != (family == "data"):
        raise UsageError(f"a document of {family} expected", where=root.path)
    if is_data and frame is not None:
        raise UsageError("--frame goes with an APDU, not with data alone", where=root.path)
    secrets = secrets_of(key, auth_key, system_title)
    octets = from_tree(root, seals=sealing(secrets, counter))
    if frame is not None:
        octets = _framed(octets, frame, client, server)
    if raw:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    else:
        typer.echo(octets.hex())
    return DONE


def _document(content: bytes) -> Node:
    from ferraris.messaging.dlms.translation import read_json, read_xml

    first = content.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
    if first == b"<":
        return read_xml(content)
    if first == b"{":
        return read_json(content)
    raise UsageError("neither XML nor JSON, nor a file that holds one: < or { expected first")


def _framed(octets: bytes, frame: str, client: int, server: int) -> bytes:
    from ferraris.messaging.dlms.apdu import tag_name
    from ferraris.transport import wrapper
    from ferraris.transport.hdlc.address import pack_address
    from ferraris.transport.hdlc.frame import Frame, information_control
    from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE
    from ferraris.transport.hdlc.unconfirmed import unconfirmed_frames

    name = tag_name(octets[0]).removeprefix("glo-").removeprefix("ded-")
    from_server = name in _OF_SERVERS or name.endswith("-response")
    if frame == "wrapper":
        source, destination = (server, client) if from_server else (client, server)
        return wrapper.pack(source, destination, octets)
    ends = pack_address(client, length=1), pack_address(server)
    destination_address, source_address = ends if from_server else ends[::-1]
    llc = LLC_RESPONSE if from_server else LLC_COMMAND
    if name in _UNASKED:
        return b"".join(unconfirmed_frames(destination_address, source_address, llc, octets))
    control = information_control(0, 0, True)
    return Frame(destination_address, source_address, control, llc + octets).to_octets()
