"""`ferraris pki`: an authority of one's own, certificates of meters and clients, checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ferraris.cli.certified import (
    Curves,
    Usages,
    authority_of,
    document,
    has_authority,
    kept_certificate,
    line_of,
    new_key,
    present,
    require_known_list,
    shape_of,
    tell,
    title_of,
    usage_of,
    write_private,
)
from ferraris.cli.key_store import opening, store_options
from ferraris.core.errors import UsageError

__all__ = ["register"]

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]
Title = Annotated[str, typer.Argument(metavar="TITLE", help="System title, 16 hex characters.")]
By = Annotated[str, typer.Option(metavar="ID", help="The authority that signs.")]
Days = Annotated[int, typer.Option(help="Valid for so many days from now.")]
Out = Annotated[str | None, typer.Option(metavar="FILE", help="Write it there too, as PEM.")]


class Whose(StrEnum):
    """Who bears the title."""

    DEVICE = "device"
    CLIENT = "client"


UsageOption = Annotated[Usages, typer.Option("--usage", help="What it is for.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    pki = typer.Typer(
        help="Certificates: an authority of one's own, meters, clients, checks.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    pki.callback()(store_options)
    for command in (init, issue, sign, import_, export, list_, show, renew, revoke, check):
        pki.command(command.__name__.rstrip("_"))(command)
    app.add_typer(pki, name="pki")


def init(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Begins the names of both authorities.")] = "Ferraris",
    curve: Annotated[Curves, typer.Option(help="Of suite 1 or suite 2.")] = Curves.P256,
    years: Annotated[int, typer.Option(help="The root is valid for so long.")] = 25,
    in_token: Annotated[
        bool, typer.Option("--in-token", help="Private keys are made in the token and stay there.")
    ] = False,
) -> None:
    """Make a root and an authority below it that issues; the root is trusted from now on."""
    from secrets import token_bytes

    from ferraris.crypto.authority import Authority
    from ferraris.crypto.certificates import Usage

    now = present()
    with opening(context).opened() as store:
        for key_id in ("root", "sub"):
            if has_authority(store, key_id):
                raise UsageError(f"the store has an authority {key_id!r} already")
        root_key = new_key(store, "root", Usage.OTHER, curve, in_token=in_token)
        sub_key = new_key(store, "sub", Usage.OTHER, curve, in_token=in_token)
        validity: dict[str, Any] = {"not_before": now, "entropy": token_bytes}
        end = now + timedelta(days=365 * years)
        root = Authority.root(root_key, f"{name} Root", not_after=end, **validity)
        sub = root.below(sub_key.public_key, f"{name} Issuing", not_after=end, **validity)
        store.put_certificate(root.certificate, trusted=True)
        store.put_certificate(sub)
    for made in (root.certificate, sub):
        typer.echo(line_of(made))


def issue(
    context: typer.Context,
    whose: Annotated[Whose, typer.Argument(help="device or client.")],
    title: Title,
    usage: UsageOption = Usages.SIGNING,
    days: Days = 3650,
    by: By = "sub",
    in_token: Annotated[
        bool, typer.Option("--in-token", help="Make the key in the token.")
    ] = False,
    key_out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a device's private key there, and keep it not."),
    ] = None,
    out: Out = None,
) -> None:
    """Make a private key and a certificate for it: of a client, or of a device that cannot."""
    from secrets import token_bytes

    from ferraris.crypto.curves import PrivateKey

    if key_out is not None and (whose is Whose.CLIENT or in_token):
        raise UsageError("--key-out is for devices, whose private key lies in no token")
    octets, wanted, now = title_of(title), usage_of(usage), present()
    with opening(context).opened() as store:
        authority = authority_of(store, by)
        key_id, curve = octets.hex().upper(), Curves(authority.certificate.curve.value)
        key: Any
        if key_out is not None:
            key = PrivateKey.generate(authority.certificate.curve, token_bytes)
            write_private(key_out, key)
        else:
            key = new_key(store, key_id, wanted, curve, in_token=in_token)
        validity = {"not_before": now, "not_after": now + timedelta(days=days)}
        made = authority.issue(key.public_key, octets, wanted, entropy=token_bytes, **validity)
        store.put_certificate(made)
    tell(made, out)


def sign(
    context: typer.Context,
    request: Annotated[str, typer.Argument(metavar="CSR", help="PKCS#10, PEM or DER.")],
    title: Annotated[str, typer.Option(help="The device's system title, as you know it.")],
    usage: UsageOption = Usages.SIGNING,
    days: Days = 3650,
    by: By = "sub",
    out: Out = None,
) -> None:
    """Sign a meter's request, once its own signature verified and it is for that title."""
    from secrets import token_bytes

    from ferraris.crypto.requests import CertificateRequest

    octets, now = title_of(title), present()
    asked = document(CertificateRequest, request)
    with opening(context).opened() as store:
        made = authority_of(store, by).sign(
            asked,
            title=octets,
            usage=usage_of(usage),
            not_before=now,
            not_after=now + timedelta(days=days),
            entropy=token_bytes,
        )
        store.put_certificate(made)
    tell(made, out)


