"""What the rows of a shipment mean together, and to the inventory that is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, select

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate
from ferraris.headend.inventory.hosts import taken_channels
from ferraris.headend.inventory.meters import meters
from ferraris.headend.inventory.naming import chunks, owners_of
from ferraris.headend.inventory.records import HOSTS, Kind, Meter
from ferraris.headend.inventory.shipment_columns import CERTIFICATES, Draft
from ferraris.headend.inventory.shipment_report import Findings
from ferraris.headend.inventory.states import State
from ferraris.headend.store.tables.inventory import METER, NODE
from ferraris.keys import Keys

__all__ = ["Sorted", "sort_out"]

_UPDATE = "update takes the file's word for it"
_FIXED: Final = frozenset({"kind"})
_DIGEST_OCTETS = 16


@dataclass(slots=True)
class Sorted:
    """New meters, those that differ (with what is there), and how many are as the file says."""

    new: list[Draft] = field(default_factory=list)
    changed: list[tuple[Draft, Meter]] = field(default_factory=list)
    unchanged: int = 0
    kept: int = 0
    secrets: list[tuple[str, str, bytes]] = field(default_factory=list, repr=False)
    certificates: list[Certificate] = field(default_factory=list, repr=False)


def sort_out(
    connection: Connection,
    tenant: int,
    drafts: Sequence[Draft],
    keys: Keys | None,
    key_id: Callable[[str], str],
    *,
    update: bool,
    findings: Findings,
) -> Sorted:
    """Compare every row with the others and with the inventory; what is wrong is noted."""
    known = {
        each.external_id: each
        for names in chunks(draft.meter.external_id for draft in drafts)
        for each in meters(
            connection, tenant, where=METER.c.external_id.in_(names), limit=None
        )
    }  # fmt: skip
    twice = _twice(drafts, findings)
    good = [draft for draft in drafts if draft.row not in twice]
    _check_titles(connection, tenant, good, findings)
    _check_serials(connection, tenant, good, findings)
    _check_nodes(connection, tenant, good, findings)
    _check_hosts(connection, tenant, good, known, findings)
    comparing = _Comparing(keys, key_id, update, findings)
    for draft in good:
        if draft.row not in findings.rows:
            comparing.take(draft, known.get(draft.meter.external_id))
    return comparing.sorted


@dataclass(slots=True)
class _Comparing:
    """Tells new rows from changed and unchanged ones."""

    keys: Keys | None
    key_id: Callable[[str], str]
    update: bool
    findings: Findings
    sorted: Sorted = field(default_factory=Sorted)

    def take(self, draft: Draft, found: Meter | None) -> None:
        if found is None:
            self.sorted.new.append(draft)
            self._keep(draft, draft.secrets)
            self.sorted.certificates += draft.certificates.values()
            return
        different = self._differences(draft, found)
        different += self._other_certificates(draft, found)
        secrets = self._other_secrets(draft, found)
        if not different and not secrets:
            self.sorted.unchanged += 1
            return
        name = found.external_id
        told = ", ".join([*different, *secrets])
        if not self.update:
            what = f"{name} exists and differs in {told}"
            self.findings.add(draft.row, (*different, *secrets)[0], what, _UPDATE)
        elif found.state is State.RETIRED:
            self.findings.add(draft.row, "external_id", f"{name} is retired and differs in {told}")
        elif fixed := _FIXED.intersection(different):
            self.findings.add(draft.row, min(fixed), f"of {name} cannot be changed")
        elif secrets and found.state is not State.KNOWN:
            what = f"{name} is {found.state.value} and its secrets are in use"
            self.findings.add(draft.row, secrets[0], what, "leave out the columns of secrets")
        else:
            self.sorted.changed.append((draft, found))
            self.sorted.certificates += draft.certificates.values()
            self._keep(draft, {kind: draft.secrets[kind] for kind in secrets})

    def _keep(self, draft: Draft, secrets: Mapping[str, bytes]) -> None:
        name = self.key_id(draft.meter.external_id)
        self.sorted.secrets += [(name, kind, secret) for kind, secret in secrets.items()]

    def _differences(self, draft: Draft, found: Meter) -> list[str]:
        """Columns that say otherwise, unless the row is the one that was delivered already."""
        if found.delivered and _says(found.delivered) == _says(draft.delivered):
            return []
        told: list[str] = sorted(draft.told)
        return [name for name in told if getattr(draft.meter, name) != getattr(found, name)]

    def _other_certificates(self, draft: Draft, found: Meter) -> list[str]:
        """Columns of certificates that are not those in use."""
        if self.keys is None or found.delivered == draft.delivered:
            return []
        told = []
        for column, certificate in draft.certificates.items():
            try:
                kept = self.keys.certificate(draft.meter.system_title, CERTIFICATES[column])
            except UsageError:
                kept = None
            if kept is None or kept.der != certificate.der:
                told.append(column)
        return told

    def _other_secrets(self, draft: Draft, found: Meter) -> list[str]:
        """Kinds of secrets that are not those that are kept.

        Once the meter is installed its keys are renewed, and only what was delivered is compared.
        """
        if not draft.secrets:
            return []
        before = found.delivered
        same = before is not None and _wrapped(before) == _wrapped(draft.delivered)
        if found.state is not State.KNOWN:
            self.sorted.kept += 1
            return [] if same or before is None else list(draft.secrets)
        if same and not draft.plain:
            return []
        return [
            kind
            for kind, secret in draft.secrets.items()
            if self._kept(found.external_id, kind) != secret
        ]

    def _kept(self, external_id: str, kind: str) -> bytes | None:
        if self.keys is None:
            return None
        try:
            return self.keys.get(self.key_id(external_id), kind)
        except UsageError:
            return None


def _says(delivered: bytes) -> bytes:
    return delivered[:_DIGEST_OCTETS]


def _wrapped(delivered: bytes) -> bytes:
    return delivered[_DIGEST_OCTETS:]


def _twice(drafts: Iterable[Draft], findings: Findings) -> set[int]:
    """Rows whose id, title or number somebody else in the file has as well."""
    bad: set[int] = set()
    for column, value_of in _UNIQUE.items():
        first: dict[Any, int] = {}
        for draft in drafts:
            value = value_of(draft)
            if value is None:
                continue
            row = first.setdefault(value, draft.row)
            if row != draft.row:
                what = f"the same as in {findings.counted} {row}"
                findings.add(draft.row, column, what, "each meter once")
                bad.add(draft.row)
    return bad


_UNIQUE: Final[Mapping[str, Callable[[Draft], Any]]] = {
    "external_id": lambda draft: draft.meter.external_id,
    "system_title": lambda draft: draft.meter.system_title or None,
    "serial_number": lambda draft: _serial(draft.meter),
}


def _serial(meter: Any) -> tuple[str, str] | None:
    return (meter.maker, meter.serial_number) if meter.maker and meter.serial_number else None


def _check_titles(
    connection: Connection, tenant: int, drafts: Sequence[Draft], findings: Findings
) -> None:
    rows = {draft.meter.system_title: draft for draft in drafts if draft.meter.system_title}
    for title, name in owners_of(connection, tenant, rows):
        draft = rows[title]
        if name != draft.meter.external_id:
            findings.add(draft.row, "system_title", f"belongs to {name}")


def _check_serials(
    connection: Connection, tenant: int, drafts: Sequence[Draft], findings: Findings
) -> None:
    rows = {serial: draft for draft in drafts if (serial := _serial(draft.meter))}
    for numbers in chunks({number for _, number in rows}):
        found = connection.execute(
            select(METER.c.maker, METER.c.serial_number, METER.c.external_id).where(
                METER.c.tenant == tenant,
                METER.c.serial_number.in_(numbers),
                METER.c.state != State.RETIRED.value,
            )
        )
        for maker, number, name in found:
            other = rows.get((maker, number))
            if other is not None and name != other.meter.external_id:
                findings.add(other.row, "serial_number", f"belongs to {name}")


def _check_nodes(
    connection: Connection, tenant: int, drafts: Sequence[Draft], findings: Findings
) -> None:
    wanted = {draft.meter.node for draft in drafts} - {None}
    there: set[str] = set()
    for names in chunks(wanted):
        there.update(
            connection.execute(
                select(NODE.c.name).where(NODE.c.tenant == tenant, NODE.c.name.in_(names))
            ).scalars()
        )
    for draft in drafts:
        if draft.meter.node is not None and draft.meter.node not in there:
            findings.add(draft.row, "node", f"no node {draft.meter.node!r}", "make it first")


def _check_hosts(
    connection: Connection,
    tenant: int,
    drafts: Sequence[Draft],
    known: Mapping[str, Meter],
    findings: Findings,
) -> None:
    wanted = {draft.meter.behind for draft in drafts if draft.meter.behind is not None}
    if not wanted:
        return
    hosts: dict[str, tuple[Kind, State]] = {
        draft.meter.external_id: (draft.meter.kind, State.KNOWN) for draft in drafts
    }
    hosts |= {name: (meter.kind, meter.state) for name, meter in known.items()}
    rows: dict[int, str] = {}
    for number, name, kind, state in _rows_of(connection, tenant, wanted):
        hosts[name] = (Kind(kind), State(state))
        rows[number] = name
    own = {draft.meter.external_id for draft in drafts}
    taken = {
        (rows[host], channel): name
        for (host, channel), name in taken_channels(connection, rows).items()
        if name not in own
    }
    for draft in drafts:
        if draft.meter.behind is not None:
            _check_host(draft, hosts.get(draft.meter.behind), taken, findings)


def _check_host(
    draft: Draft,
    host: tuple[Kind, State] | None,
    taken: dict[tuple[str, int], str],
    findings: Findings,
) -> None:
    meter = draft.meter
    assert meter.behind is not None
    if host is None:
        findings.add(draft.row, "behind", f"no meter {meter.behind!r}", "deliver the host first")
    elif host[0] not in HOSTS[meter.kind]:
        what = f"a {meter.kind.value} is not behind a {host[0].value}"
        findings.add(draft.row, "behind", what)
    elif host[1] is State.RETIRED:
        findings.add(draft.row, "behind", f"{meter.behind} is retired")
    elif meter.channel is not None:
        other = taken.setdefault((meter.behind, meter.channel), meter.external_id)
        if other != meter.external_id:
            what = f"{meter.channel} of {meter.behind} is taken by {other}"
            findings.add(draft.row, "channel", what)


def _rows_of(
    connection: Connection, tenant: int, names: Iterable[str]
) -> Iterator[tuple[int, str, str, str]]:
    for some_names in chunks(names):
        rows = connection.execute(
            select(METER.c.id, METER.c.external_id, METER.c.kind, METER.c.state).where(
                METER.c.tenant == tenant, METER.c.external_id.in_(some_names)
            )
        )
        yield from ((row[0], row[1], row[2], row[3]) for row in rows)
