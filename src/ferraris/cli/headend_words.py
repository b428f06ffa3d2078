"""What comes first after `ferraris headend`: what it is for, and where its commands are declared.

Known before anything of the head-end is loaded, so that a command loads its own rooms only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["WORDS", "Word"]


class Word(NamedTuple):
    """A command or a group of commands: what it is for, and the modules that declare it.

    They are modules of `ferraris.headend.operations`, or one of this room that has `COMMANDS`:
    what works before or without a head-end. The first one has what is asked for most.
    """

    help: str
    modules: tuple[str, ...]


_CLI: Final = "ferraris.cli.headend_"
_OPERATIONS: Final = "ferraris.headend.operations."

# A test holds this equal to what is declared: every command is where this says, and what a single
# command is for is the first sentence of its documentation.
_FURTHER: Final = {
    "export": (
        "Write readings of many meters into a folder; a day that is there is written anew.",
        "export",
    ),
    "init": (
        "Make a head-end: configuration, key store, store, and an administrator with a token.",
        "init",
    ),
    "run": (
        "Run the head-end: it collects, validates, registers, and serves the API and the page.",
        "run",
    ),
    "ready": (
        "Ask a head-end of this machine whether it is well; 1 when it is not, or not there.",
        "run",
    ),
    "check": (
        "Verify the store: structure, bodies, totals, final values, the audit log; 1 for a fault.",
        "store",
    ),
    "backup": (
        "Write all that is in the store into a new file, while others work.",
        "store",
    ),
    "restore": (
        "Put a backup into a new, empty store, in SQLite or PostgreSQL, wherever it came from.",
        "store",
    ),
    "retention": (
        "Drop what has outlived the time that the configuration gives its kind.",
        "store",
    ),
    "watch": (
        "Watch what is new: meters, sessions, readings, alarms, commands; until interrupted.",
        "watch",
    ),
}
_OF_OPERATIONS: Final = {
    "alarms": ("Alarms of meters, and who has seen them.", "alarms"),
    "assignments": ("Which meter measures for whom, and since when.", "service_points"),
    "audit": ("Who did what, and whether the log of it is whole.", "audit"),
    "commands": ("Commands to single meters, and what they brought.", "collecting"),
    "customers": ("Customers, their data and their right to its end.", "service_points privacy"),
    "decisions": ("What humans decided about values.", "validation"),
    "final": ("Final values of a meter, their sums and their versions.", "final_values"),
    "groups": ("Groups of meters: queries with a name.", "segments registration"),
    "me": ("Show who the caller is, and what it may do.", "access"),
    "meters": (
        "Meters: what is known of them, their lives and keys.",
        "inventory registration lost",
    ),
    "missing": ("List the meters of which something is missing, and why.", "collecting"),
    "nodes": ("The segment tree and its limits.", "segments"),
    "plans": ("What is read of which meters, and when.", "collecting"),
    "principals": ("Persons and programs, and their roles.", "access"),
    "read-again": (
        "Mark days of a meter to be read once more, although they are there.",
        "collecting",
    ),
    "readings": ("Readings of many meters.", "export"),
    "registrations": ("How far registrations are.", "registration"),
    "release": (
        "Let a meter wait no longer: what it is held or resting for is tried again at once.",
        "collecting",
    ),
    "roles": ("List the roles and what each allows.", "access"),
    "rules": ("The rules of validation and their versions.", "validation_rules"),
    "service-points": ("Where meters measure.", "service_points"),
    "sessions": ("Sessions with meters.", "collecting"),
    "shipments": ("Shipment files of meters and their keys.", "shipments"),
    "store": ("What the store holds of a tenant.", "store"),
    "strangers": ("Who announced itself and is not known.", "strangers"),
    "success": ("Read success of plans, and what is lost.", "collecting lost"),
    "tokens": ("Tokens of principals.", "access"),
    "troubles": ("Meters that were tried in vain, and why.", "troubles"),
    "validation": ("Days validated, suspect and waiting.", "validation"),
}


def _words(room: str, declared: Mapping[str, tuple[str, str]]) -> dict[str, Word]:
    return {
        word: Word(told, tuple(f"{room}{module}" for module in modules.split()))
        for word, (told, modules) in declared.items()
    }


WORDS: Final[Mapping[str, Word]] = _words(_CLI, _FURTHER) | _words(_OPERATIONS, _OF_OPERATIONS)
"""Every first word, in the order in which help lists them."""
