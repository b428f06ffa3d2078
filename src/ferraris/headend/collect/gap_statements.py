"""What the gap list asks the store: windows of meters, never one meter; both dialects take it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import TextClause, bindparam, text

from ferraris.headend.inventory.hosts import CHANNEL_SINCE

__all__ = [
    "BEGUN_DAYS",
    "COMPLETE_DAYS",
    "DAYS_THERE",
    "LACKS",
    "LOGS_READ",
    "MEMBERS",
    "METERS",
    "METERS_AMONG",
    "PLAN_EACH",
    "READS_SINCE",
    "REREADS",
    "SUB_METERS",
    "TARGETS",
]


def _listing(statement: str, *names: str) -> TextClause:
    """A statement with lists for the given parameters."""
    made: Any = text(statement)
    return made.bindparams(*(bindparam(name, expanding=True) for name in names))  # type: ignore[no-any-return]


PLAN_EACH: Final = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
    " set_config('jit', 'off', true)"
)

_TARGET: Final = """
SELECT m.id, m.external_id, m.kind, m.behind, m.channel, m.node, m.address, m.client, m.server,
  m.authentication, m.suite, m.ciphering, m.system_title, m.zone, m.contact, m.companion,
  m.template, m.maker, m.serial_number, m.model, m.firmware,
  m.awake, m.heard_s,
  h.kind AS host_kind, h.external_id AS host_name, h.state AS host_state,
  h.address AS host_address, h.contact AS host_contact, h.awake AS host_awake,
  h.zone AS host_zone"""
_METER_AND_HOST: Final = "FROM meter m LEFT JOIN meter h ON h.id = m.behind"
TARGETS: Final = _listing(
    f"""{_TARGET}
{_METER_AND_HOST}
WHERE m.tenant = :tenant AND m.id IN :meters AND m.state <> 'retired'
""",
    "meters",
)
SUB_METERS: Final = _listing(
    """
SELECT id FROM meter WHERE behind IN :meters AND kind = 'sub-meter' AND state = 'active'
""",
    "meters",
)

# A sub-meter is visited where its host is, so the contact that counts is that of the host. The rows
# of its channel are those of another device as long as that one was not retired.
_COLUMNS: Final = f"""{_TARGET},
  c.state, c.worker, c.tries, c.not_before_s, c.reason, c.message, c.since_s,
  CASE WHEN m.kind = 'sub-meter' THEN {CHANNEL_SINCE} END AS channel_since_s
{_METER_AND_HOST}
LEFT JOIN contact c ON c.meter = CASE WHEN m.kind = 'sub-meter' THEN m.behind ELSE m.id END
WHERE m.tenant = :tenant AND m.state = 'active'
  AND EXISTS (SELECT 1 FROM plan_meter p WHERE p.meter = m.id AND p.plan IN :plans)
"""  # noqa: S608 - made of constants
METERS: Final = _listing(_COLUMNS + "AND m.id > :after ORDER BY m.id LIMIT :most", "plans")
METERS_AMONG: Final = _listing(_COLUMNS + "AND m.id IN :meters ORDER BY m.id", "plans", "meters")

MEMBERS: Final = _listing(
    """
SELECT meter, plan, since_day, until_day FROM plan_meter
WHERE meter BETWEEN :first AND :last AND plan IN :plans
""",
    "plans",
)

# A day is complete when its layouts together have all rows: a meter whose channels change in the
# middle of a day has two.
_ROWS: Final = """
SELECT meter, day, SUM(there) AS there FROM (
  SELECT meter, day, layout, MAX(rows) AS there FROM block
  WHERE {which} AND profile = :profile AND day BETWEEN :low AND :high
  GROUP BY meter, day, layout) AS each_layout
GROUP BY meter, day
"""
_COMPLETE: Final = "(there >= :full OR (day = :part_day AND there >= :part))"
_BIT: Final = "CAST(1 AS BIGINT) << CAST(day - :low AS INTEGER)"
COMPLETE_DAYS: Final = text(
    f"""
SELECT meter,
  CAST(SUM(CASE WHEN {_COMPLETE} THEN {_BIT} ELSE 0 END) AS BIGINT),
  SUM(CASE WHEN {_COMPLETE} THEN 0 ELSE 1 END)
FROM ({_ROWS.format(which="meter BETWEEN :first AND :last")}) AS each_day
GROUP BY meter
"""  # noqa: S608 - made of constants
)
BEGUN_DAYS: Final = _listing(
    f"""
SELECT meter, day, there FROM ({_ROWS.format(which="meter IN :meters")}) AS each_day
WHERE NOT {_COMPLETE}
""",  # noqa: S608 - made of constants
    "meters",
)
DAYS_THERE: Final = _listing(
    """
SELECT DISTINCT meter, day FROM block
WHERE meter BETWEEN :first AND :last AND profile = :profile AND day IN :days AND rows > 0
""",
    "days",
)
READS_SINCE: Final = text(
    """
SELECT meter, layout, MAX(read_s) FROM register_read
WHERE meter BETWEEN :first AND :last AND day >= :since_day AND read_s >= :since_s
GROUP BY meter, layout
"""
)
LOGS_READ: Final = text(
    "SELECT meter, log, until_s, read_s FROM log_read WHERE meter BETWEEN :first AND :last"
)
REREADS: Final = text(
    "SELECT meter, item, day FROM reread WHERE meter BETWEEN :first AND :last ORDER BY meter, day"
)
LACKS: Final = text(
    """
SELECT meter, item, day, held, tries, not_before_s, reason, message, since_s
FROM lack
WHERE meter BETWEEN :first AND :last AND day >= :oldest
"""
)
