"""Kinds of commands: what they take, whether they change the meter, and how they are done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferraris.core.errors import UsageError
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.target import Target
from ferraris.headend.store.records import Brought

__all__ = [
    "Answer",
    "Checked",
    "CommandKind",
    "CommandKinds",
    "Order",
    "for_hosts_only",
    "takes_nothing",
]


@dataclass(frozen=True, slots=True)
class Order:
    """One command to one meter: what is wanted, of whom, and what time it is."""

    target: Target
    parameters: Mapping[str, Any]
    clock: Callable[[], float]


@dataclass(slots=True)
class Answer:
    """What a command came to: a result for whoever asked (JSON), and readings for the store.

    `done` is False when it turned out, by reading back, that it was not carried out.
    """

    result: Any
    brought: Brought = field(default_factory=Brought)
    done: bool = True


Carry = Callable[[MeterFace, Order], Awaitable[Answer]]
Checked = dict[str, Any]


def takes_nothing(given: Mapping[str, Any]) -> Checked:
    """The check of a kind without parameters."""
    if given:
        raise UsageError("it takes no parameters", where="command")
    return {}


def for_hosts_only(target: Target, parameters: Mapping[str, Any]) -> Checked:
    """What a sub-meter has not of its own: `UsageError` names the host, which is to be asked."""
    text = (
        f"it is not for a sub-meter: {target.external_id} is on channel {target.channel} of "
        f"{target.host_name}; command {target.host_name} instead"
    )
    raise UsageError(text, where="command")


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One kind: `check` gives clean parameters or raises `UsageError`, `run` does it.

    `changes` tells whether something at the meter is changed; such a command is never repeated.
    `read_back` finds out later what became of one that is unknown. `at_channel` gives the
    parameters as they are meant for a sub-meter, which is reached through its host, or raises
    `UsageError`; what it says of clean parameters once, it says again.
    """

    name: str
    changes: bool
    check: Callable[[Mapping[str, Any]], Checked]
    run: Carry
    read_back: Carry | None = None
    at_channel: Callable[[Target, Mapping[str, Any]], Checked] = for_hosts_only


class CommandKinds:
    """The kinds that a head-end knows; rooms above add theirs."""

    def __init__(self, kinds: Iterable[CommandKind] = ()) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def add(self, kind: CommandKind) -> None:
        """One more kind; a name is taken once."""
        if kind.name in self._kinds:
            raise UsageError(f"there is a command {kind.name!r} already", where="command")
        self._kinds[kind.name] = kind

    def find(self, name: str) -> CommandKind:
        """The kind of a name; `UsageError` lists what there is."""
        try:
            return self._kinds[name]
        except KeyError:
            text = f"no command {name!r:.60}; there are {', '.join(sorted(self._kinds))}"
            raise UsageError(text, where="command") from None

    def names(self) -> list[str]:
        """The names of all kinds."""
        return sorted(self._kinds)
