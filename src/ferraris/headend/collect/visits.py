"""Who is visited for whose gaps: a meter for its own and for those of its sub-meters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection

from ferraris.headend.collect import gap_statements as sql
from ferraris.headend.collect.gaps import GapList, MeterGaps
from ferraris.headend.collect.target import ACTIVE, Target

__all__ = ["out_of_reach", "targets_of", "visits_of"]


def visits_of(
    connection: Connection, tenant: int, gaps: GapList, meters: Collection[int]
) -> dict[int, MeterGaps]:
    """The gaps of these meters, and of the sub-meters behind each, by the number of the meter.

    Those of which nothing is missing, of themselves and behind them, are left out.
    """
    if not meters:
        return {}
    behind = connection.execute(sql.SUB_METERS, {"meters": sorted(meters)}).scalars().all()
    visits: dict[int, MeterGaps] = {}
    sub_meters: list[MeterGaps] = []
    for found in gaps.of(connection, {*meters, *behind}):
        if found.target.host:
            sub_meters.append(found)
        else:
            visits[found.target.meter] = found
    alone = {found.target.host for found in sub_meters} - visits.keys()
    targets = targets_of(connection, tenant, alone) if alone else {}
    for found in sub_meters:
        host = found.target.host
        if host not in visits:
            # How things stand with a sub-meter is how they stand with its host.
            visits[host] = replace(found, target=targets[host], gaps=[], behind=[])
        visit = visits[host]
        visit.priority = min(visit.priority, found.priority)
        visit.behind.append(found)
    return visits


def targets_of(connection: Connection, tenant: int, meters: Collection[int]) -> dict[int, Target]:
    """Where these meters are."""
    if not meters:
        return {}
    rows = connection.execute(sql.TARGETS, {"tenant": tenant, "meters": sorted(meters)})
    return {row.id: Target.of(row) for row in rows}


def out_of_reach(connection: Connection, tenant: int, meters: Collection[int]) -> dict[int, str]:
    """Why nothing can be done at some of these meters before the inventory is changed.

    A meter is retired, or what it is reached through - a host, a gateway, that of its host - is not
    active.
    """
    targets = targets_of(connection, tenant, meters)
    hosts = targets_of(connection, tenant, {each.host for each in targets.values() if each.host})
    found: dict[int, str] = {}
    for meter in meters:
        target = targets.get(meter)
        if target is None:
            found[meter] = "it is retired"
            continue
        for each in (target, hosts.get(target.host, target)):
            if each.host_state != ACTIVE:
                found[meter] = (
                    f"{each.host_name}, through which it is reached, is {each.host_state}: "
                    f"nothing can be done at {target.external_id} before that one is active"
                )
    return found
