"""The state of a scenario in a directory: it goes on where it stopped, also after a kill.

Every group has a state directory of its own, and each meter remembers with its own state which acts
it is through. So an act happens to a meter once, whenever the process ends: what was kept of the
meter has both the act and the mark, or neither, and then the act is done again. Beside them stands
until when time may have been seen to pass; it never goes back behind that.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from ferraris.core.errors import UsageError
from ferraris.keys.sealing import DEFAULT_COST
from ferraris.meter.persistence import Identity, StateDirectory
from ferraris.meter.scenario.plan import Group, Scenario

__all__ = ["Acted", "ScenarioState"]

_FILE = "scenario.json"
_NEW_FILE = f"{_FILE}.new"  # until it takes the place of the one before
_VERSION = 1


@dataclass
class Acted:
    """Through how many steps of the scenario a meter is, and which of them it refused, and why."""

    steps: int = 0
    refused: dict[int, str] = field(default_factory=dict)


class ScenarioState:
    """The directories of a scenario's groups, and how far its time has come.

    Attributes:
        until: UTC second of the scenario up to which time may have been seen; None at the start.
    """

    def __init__(
        self, path: str | os.PathLike[str], scenario: Scenario, passphrase: bytes | None, cost: int
    ) -> None:
        self._path = Path(path)
        self._passphrase = passphrase
        self._cost = cost
        self._scenario = _fingerprint(scenario)
        self._memories: list[StateDirectory] = []
        self.until = self._read()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        scenario: Scenario,
        passphrase: bytes | None = None,
        *,
        cost: int = DEFAULT_COST,
    ) -> ScenarioState:
        """Open the state of this scenario, or begin one.

        Raises `UsageError` for the state of another scenario and for a damaged file.
        """
        return cls(path, scenario, passphrase, cost)

    def memory(self, group: Group, seed: int) -> StateDirectory:
        """Where the meters of a group keep what they remember; errors as of `StateDirectory`."""
        identity = Identity(group.template, group.suite, seed)
        place = self._path / group.name
        memory = StateDirectory.open(place, identity, self._passphrase, cost=self._cost)
        self._memories.append(memory)
        return memory

    @property
    def memories(self) -> tuple[StateDirectory, ...]:
        """Those of all groups that were asked for."""
        return tuple(self._memories)

    def pass_until(self, until: int) -> None:
        """Time may pass to this UTC second of the scenario; kept before anybody sees it."""
        if self.until is None or until > self.until:
            self._write(until)

    def flush(self) -> None:
        """Write every meter that has changed."""
        for memory in self._memories:
            memory.flush()

    def close(self, now: int) -> None:
        """Write everything; time goes on at `now`."""
        try:
            for memory in self._memories:
                memory.close()
        finally:
            self._write(now)

    def _read(self) -> int | None:
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = (self._path / _FILE).read_text("ascii")
        except FileNotFoundError:
            if any(each.name != _NEW_FILE for each in self._path.iterdir()):
                raise UsageError(f"state {self._path}: not that of a scenario") from None
            self._write(None)
            return None
        except OSError as error:
            raise UsageError(f"state {self._path}: {error.strerror}") from None
        try:
            shape = json.loads(text)
            version, scenario, until = shape["version"], shape["scenario"], shape["until"]
        except (ValueError, TypeError, KeyError):
            raise UsageError(f"state {self._path}: {_FILE} is damaged") from None
        if version != _VERSION or not (until is None or isinstance(until, int)):
            raise UsageError(f"state {self._path}: {_FILE} is of another version")
        if scenario != self._scenario:
            raise UsageError(f"state {self._path}: it belongs to another scenario")
        return until

    def _write(self, until: int | None) -> None:
        self.until = until
        shape = {"version": _VERSION, "scenario": self._scenario, "until": until}
        following = self._path / _NEW_FILE
        try:
            following.write_text(json.dumps(shape), "ascii")
            following.replace(self._path / _FILE)
        except OSError as error:
            raise UsageError(f"state {self._path}: {error.strerror}") from None


def _fingerprint(scenario: Scenario) -> str:
    """Two scenarios in which the same happens to the same meters have the same."""
    said = [
        [scenario.seed, scenario.start, scenario.end],
        [[group.name, group.template, group.count, group.suite] for group in scenario.groups],
        [
            [event.at, event.until, event.members, event.act.name, repr(dict(event.given))]
            for event in scenario.events
        ],
    ]
    return blake2b(json.dumps(said).encode("utf-8"), digest_size=16).hexdigest()
