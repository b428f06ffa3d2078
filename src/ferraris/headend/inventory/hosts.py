"""What stands behind a gateway or on a channel of a meter, and where all of it hangs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, select, text, update

from ferraris.core.errors import UsageError
from ferraris.headend.errors import ConflictError
from ferraris.headend.inventory.naming import chunks
from ferraris.headend.inventory.records import HOSTS, Kind
from ferraris.headend.inventory.states import State
from ferraris.headend.store.tables.inventory import METER, REGISTRATION

__all__ = [
    "CHANNEL_SINCE",
    "SubMeter",
    "attach",
    "behind",
    "dialled",
    "forget_lists",
    "hang",
    "sub_meters",
    "taken_channels",
]

_MOST_HOSTS = 3  # a sub-meter, its meter, the gateway of that

CHANNEL_SINCE: Final = """(
    SELECT MAX(l.at_s) FROM meter o JOIN life l ON l.meter = o.id
    WHERE o.behind = m.behind AND o.channel = m.channel AND o.id <> m.id AND l.after = 'retired')"""
"""Since when the channel of a sub-meter `m` has nobody else's rows, as an expression of SQL."""

_SUB_METERS: Final = text(
    f"""
SELECT m.id, m.external_id, m.state, m.behind, m.channel, m.maker, m.serial_number,
  {CHANNEL_SINCE} AS since_s
FROM meter m
WHERE m.behind IN :hosts AND m.kind = 'sub-meter' AND m.state <> 'retired'
"""  # noqa: S608 - made of constants
).bindparams(bindparam("hosts", expanding=True))


class SubMeter(NamedTuple):
    """Who is on a channel, as the inventory has it.

    `device` are maker and serial number. Rows up to `since_s` are those of the one before.
    """

    number: int
    external_id: str
    state: str
    channel: int
    device: tuple[str, str]
    since_s: float


def attach(
    connection: Connection, tenant: int, places: Mapping[int, tuple[str, int | None]]
) -> None:
    """Put meters (rows) behind their hosts (external ids) and on channels, at the host's node.

    Raises `UsageError` for a host that does not exist or cannot be one, `ConflictError` for a
    channel that is taken. Those that stand behind these meters come along.
    """
    if not places:
        return
    hosts = _hosts(connection, tenant, {host for host, _ in places.values()})
    kinds, names = _kinds(connection, places)
    for number, (host, _) in places.items():
        found = hosts.get(host)
        what = names[number]
        if found is None:
            raise UsageError(f"{what}: behind: no meter {host!r}")
        if found[1] not in HOSTS[kinds[number]]:
            raise UsageError(
                f"{what}: behind: a {kinds[number].value} is not behind a {found[1].value}"
            )
        if found[2] is State.RETIRED:
            raise UsageError(f"{what}: behind: {host} is retired")
    _check_channels(connection, places, {name: found[0] for name, found in hosts.items()}, names)
    connection.execute(
        update(METER)
        .where(METER.c.id == bindparam("own"))
        .values(behind=bindparam("host"), channel=bindparam("on")),
        [
            {"own": number, "host": hosts[host][0], "on": channel}
            for number, (host, channel) in places.items()
        ],
    )
    forget_lists(connection, places)
    by_node: dict[int | None, list[int]] = {}
    nodes = _nodes(connection, [found[0] for found in hosts.values()])
    for number in places:
        top = number
        while top in places:  # the host may have found its own place just now
            top = hosts[places[top][0]][0]
        by_node.setdefault(nodes[top], []).append(number)
    for node, numbers in by_node.items():
        hang(connection, numbers, node)


def behind(connection: Connection, numbers: Iterable[int]) -> list[int]:
    """Rows of all that stand behind these meters, directly or not."""
    found: list[int] = []
    layer = list(numbers)
    for _ in range(_MOST_HOSTS):
        following: list[int] = []
        for some_numbers in chunks(layer):
            query = select(METER.c.id).where(METER.c.behind.in_(some_numbers))
            following += connection.execute(query).scalars()
        found += following
        layer = following
    return found


