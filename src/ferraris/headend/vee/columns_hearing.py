"""What other profiles and reads of a meter tell about the registers of one of its profiles.

A daily profile may know the register at midnight when the load profile does not, and a profile that
holds intervals has its register elsewhere in any case. Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from ferraris.core.errors import DecodeError
from ferraris.headend.store.exchange import unpack_read
from ferraris.headend.store.heard import heard_at, register_of
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.vee.columns_days import Unpacked
from ferraris.headend.vee.columns_grid import Placed
from ferraris.headend.vee.gathering import ReadBody

__all__ = ["hear_profiles", "hear_reads"]

_VALUE = 2


def hear_profiles(
    placed: Placed,
    meters: Sequence[int],
    wanted: Mapping[int, ChannelKey],
    unpacked: Iterable[Unpacked],
    channels: Mapping[int, ChannelKey],
) -> None:
    """Take readings from the rows of other profiles; `channels` has the keys of all their columns.

    Only what counts in the same unit and scaler is taken, so nothing is rounded.
    """
    rows = {meter: row for row, meter in enumerate(meters)}
    by_name = _by_name(wanted)
    for each in unpacked:
        pairs = [
            (column, own)
            for column, number in enumerate(each.channels)
            if (key := channels.get(number)) is not None and key.attribute == _VALUE
            for own in by_name.get((key.name, key.unit), ())
            if wanted[own].scaler == key.scaler
        ]
        if pairs:
            placed.hear(each.sheet, [rows.get(meter, -1) for meter in each.meters], pairs)


def hear_reads(
    placed: Placed,
    meters: Sequence[int],
    wanted: Mapping[int, ChannelKey],
    reads: Iterable[ReadBody],
    layouts: Mapping[int, Sequence[ChannelKey]],
) -> None:
    """Take registers that were read, or kept by the meter, at an instant of the grid exactly."""
    rows = {meter: row for row, meter in enumerate(meters)}
    by_name = _by_name(wanted)
    for each in reads:
        keys = layouts[each.layout]
        places = [place for place, key in enumerate(keys) if (key.name, key.unit) in by_name]
        if not places:
            continue
        try:
            values, times, _ = unpack_read(each.body, each.registers)
        except DecodeError:
            continue
        for place in places:
            instant = heard_at(each.day, each.read_s, times[place])
            key, value = keys[place], values[place]
            if instant is None or type(value) is not int:
                continue
            for own in by_name[key.name, key.unit]:
                reading = _scaled(value, key.scaler - wanted[own].scaler)
                if reading is not None:
                    placed.tell(rows[each.meter], instant, own, reading)


def _by_name(wanted: Mapping[int, ChannelKey]) -> dict[tuple[str, int], Collection[int]]:
    found: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for number, key in wanted.items():
        found[register_of(key.name), key.unit].append(number)
    return dict(found)


def _scaled(value: int, exponent: int) -> int | None:
    """A value in another scaler, None when it is no whole number there."""
    if abs(exponent) > 18:
        return None
    if exponent >= 0:
        return int(value * 10**exponent)
    whole, rest = divmod(value, 10**-exponent)
    return None if rest else int(whole)
