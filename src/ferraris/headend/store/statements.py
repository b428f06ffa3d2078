"""Every statement of the embedded store, in one place."""

from __future__ import annotations

from typing import Final

TENANT: Final = "SELECT id FROM tenant WHERE name = ?"
ADD_TENANT: Final = "INSERT INTO tenant (name) VALUES (?) ON CONFLICT DO NOTHING"

PUT_METER: Final = """
INSERT INTO meter (tenant, external_id, system_title, zone) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant, external_id) DO UPDATE
SET system_title = excluded.system_title, zone = excluded.zone
WHERE system_title <> excluded.system_title OR zone <> excluded.zone
"""
METERS: Final = "SELECT external_id, id FROM meter WHERE tenant = ?"
METER: Final = "SELECT id FROM meter WHERE tenant = ? AND external_id = ?"
METER_ENTRIES: Final = """
SELECT external_id, system_title, zone FROM meter WHERE tenant = ? ORDER BY id
"""

CLOSE_SERVICE_POINT: Final = """
UPDATE service_point_meter SET until_s = ?
WHERE tenant = ? AND service_point = ? AND until_s IS NULL AND since_s < ?
"""
PUT_SERVICE_POINT: Final = """
INSERT INTO service_point_meter (tenant, service_point, meter, since_s, until_s)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET meter = excluded.meter, until_s = excluded.until_s
"""
METER_AT: Final = """
SELECT m.external_id FROM service_point_meter s JOIN meter m ON m.id = s.meter
WHERE s.tenant = ? AND s.service_point = ? AND s.since_s <= ?
  AND (s.until_s IS NULL OR s.until_s > ?)
ORDER BY s.since_s DESC LIMIT 1
"""

CHANNEL: Final = """
SELECT id FROM channel
WHERE tenant = ? AND name = ? AND is_obis = ? AND class_id = ? AND attribute = ? AND element = ?
  AND scaler = ? AND unit = ? AND origin = ?
"""
ADD_CHANNEL: Final = """
INSERT INTO channel
  (tenant, name, is_obis, class_id, attribute, element, scaler, unit, origin, version)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1 + COALESCE(MAX(version), 0) FROM channel
WHERE tenant = ?1 AND name = ?2 AND is_obis = ?3 AND class_id = ?4 AND attribute = ?5
  AND element = ?6
"""
CHANNELS_OF: Final = """
SELECT c.name, c.is_obis, c.class_id, c.attribute, c.element, c.scaler, c.unit, c.origin
FROM layout l JOIN json_each(l.channels) e JOIN channel c ON c.id = e.value
WHERE l.id = ? ORDER BY e.key
"""
LAYOUT: Final = "SELECT id FROM layout WHERE tenant = ? AND channels = ?"
ADD_LAYOUT: Final = "INSERT INTO layout (tenant, channels) VALUES (?, ?)"
PROFILE: Final = "SELECT id FROM profile WHERE tenant = ? AND obis = ?"
ADD_PROFILE: Final = "INSERT INTO profile (tenant, obis) VALUES (?, ?)"

ADD_BLOCK: Final = """
INSERT INTO block (tenant, meter, profile, day, layout, version, rows, stored_s, digest, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
NEWEST_BLOCK: Final = """
SELECT version, rows, body FROM block
WHERE meter = ? AND profile = ? AND day = ? AND layout = ? ORDER BY version DESC LIMIT 1
"""
BLOCKS_BETWEEN: Final = """
SELECT b.day, b.layout, b.body FROM block b
WHERE b.tenant = ? AND b.meter = ? AND b.profile = ? AND b.day BETWEEN ? AND ?
  AND NOT EXISTS (
    SELECT 1 FROM block n WHERE n.meter = b.meter AND n.profile = b.profile AND n.day = b.day
      AND n.layout = b.layout AND n.version > b.version)
