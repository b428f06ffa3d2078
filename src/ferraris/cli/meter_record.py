"""`ferraris meter record`: a real meter becomes a template."""

from __future__ import annotations

from typing import Annotated

import typer

from ferraris.cli.capture import with_capture
from ferraris.cli.options import MeterOptions, Url, with_meter_options

__all__ = ["record"]


@with_capture
@with_meter_options
def record(
    url: Url,
    given: MeterOptions,
    values: Annotated[
        bool, typer.Option("--values", help="What the meter has measured and been told, too.")
    ] = False,
) -> None:
    """Write a meter down as a template, for `meter run FILE`.

    Objects, rights and types, scalers, units and columns of profiles; with --values everything that
    the client can read but long buffers. Secrets are never asked for and never written; what the
    meter refuses is noted beside the object.
    """
    from ferraris.cli.meters import opened
    from ferraris.cli.progress import progress_bar
    from ferraris.meter.templates.recording import recording

    with opened(url, given) as meter, progress_bar("objects") as progress:
        found = meter.inventory(progress)
        client = meter.client_address()
    address = 1 if client is None else client  # by short names nobody tells
    typer.echo(recording(found, address, values=values), nl=False)
