"""`ferraris pki`: an authority of one's own, certificates of meters and clients, checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.cli.key_store import opening, store_options
from ferraris.core.errors import DecodeError, UsageError

if TYPE_CHECKING:
    from ferraris.crypto.authority import Authority
    from ferraris.crypto.certificates import Certificate, Usage
    from ferraris.keys import KeyStore

__all__ = ["register"]

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]
Title = Annotated[str, typer.Argument(metavar="TITLE", help="System title, 16 hex characters.")]
By = Annotated[str, typer.Option(metavar="ID", help="The authority that signs.")]
Days = Annotated[int, typer.Option(help="Valid for so many days from now.")]
Out = Annotated[str | None, typer.Option(metavar="FILE", help="Write it there too, as PEM.")]


class Curves(StrEnum):
    """The curves of suites 1 and 2."""

    P256 = "P-256"
    P384 = "P-384"


class Usages(StrEnum):
    """What a certificate is for."""

    SIGNING = "signing"
    KEY_AGREEMENT = "key-agreement"
    TLS = "tls"


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

    now = _now()
    with opening(context).opened() as store:
        for key_id in ("root", "sub"):
            if _has_authority(store, key_id):
                raise UsageError(f"the store has an authority {key_id!r} already")
        root_key = _new_key(store, "root", Usage.OTHER, curve, in_token=in_token)
        sub_key = _new_key(store, "sub", Usage.OTHER, curve, in_token=in_token)
        validity: dict[str, Any] = {"not_before": now, "entropy": token_bytes}
        end = now + timedelta(days=365 * years)
        root = Authority.root(root_key, f"{name} Root", not_after=end, **validity)
        sub = root.below(sub_key.public_key, f"{name} Issuing", not_after=end, **validity)
        store.put_certificate(root.certificate, trusted=True)
        store.put_certificate(sub)
    for made in (root.certificate, sub):
        typer.echo(_line(made))


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
    octets, wanted, now = _title(title), _usage(usage), _now()
    with opening(context).opened() as store:
        authority = _authority(store, by)
        key_id, curve = octets.hex().upper(), Curves(authority.certificate.curve.value)
        key: Any
        if key_out is not None:
            key = PrivateKey.generate(authority.certificate.curve, token_bytes)
            _write_private(key_out, key)
        else:
            key = _new_key(store, key_id, wanted, curve, in_token=in_token)
        validity = {"not_before": now, "not_after": now + timedelta(days=days)}
        made = authority.issue(key.public_key, octets, wanted, entropy=token_bytes, **validity)
        store.put_certificate(made)
    _tell(made, out)


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

    octets, now = _title(title), _now()
    asked = _input(CertificateRequest, request)
    with opening(context).opened() as store:
        made = _authority(store, by).sign(
            asked,
            title=octets,
            usage=_usage(usage),
            not_before=now,
            not_after=now + timedelta(days=days),
            entropy=token_bytes,
        )
        store.put_certificate(made)
    _tell(made, out)


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
        found: Any = _input(Certificate, file)
    except UsageError:
        try:
            revoked = _input(RevocationList, file)
        except UsageError:
            raise UsageError(f"{file}: neither a certificate nor a revocation list") from None
        with opening(context).opened() as store:
            _check_list(store, revoked)
            store.put_revocation_list(revoked)
        return
    with opening(context).opened() as store:
        store.put_certificate(found, trusted=trusted)
    typer.echo(_line(found))


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
            text = pem(_kept(store, which, usage).der)
    if out is None:
        typer.echo(text, nl=False)
    else:
        Path(out).write_text(text)


def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the certificates: what for, whose, until when, and whether they hold now."""
    from ferraris.cli.output import json_text

    with opening(context).opened() as store:
        trust, kept = store.trust(), store.certificates()
    rows = [_shape(each.certificate, trusted=each.trusted, trust=trust) for each in kept]
    if as_json:
        typer.echo(json_text({"version": 1, "certificates": rows}))
        return
    for each, row in zip(kept, rows, strict=True):
        typer.echo(f"{_line(each.certificate)}  {'root' if each.trusted else row['status']}")


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
        shape = _shape(_input(Certificate, which))
    else:
        with opening(context).opened() as store:
            shape = _shape(_kept(store, which, usage), trust=store.trust())
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

    now = _now()
    with opening(context).opened() as store:
        old = store.certificate(_title(title), _usage(usage))
        made = _authority(store, by).renew(
            old, not_before=now, not_after=now + timedelta(days=days), entropy=token_bytes
        )
        store.put_certificate(made)
    _tell(made, out)


