"""One line of the audit log, and the hash that ties it to the line before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

__all__ = ["BEGINNING", "Line", "anchor_hash", "canonical", "heads_text", "line_hash", "plain"]

BEGINNING: Final = bytes(32)
"""What stands for the hash before the first line."""

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Line:
    """What was done: `outcome` is done, refused or failed, `detail` JSON without secrets."""

    tenant: int
    at_s: float
    principal: str
    action: str
    subject: str
    outcome: str
    detail: str


def plain(text: str) -> str:
    """Text that every database keeps as it is: bounded, without NUL and halves of characters."""
    cleaned = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    cleaned = cleaned.encode("utf-8", "replace").decode("utf-8")
    return cleaned if len(cleaned) <= _LONGEST else cleaned[: _LONGEST - 1] + "…"


def canonical(value: Any) -> str:
    """JSON in one spelling only: names sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def line_hash(before: bytes, chain: str, sequence: int, line: Line) -> bytes:
    """SHA-256 over the hash before and the whole line; moments as hexadecimal, so exact."""
    fields = [
        chain,
        sequence,
        line.tenant,
        float(line.at_s).hex(),
        line.principal,
        line.action,
        line.subject,
        line.outcome,
        line.detail,
    ]
    return sha256(before + canonical(fields).encode()).digest()


def anchor_hash(before: bytes, sequence: int, at_s: float, heads: str) -> bytes:
    """The same for an anchor; `heads` is JSON as it is kept."""
    fields = ["anchor", sequence, float(at_s).hex(), heads]
    return sha256(before + canonical(fields).encode()).digest()


def heads_text(heads: Mapping[str, tuple[int, bytes]]) -> str:
    """The heads of chains as an anchor keeps them."""
    return canonical({chain: [sequence, hash_.hex()] for chain, (sequence, hash_) in heads.items()})
