"""Arrow: one row a value, in record batches of a portion each. Needs the `data` extra.

Numbers are exact: `value` and `final` are whole numbers, and the quantity is that number times ten
to `scaler` in `unit`. What is no whole number of 64 bits stands in `text`; `kind` says what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ferraris.headend.export.columns_raw import Array, FinalColumns, RawColumns
from ferraris.headend.export.exact import KINDS
from ferraris.headend.export.gathering import Gathered, Gathering, unit_symbol
from ferraris.headend.export.selection import Choice, Portion

__all__ = ["LongBatches"]

_SECOND: Final = 1_000_000
_TIME: Final = pa.timestamp("us", "UTC")
_WORD: Final = pa.dictionary(pa.int32(), pa.string())
_NONE: Final = KINDS.index("none")
_RAW: Final = (
    ("meter", _WORD),
    ("profile", _WORD),  # null: read from a register
    ("channel", _WORD),
    ("class_id", pa.uint16()),
    ("attribute", pa.int8()),
    ("element", pa.uint16()),
    ("channel_version", pa.uint16()),
    ("end", _TIME),
    ("value", pa.int64()),
    ("scaler", pa.int16()),
    ("unit", _WORD),
    ("kind", _WORD),
    ("text", pa.string()),
    ("status", pa.int64()),
    ("quality", pa.uint16()),
    ("version", pa.uint32()),
    ("stored", _TIME),
)
_FINAL: Final = (
    ("final", pa.int64()),
    ("final_quality", _WORD),
    ("final_rule", _WORD),
    ("findings", pa.uint32()),
    ("final_version", pa.uint32()),
)


class LongBatches:
    """Makes the batches of an export; all share one schema and one set of dictionaries.

    Where only raw values are chosen, the columns of final ones are not there.
    """

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self.erased = 0
        """How many bodies were left out so far, as their customer was erased."""
        channels = gathering.channels
        keys = list(channels.values())
        self._meters = _Names(gathering.meters)
        self._profiles = _Names(gathering.profiles)
        self._channels = _Names({number: key.name for number, key in channels.items()})
        self._units = _Names({number: unit_symbol(key) for number, key in channels.items()})
        self._numbers: dict[str, Array] = {
            "class_id": np.array([key.class_id for key in keys], np.uint16),
            "attribute": np.array([key.attribute for key in keys], np.int8),
            "element": np.array([key.element for key in keys], np.uint16),
            "scaler": np.array([key.scaler for key in keys], np.int16),
            "channel_version": np.array(
                [gathering.channel_versions[number] for number in channels], np.uint16
            ),
        }
        finals = gathering.finals
        self._kinds = pa.array(KINDS, pa.string())
        self._qualities = pa.array(finals.qualities if finals is not None else (), pa.string())
        self._rules = pa.array(finals.rules if finals is not None else (), pa.string())
        chosen = gathering.selection
        shown = _RAW if chosen.choice is Choice.RAW else _RAW + _FINAL
        self.schema = pa.schema([pa.field(name, kind) for name, kind in shown])

    def batches(self, portion: Portion) -> Iterator[Any]:
        """The batches of a portion: raw values, then final ones; none where there is nothing."""
        gathered = self._gathering.gather(portion)
        self.erased += gathered.erased
        yield from self._made(gathered, *self._gathering.limits(portion))

    def _made(self, gathered: Gathered, since: int, until: int) -> Iterator[Any]:
        final = FinalColumns(gathered.finals, since, until)
        raw = RawColumns(gathered.parts, final.covered)
        if raw.rows:
            yield self._raw(raw)
        if final.rows:
            yield self._final(final)

    def _raw(self, raw: RawColumns) -> Any:
        kinds, texts = raw.kinds()
        columns = self._named(raw.meters, raw.profiles, raw.channels, raw.counts)
        columns |= {
            "end": _moments(raw.ends),
            "value": _array(*raw.value.whole()),
            "kind": pa.DictionaryArray.from_arrays(pa.array(kinds), self._kinds),
            "status": _array(*raw.status.whole()),
            "quality": pa.array(raw.quality),
            "version": _array(np.repeat(np.array(raw.versions, np.uint32), raw.counts)),
            "stored": _moments(np.repeat(np.array(raw.stored, np.int64), raw.counts)),
        }
        if texts is not None:
            columns["text"] = pa.array(texts, pa.string())
        return self._batch(columns, raw.rows)

    def _final(self, final: FinalColumns) -> Any:
        numbers, absent = final.raw.whole()
        kinds = np.zeros(len(numbers), np.int32)
        if absent is not None:
            kinds[absent] = _NONE
        made = final.columns
        columns = self._named(final.meters, final.profiles, final.channels, final.counts)
        columns |= {
            "end": _moments(made["ends"]),
            "value": _array(numbers, absent),
            "kind": pa.DictionaryArray.from_arrays(pa.array(kinds), self._kinds),
            "final": _array(*final.value.whole()),
            "final_quality": _coded(made["quality"], self._qualities),
            "final_rule": _coded(made["rule"], self._rules),
            "findings": _array(made["findings"].astype(np.uint32)),
            "final_version": _array(made["versions"].astype(np.uint32)),
        }
        return self._batch(columns, final.rows)

    def _named(
        self,
        meters: Sequence[int],
        profiles: Sequence[int],
        channels: Sequence[int],
        counts: Sequence[int],
    ) -> dict[str, Any]:
        places = np.repeat(self._channels.places(channels), counts)
        made = {
            "meter": self._meters.array(np.repeat(self._meters.places(meters), counts)),
            "profile": self._profiles.array(np.repeat(self._profiles.places(profiles), counts)),
            "channel": self._channels.array(places),
            "unit": self._units.array(places),
        }
        return made | {name: _array(known[places]) for name, known in self._numbers.items()}

    def _batch(self, columns: Mapping[str, Any], rows: int) -> Any:
        arrays = [
            columns[each.name] if each.name in columns else pa.nulls(rows, each.type)
            for each in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


class _Names:
    """A dictionary of names by numbers of the store; equal names share one word."""

    def __init__(self, names: Mapping[int, str]) -> None:
        words = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
        self._words = pa.array(list(words), pa.string())
        self._word = np.array([words[name] for name in names.values()], np.int32)
        self._place = {number: place for place, number in enumerate(names)}

    def places(self, numbers: Sequence[int]) -> Array:
        """Places among the names as they were given; -1 for a number that is none of them."""
        place = self._place
        return np.array([place.get(number, -1) for number in numbers], np.int32)

    def array(self, places: Array) -> Any:
        """The dictionary array; null for -1."""
        absent = places < 0
        if not absent.any():
            return pa.DictionaryArray.from_arrays(pa.array(self._word[places]), self._words)
        words = np.where(absent, 0, self._word[places] if len(self._word) else 0)
        mask = pa.array(words.astype(np.int32), mask=absent)
        return pa.DictionaryArray.from_arrays(mask, self._words)


def _array(numbers: Array, absent: Array | None = None) -> Any:
    return pa.array(numbers) if absent is None else pa.array(numbers, mask=absent)


def _moments(seconds: Array) -> Any:
    return pa.array(seconds * _SECOND).cast(_TIME)


def _coded(places: Array, words: Any) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), words)
