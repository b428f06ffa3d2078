"""`ferraris keys`: the key store, its counters, its copies, and the renewal of meters' keys."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from ferraris.cli.key_store import opening, passphrase_of, store_options, warn
from ferraris.core.errors import UsageError

__all__ = ["register"]

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of the meter, TENANT/METER under tenants.")]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="Which keys; several travel together.")
]


class RenewalStep(StrEnum):
    """What happened to the next keys of a meter."""

    PREPARE = "prepare"
    SEND = "send"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PROVED = "proved"
    NOT_FOLLOWED = "not-followed"
    WENT_BACK = "went-back"
    DISCARD = "discard"
    FORGET = "forget"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(
        help="The key store: keys, counters, copies, renewal.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    keys.callback()(store_options)
    for command in (
        init,
        list_,
        add,
        remove,
        lease,
        advance,
        rotate,
        renew,
        passphrase,
        backup,
        restore,
        tenant,
    ):
        keys.command(command.__name__.rstrip("_"))(command)
    app.add_typer(keys, name="keys")


def init(context: typer.Context) -> None:
    """Make a new key store, sealed by the passphrase, or by the token's wrapping key."""
    from ferraris.keys import KeyStore

    given = opening(context)
    with given.opened_token() as token:
        if token is not None and given.passphrase is None:
            _ensure_wrapping_key(token)
            KeyStore.create(given.path, token=token).close()
        else:
            KeyStore.create(given.path, given.phrase()).close()
    typer.echo(f"{given.path} made, and {given.path}.mark, which tells older copies of it")


def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List what is kept, never the secrets; keys on their way show how far they are."""
    from ferraris.cli.output import json_text
    from ferraris.keys.renewal import Renewals

    with opening(context).opened() as store:
        states = {(each.id, each.kind): each.state.value for each in Renewals(store).unsettled()}
        rows = [
            {"id": each.id, "kind": each.kind, "state": states.get(each, "settled")}
            for each in store.entries()
        ]
        restored, tenants = store.restored, store.tenants()
    if as_json:
        found = {"version": 1, "restored": restored, "tenants": tenants, "keys": rows}
        typer.echo(json_text(found))
        return
    for row in rows:
        settled = "" if row["state"] == "settled" else row["state"]
        typer.echo(f"{row['id']:24} {row['kind']:24} {settled}".rstrip())
    if restored:
        warn("an older copy of the store: it leases no counters until `keys advance`")


def add(
    context: typer.Context,
    key_id: Id,
    kind: Annotated[str, typer.Argument(help="encryption_key, authentication_key, password, …")],
    secret: Annotated[str | None, typer.Argument(help="@file, env:NAME, store:ID/KIND.")] = None,
    text: Annotated[bool, typer.Option("--text", help="As it is, not hexadecimal.")] = False,
    in_token: Annotated[
        str | None,
        typer.Option(
            "--in-token", metavar="LABEL", help="A master key lies in the token, or goes there."
        ),
    ] = None,
) -> None:
    """Keep a key or a password, in place of an older one.

    A master or transport key may lie in the token (--token before the command), which wraps and
    unwraps by it: with SECRET it is put there under LABEL, without it is there already.
    """
    from ferraris.keys.secrets import secret as resolved

    if secret is None and in_token is None:
        raise UsageError("which secret? give it as @file, env:NAME or store:ID/KIND")
    if in_token is not None and kind != "master_key":
        raise UsageError("--in-token is for a master_key")
    with opening(context).opened() as store:
        if secret is None:
            assert in_token is not None
            store.token_keys().key_octets(in_token)
            store.put_master_key(key_id, in_token)
            return
        words = text or kind == "password"
        octets = resolved(
            secret, form="text" if words else "hex", kind=kind, store=store, warn=warn
        )
        _check_length(kind, octets)
        if in_token is None:
            store.put(key_id, kind, octets)
        else:
            store.token_keys().import_wrapping_key(in_token, octets)
            store.put_master_key(key_id, in_token)


def remove(
    context: typer.Context,
    key_id: Id,
    kind: Annotated[str | None, typer.Argument(help="One kind only, otherwise all.")] = None,
) -> None:
    """Forget the secrets of an id; their counters stay."""
    with opening(context).opened() as store:
        kinds = [each.kind for each in store.entries() if each.id == key_id]
        chosen = [each for each in kinds if kind in (None, each)]
        if not chosen:
            raise UsageError(f"nothing of that kind is kept for {key_id!r}")
        for each in chosen:
            store.delete(key_id, each)


def lease(
    context: typer.Context,
    key_id: Id,
    count: Annotated[int, typer.Argument(metavar="N", help="How many.")] = 1,
    kind: Annotated[str, typer.Option(help="Of which key.")] = "encryption_key",
    direction: Annotated[str, typer.Option(help="Which originator.")] = "send",
    as_json: AsJson = False,
) -> None:
    """Lease invocation counters for another program: durable, never handed out again."""
    from ferraris.cli.output import json_text

    with opening(context).opened() as store:
        leased = store.lease(key_id, direction, count, kind=kind)
    shape = {"version": 1, "first": leased.start, "last": leased.stop - 1}
    typer.echo(json_text(shape) if as_json else f"{leased.start} to {leased.stop - 1}")


def advance(
    context: typer.Context,
    step: Annotated[int, typer.Argument(metavar="N", help="More than was used since.")],
    meter: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this one: N is the meter's counter.")
    ] = None,
) -> None:
    """Leave out N values of every counter, after an older copy of the store came back.

    With --meter N is the counter that the meter says it received last, and nothing below N + 1 is
    handed out.
    """
    with opening(context).opened() as store:
        if meter is None:
            store.advance(step)
        else:
            store.raise_next(meter, "send", step + 1, most=1 << 32)


def rotate(context: typer.Context) -> None:
    """Renew the store's own keys: everything in it is sealed anew, or nothing.

    A store that a passphrase opens keeps it; one that a token opens is sealed by its wrapping key.
    """
    from ferraris.keys import KeyStore

    given = opening(context)
    with given.opened_token() as token:
        phrase = given.phrase()
        with KeyStore.open(given.path, phrase, token=token) as store:
            store.rotate(phrase, token=token if phrase is None else None)


def renew(
    context: typer.Context,
    key_id: Id,
    step: Annotated[RenewalStep, typer.Argument(help="What to do, or what the meter did.")],
    kind: Kinds = None,
    octets: Annotated[int | None, typer.Option(help="Length of new keys: 16 or 32.")] = None,
    as_json: AsJson = False,
) -> None:
    """Renew a meter's keys, step by step; `send` prints them wrapped under its master key."""
    from ferraris.cli.output import json_text
    from ferraris.keys.renewal import Renewals

    kinds = kind or ["encryption_key", "authentication_key"]
    with opening(context).opened() as store:
        renewals = Renewals(store)
        shape: dict[str, Any] = {"version": 1, "id": key_id}
        if step is RenewalStep.SEND:
            sent = renewals.send(key_id, kinds)
            shape["key_transfer"] = [each._asdict() for each in sent]
        elif step is RenewalStep.PREPARE:
            renewals.prepare(key_id, kinds, octets)
        else:
            _happenings(renewals)[step](key_id, kinds)
        shape["states"] = {each: renewals.state(key_id, each).value for each in kinds}
        shape["outcome"] = renewals.operation(key_id, kinds).outcome.value
    if as_json:
        typer.echo(json_text(shape))
        return
    for transfer in shape.get("key_transfer", ()):
        typer.echo(f"key {transfer['key_id']}: {transfer['wrapped'].hex()}")
    for each, state in shape["states"].items():
        typer.echo(f"{each}: {state}")


