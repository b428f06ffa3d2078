"""How the keys of a meter stand: which are there, and how far new ones are; never the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ferraris.core.errors import UsageError
from ferraris.keys import Keys, KeyStore
from ferraris.keys.keys import RENEWED
from ferraris.keys.renewal import Renewals
from ferraris.keys.states import State

__all__ = ["KeyState", "key_states"]

_PREVIOUS: Final = "previous_"


@dataclass(frozen=True, slots=True)
class KeyState:
    """One kind of key: whether there is one, the state of its renewal, and whether the one before
    is still kept.
    """

    kind: str
    there: bool
    renewal: State
    previous: bool


def key_states(keys: Keys, key_id: str) -> list[KeyState]:
    """The kinds of keys that are renewed; waits for the disk. `key_id` names the meter's secrets.

    Keys that are kept nowhere but in memory are never on their way.
    """
    renewals = Renewals(keys) if isinstance(keys, KeyStore) else None
    return [
        KeyState(
            kind,
            _is_there(keys, key_id, kind),
            renewals.state(key_id, kind) if renewals else State.SETTLED,
            _is_there(keys, key_id, _PREVIOUS + kind),
        )
        for kind in RENEWED
    ]


def _is_there(keys: Keys, key_id: str, kind: str) -> bool:
    try:
        keys.get(key_id, kind)
    except UsageError:
        return False
    return True
