"""The public names: a change is a decision, written down in `tests/api_snapshot.json`."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path

SNAPSHOT = Path(__file__).with_name("api_snapshot.json")
PUBLIC = (
    "ferraris",
    "ferraris.core.errors",
    "ferraris.core.layer",
    "ferraris.core.stack",
    "ferraris.client",
    "ferraris.data",
    "ferraris.headend.collect",
    "ferraris.headend.store",
    "ferraris.headend.vee",
    "ferraris.keys",
    "ferraris.line",
    "ferraris.messaging.dlms",
    "ferraris.meter",
    "ferraris.model",
    "ferraris.server",
    "ferraris.transport",
)


def names() -> dict[str, list[str]]:
    """What each public room promises."""
    return {name: sorted(getattr(importlib.import_module(name), "__all__", ())) for name in PUBLIC}


def test_public_names_are_those_of_the_snapshot() -> None:
    found = names()
    if os.environ.get("FERRARIS_UPDATE_SNAPSHOT") == "1":
        SNAPSHOT.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(SNAPSHOT.read_text()), (
        "public names changed: if on purpose, run with FERRARIS_UPDATE_SNAPSHOT=1, "
        "and say so in CHANGELOG.md"
    )


def test_promised_names_exist() -> None:
    for room, promised in names().items():
        module = importlib.import_module(room)
        assert [name for name in promised if not hasattr(module, name)] == []