def passphrase(
    context: typer.Context,
    new: Annotated[
        str | None, typer.Argument(metavar="[NEW]", help="The new one: @file, env:NAME.")
    ] = None,
    to_token: Annotated[
        bool, typer.Option("--to-token", help="Seal it by the token's wrapping key from now on.")
    ] = False,
) -> None:
    """Change what opens the store. Older copies still open as they did."""
    from ferraris.keys import KeyStore

    given = opening(context)
    if to_token == (new is not None):
        raise UsageError("give a new passphrase, or --to-token")
    with (
        given.opened_token() as token,
        KeyStore.open(given.path, given.phrase(), token=token) as store,
    ):
        if new is not None:
            store.change_passphrase(passphrase_of(new))
        elif token is None:
            raise UsageError("--to-token needs --token and --pin")
        else:
            _ensure_wrapping_key(token)
            store.change_token(token)


def backup(
    context: typer.Context, file: Annotated[str, typer.Argument(help="Where the copy goes.")]
) -> None:
    """Copy the store, whole, while others use it. Secrets stay sealed in the copy."""
    from ferraris.keys.backup import backup as copied

    copied(opening(context).path, file)


def restore(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The copy.")],
    step: Annotated[
        int, typer.Option("--advance", help="Counters to leave out: more than was used since.")
    ] = 1 << 20,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the store.")] = False,
) -> None:
    """Put a copy in place of a lost store, and advance its counters past all that was used."""
    from ferraris.keys.backup import restore as put_back

    given = opening(context)
    with given.opened_token() as token:
        phrase = given.phrase()
        store = put_back(file, given.path, phrase, token=token, step=step, replace=replace)
        store.close()
    typer.echo(f"{given.path}: every counter begins {step} later")


def tenant(
    context: typer.Context,
    add: Annotated[str | None, typer.Option(metavar="NAME", help="A new one.")] = None,
    destroy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Destroy its key and all its secrets.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """List tenants; add one, or destroy one, whose secrets are then gone for good."""
    with opening(context).opened() as store:
        if destroy is not None:
            if not yes:
                typer.confirm(
                    f"Destroy the key of {destroy} and every secret of theirs?", abort=True
                )
            store.destroy_tenant(destroy)
        if add is not None:
            store.create_tenant(add)
        for name in store.tenants():
            typer.echo(name)


def _happenings(renewals: Any) -> dict[RenewalStep, Any]:
    return {
        RenewalStep.ACCEPTED: renewals.accepted,
        RenewalStep.REFUSED: renewals.refused,
        RenewalStep.PROVED: renewals.proved,
        RenewalStep.NOT_FOLLOWED: renewals.not_followed,
        RenewalStep.WENT_BACK: renewals.went_back,
        RenewalStep.DISCARD: renewals.discard,
        RenewalStep.FORGET: renewals.forget_previous,
    }


def _ensure_wrapping_key(token: Any) -> None:
    """Make the wrapping key where there is none."""
    try:
        token.wrap(bytes(16))
    except UsageError:
        token.make_wrapping_key()


def _check_length(kind: str, octets: bytes) -> None:
    from ferraris.keys.keys import RENEWED

    if kind.endswith(RENEWED) and len(octets) not in (16, 32):
        raise UsageError(f"a key of this kind has 16 or 32 octets, not {len(octets)}")
