"""Event logs of meters: profiles whose rows are a clock, a code, and perhaps more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Event, Quality, Series
from ferraris.model import events as known_events

__all__ = ["events_of"]

_EVENT_CODES = (96, 11)  # C and D of objects that hold the code of an event [facts-g]


def events_of(series: Series, log: str, companion: str = "") -> list[Event]:
    """The lines of a log as events, in its order; rows without an instant have no time.

    The text is that of the meter's companion specification, where it is known.
    """
    place = _code_column(series.channels)
    name = Obis.parse(log)
    found = []
    for row, end in enumerate(series.ends):
        values = tuple(column[row] for column in series.columns)
        stamp = series.stamps[row] if series.stamps else b""
        time = datetime.fromtimestamp(end, UTC)
        quality = Quality(series.quality[row])
        bare = Event("", name, time, None, "", stamp, quality, values)
        found.append(_event(bare, place, companion))
    for raw in series.undated:
        stamp = next((each for each in raw if isinstance(each, bytes) and len(each) == 12), b"")
        values = tuple(each for each in raw if each is not stamp)
        bare = Event("", name, None, None, "", stamp, Quality.INVALID_TIME, values)
        found.append(_event(bare, place, companion))
    return found


def _event(bare: Event, place: int | None, companion: str) -> Event:
    """With the code that stands among its values, and what that means."""
    log, values = bare.log, bare.values
    code = values[place] if place is not None and place < len(values) else None
    if not isinstance(code, int):
        return bare
    rest = values[:place] + values[place + 1 :] if place is not None else values
    return bare._replace(code=code, text=_words(companion, log, code), values=rest)


def _words(companion: str, log: Obis | str, code: int) -> str:
    if not companion or not isinstance(log, Obis):
        return ""
    try:
        named = known_events.name(companion, log.e, code)
    except UsageError:  # no such specification, or log of it
        return ""
    return named.words if named is not None else ""


def _code_column(channels: Sequence[Channel]) -> int | None:
    """The column of the event code: the one named so, else the first."""
    for place, channel in enumerate(channels):
        name = channel.name
        if isinstance(name, Obis) and (name.c, name.d) == _EVENT_CODES:
            return place
    return 0 if channels else None
