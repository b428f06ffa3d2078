"""Operations on strangers: who they are, and whether they become meters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import Row, select, update

from ferraris.core.errors import DecodeError, UsageError
from ferraris.crypto.certificates import Certificate
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.inventory import Contact, NewMeter
from ferraris.headend.inventory.certificates import (
    CERTIFICATES,
    UnfitCertificateError,
    checked_certificate,
)
from ferraris.headend.inventory.records import Authentication, Ciphering
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import ConflictError, NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after, page
from ferraris.headend.operations.registration import (
    RegistrationView,
    known_meter,
    moment,
    registration_of,
)
from ferraris.headend.registration.progress import ask
from ferraris.headend.registration.recognition import Known
from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.inventory import METER, STRANGER
from ferraris.messaging.dlms.security.suites import SecuritySuite

__all__ = ["Admission", "StrangerView", "admit_stranger", "list_strangers", "refuse_stranger"]

_KEYS = ("encryption_key", "authentication_key", "broadcast_key", "master_key")
_OF_SUITE = _KEYS[:3]
_WORDS = ("password", "hls_secret")
_MOST_SECRET_OCTETS = 64
_KEY_OCTETS = (16, 32)
_MOST_KEY_FILE = 4096


@dataclass(frozen=True, slots=True)
class StrangerView:
    """Somebody who is not known, or not who it says; `identity` is what it said."""

    number: int
    identity: str
    reason: str
    peer: str
    message: str
    first: datetime
    last: datetime
    times: int
    decision: str


@dataclass(frozen=True, slots=True)
class Admission:
    """How a stranger becomes a known meter."""

    external_id: Annotated[str, "Its name in the inventory; one that is there gets these keys."]
    keys: Annotated[
        bytes,
        "JSON with encryption_key, authentication_key, broadcast_key, master_key in hexadecimal, "
        "password and hls_secret; @FILE on the command line.",
    ] = field(default=b"", repr=False)
    address: Annotated[str, "Where it is called, as in tcp://10.1.2.3:4059."] = ""
    contact: Annotated[Contact, "Who calls whom."] = Contact.CALLED
    model: str = ""
    companion: Annotated[str, "The companion specification that it is checked against."] = ""
    client: int = 1
    server: int = 1
    zone: str = "UTC"
    authentication: Annotated[Authentication, "How both ends prove themselves."] = (
        Authentication.GMAC
    )
    suite: Annotated[int, "The security suite: 0, 1 or 2."] = 0
    ciphering: Annotated[Ciphering, "How APDUs are protected; `+signed` signs."] = Ciphering.SERVICE
    first_authentication: Annotated[
        str, "By which it is given its keys, where that is another way."
    ] = ""
    first_client: Annotated[int | None, "The client address of that way."] = None
    signing_certificate: Annotated[
        bytes, "Of the meter, suites 1 and 2: DER or PEM; @FILE on the command line."
    ] = field(default=b"", repr=False)
    agreement_certificate: Annotated[
        bytes, "The same for key agreement; @FILE on the command line."
    ] = field(default=b"", repr=False)


@operation("GET /strangers", command="strangers list", right=Right.SEE_METERS)
def list_strangers(
    desk: Desk,
    reason: str = "",
    decision: Annotated[str, "admitted, refused; by default those without."] = "",
    after: str = "",
    limit: int = 100,
) -> Page[StrangerView]:
    """List who announced itself or called in and was turned away."""
    desk.demand_everywhere(Right.SEE_METERS)
    wanted = select(STRANGER).where(
        STRANGER.c.tenant == desk.tenant,
        STRANGER.c.decision == decision,
        STRANGER.c.id > number_after(after),
    )
    if reason:
        wanted = wanted.where(STRANGER.c.reason == reason)
    rows = desk.connection.execute(
        wanted.order_by(STRANGER.c.id).limit(checked_limit(limit) + 1)
    ).all()
    return page(rows, limit, _stranger_view, lambda row: row.id)


@operation("POST /strangers/{stranger}/admit", command="strangers admit", right=Right.MANAGE_METERS)
def admit_stranger(desk: Desk, stranger: int, body: Admission) -> RegistrationView:
    """Make a stranger a known meter with keys, and register it.

    Its identity must still be proved under these keys.
    """
    desk.demand_everywhere(Right.MANAGE_METERS)
    row = _stranger(desk, stranger)
    secrets = _secrets(body.keys)
    number = _enrolled(desk, row, body)
    known = known_meter(desk, number)
    if body.suite not in (0, known.suite):
        raise ConflictError(f"{known.external_id} is of suite {known.suite}: change it first")
    _check_lengths(secrets, known.suite)
    certificates = _certificates(desk, body, known)
    if secrets or certificates:
        if known.state not in ("known", "installed"):
            raise ConflictError(f"{known.external_id} is {known.state}: its keys stay")
        desk.house.keys.put_many((known.key_id, kind, secret) for kind, secret in secrets)
        desk.house.keys.put_certificates(certificates)
    ask(desk.connection, known, "operator", desk.caller.name, desk.now)
    _decide(desk, row, "admitted")
    desk.detail |= {"identity": row.identity, "meter": body.external_id, "keys": len(secrets)}
    if certificates:
        desk.detail["certificates"] = len(certificates)
    return registration_of(desk, number)


@operation(
    "POST /strangers/{stranger}/refuse", command="strangers refuse", right=Right.MANAGE_METERS
)
def refuse_stranger(desk: Desk, stranger: int) -> StrangerView:
    """Decide that a stranger stays one; it is counted still, and no longer listed."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    row = _stranger(desk, stranger)
    _decide(desk, row, "refused")
    desk.detail["identity"] = row.identity
    return _stranger_view(_stranger(desk, stranger))


