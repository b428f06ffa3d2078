"""What people do from the page: each by the operation that the API has for it, and no other way.

Rights, the transaction and the line in the audit log are those of the operation.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import quote

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plans import registers_of
from ferraris.headend.inventory import Contact
from ferraris.headend.inventory.records import Authentication, Ciphering
from ferraris.headend.operations import Caller, ConflictError, Desk, House, Operation
from ferraris.headend.operations.alarms import Acknowledgement, acknowledge_alarm
from ferraris.headend.operations.collecting import (
    NewCommand,
    cancel_queued_command,
    put_new_command,
    release_meter,
)
from ferraris.headend.operations.performing import perform
from ferraris.headend.operations.strangers import Admission, admit_stranger, refuse_stranger

__all__ = ["ACTIONS", "CERTIFICATES", "SECRETS", "Action"]

SECRETS: Final = ("encryption_key", "authentication_key", "master_key", "password")
"""The fields of secrets in the form that admits a stranger."""

CERTIFICATES: Final = ("signing_certificate", "agreement_certificate")
"""The fields of certificates there."""

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
    given = {name: form.get(name, "") for name in SECRETS}
    keys = {
        name: text if name == "password" else "".join(text.split())
        for name, text in given.items()
        if text.strip()
    }
    first = form.get("first_authentication", "").strip()
    admission = Admission(
        form.get("external_id", "").strip(),
        keys=json.dumps(keys).encode() if keys else b"",
        address=form.get("address", "").strip(),
        contact=_one(Contact, form, "contact", ""),
        model=form.get("model", "").strip(),
        companion=form.get("companion", "").strip(),
        client=_number("client", form.get("client", "1")),
        server=_number("server", form.get("server", "1")),
        zone=form.get("zone", "").strip() or "UTC",
        authentication=_one(Authentication, form, "authentication", Authentication.GMAC),
        suite=_number("suite", form.get("suite", "0")),
        ciphering=_one(Ciphering, form, "ciphering", Ciphering.SERVICE),
        first_authentication=first,
        first_client=_number("first_client", form.get("first_client", "")) if first else None,
        signing_certificate=_certificate(form, "signing_certificate"),
        agreement_certificate=_certificate(form, "agreement_certificate"),
    )
    _perform(house, caller, admit_stranger, stranger=path["number"], body=admission)


def _refuse(house: House, caller: Caller, path: Given, _: Mapping[str, str]) -> None:
    _perform(house, caller, refuse_stranger, stranger=path["number"])


E = TypeVar("E", bound=StrEnum)


def _one(kind: type[E], form: Mapping[str, str], name: str, usual: str) -> E:
    try:
        return kind(form.get(name) or usual)
    except ValueError:
        raise UsageError(f"{name} is one of {', '.join(kind)}") from None


def _certificate(form: Mapping[str, str], name: str) -> bytes:
    """As it was pasted: PEM, or DER in hexadecimal or base64."""
    text = form.get(name, "").strip()
    if text.startswith("-----"):
        return text.encode()
    packed = "".join(text.split())
    try:
        return bytes.fromhex(packed)
    except ValueError:
        pass
    try:
        return b64decode(packed, validate=True)
    except ValueError:
        raise UsageError(f"{name}: neither PEM, nor DER in hexadecimal or base64") from None


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
