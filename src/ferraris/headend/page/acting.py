"""What people do from the page: each by the operation that the API has for it, and no other way.

Rights, the transaction and the line in the audit log are those of the operation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plans import registers_of
from ferraris.headend.inventory import Contact
from ferraris.headend.operations import Caller, ConflictError, Desk, House, Operation
from ferraris.headend.operations.alarms import Acknowledgement, acknowledge_alarm
from ferraris.headend.operations.collecting import (
    NewCommand,
    cancel_queued_command,
    put_new_command,
    release_meter,
)
from ferraris.headend.operations.performing import perform
from ferraris.headend.operations.registration import Admission, admit_stranger, refuse_stranger

__all__ = ["ACTIONS", "KEYS", "Action"]

KEYS: Final = ("encryption_key", "authentication_key", "master_key")
"""The fields of keys in the form that admits a stranger."""

_KIND: Final = "read registers"
_PATIENCE_S: Final = 900
_USUAL: Final = ("0-0:1.0.0*255", "1-0:1.8.0*255", "1-0:2.8.0*255")
_MOST: Final = 200

Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """A form: where it is sent, what it does, and the message that says so.

    `going` is where a browser without scripts goes on, if the form names no other place; fields of
    the path stand in it in braces.
    """

    path: str
    told: str
    act: Callable[[House, Caller, Given, Mapping[str, str]], None]
    going: str

    def goes_on(self, path: Given, form: Mapping[str, str]) -> str:
        """Where to go on."""
        place = self.going.format(
            **{key: quote(str(value), safe="") for key, value in path.items()}
        )
        return form.get("next") or place


def _read(house: House, caller: Caller, path: Given, _: Mapping[str, str]) -> None:
    """Ask for the registers that the meter's plans want, before all plans."""
    name = path["meter"]
    with house.engine.reading() as connection:
        meter = Desk(house, caller, connection).meter(name, Right.COMMAND)
        if meter.state != "active":
            raise ConflictError(f"{name} is {meter.state}: only active meters are read")
        names = registers_of(connection, meter.id)[:_MOST] or list(_USUAL)
    until = datetime.fromtimestamp(house.clock() + _PATIENCE_S, UTC)
    command = NewCommand(_KIND, {"names": names}, not_after=until)
    _perform(house, caller, put_new_command, meter=name, body=command)


def _cancel(house: House, caller: Caller, path: Given, _: Mapping[str, str]) -> None:
    _perform(house, caller, cancel_queued_command, number=path["number"])


def _release(house: House, caller: Caller, path: Given, _: Mapping[str, str]) -> None:
    _perform(house, caller, release_meter, meter=path["meter"])


def _acknowledge(house: House, caller: Caller, path: Given, form: Mapping[str, str]) -> None:
    said = Acknowledgement(form.get("comment", ""))
    _perform(house, caller, acknowledge_alarm, alarm=path["number"], body=said)


def _admit(house: House, caller: Caller, path: Given, form: Mapping[str, str]) -> None:
    given = {name: form.get(name, "").strip() for name in KEYS}
    keys = {name: text.replace(" ", "") for name, text in given.items() if text}
    admission = Admission(
        form.get("external_id", "").strip(),
        keys=json.dumps(keys).encode() if keys else b"",
        address=form.get("address", "").strip(),
        contact=_contact(form.get("contact", "")),
        model=form.get("model", "").strip(),
        companion=form.get("companion", "").strip(),
        client=_number("client", form.get("client", "1")),
        server=_number("server", form.get("server", "1")),
        zone=form.get("zone", "").strip() or "UTC",
    )
    _perform(house, caller, admit_stranger, stranger=path["number"], body=admission)


def _refuse(house: House, caller: Caller, path: Given, _: Mapping[str, str]) -> None:
    _perform(house, caller, refuse_stranger, stranger=path["number"])


def _contact(text: str) -> Contact:
    try:
        return Contact(text)
    except ValueError:
        raise UsageError(f"contact is one of {', '.join(Contact)}") from None


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise UsageError(f"{name} is a number")
    return int(text)


def _perform(house: House, caller: Caller, function: Any, **arguments: Any) -> None:
    operation: Operation = function.operation
    perform(house, caller, operation, arguments)


_METER: Final = "/meters/{meter}#part-now"

ACTIONS: Final = (
    Action("/meters/{meter:str}/read", "read", _read, _METER),
    Action("/meters/{meter:str}/release", "released", _release, _METER),
    Action("/commands/{number:int}/cancel", "cancelled", _cancel, "/"),
    Action("/alarms/{number:int}/acknowledge", "acknowledged", _acknowledge, "/alarms"),
    Action("/strangers/{number:int}/admit", "admitted", _admit, "/strangers"),
    Action("/strangers/{number:int}/refuse", "refused", _refuse, "/strangers"),
)
"""All of them; each is told by the message `told.NAME`."""