def revoke(
    context: typer.Context,
    which: Annotated[str, typer.Argument(help="A title or a serial number.")],
    usage: UsageOption = Usages.SIGNING,
    by: By = "sub",
    days: Annotated[int, typer.Option(help="The next list is due in so many days.")] = 30,
) -> None:
    """Revoke a certificate: it is on the authority's list from now on, and no check passes it."""
    now = _now()
    with opening(context).opened() as store:
        authority = _authority(store, by)
        certificate = _kept(store, which, usage)
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
        found = _input(Certificate, which) if is_file else _kept(store, which, usage)
        chain = store.trust(require_revocation_lists=strict).check(
            found,
            at=_now() if at is None else at.replace(tzinfo=UTC),
            usage=_usage(usage),
            title=None if title is None else _title(title),
        )
    for each in chain:
        typer.echo(_line(each))


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _title(text: str) -> bytes:
    try:
        title = bytes.fromhex(text)
    except ValueError:
        title = b""
    if len(title) != 8:
        raise UsageError(f"a system title has 16 hexadecimal characters, not {text!r}")
    return title


def _usage(usage: Usages) -> Usage:
    from ferraris.crypto.certificates import Usage as Meant

    return Meant[usage.name]


def _input(kind: Any, file: str) -> Any:
    """A document from a file; octets of ours that do not decode are bad input."""
    try:
        octets = Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    try:
        return kind.read(octets)
    except DecodeError as error:
        raise UsageError(f"{file}: {error.message}") from None


def _has_authority(store: KeyStore, key_id: str) -> bool:
    return any(each.id == key_id and each.kind == "authority_key" for each in store.entries())


def _new_key(store: KeyStore, key_id: str, usage: Usage, curve: Curves, *, in_token: bool) -> Any:
    from secrets import token_bytes

    from ferraris.crypto.curves import Curve, PrivateKey

    if in_token:
        label = f"{key_id} {usage.label}"
        key = store.token_keys().generate(label, Curve(curve.value))
        store.put_private_key(key_id, usage, label)
        return key
    made = PrivateKey.generate(Curve(curve.value), token_bytes)
    store.put_private_key(key_id, usage, made)
    return made


def _authority(store: KeyStore, key_id: str) -> Authority:
    from ferraris.crypto.authority import Authority
    from ferraris.crypto.certificates import Usage

    key = store.signing_key(key_id, Usage.OTHER)
    for each in reversed(store.certificates()):
        if each.certificate.is_authority and each.certificate.public_key == key.public_key:
            return Authority(each.certificate, key)
    raise UsageError(f"no certificate is kept for the authority {key_id!r}")


def _kept(store: KeyStore, which: str, usage: Usages) -> Certificate:
    """A certificate by title, by serial number, or by the id of an authority."""
    try:
        octets = bytes.fromhex(which)
    except ValueError:
        return _authority(store, which).certificate
    if len(octets) == 8:
        return store.certificate(octets, _usage(usage))
    for each in store.certificates():
        if each.certificate.serial == octets:
            return each.certificate
    raise UsageError(f"no certificate with the serial number {which} is kept")


def _check_list(store: KeyStore, revoked: Any) -> None:
    """A list is kept when an authority that we know signed it."""
    for each in store.certificates():
        if each.certificate.subject == revoked.issuer:
            revoked.require_signed_by(each.certificate)
            return
    raise UsageError("the authority of this revocation list is unknown: import it first")


def _write_private(file: str, key: Any) -> None:
    import os

    from ferraris.crypto.certificates import pem

    try:
        place = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    with os.fdopen(place, "w") as opened:
        opened.write(pem(key.to_der(), "PRIVATE KEY"))


def _tell(made: Certificate, out: str | None) -> None:
    from ferraris.crypto.certificates import pem

    if out is not None:
        Path(out).write_text(pem(made.der))
    typer.echo(_line(made))


def _line(certificate: Certificate) -> str:
    title = certificate.title
    name = certificate.subject_text if title is None else title.hex().upper()
    until = f"until {certificate.not_after:%Y-%m-%d}"
    return f"{name:24} {certificate.usage.label:14} {until}  {certificate.serial.hex()}"


def _shape(
    certificate: Certificate, *, trusted: bool | None = None, trust: Any = None
) -> dict[str, Any]:
    from ferraris.crypto.certificates import CertificateError

    title = certificate.title
    shape: dict[str, Any] = {
        "subject": certificate.subject_text,
        "issuer": certificate.issuer_text,
        "system_title": None if title is None else title.hex().upper(),
        "usage": certificate.usage.label,
        "curve": certificate.curve.value,
        "public_key": certificate.public_key,
        "serial": certificate.serial,
        "authority": certificate.is_authority,
        "not_before": f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
    }
    if trusted is not None:
        shape["trusted_root"] = trusted
    if trust is not None:
        try:
            trust.check(certificate, at=_now())
            shape["status"] = "valid"
        except CertificateError as error:
            shape["status"] = error.reason.value
    return shape
