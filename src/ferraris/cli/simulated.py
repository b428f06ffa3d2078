"""`ferraris demo` and `ferraris meter run`: simulated meters, alone or with a head-end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ferraris.cli.firmware import image
from ferraris.cli.meter_record import record
from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.cli.meter_station import Keeping, Shipping

__all__ = ["register"]

_MOST_METERS = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("demo")(demo)
    meters = typer.Typer(
        help="Simulated meters.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    meters.command("run")(run)
    meters.command("cable")(cable)
    meters.command("image")(image)
    meters.command("record")(record)
    meters.callback()(_simulated_meters)
    app.add_typer(meters, name="meter")


def _simulated_meters() -> None:
    """Simulated meters."""


def demo(
    meters: Annotated[int, typer.Option(help="Meters in the neighbourhood.")] = 100,
    once: Annotated[bool, typer.Option("--once", help="Collect one day, sum up, end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where to keep it: FILE, sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other households.")] = 1,
    concurrency: Annotated[int, typer.Option(help="Sessions at a time.")] = 64,
) -> int:
    """Run a simulated neighbourhood and a head-end that reads it, in one process.

    A night after the last complete UTC day, in seconds: meters are delivered and registered, read -
    the dead and the flaky later than the others -, validated, and compared with the truth. Without
    --once the head-end goes on, with its page and a live table or with --json a summary now and
    then, until it is interrupted.
    """
    from ferraris.cli.loop import run_to_end

    try:
        from ferraris.cli.demonstration import demonstrate
    except ImportError as error:
        message = f"this needs pip install 'ferraris[headend]' ({error.name} is missing)"
        raise UsageError(message) from None
    _check_count(meters, "--meters")
    if concurrency < 1:
        raise UsageError("--concurrency is at least 1")
    return run_to_end(
        demonstrate(meters, seed, concurrency, _place(store), once=once, as_json=as_json)
    )


def run(
    template: Annotated[
        str | None,
        typer.Argument(
            metavar="TEMPLATE",
            help="residential, mbus-host, gas, water, smr-5.2:single-phase …, or a file.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="How many meters.")] = 1,
    listen: Annotated[
        str, typer.Option(metavar="URL", help="tcp://HOST:PORT, tls://, udp://, serial:///dev/…")
    ] = "tcp://127.0.0.1:4059",
    call: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Call in there instead: tcp://HOST:PORT, tls://…"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other households.")] = 1,
    keys_out: Annotated[
        str | None, typer.Option(metavar="FILE", help="One JSON line a meter; holds secrets.")
    ] = None,
    shipment: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A shipment file for the head-end, keys wrapped."),
    ] = None,
    transport_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Under this key: @file, env:NAME.")
    ] = None,
    suite: Annotated[int, typer.Option(help="Security suite: 0, 1 or 2.")] = 0,
    mechanism: Annotated[
        int | None, typer.Option(help="Of HLS: 3 MD5, 4 SHA-1, 5 GMAC, 6 SHA-256, 7 ECDSA.")
    ] = None,
    weak: Annotated[bool, typer.Option("--weak", help="Allow MD5 and SHA-1.")] = False,
    push: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Push to udp://, tcp://, udp+hdlc://, tcp+hdlc://…"),
    ] = None,
    push_every: Annotated[float, typer.Option(metavar="SECONDS", help="Time between pushes.")] = 15,
    push_plain: Annotated[bool, typer.Option("--push-plain", help="Without protection.")] = False,
    awake: Annotated[
        bool, typer.Option("--awake", help="Meters on batteries listen and call at any time.")
    ] = False,
    state: Annotated[
        str | None, typer.Option(metavar="DIR", help="Go on where the meters stopped.")
    ] = None,
    state_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Passphrase that seals --state.")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Meters and what befalls them, instead of TEMPLATE."),
    ] = None,
    speed: Annotated[
        str, typer.Option(help="Of a scenario: times real time, or max for all at once.")
    ] = "1",
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="One JSON line for every act of a scenario.")
    ] = None,
) -> None:
    """Run simulated meters until interrupted.

    All listen at one address and differ by their server address; with --call each dials out on a
    connection of its own, serves whoever answers, and calls again. The file of keys is written when
    they are ready: id, url, client, server, system_title, encryption_key, authentication_key and
    password of each; in suites 1 and 2 also its certificates and master key, with the client's
    private keys and the certificates beside it. --shipment writes what `ferraris headend shipments
    import` takes. The keys are new at every start, unless --state
    names a directory: then everything is there again, also after a kill. With --mechanism 3, 4 or
    6 readers prove that they know the password instead of telling it.
    """
    from ferraris.cli import meter_station
    from ferraris.cli.loop import run_to_end

    shipping = _shipping(shipment, transport_key)
    if scenario is not None:
        if shipping is not None:
            raise UsageError("--shipment goes with TEMPLATE, not with --scenario")
        if template is not None or call is not None or push is not None:
            raise UsageError("--scenario says which meters: no TEMPLATE, --call or --push")
        from ferraris.cli import scenario_station

        factor = scenario_station.speed_of(speed)
        keeping = _keeping(state, state_key)
        run_to_end(
            scenario_station.play(
                scenario, listen, keys_out, speed=factor, report=report, keeping=keeping
            )
        )
        return
    if template is None:
        raise UsageError("which meter? name a template, or --scenario FILE")
    _check_count(count, "--count")
    keeping = _keeping(state, state_key)
    kind = meter_station.Kind(template, suite, mechanism, weak, awake)
    if call is not None:
        if push is not None:
            raise UsageError("--call and --push do not go together")
        run_to_end(
            meter_station.call(
                kind, count, call, seed, keys_out, keeping=keeping, shipping=shipping
            )
        )
        return
    pushing = None
    if push is not None:
        pushing = meter_station.Pushing(push, push_every, not push_plain)
    run_to_end(
        meter_station.serve(
            kind,
            count,
            listen,
            seed,
            keys_out,
            pushing=pushing,
            keeping=keeping,
            shipping=shipping,
        )
    )


def _shipping(shipment: str | None, transport_key: str | None) -> Shipping | None:
    from ferraris.cli.key_store import referenced
    from ferraris.cli.meter_station import Shipping

    if shipment is None and transport_key is None:
        return None
    if shipment is None or transport_key is None:
        raise UsageError("--shipment FILE and --transport-key SECRET go together")
    return Shipping(shipment, referenced(transport_key, kind="master_key"))


def _keeping(state: str | None, key: str | None) -> Keeping | None:
    from ferraris.cli.key_store import passphrase_of
    from ferraris.cli.meter_station import Keeping

    if state is None:
        if key is not None:
            raise UsageError("--state-key goes with --state DIR")
        return None
    return Keeping(state, None if key is None else passphrase_of(key))


def cable(
    reader: Annotated[str, typer.Argument(metavar="READER", help="Name of the reader's port.")],
    meter: Annotated[str, typer.Argument(metavar="METER", help="Name of the meter's port.")],
    echo: Annotated[bool, typer.Option("--echo", help="As an optical head that echoes.")] = False,
    modem: Annotated[bool, typer.Option("--modem", help="The reader has a modem.")] = False,
) -> None:
    """Join two simulated serial ports until interrupted; not on Windows.

    READER and METER are names to be made; readers and `meter run` open them as serial:///... ports.
    """
    from ferraris.cli.cables import join
    from ferraris.cli.loop import run_to_end

    run_to_end(join(reader, meter, echo=echo, modem=modem))


def _check_count(count: int, option: str) -> None:
    if not 1 <= count <= _MOST_METERS:
        raise UsageError(f"{option} is 1 to {_MOST_METERS}, not {count}")


def _place(store: str | None) -> str | None:
    """A place that a store can be at; `UsageError` for any other."""
    from ferraris.headend.store.engine import url_of

    if store is not None:
        url_of(store)
    return store
