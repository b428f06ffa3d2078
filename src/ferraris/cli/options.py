"""The options of every command that talks to a meter, declared once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, get_type_hints

import typer

__all__ = ["MeterOptions", "Url", "with_meter_options"]

Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="tcp://HOST:PORT, tls://…, udp://…, tcp+hdlc://…, serial:///dev/…, sim://…",
    ),
]


@dataclass(slots=True)
class MeterOptions:
    """Who we are to a meter, and how long to wait; secrets still as references."""

    client: Annotated[
        int | None, typer.Option(help="Client address; by default that of --auth.")
    ] = None
    server: Annotated[int, typer.Option(help="Address of the logical device.")] = 1
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="WAY", help="none, password, gmac (HLS 5), ecdsa (7), sha256 (6), sha1 or md5."
        ),
    ] = None
    key: Annotated[str | None, typer.Option(metavar="SECRET", help="Encryption key.")] = None
    auth_key: Annotated[str | None, typer.Option(metavar="SECRET", help="Authentication key.")] = (
        None
    )
    password: Annotated[str | None, typer.Option(metavar="SECRET", help="Password.")] = None
    system_title: Annotated[
        str | None, typer.Option(metavar="HEX", help="Our system title, 8 octets.")
    ] = None
    counter: Annotated[
        int | None, typer.Option(help="Next invocation counter; else it is asked for.")
    ] = None
    protection: Annotated[str, typer.Option(help="both, authentication or encryption.")] = "both"
    suite: Annotated[int, typer.Option(help="Security suite: 0, 1 or 2.")] = 0
    form: Annotated[str, typer.Option(help="Of APDUs: service, general or envelope.")] = "service"
    message_key: Annotated[
        str, typer.Option(help="Of envelopes: identified, wrapped, one-pass or static.")
    ] = "identified"
    sign: Annotated[str, typer.Option(help="Sign APDUs: first, then cipher them, or last.")] = ""
    signing_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Our private key for signatures.")
    ] = None
    agreement_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Our private key for key agreement.")
    ] = None
    master_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Wraps keys of messages.")
    ] = None
    peer_certificate: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="The meter's, PEM or DER; or store:TITLE. Repeatable."),
    ] = None
    trust: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Roots of the meter's certificates; or store."),
    ] = None
    authority: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Authorities between them and the meter."),
    ] = None
    crl: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Lists of what they revoked.")
    ] = None
    dedicated: Annotated[
        bool, typer.Option("--dedicated", help="Protect services by a key of this session alone.")
    ] = False
    weak: Annotated[
        bool, typer.Option("--weak", help="Take MD5 and SHA-1, which are refused otherwise.")
    ] = False
    pre_established: Annotated[
        bool, typer.Option("--pre-established", help="The association is open without asking.")
    ] = False
    priority: Annotated[str, typer.Option(help="Of requests: high or normal.")] = "high"
    keys: Annotated[
        str | None, typer.Option(metavar="FILE", help="One JSON line a meter, as from meter run.")
    ] = None
    deviation: Annotated[
        str, typer.Option(metavar="NAME", help="A deployment's own way; gbcs is for decode alone.")
    ] = ""
    short_names: Annotated[
        bool, typer.Option("--short-names", help="Objects go by short names, as ?names=short.")
    ] = False
    timeout: Annotated[float, typer.Option(help="Seconds of silence before giving up.")] = 10.0


def with_meter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the parameter `given` of a command by the options, after those of its own."""
    hints = get_type_hints(command, include_extras=True)
    declared = _option_parameters()
    parameters = [
        each.replace(annotation=hints[each.name], kind=Parameter.KEYWORD_ONLY)
        for each in signature(command).parameters.values()
        if each.name != "given"
    ]
    parameters += declared

    @wraps(command)
    def gathered(**values: Any) -> Any:
        given = MeterOptions(**{option.name: values.pop(option.name) for option in declared})
        return command(given=given, **values)

    gathered.__signature__ = signature(command).replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=Parameter.empty
    )
    gathered.__annotations__ = {each.name: each.annotation for each in parameters}
    del gathered.__wrapped__  # its hints are not those of the options
    return gathered


def _option_parameters() -> list[Parameter]:
    hints = get_type_hints(MeterOptions, include_extras=True)
    return [
        Parameter(
            each.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(MeterOptions)
    ]
