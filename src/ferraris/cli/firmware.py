"""`ferraris firmware` brings an image into a meter; `ferraris meter image` makes one to try."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.cli.capture import with_capture
from ferraris.cli.options import MeterOptions, Url, with_meter_options
from ferraris.core.errors import LineError, RefusedError, UsageError

if TYPE_CHECKING:
    from ferraris.client.image_transfer import FirmwareUpdate

__all__ = ["image", "register"]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("firmware")(with_capture(firmware))


@with_meter_options
def firmware(
    url: Url,
    given: MeterOptions,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="File with the image.")],
    identifier: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the image; else that of its file.")
    ] = None,
    activate_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="By the meter's own schedule, not at once.")
    ] = None,
    no_activation: Annotated[
        bool, typer.Option("--no-activation", help="End when the image is verified.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Send only what the meter has not got yet.")
    ] = False,
    window: Annotated[int, typer.Option(help="Blocks in one request, where lists go.")] = 1,
    unconfirmed: Annotated[
        bool, typer.Option("--unconfirmed", help="Blocks without answers, --window at a time.")
    ] = False,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", help="For verification and for the restart.")
    ] = 600.0,
    name: Annotated[
        str, typer.Option("--object", metavar="OBIS", help="The image transfer object.")
    ] = "0-0:44.0.0*255",
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> int:
    """Transfer an image, let the meter verify it, and activate it.

    A meter that restarts is asked again until it tells how that ended. What was cut goes on with
    --resume. Times are ISO 8601; without an offset they are UTC.
    """
    from ferraris.cli.failures import DONE
    from ferraris.cli.meters import opened
    from ferraris.cli.progress import progress_bar
    from ferraris.cli.values import parse_moment
    from ferraris.data.readings import Outcome

    octets = _read(image)
    moment = None if activate_at is None else parse_moment(activate_at)
    if moment is not None and no_activation:
        raise UsageError("--activate-at and --no-activation do not go together")
    at_once = moment is None and not no_activation
    with opened(url, given) as meter, progress_bar("blocks") as progress:
        update = meter.update_firmware(
            octets,
            (identifier or Path(image).stem).encode(),
            name=name,
            activate=at_once,
            resume=resume,
            window=window,
            confirmed=not unconfirmed,
            patience_s=patience,
            progress=progress,
        )
        if moment is not None and update.outcome is Outcome.DONE:
            meter.schedule_activation(moment)
    ended = ""
    if at_once and update.outcome in (Outcome.DONE, Outcome.UNKNOWN):
        ended = _how_it_ended(url, given, name, patience)
    _tell(url, update, ended, activate_at, as_json=as_json)
    good = update.outcome is Outcome.DONE and ended in ("", "active")
    return DONE if good or ended == "active" else 1


def _how_it_ended(url: str, given: MeterOptions, name: str, patience: float) -> str:
    """Ask a meter that restarts until it answers; "" for one that ends with its session."""
    from ferraris.cli.meters import opened
    from ferraris.model.management import ImageTransfer, ImageTransferStatus

    if url.startswith("sim://"):
        return ""
    words = {
        ImageTransferStatus.ACTIVATION_SUCCESSFUL: "active",
        ImageTransferStatus.ACTIVATION_FAILED: "failed: the meter goes on with what it had",
    }
    pause, last = _FIRST_PAUSE_S, time.monotonic() + patience
    while time.monotonic() < last:
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
        try:
            with opened(url, given) as meter:
                status = meter.get(ImageTransfer.image_transfer_status, name)
        except (LineError, RefusedError):
            continue
        if status in words:
            return words[status]
    return "unknown: the meter has not told within --patience"


def _tell(
    url: str, update: FirmwareUpdate, ended: str, activate_at: str | None, *, as_json: bool
) -> None:
    from ferraris.cli.output import json_text
    from ferraris.data.readings import Outcome

    image = update.image
    if as_json:
        shape: dict[str, Any] = {
            "version": 1,
            "meter": url,
            "outcome": update.outcome.value,
            "reason": update.operation.reason,
            "status": update.status.name.lower().replace("_", "-"),
            "blocks": update.blocks,
            "sent": update.sent,
            "activation": ended or None,
            "activate_at": activate_at,
            "image": None
            if image is None
            else {
                "octets": image.size,
                "identification": image.identification.decode("utf-8", "backslashreplace"),
                "signature": image.signature.hex(),
            },
        }
        typer.echo(json_text(shape))
        return
    typer.echo(f"{update.sent} of {update.blocks} blocks sent")
    if image is not None:
        typer.echo(f"verified: {image.size} octets, signature {image.signature.hex()[:16]}…")
    if update.outcome is not Outcome.DONE and ended != "active":
        typer.echo(f"{update.outcome.value}: {update.operation.reason}", err=True)
    elif activate_at is not None:
        typer.echo(f"to be activated at {activate_at}")
    else:
        typer.echo(ended or update.operation.reason)


def image(
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="Meters that it is for.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="That they have afterwards.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to write it.")],
    content: Annotated[
        str | None, typer.Option(metavar="FILE", help="What it contains; else octets of no use.")
    ] = None,
    size: Annotated[int, typer.Option(metavar="OCTETS", help="Of octets of no use.")] = 65536,
    key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Another maker's signing key of P-256.")
    ] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Only a digest.")] = False,
) -> None:
    """Make an image that simulated meters take: `ferraris firmware` brings it to them.

    The meters trust one maker, whose key is no secret; an image that was signed with --key is
    refused by all of them.
    """
    from ferraris.cli.identities import private_key
    from ferraris.meter.image import pack
    from ferraris.meter.templates import template as known

    if not 0 < size <= 4 << 20:
        raise UsageError(f"--size is 1 to {4 << 20} octets, not {size}")
    octets = _read(content) if content is not None else _filling(version, size)
    signing = None if key is None else private_key(key)
    packed = pack(known(template).name, version, octets, key=signing, signed=not unsigned)
    try:
        Path(file).write_bytes(packed)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    typer.echo(f"{file}: {len(packed)} octets for {template}, version {version}")


def _filling(version: str, size: int) -> bytes:
    """Octets that differ from one version to the next."""
    import hashlib

    return hashlib.shake_128(version.encode()).digest(size)


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
