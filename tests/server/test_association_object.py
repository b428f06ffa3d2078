"""Association LN and SAP assignment as clients read them."""

from __future__ import annotations

from typing import Any

import pytest

from ferraris.data import axdr
from ferraris.data.kinds import BitString
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.get import GetRequestNormal, GetResponseNormal
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.model import registry
from ferraris.model.access_control import (
    AccessRight,
    AssociatedPartners,
    AssociationLnV2,
    AssociationStatus,
    AttributeAccess,
    BriefObject,
    BriefObjectListType,
    MethodAccess,
    ObjectListElement,
    SapAssignment,
    XdlmsContext,
)
from ferraris.server.association_object import attribute_mode, method_mode
from ferraris.server.device import (
    READ,
    READ_WRITE,
    AccessMode,
    AccessRights,
    AssociationSettings,
    ObjectEntry,
    ObjectRights,
    RequestContext,
)
from ferraris.server.dispatch import serve

CURRENT, READER = Obis.parse("0-0:40.0.0*255"), Obis.parse("0-0:40.0.1*255")
PUBLIC, SAPS = Obis.parse("0-0:40.0.2*255"), Obis.parse("0-0:41.0.0*255")
ENERGY, SWITCH = Obis.parse("1-0:1.8.0*255"), Obis.parse("0-0:96.3.10*255")
MAKER, CLOCK = Obis.parse("0-0:128.0.0*255"), Obis.parse("0-0:1.0.0*255")


def get(
    device: Any,
    attribute: int,
    name: bytes = CURRENT,
    *,
    class_id: int = 15,
    selection: Selection | None = None,
    client: int = 1,
    conformance: int | None = None,
) -> Any:
    request = GetRequestNormal(1, AttributeDescriptor(class_id, bytes(name), attribute), selection)
    context = RequestContext(client, 0, 0.0, conformance, 500)
    response = serve(request, device, device.associations[client], context)
    assert isinstance(response, GetResponseNormal)
    return response.result if response.data is None else response.data


def load(attribute: Any, octets: bytes) -> Any:
    return attribute.type.load(axdr.decode(octets))


def test_object_list(device: Any) -> None:
    listed = load(AssociationLnV2.object_list, get(device, 2))
    by_name = {item.logical_name: item for item in listed}
    assert list(by_name) == [
        Obis(name) for _, name in device.objects if name != Obis.parse("0-0:96.1.9*255")
    ]
    assert by_name[ENERGY] == ObjectListElement(
        3,
        0,
        ENERGY,
        AccessRight(
            [AttributeAccess(1, 1, None), AttributeAccess(2, 1, None), AttributeAccess(3, 1, None)],
            [MethodAccess(1, 0)],
        ),
    )
    assert by_name[SWITCH].access_rights.methods == [MethodAccess(1, 2), MethodAccess(2, 1)]
    assert by_name[CLOCK].access_rights.attributes[2] == AttributeAccess(3, 6, None)
    assert by_name[CURRENT].access_rights.attributes[1] == AttributeAccess(2, 1, [1, 2, 3, 4])
    assert [item.attribute_id for item in by_name[MAKER].access_rights.attributes] == [-1, 1, 2]


def test_object_list_is_composed_once(device: Any) -> None:
    other = type(device)()
    assert get(device, 2) is get(other, 2)
    other.objects = dict(list(device.objects.items())[:3])
    assert len(load(AssociationLnV2.object_list, get(other, 2))) == 3


def test_object_list_shows_what_the_association_sees(device: Any) -> None:
    listed = load(AssociationLnV2.object_list, get(device, 2, client=16))
    assert [item.logical_name for item in listed] == [CURRENT, CLOCK]


def test_selectors(device: Any) -> None:
    whole = get(device, 2, selection=Selection(1, b"\x00"))
    assert BriefObject(3, 0, ENERGY) in BriefObjectListType.load(axdr.decode(whole))
    registers = get(device, 2, selection=Selection(2, bytes.fromhex("0102120003120046")))
    assert BriefObjectListType.load(axdr.decode(registers)) == [
        BriefObject(3, 0, ENERGY),
        BriefObject(70, 0, SWITCH),
    ]
    identity = bytes.fromhex("02021200030906") + ENERGY
    some = get(device, 2, selection=Selection(3, b"\x01\x01" + identity))
    (element,) = load(AssociationLnV2.object_list, some)
    assert element.logical_name == ENERGY
    single = get(device, 2, selection=Selection(4, identity))
    assert b"\x01\x01" + single == some
    unknown = bytes.fromhex("02021200040906") + ENERGY
    assert get(device, 2, selection=Selection(3, b"\x01\x01" + unknown)) == b"\x01\x00"
    missing = get(device, 2, selection=Selection(4, unknown))
    assert missing is DataAccessResult.OBJECT_UNDEFINED


