"""READ and WRITE on a device with every kind of right, without any association."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_device import (
    ASSOCIATIONS,
    CLOCK,
    CURRENT,
    ENERGY,
    MAKER,
    OBJECTS,
    PROFILE,
    READER_RIGHTS,
    SWITCH,
    Device,
)

from ferraris.core.errors import UsageError
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult, ServiceError
from ferraris.messaging.dlms.errors import ConfirmedServiceError
from ferraris.messaging.dlms.get import GetRequestNormal
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.messaging.dlms.security.control import BOTH
from ferraris.messaging.dlms.short_name import (
    BlockNumberAccess,
    ParameterisedAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteRequest,
    WriteResponse,
)
from ferraris.model import registry
from ferraris.model.short_names import (
    AssociationSnV1,
    AssociationSnV2,
    AssociationSnV3,
    AssociationSnV4,
)
from ferraris.server.device import (
    READ,
    AccessMode,
    AccessRights,
    AssociationSettings,
    ObjectEntry,
    ObjectRights,
    RequestContext,
)
from ferraris.server.short_names import demanded_protection, serve

BASES = {
    (8, CLOCK): 0x1000,
    (3, ENERGY): 0x2000,
    (7, PROFILE): 0x3000,
    (70, SWITCH): 0x4000,
    (9999, MAKER): 0x5000,
}
SERVICES = int(
    Conformance.READ
    | Conformance.WRITE
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.PARAMETERIZED_ACCESS
)
CONTEXT = RequestContext(1, BOTH, 0.0, SERVICES, 0, b"", BOTH)
SUCCESS = DataAccessResult.SUCCESS
DENIED = DataAccessResult.READ_WRITE_DENIED


class Named(Device):
    """The device with base names, and an Association SN of some version."""

    def __init__(self, version: int = 1, **more: Any) -> None:
        super().__init__()
        current = registry.find(12, version)
        own = ObjectEntry(12, version, CURRENT, current, 0xFA00)
        kept = {key: replace(OBJECTS[key], base_name=base) for key, base in BASES.items()}
        self.objects = {(12, CURRENT): own, **kept, **more.pop("objects", {})}
        rights = {key: READER_RIGHTS.objects[key] for key in BASES}
        everything = ObjectRights(
            dict.fromkeys(range(1, 7), READ), dict.fromkeys((1, 2, 3, 4, 8), READ)
        )
        rights = {(12, CURRENT): everything, **rights, **more.pop("rights", {})}
        self.settings: AssociationSettings = replace(
            ASSOCIATIONS[1],
            name=CURRENT,
            short_names=True,
            conformance=SERVICES,
            rights=AccessRights(rights),
        )

    def read(self, *variables: Any, context: RequestContext = CONTEXT) -> Any:
        answer = serve(ReadRequest(list(variables)), self, self.settings, context)
        assert isinstance(answer, ReadResponse)
        return answer.results if len(variables) > 1 else answer.results[0]

    def write(self, name: int, data: bytes, context: RequestContext = CONTEXT) -> Any:
        request = WriteRequest([VariableName(name)], [data])
        answer = serve(request, self, self.settings, context)
        assert isinstance(answer, WriteResponse)
        return answer.results[0]


def test_values_by_name_and_reasons_where_there_are_none() -> None:
    device = Named()
    assert device.read(VariableName(0x2008)) == bytes.fromhex("0600003039")
    assert device.read(VariableName(0x2000)) == b"\x09\x06" + ENERGY
    assert device.read(
        VariableName(0x2010), VariableName(0x2018), VariableName(0x1018), BlockNumberAccess(1)
    ) == [
        bytes.fromhex("02020f00161e"),
        DataAccessResult.OBJECT_UNDEFINED,
        DENIED,  # may be written only
        DataAccessResult.OBJECT_UNDEFINED,
    ]


def test_what_the_rights_ask_of_a_request_holds_here_too() -> None:
    device = Named()
    weak = CONTEXT._replace(protection=0, can_protect=0)
    assert device.read(VariableName(0x1010)) == bytes.fromhex("10ffc4")
    assert device.read(VariableName(0x1010), context=weak) == DENIED
    assert device.write(0x4020, b"\x0f\x00") == SUCCESS
    assert device.write(0x4020, b"\x0f\x00", weak) == DENIED


def test_selections_need_parameterized_access() -> None:
    device = Named()
    selected = ParameterisedAccess(0x3008, Selection(1, axdr.encode((0, None))))
    assert device.read(selected) == bytes.fromhex("0100")
    assert device.calls[-1] == ("get", 7, 2, Selection(1, b"\x00"))
    without = CONTEXT._replace(conformance=int(Conformance.READ))
    assert device.read(selected, context=without) == DataAccessResult.OTHER_REASON
    other = ParameterisedAccess(0x3008, Selection(5, b"\x00"))
    assert device.read(other) == DataAccessResult.OTHER_REASON


def test_writes_are_checked_and_made() -> None:
    device = Named()
    assert device.write(0x1008, axdr.encode(octet_string(bytes(12)))) == SUCCESS
    assert device.calls[-1][:3] == ("set", 8, 2)
    assert device.write(0x1008, b"\x11\x01") == DataAccessResult.TYPE_UNMATCHED
    assert device.write(0x2008, b"\x11\x01") == DENIED
    assert device.write(0x0FF8, b"\x11\x01") == DataAccessResult.OBJECT_UNDEFINED
    assert device.write(0x5008, b"\x11\xff") == DataAccessResult.HARDWARE_FAULT


def test_methods_are_invoked_by_write_and_by_read() -> None:
    device = Named()
    assert device.write(0x1088, b"\x10\x00\x05") == SUCCESS
    assert device.calls[-1] == ("act", 8, 6, b"\x10\x00\x05")
    by_read = ParameterisedAccess(0x1088, Selection(0, b"\x10\x00\x05"))
    assert device.read(by_read) == b"\x00"
    assert device.read(ParameterisedAccess(0x1088, Selection(1, b"\x10\x00\x05"))) == DENIED
    assert device.read(VariableName(0x1088)) == DENIED
    assert device.write(0x2028, b"\x0f\x00") == DENIED
    assert device.write(0x4028, b"\x0f\x00") == DataAccessResult.TEMPORARY_FAILURE
    assert device.write(0x1088, b"\x09\x01a") == DataAccessResult.TYPE_UNMATCHED


def test_an_unconfirmed_write_is_carried_out() -> None:
    device = Named()
    request = UnconfirmedWriteRequest([VariableName(0x5008)], [b"\x11\x09"])
    serve(request, device, device.settings, CONTEXT)
    assert device.values[MAKER, 2] == b"\x11\x09"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ReadRequest([VariableName(8)] * 5), ServiceError.PDU_SIZE),
        (WriteRequest([VariableName(8)] * 5, [b"\x00"] * 5), ServiceError.PDU_SIZE),
        (WriteRequest([VariableName(8)], []), ServiceError.OTHER),
        (
            GetRequestNormal(0, AttributeDescriptor(3, ENERGY, 2), None),
            ServiceError.SERVICE_UNSUPPORTED,
        ),
    ],
)
def test_requests_that_are_not_carried_out_at_all(request_: Any, reason: ServiceError) -> None:
    device = Named()
    answer = serve(request_, device, device.settings, CONTEXT)
    assert isinstance(answer, ConfirmedServiceError)
    assert answer.reason == reason
    assert device.calls == []


def test_answers_are_protected_as_the_rights_demand() -> None:
    demanding = ObjectRights({2: READ | AccessMode.ENCRYPTED_RESPONSE})
    device = Named(rights={(3, ENERGY): demanding})
    for names, expected in (([0x1008], 0), ([0x1008, 0x2008], 0x20), ([0x0008], 0)):
        request = ReadRequest([VariableName(name) for name in names])
        assert demanded_protection(request, device, device.settings) == expected
    plain = CONTEXT._replace(can_protect=0)
    assert device.read(VariableName(0x2008), context=plain) == DENIED


def test_two_objects_of_one_name_are_a_mistake() -> None:
    key = (1, bytes(6))
    twin = ObjectEntry(1, 0, bytes(6), registry.find(1, 0), 0x2008)
    device = Named(objects={key: twin}, rights={key: ObjectRights({2: READ})})
    with pytest.raises(UsageError, match="same short name 2008"):
        device.read(VariableName(0x2008))


def test_objects_without_a_base_name_are_not_there() -> None:
    key = (1, bytes(6))
    device = Named(
        objects={key: ObjectEntry(1, 0, bytes(6))}, rights={key: ObjectRights({2: READ})}
    )
    listed = AssociationSnV1.object_list.type.load(axdr.decode(device.read(VariableName(0xFA08))))
    assert len(listed) == 1 + len(BASES)


@pytest.mark.parametrize(
    ("version", "attribute", "method"), [(1, 3, 1), (2, 6, 2), (3, 6, 2), (4, 15, 5)]
)
def test_rights_as_each_version_writes_them(version: int, attribute: int, method: int) -> None:
    device = Named(version)
    data = axdr.decode(device.read(VariableName(0xFA10)))
    listed = {each.base_name: each for each in AssociationSnV1.access_rights_list.type.load(data)}
    clock = {each.attribute_id: each.mode for each in listed[0x1000].attributes}
    assert clock[3] == attribute
    assert clock[4] == 2
    switch = {each.method_id: int(each.mode) for each in listed[0x4000].methods}
    assert switch[1] == method
    profile = {each.attribute_id: each.selectors for each in listed[0x3000].attributes}
    assert profile[2] == [1, 2]
    assert listed[0xFA00 - 0x10000].base_name == -1536


def test_attributes_of_the_later_versions() -> None:
    device = Named(4)
    reference = device.read(VariableName(0xFA18))
    assert AssociationSnV2.security_setup_reference.type.load(axdr.decode(reference)) == bytes(
        (0, 0, 43, 0, 1, 255)
    )
    assert device.read(VariableName(0xFA20)) == b"\x01\x00"
    assert AssociationSnV3.current_user.type.load(
        axdr.decode(device.read(VariableName(0xFA28)))
    ) == (0, "")
    assert AssociationSnV4.version == 4
    selected = ParameterisedAccess(0xFA08, Selection(1, b"\x00"))
    assert device.read(selected) == DataAccessResult.OTHER_REASON


def test_the_handshake_is_over() -> None:
    proof = ParameterisedAccess(0xFA58, Selection(0, axdr.encode(octet_string(b"proof"))))
    assert Named().read(proof) == DENIED


@pytest.mark.parametrize("method", [0x20, 0x28, 0x30, 0x38])
@pytest.mark.parametrize("data", [b"\x00", b"\x0f\x00", b"\x01\x01\x02", b"\x09\x01a", b""])
def test_odd_parameters_of_queries_are_refused(method: int, data: bytes) -> None:
    found = Named().read(ParameterisedAccess(0xFA00 + method, Selection(0, data)))
    assert found == DataAccessResult.TYPE_UNMATCHED


def test_a_query_asks_for_a_bounded_number_of_objects() -> None:
    one = (2, [(18, 8), (9, CLOCK)])
    data = axdr.encode((1, [one] * 257))
    found = Named().read(ParameterisedAccess(0xFA38, Selection(0, data)))
    assert found == DataAccessResult.OTHER_REASON