def taken_channels(connection: Connection, hosts: Iterable[int]) -> dict[tuple[int, int], str]:
    """Who is on which channel of these hosts (rows), but for retired ones."""
    taken: dict[tuple[int, int], str] = {}
    for some_hosts in chunks(hosts):
        rows = connection.execute(
            select(METER.c.behind, METER.c.channel, METER.c.external_id).where(
                METER.c.behind.in_(some_hosts),
                METER.c.channel.is_not(None),
                METER.c.state != State.RETIRED.value,
            )
        )
        taken.update(((host, channel), name) for host, channel, name in rows)
    return taken


def sub_meters(connection: Connection, hosts: Collection[int]) -> dict[int, dict[int, SubMeter]]:
    """The sub-meters of these hosts (rows) that are not retired: by host, then by channel."""
    found: dict[int, dict[int, SubMeter]] = {host: {} for host in hosts}
    for some_hosts in chunks(hosts):
        for row in connection.execute(_SUB_METERS, {"hosts": some_hosts}):
            found[row.behind][row.channel] = SubMeter(
                row.id, row.external_id, row.state, row.channel, (row.maker, row.serial_number),
                row.since_s or 0.0,
            )  # fmt: skip
    return found


def dialled(address: str, gateway: str | None) -> str:
    """The URL at which a meter is dialled, "" for none.

    An address that begins with `?`, as in `?via=1/0a0b`, completes the one of the `gateway`.
    """
    if not address.startswith("?"):
        return address
    return f"{gateway}{'&' if '?' in gateway else '?'}{address[1:]}" if gateway else ""


def forget_lists(connection: Connection, numbers: Iterable[int]) -> None:
    """Forget what the hosts of these meters (rows) were known to push, where those are sub-meters.

    Other devices are on their channels, with scalers of their own.
    """
    for some_numbers in chunks(numbers):
        hosts = select(METER.c.behind).where(
            METER.c.id.in_(some_numbers), METER.c.kind == Kind.SUB_METER.value
        )
        connection.execute(
            update(REGISTRATION)
            .where(REGISTRATION.c.meter.in_(hosts), REGISTRATION.c.push_lists.is_not(None))
            .values(push_lists=None)
        )


def hang(connection: Connection, numbers: Iterable[int], node: int | None) -> None:
    """Let meters, and all that stands behind them, hang at a node (row) or at none."""
    listed = list(numbers)
    for some_numbers in chunks([*listed, *behind(connection, listed)]):
        connection.execute(update(METER).where(METER.c.id.in_(some_numbers)).values(node=node))


def _hosts(
    connection: Connection, tenant: int, names: Iterable[str]
) -> dict[str, tuple[int, Kind, State]]:
    found: dict[str, tuple[int, Kind, State]] = {}
    for some_names in chunks(names):
        rows = connection.execute(
            select(METER.c.external_id, METER.c.id, METER.c.kind, METER.c.state).where(
                METER.c.tenant == tenant, METER.c.external_id.in_(some_names)
            )
        )
        found.update((row[0], (row[1], Kind(row[2]), State(row[3]))) for row in rows)
    return found


def _kinds(
    connection: Connection, numbers: Iterable[int]
) -> tuple[dict[int, Kind], dict[int, str]]:
    kinds: dict[int, Kind] = {}
    names: dict[int, str] = {}
    for some_numbers in chunks(numbers):
        rows = connection.execute(
            select(METER.c.id, METER.c.kind, METER.c.external_id).where(
                METER.c.id.in_(some_numbers)
            )
        )
        for number, kind, name in rows:
            kinds[number], names[number] = Kind(kind), name
    return kinds, names


def _nodes(connection: Connection, numbers: Iterable[int]) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for some_numbers in chunks(set(numbers)):
        rows = connection.execute(
            select(METER.c.id, METER.c.node).where(METER.c.id.in_(some_numbers))
        )
        found.update((number, node) for number, node in rows)
    return found


def _check_channels(
    connection: Connection,
    places: Mapping[int, tuple[str, int | None]],
    hosts: Mapping[str, int],
    names: Mapping[int, str],
) -> None:
    moving = set(names.values())
    taken = {
        place: name
        for place, name in taken_channels(connection, hosts.values()).items()
        if name not in moving
    }
    for number, (host, channel) in places.items():
        if channel is None:
            continue
        other = taken.setdefault((hosts[host], channel), names[number])
        if other != names[number]:
            raise ConflictError(
                f"{names[number]}: channel: {channel} of {host} is taken by {other}"
            )
