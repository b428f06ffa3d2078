"""Hypothesis strategies for COSEM data."""

from __future__ import annotations

import math
import struct
from typing import Any

from hypothesis import strategies as st

from ferraris.data import kinds
from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import RANGES, BitString, CompactArray, NotANumber


def octets(count: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=count, max_size=count)


@st.composite
def bit_strings(draw: Any) -> BitString:
    raw = draw(st.binary(max_size=20))
    length = draw(st.integers(max(0, len(raw) * 8 - 7), len(raw) * 8)) if raw else 0
    return BitString(length, raw)


def _float32(raw: bytes) -> float:
    value: float = struct.unpack(">f", raw)[0]
    return NotANumber(raw) if math.isnan(value) else value


def _float64(raw: bytes) -> float:
    value: float = struct.unpack(">d", raw)[0]
    return NotANumber(raw) if math.isnan(value) else value


CONTENT: dict[int, st.SearchStrategy[Any]] = {
    0: st.none(),
    3: st.booleans() | st.integers(2, 255),
    4: bit_strings(),
    9: st.binary(max_size=200),
    10: st.text(st.characters(max_codepoint=255), max_size=20),
    12: st.text(max_size=20)
    | st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    23: octets(4).map(_float32),
    24: octets(8).map(_float64),
    25: octets(12).map(DateTime),
    26: octets(5).map(Date),
    27: octets(4).map(Time),
    255: st.none(),
} | {tag: st.integers(low, high) for tag, (low, high) in RANGES.items()}

SIMPLE = st.sampled_from(sorted(CONTENT)).flatmap(lambda tag: st.tuples(st.just(tag), CONTENT[tag]))

DESCRIPTION = st.recursive(
    st.sampled_from(sorted(CONTENT)).map(lambda tag: (tag, None)),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda members: (2, tuple(members)))
        | st.tuples(st.just(1), st.tuples(st.integers(0, 5), inner))
    ),
    max_leaves=6,
)

COMPACT = st.tuples(st.just(19), st.builds(CompactArray, DESCRIPTION, st.binary(max_size=40)))

DATA = st.recursive(
    SIMPLE | COMPACT,
    lambda inner: st.tuples(st.sampled_from((1, 2)), st.lists(inner, max_size=5)),
    max_leaves=12,
)


def of_description(description: kinds.Description) -> st.SearchStrategy[kinds.Data]:
    """Values of one description."""
    tag, inner = description
    if tag == 1:
        count, element = inner
        values = st.lists(of_description(element), min_size=count, max_size=count)
        return st.tuples(st.just(1), values)
    if tag == 2:
        return st.tuples(st.just(2), st.tuples(*map(of_description, inner)).map(list))
    return st.tuples(st.just(tag), CONTENT[tag])