ORDER BY b.day, b.layout
"""
ADD_READ: Final = """
INSERT INTO register_read
  (tenant, meter, day, read_s, layout, version, count, digest, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
NEWEST_READ: Final = """
SELECT version, digest FROM register_read
WHERE meter = ? AND day = ? AND read_s = ? AND layout = ? ORDER BY version DESC LIMIT 1
"""
READS_BETWEEN: Final = """
SELECT r.read_s, r.layout, r.count, r.body FROM register_read r
WHERE r.tenant = ? AND r.meter = ? AND r.read_s >= ? AND r.read_s < ?
  AND NOT EXISTS (
    SELECT 1 FROM register_read n WHERE n.meter = r.meter AND n.day = r.day
      AND n.read_s = r.read_s AND n.layout = r.layout AND n.version > r.version)
ORDER BY r.read_s, r.id
"""
ADD_UNDATED: Final = """
INSERT INTO undated (tenant, meter, profile, rows, stored_s, digest, body)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
UNDATED: Final = """
SELECT body, rows FROM undated WHERE tenant = ? AND meter = ? AND profile = ? ORDER BY id
"""
ADD_SESSION: Final = """
INSERT INTO session
  (tenant, meter, plan, started_s, ended_s, outcome, message, intervals, registers)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

PUT_PLAN: Final = """
INSERT INTO plan (tenant, name, profile, period_s, registers) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, name) DO UPDATE
SET profile = excluded.profile, period_s = excluded.period_s, registers = excluded.registers
"""
PLAN: Final = "SELECT id FROM plan WHERE tenant = ? AND name = ?"
PUT_PLAN_METER: Final = """
INSERT INTO plan_meter (tenant, plan, meter, since_day) VALUES (?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""

PUT_WORKER: Final = """
INSERT INTO worker (tenant, name, alive_until_s) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET alive_until_s = excluded.alive_until_s
RETURNING id
"""
DROP_WORKER_CLAIMS: Final = "DELETE FROM claim WHERE worker = ? AND state = 'claimed'"
DROP_WORKER: Final = "DELETE FROM worker WHERE id = ?"
DROP_ALL_CLAIMS: Final = "DELETE FROM claim WHERE tenant = ? AND state = 'claimed'"
RELEASE: Final = """
DELETE FROM claim WHERE tenant = ? AND plan = ? AND state IN ('waiting', 'held')
"""
HELD: Final = """
SELECT m.external_id, c.day, c.reason FROM claim c JOIN meter m ON m.id = c.meter
WHERE c.tenant = ? AND c.plan = ? AND c.state = 'held' ORDER BY m.id, c.day
"""

CANDIDATES: Final = """
SELECT pm.meter, pm.since_day FROM plan_meter pm
WHERE pm.plan = ?1 AND pm.meter > ?2 AND pm.since_day <= ?3
ORDER BY pm.meter LIMIT ?4
"""
# The gap list: the days of the meters that lack rows or a register read, with what is known of
# each. ?1 plan, ?2 profile or NULL, ?3 complete rows, ?4 registers due (0/1), ?5 days, ?6 first
# and ?7 last meter of a window.
GAPS: Final = """
WITH due AS (
  SELECT pm.meter AS meter, d.value AS day,
    ?2 IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM block b WHERE b.meter = pm.meter AND b.profile = ?2 AND b.day = d.value
        AND b.rows >= ?3) AS lacks_rows,
    ?4 AND d.key = json_array_length(?5) - 1 AND NOT EXISTS (
      SELECT 1 FROM register_read r WHERE r.meter = pm.meter AND r.day = d.value) AS lacks_read
  FROM plan_meter pm JOIN json_each(?5) d
  WHERE pm.plan = ?1 AND pm.meter BETWEEN ?6 AND ?7 AND d.value >= pm.since_day
)
SELECT due.meter, m.external_id, due.day, lacks_rows, lacks_read,
  c.state, c.not_before_s, w.alive_until_s, c.worker, COALESCE(c.tries, 0),
  COALESCE(c.reason, '')
FROM due JOIN meter m ON m.id = due.meter
LEFT JOIN claim c ON c.plan = ?1 AND c.meter = due.meter AND c.day = due.day
LEFT JOIN worker w ON w.id = c.worker
WHERE lacks_rows OR lacks_read
ORDER BY due.meter, due.day
"""
PUT_CLAIM: Final = """
INSERT INTO claim (tenant, plan, meter, day, state, worker, tries, not_before_s, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET state = excluded.state, worker = excluded.worker,
  tries = excluded.tries, not_before_s = excluded.not_before_s, reason = excluded.reason
"""
DROP_CLAIM: Final = "DELETE FROM claim WHERE plan = ? AND meter = ? AND day = ?"
FOREIGN_CLAIMS_END: Final = """
SELECT MAX(w.alive_until_s) FROM claim c JOIN worker w ON w.id = c.worker
WHERE c.tenant = ? AND c.plan = ? AND c.state = 'claimed' AND c.worker <> ?
"""

SUMMARY: Final = """
SELECT (SELECT COUNT(*) FROM meter WHERE tenant = ?1),
  (SELECT COUNT(*) FROM block WHERE tenant = ?1),
  (SELECT COALESCE(SUM(rows), 0) FROM block b WHERE tenant = ?1 AND NOT EXISTS (
    SELECT 1 FROM block n WHERE n.meter = b.meter AND n.profile = b.profile AND n.day = b.day
      AND n.layout = b.layout AND n.version > b.version)),
  (SELECT COUNT(*) FROM register_read WHERE tenant = ?1),
  (SELECT COALESCE(SUM(count), 0) FROM register_read WHERE tenant = ?1),
  (SELECT COUNT(*) FROM session WHERE tenant = ?1)
"""
BODIES: Final = """
SELECT 'block', b.id, b.rows, b.digest, b.body, json_array_length(l.channels)
FROM block b LEFT JOIN layout l ON l.id = b.layout
UNION ALL
SELECT 'register read', r.id, r.count, r.digest, r.body, json_array_length(l.channels)
FROM register_read r LEFT JOIN layout l ON l.id = r.layout
"""
