"""A logical device with a handful of objects, and associations with every kind of right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import Selection
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.model import registry
from ferraris.server.device import (
    READ,
    READ_WRITE,
    WRITE,
    AccessMode,
    AccessRefused,
    AccessRights,
    ActionRefused,
    AssociationSettings,
    Credentials,
    ObjectEntry,
    ObjectKey,
    ObjectRights,
    RequestContext,
)


def ln(code: str) -> bytes:
    return bytes(Obis.parse(code))


ENERGY = ln("1-0:1.8.0*255")
CLOCK = ln("0-0:1.0.0*255")
PROFILE = ln("1-0:99.1.0*255")
SWITCH = ln("0-0:96.3.10*255")
CURRENT = ln("0-0:40.0.0*255")
READER = ln("0-0:40.0.1*255")
PUBLIC = ln("0-0:40.0.2*255")
SAPS = ln("0-0:41.0.0*255")
MAKER = ln("0-0:128.0.0*255")
SECRET = ln("0-0:96.1.9*255")


def _entries(*listed: tuple[int, int, bytes]) -> dict[ObjectKey, ObjectEntry]:
    return {
        (class_id, name): ObjectEntry(class_id, version, name, registry.find(class_id, version))
        for class_id, version, name in listed
    }


OBJECTS = _entries(
    (15, 2, CURRENT),
    (15, 2, READER),
    (15, 2, PUBLIC),
    (17, 0, SAPS),
    (8, 0, CLOCK),
    (3, 0, ENERGY),
    (7, 1, PROFILE),
    (70, 0, SWITCH),
    (9999, 0, MAKER),
    (1, 0, SECRET),
)
_PROTECTED = AccessMode.AUTHENTICATED_REQUEST | AccessMode.ENCRYPTED_REQUEST
_ASSOCIATION = ObjectRights(
    dict.fromkeys(range(1, 12), READ), {1: READ, 2: READ}, {2: (1, 2, 3, 4)}
)
READER_RIGHTS = AccessRights(
    {
        (15, CURRENT): _ASSOCIATION,
        (15, READER): _ASSOCIATION,
        (15, PUBLIC): _ASSOCIATION,
        (17, SAPS): ObjectRights({2: READ}),
        (8, CLOCK): ObjectRights(
            {2: READ_WRITE, 3: READ | WRITE | _PROTECTED, 4: WRITE}, {6: READ}
        ),
        (3, ENERGY): ObjectRights({2: READ, 3: READ}, {1: AccessMode.NONE}),
        (7, PROFILE): ObjectRights({2: READ, 3: READ}, {}, {2: (1, 2)}),
        (70, SWITCH): ObjectRights(
            {2: READ, 3: READ, 4: READ_WRITE},
            {1: READ | AccessMode.AUTHENTICATED_REQUEST, 2: READ},
        ),
        (9999, MAKER): ObjectRights({2: READ_WRITE, -1: READ}, {1: READ}),
    }
)
PUBLIC_RIGHTS = AccessRights(
    {(15, CURRENT): ObjectRights({2: READ}), (8, CLOCK): ObjectRights({2: READ})}
)
SERVICES = int(
    Conformance.GET
    | Conformance.SET
    | Conformance.ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.SELECTIVE_ACCESS
)
ASSOCIATIONS = {
    1: AssociationSettings(
        client_sap=1,
        name=READER,
        mechanism=5,
        ciphered=True,
        conformance=SERVICES,
        max_pdu=1024,
        rights=READER_RIGHTS,
        security_setup=ln("0-0:43.0.1*255"),
        max_list=4,
    ),
    16: AssociationSettings(
        client_sap=16, name=PUBLIC, conformance=int(Conformance.GET), rights=PUBLIC_RIGHTS
    ),
}


class Device:
    """Keeps encoded values in a dictionary and notes what it was asked."""

    logical_device_name = b"TST0000000000001"
    system_title = b"TST\x00\x00\x00\x00\x01"
    server_sap = 1
    key_changes = transaction_offset = 0
    objects: Mapping[ObjectKey, ObjectEntry] = OBJECTS
    associations: Mapping[int, AssociationSettings] = ASSOCIATIONS

    def __init__(self) -> None:
        self.values: dict[tuple[bytes, int], bytes] = {
            (ENERGY, 2): bytes.fromhex("0600003039"),
            (ENERGY, 3): bytes.fromhex("02020f00161e"),
            (CLOCK, 2): bytes.fromhex("090c07e80101ff0c0000ff800000"),
            (CLOCK, 3): bytes.fromhex("10ffc4"),
            (PROFILE, 2): bytes.fromhex("0100"),
            (SWITCH, 3): bytes.fromhex("1601"),
            (MAKER, 2): bytes.fromhex("1105"),
            (MAKER, -1): bytes.fromhex("1106"),
        }
        self.calls: list[tuple[Any, ...]] = []

    def credentials(self, client_sap: int) -> Credentials:
        return Credentials()

    def counter_lease(self, client_sap: int) -> CounterLease:
        return CounterLease(0, 10)

    def receive_floor(self, client_sap: int) -> int:
        return -1

    def raise_receive_floor(self, client_sap: int, counter: int) -> None:
        self.calls.append(("floor", client_sap, counter))

    def transaction_floor(self, client_sap: int) -> int:
        return -1

    def raise_transaction_floor(self, client_sap: int, number: int) -> None:
        self.calls.append(("transaction", client_sap, number))

    def incident(self, incident: Incident, client_sap: int, now: float) -> None:
        self.calls.append(("incident", incident, client_sap))

    def get(
        self,
        entry: ObjectEntry,
        attribute: int,
        selection: Selection | None,
        context: RequestContext,
    ) -> bytes:
        self.calls.append(("get", entry.class_id, attribute, selection))
        if selection is not None:
            axdr.decode(selection.parameter)
        try:
            return self.values[entry.logical_name, attribute]
        except KeyError:
            raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE) from None

    def set(
        self,
        entry: ObjectEntry,
        attribute: int,
        data: bytes,
        selection: Selection | None,
        context: RequestContext,
    ) -> None:
        self.calls.append(("set", entry.class_id, attribute, data))
        if data == b"\x11\xff":
            raise AccessRefused(DataAccessResult.HARDWARE_FAULT)
        self.values[entry.logical_name, attribute] = data

    def act(
        self, entry: ObjectEntry, method: int, data: bytes | None, context: RequestContext
    ) -> bytes | None:
        self.calls.append(("act", entry.class_id, method, data))
        if entry.class_id == 9999:
            if data is None:
                raise DecodeError("a parameter is needed")
            return data
        if method == 2:
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE)
        return None
