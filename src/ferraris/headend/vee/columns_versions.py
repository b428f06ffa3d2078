"""The packed columns of a final day: what came and what was made of it, one version in one body.

Octets: format (1), then the columns final, raw where it differs, quality, rule, findings and
version of each value, as the store packs columns. Needs the `data` extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ferraris.core.errors import DecodeError
from ferraris.headend.store.columns_arrays import ColumnsReader, Numbers, Truths, pack_columns
from ferraris.headend.store.columns_codec import pack_column
from ferraris.headend.vee.quality import Finding, Quality

__all__ = ["Versions", "pack_versions", "unpack_versions"]

_FORMAT = b"\x01"
_NOTHING = b"\x00"  # a column of nulls
_COLUMNS = 6
_GAP = int(Finding.GAP)


@dataclass(frozen=True, slots=True)
class Versions:
    """Columns of shape (days, intervals); `raw` means something where `present`."""

    raw: Numbers
    present: Truths
    final: Numbers
    quality: Numbers
    rule: Numbers
    findings: Numbers
    version: Numbers

    @property
    def usable(self) -> Truths:
        """Which final values may serve other days: valid ones and those of a human."""
        good: Truths = (self.quality == Quality.VALID) | (self.quality == Quality.EDITED)
        return good

    def count(self, quality: Quality) -> Numbers:
        """How many values of each day are of a quality."""
        counts: Numbers = np.count_nonzero(self.quality == quality, axis=1)
        return counts

    def picked(self, rows: Numbers) -> Versions:
        """Some of the days."""
        return Versions(*(getattr(self, each.name)[rows] for each in fields(self)))

    def between(self, begin: int, end: int) -> Versions:
        """Some of the intervals."""
        return Versions(*(getattr(self, each.name)[:, begin:end] for each in fields(self)))

    def numbered(self, before: Versions | None, numbers: Numbers) -> tuple[Versions, Truths]:
        """These columns with the numbers of their versions, and in which days anything differs.

        `numbers` are those of the versions before; without columns before all values are new.
        """
        if before is None:
            differs = np.ones(self.final.shape, bool)
            old = np.zeros(self.final.shape, np.int64)
        else:
            old = before.version
            differs = self.final != before.final
            differs |= self.present != before.present
            differs |= self.present & (self.raw != before.raw)
            for name in ("quality", "rule", "findings"):
                differs |= getattr(self, name) != getattr(before, name)
        version = np.where(differs, numbers[:, None] + 1, old)
        made = Versions(
            self.raw, self.present, self.final, self.quality, self.rule, self.findings, version
        )
        return made, np.array(differs.any(axis=1), bool)


def pack_versions(columns: Versions) -> list[bytes]:
    """One body a day; the same columns always give the same octets."""
    findings = np.where(columns.present, columns.findings & ~_GAP, columns.findings | _GAP)
    differs = columns.present & (columns.raw != columns.final)
    raw = [_NOTHING] * len(findings)
    for row in np.flatnonzero(differs.any(axis=1)).tolist():
        pairs = zip(columns.raw[row].tolist(), differs[row].tolist(), strict=True)
        raw[row] = pack_column([value if other else None for value, other in pairs])
    packed = [pack_columns(columns.final), raw]
    packed += [
        pack_columns(each.astype(np.int64))
        for each in (columns.quality, columns.rule, findings, columns.version)
    ]
    return [_FORMAT + b"".join(parts) for parts in zip(*packed, strict=True)]


def unpack_versions(bodies: Sequence[bytes], intervals: int) -> Versions:
    """Read bodies of equally many intervals; raises `DecodeError`."""
    reader = ColumnsReader(intervals)
    for body in bodies:
        if body[:1] != _FORMAT:
            raise DecodeError("unknown format of a final day", where="final", octets=body)
        at = 1
        for _ in range(_COLUMNS):
            at = reader.add(body, at)
        if at != len(body):
            raise DecodeError("octets left over", where="final", offset=at)
    values, known = reader.arrays()
    values = values.reshape(len(bodies), _COLUMNS, intervals)
    known = known.reshape(values.shape)
    final, raw, quality, rule, findings, version = (values[:, place] for place in range(_COLUMNS))
    present = findings & _GAP == 0
    whole = np.where(present, np.where(known[:, 1], raw, final), 0)
    return Versions(whole, present, final, quality, rule, findings, version)
