"""Examples in the OpenAPI document: a document that fits each request, and values of paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["BODIES", "PATHS", "PROBLEM_EXAMPLE"]

PATHS: Final[Mapping[str, Any]] = {
    "alarm": 17,
    "customer": "C-1042",
    "day": "2026-03-01",
    "group": "rollout",
    "meter": "FRR0130000000001",
    "name": "residential",
    "node": "Cell-7",
    "number": 17,
    "plan": "daily",
    "principal": "billing",
    "service_point": "P-1042",
    "since": "2026-01-01T00:00:00Z",
    "stranger": 17,
    "token": 17,
}
"""By the name of the part of a path."""

_NORTH: Final = "below=North and model=FRR-1*"

BODIES: Final[Mapping[str, Any]] = {
    "add_customer": {"customer": "C-1042"},
    "add_group": {"group": "rollout", "query": _NORTH},
    "add_meter": {
        "meter": "FRR0130000000001",
        "model": "FRR-1",
        "system_title": "4652520000000001",
        "address": "tcp://192.0.2.7:4059",
        "node": "Cell-7",
        "authentication": "ecdsa",
        "suite": 1,
        "labels": {"street": "Main Street"},
    },
    "add_node": {"node": "Cell-7", "kind": "cell", "parent": "North", "most_sessions": 20},
    "add_principal": {"name": "billing", "roles": ["analyst"]},
    "add_service_point": {"service_point": "P-1042", "zone": "Europe/Berlin"},
    "add_token": {"name": "billing system", "days": 90},
    "acknowledge_alarm": {"comment": "the fitter had it open"},
    "admit_stranger": {"external_id": "FRR0130000000001", "address": "tcp://192.0.2.7:4059"},
    "again_validated": {
        "meters": ["FRR0130000000001"],
        "since": "2026-03-01",
        "until": "2026-03-02",
    },
    "assign_meter": {
        "service_point": "P-1042",
        "meter": "FRR0130000000001",
        "customer": "C-1042",
        "since": "2026-01-01T00:00:00Z",
    },
    "change_group": {"query": _NORTH},
    "change_meter": {"version": 3, "address": "tcp://192.0.2.8:4059"},
    "change_node": {"most_sessions": 10},
    "change_principal": {"active": False},
    "change_service_point": {"zone": "Europe/Vienna"},
    "check_rules": {"document": 'name = "residential"'},
    "decide_values": {
        "profile": "1-0:99.1.0*255",
        "channel": "1-0:1.8.0*255",
        "kind": "accept",
        "ends": ["2026-03-01T00:15:00Z"],
        "reason": "read at the meter",
    },
    "end_assignment": {"until": "2026-06-01T00:00:00Z"},
    "erase_customer": {"reason": "the customer asked for it"},
    "grant_role": {"role": "viewer", "group": "rollout"},
    "import_shipment": {
        "file": "ZXh0ZXJuYWxfaWQKRlJSMDEzMDAwMDAwMDAwMQo=",
        "transport_key": "maker-26",
        "dry_run": True,
    },
    "move_meter": {"to": "suspended", "reason": "flooded cellar"},
    "move_meters": {"query": _NORTH, "to": "retired", "reason": "exchanged"},
    "place_meters": {"query": _NORTH, "node": "Cell-8"},
    "put_new_command": {
        "kind": "read registers",
        "parameters": {"names": ["1-0:1.8.0*255"]},
        "not_after": "2026-03-01T12:00:00Z",
    },
    "put_plan_document": {
        "group": "active",
        "zone": "Europe/Berlin",
        "profiles": [{"profile": "1-0:99.1.0*255", "period": "15 min"}],
        "windows": [{"from": "00:15"}],
    },
    "put_rules_document": {"document": 'name = "residential"', "back_log_days": 7},
    "read_again": {"plan": "daily", "first_day": "2026-03-01", "last_day": "2026-03-02"},
    "set_hours": {"query": _NORTH, "awake": "02:00-04:00"},
    "want_software": {"query": _NORTH, "firmware": "2.1"},
    "withdraw_role": {"role": "viewer", "group": "rollout"},
}
"""By the name of the operation."""

PROBLEM_EXAMPLE: Final = {
    "type": "urn:ferraris:problem:not-found",
    "title": "Not found",
    "status": 404,
    "detail": "no meter 'FRR0130000000009'",
}