def _stranger(desk: Desk, number: int) -> Row[Any]:
    row = desk.connection.execute(
        select(STRANGER).where(STRANGER.c.tenant == desk.tenant, STRANGER.c.id == number)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"no stranger {number}")
    return row


def _decide(desk: Desk, row: Row[Any], decision: str) -> None:
    """All that is counted of this identity is decided."""
    desk.connection.execute(
        update(STRANGER)
        .where(STRANGER.c.tenant == desk.tenant, STRANGER.c.identity == row.identity)
        .values(decision=decision)
    )
    detail = {"decision": decision}
    note(desk.connection, desk.tenant, "stranger", row.identity, at_s=desk.now, detail=detail)


def _enrolled(desk: Desk, row: Row[Any], body: Admission) -> int:
    """The row of the meter, made if it is not there."""
    query = select(METER.c.id).where(
        METER.c.tenant == desk.tenant, METER.c.external_id == body.external_id
    )
    found = desk.connection.execute(query).scalar()
    if found is not None:
        return int(found)
    title = _title(row.identity) or _certified_title(body)
    new = NewMeter(
        external_id=body.external_id,
        system_title=title,
        address=body.address,
        contact=body.contact,
        model=body.model,
        companion=body.companion,
        client=body.client,
        server=body.server,
        zone=body.zone,
        authentication=body.authentication,
        suite=body.suite,
        ciphering=body.ciphering,
        first_authentication=body.first_authentication,
        first_client=body.first_client,
    )
    numbers = inventory.enrol(
        desk.connection, desk.tenant, [new], at_s=desk.now, by=desk.caller.name, reason="admitted"
    )
    number = numbers[body.external_id]
    if not _title(row.identity) and row.identity != body.external_id:
        desk.connection.execute(
            update(METER).where(METER.c.id == number).values(logical_device_name=row.identity)
        )
    return number


def _title(identity: str) -> bytes:
    """The system title, where that is how the stranger is known."""
    try:
        octets = bytes.fromhex(identity)
    except ValueError:
        return b""
    return octets if len(octets) == 8 else b""


def _certified_title(body: Admission) -> bytes:
    """Of a stranger that is known by a name: the title that its certificate says."""
    for name in CERTIFICATES:
        octets = getattr(body, name)
        if octets:
            try:
                return Certificate.read(octets).title or b""
            except DecodeError:
                continue  # what is wrong with it, is said when it is checked
    return b""


def _certificates(desk: Desk, body: Admission, known: Known) -> list[Certificate]:
    """Those of the body, checked; `UsageError` says which does not hold, and what to do."""
    given = {name: octets for name in CERTIFICATES if (octets := getattr(body, name))}
    if not given:
        return []
    trust, at = desk.house.keys.trust(), datetime.fromtimestamp(desk.now, UTC)
    found = []
    for name, octets in given.items():
        usage, title = CERTIFICATES[name], known.system_title
        try:
            found.append(
                checked_certificate(
                    octets, usage, suite=known.suite, title=title, trust=trust, at=at
                )
            )
        except UnfitCertificateError as error:
            raise UsageError(f"{name}: {error.message}") from None
    return found


def _check_lengths(secrets: Sequence[tuple[str, bytes]], suite: int) -> None:
    octets = SecuritySuite(suite).key_octets
    for kind, secret in secrets:
        if kind in _OF_SUITE and len(secret) != octets:
            raise UsageError(f"{kind}: a key of suite {suite} has {octets} octets")


def _secrets(document: bytes) -> Sequence[tuple[str, bytes]]:
    """Kinds and keys; an error never repeats what is in the document."""
    if not document:
        return ()
    wrong = UsageError("the keys are a JSON object with keys of 16 or 32 octets in hexadecimal")
    if len(document) > _MOST_KEY_FILE:
        raise wrong
    try:
        shape = json.loads(document)
        found = [(kind, bytes.fromhex(shape[kind])) for kind in _KEYS if kind in shape]
        words = [(kind, shape[kind].encode()) for kind in _WORDS if kind in shape]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise wrong from None
    if not (found or words) or any(len(secret) not in _KEY_OCTETS for _, secret in found):
        raise wrong
    if any(not 0 < len(secret) <= _MOST_SECRET_OCTETS for _, secret in words):
        raise wrong
    return found + words


def _stranger_view(row: Row[Any]) -> StrangerView:
    return StrangerView(
        row.id,
        row.identity,
        row.reason,
        row.peer,
        row.message,
        moment(row.first_s),
        moment(row.last_s),
        row.times,
        row.decision,
    )