def test_selectors_of_the_wrong_form(device: Any) -> None:
    for selection in (Selection(1, b"\x11\x01"), Selection(2, b"\x00"), Selection(4, b"\xff\xff")):
        assert get(device, 2, selection=selection) is DataAccessResult.TYPE_UNMATCHED
    selection = Selection(5, b"\x00")
    assert get(device, 2, selection=selection) is DataAccessResult.OTHER_REASON


def test_attributes(device: Any) -> None:
    assert load(AssociationLnV2.associated_partners_id, get(device, 3)) == AssociatedPartners(1, 1)
    assert get(device, 4).hex() == "090760857405080103"
    assert get(device, 6).hex() == "090760857405080205"
    assert load(AssociationLnV2.xdlms_context_info, get(device, 5, conformance=0x10)) == (
        XdlmsContext(BitString(24, b"\x00\x00\x10"), 1024, 500, 6, 0, b"")
    )
    assert get(device, 7) is DataAccessResult.READ_WRITE_DENIED
    assert load(AssociationLnV2.association_status, get(device, 8)) is AssociationStatus.ASSOCIATED
    setup = load(AssociationLnV2.security_setup_reference, get(device, 9))
    assert setup == Obis.parse("0-0:43.0.1*255")
    assert load(AssociationLnV2.user_list, get(device, 10)) == []
    assert load(AssociationLnV2.current_user, get(device, 11)) == (0, "")


def test_another_association_seen_from_this_one(device: Any) -> None:
    assert load(AssociationLnV2.associated_partners_id, get(device, 3, PUBLIC)) == (16, 1)
    status = load(AssociationLnV2.association_status, get(device, 8, PUBLIC))
    assert status is AssociationStatus.NON_ASSOCIATED
    assert get(device, 4, PUBLIC).hex() == "090760857405080101"
    assert get(device, 9, PUBLIC) == b"\x09\x06" + bytes(6)
    context = load(AssociationLnV2.xdlms_context_info, get(device, 5, PUBLIC))
    assert context.max_send_pdu_size == 0
    assert load(AssociationLnV2.association_status, get(device, 8, READER)) == 2
    device.associations = {1: device.associations[1]}
    assert get(device, 8, PUBLIC) is DataAccessResult.OBJECT_UNAVAILABLE


def test_sap_assignment(device: Any) -> None:
    kind = SapAssignment.sap_assignment_list
    alone = load(kind, get(device, 2, SAPS, class_id=17))
    assert alone == [(1, b"TST0000000000001")]
    device.sap_assignment = [(1, b"TST0000000000001"), (17, b"TST0000000000002")]
    both = load(kind, get(device, 2, SAPS, class_id=17))
    assert [item.sap for item in both] == [1, 17]


MODES = [
    # mode, version 0, versions 1 and 2, version 3
    (AccessMode.NONE, 0, 0, 0),
    (READ, 1, 1, 1),
    (AccessMode.WRITE, 2, 2, 2),
    (READ_WRITE, 3, 3, 3),
    (READ | AccessMode.AUTHENTICATED_REQUEST, 1, 4, 5),
    (AccessMode.WRITE | AccessMode.ENCRYPTED_REQUEST, 2, 5, 10),
    (READ_WRITE | AccessMode.AUTHENTICATED_REQUEST, 3, 6, 7),
    (AccessMode.AUTHENTICATED_REQUEST, 0, 0, 4),
]


@pytest.mark.parametrize(("mode", "first", "second", "third"), MODES)
def test_modes_of_attributes(mode: int, first: int, second: int, third: int) -> None:
    found = [attribute_mode(mode, version) for version in range(4)]
    assert found == [first, second, second, third]


def test_modes_of_methods() -> None:
    protected = READ | AccessMode.AUTHENTICATED_REQUEST
    assert [method_mode(READ, version) for version in range(4)] == [True, 1, 1, 1]
    assert [method_mode(protected, version) for version in range(4)] == [True, 2, 2, 5]
    assert [method_mode(0, version) for version in range(4)] == [False, 0, 0, 0]


@pytest.mark.parametrize("version", range(4))
def test_every_version_encodes_its_own_list(device: Any, version: int) -> None:
    declaration = registry.find(15, version)
    assert declaration is not None
    rights = AccessRights({(15, bytes(CURRENT)): ObjectRights({2: READ}, {2: READ})})
    device.objects = {
        (15, bytes(CURRENT)): ObjectEntry(15, version, bytes(CURRENT), declaration),
    }
    device.associations = {
        1: AssociationSettings(1, bytes(CURRENT), conformance=0x10, rights=rights)
    }
    (element,) = declaration.attributes[2].type.load(axdr.decode(get(device, 2)))
    assert element.version == version
    assert len(element.access_rights.attributes) == len(declaration.attributes)
    assert element.access_rights.methods[1].mode == 1