def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A certificate or a revocation list, PEM or DER.")],
    trusted: Annotated[
        bool, typer.Option("--trusted", help="As a root: only what came by a safe way.")
    ] = False,
) -> None:
    """Keep a certificate that another authority issued, or its revocation list."""
    from ferraris.crypto.certificates import Certificate
    from ferraris.crypto.revocation import RevocationList

    try:
        found: Any = document(Certificate, file)
    except UsageError:
        try:
            revoked = document(RevocationList, file)
        except UsageError:
            raise UsageError(f"{file}: neither a certificate nor a revocation list") from None
        with opening(context).opened() as store:
            require_known_list(store, revoked)
            store.put_revocation_list(revoked)
        return
    with opening(context).opened() as store:
        store.put_certificate(found, trusted=trusted)
    typer.echo(line_of(found))


def export(
    context: typer.Context,
    which: Annotated[str, typer.Argument(help="A title, a serial number, root or sub, or `crl`.")],
    usage: UsageOption = Usages.SIGNING,
    out: Out = None,
) -> None:
    """Write a certificate as PEM, or the authority's revocation list."""
    from ferraris.crypto.certificates import pem

    with opening(context).opened() as store:
        if which == "crl":
            text = "".join(pem(each.der, "X509 CRL") for each in store.revocation_lists())
            if not text:
                raise UsageError("no revocation list is kept: nothing was revoked yet")
        else:
            text = pem(kept_certificate(store, which, usage).der)
    if out is None:
        typer.echo(text, nl=False)
    else:
        Path(out).write_text(text)


def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the certificates: what for, whose, until when, and whether they hold now."""
    from ferraris.cli.output import json_text

    with opening(context).opened() as store:
        trust, kept = store.trust(), store.certificates()
    rows = [shape_of(each.certificate, trusted=each.trusted, trust=trust) for each in kept]
    if as_json:
        typer.echo(json_text({"version": 1, "certificates": rows}))
        return
    for each, row in zip(kept, rows, strict=True):
        typer.echo(f"{line_of(each.certificate)}  {'root' if each.trusted else row['status']}")


def show(
    context: typer.Context,
    which: Annotated[str, typer.Argument(help="A file, a title, a serial number, root or sub.")],
    usage: UsageOption = Usages.SIGNING,
    as_json: AsJson = False,
) -> None:
    """Show what is in a certificate, of a file without any store."""
    from ferraris.cli.output import indented, json_text
    from ferraris.crypto.certificates import Certificate

    if Path(which).is_file():
        shape = shape_of(document(Certificate, which))
    else:
        with opening(context).opened() as store:
            shape = shape_of(kept_certificate(store, which, usage), trust=store.trust())
    if as_json:
        typer.echo(json_text({"version": 1, **shape}))
        return
    for line in indented(shape):
        typer.echo(line)


def renew(
    context: typer.Context,
    title: Title,
    usage: UsageOption = Usages.SIGNING,
    days: Days = 3650,
    by: By = "sub",
    out: Out = None,
) -> None:
    """Issue the same certificate, key and title, with a new validity."""
    from secrets import token_bytes

    now = present()
    with opening(context).opened() as store:
        old = store.certificate(title_of(title), usage_of(usage))
        made = authority_of(store, by).renew(
            old, not_before=now, not_after=now + timedelta(days=days), entropy=token_bytes
        )
        store.put_certificate(made)
    tell(made, out)


def revoke(
    context: typer.Context,
    which: Annotated[str, typer.Argument(help="A title or a serial number.")],
    usage: UsageOption = Usages.SIGNING,
    by: By = "sub",
    days: Annotated[int, typer.Option(help="The next list is due in so many days.")] = 30,
) -> None:
    """Revoke a certificate: it is on the authority's list from now on, and no check passes it."""
    now = present()
    with opening(context).opened() as store:
        authority = authority_of(store, by)
        certificate = kept_certificate(store, which, usage)
        if certificate.issuer != authority.certificate.subject:
            message = f"{certificate.subject_text} was not issued by {by!r}: name its issuer"
            raise UsageError(message)
        revoked, number = {certificate.serial: now}, 0
        for each in store.revocation_lists():
            if each.issuer == authority.certificate.subject:
                each.require_signed_by(authority.certificate)
                revoked |= each.since
                number = each.number
        made = authority.revocation_list(
            revoked.items(),
            number=number + 1,
            this_update=now,
            next_update=now + timedelta(days=days),
        )
        store.put_revocation_list(made)
    typer.echo(f"revoked {certificate.serial.hex()}, list {made.number} has {len(made.since)}")


def check(
    context: typer.Context,
    which: Annotated[str, typer.Argument(help="A file, a title or a serial number.")],
    usage: UsageOption = Usages.SIGNING,
    title: Annotated[str | None, typer.Option(help="It must be for this system title.")] = None,
    at: Annotated[datetime | None, typer.Option(help="At this time, UTC, instead of now.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Every authority must have a valid revocation list.")
    ] = False,
) -> None:
    """Check a certificate up to a trusted root: exit code 0, or 1 and the reason."""
    from ferraris.crypto.certificates import Certificate

    with opening(context).opened() as store:
        is_file = Path(which).is_file()
        found = document(Certificate, which) if is_file else kept_certificate(store, which, usage)
        chain = store.trust(require_revocation_lists=strict).check(
            found,
            at=present() if at is None else at.replace(tzinfo=UTC),
            usage=usage_of(usage),
            title=None if title is None else title_of(title),
        )
    for each in chain:
        typer.echo(line_of(each))
