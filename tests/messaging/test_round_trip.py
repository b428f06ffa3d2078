"""Whatever can be built encodes, and decodes to what was built."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferraris.data.axdr import encode as encode_data
from ferraris.data.kinds import RANGES, BitString, CompactArray, NotANumber
from ferraris.messaging.dlms import (
    access,
    acse,
    action,
    errors,
    gateway,
    general,
    get,
    initiate,
    notify,
    short_name,
)
from ferraris.messaging.dlms import set as set_service
from ferraris.messaging.dlms.apdu import decode, encode
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    AssociationResult,
    ConfirmedService,
    DataAccessResult,
    ExceptionServiceError,
    ReleaseRequestReason,
    ReleaseResponseReason,
    ServiceErrorChoice,
    ServiceProviderDiagnostic,
    ServiceUserDiagnostic,
    StateError,
)
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL
from ferraris.messaging.dlms.translation import (
    from_tree,
    read_json,
    read_xml,
    to_tree,
    write_json,
    write_xml,
)

u8, u16, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
octets = st.binary(max_size=200)
title = st.binary(min_size=8, max_size=8)
optional = st.none() | octets
texts = st.text(st.characters(max_codepoint=255), max_size=20)
bits = st.integers(0, 40).flatmap(
    lambda count: st.builds(
        BitString, st.just(count), st.binary(min_size=(count + 7) // 8, max_size=(count + 7) // 8)
    )
)
descriptions = st.recursive(
    st.sampled_from(
        [(tag, None) for tag in (*RANGES, 0, 3, 4, 9, 10, 12, 23, 24, 25, 26, 27, 255)]
    ),
    lambda inner: st.one_of(
        st.tuples(st.just(1), st.tuples(u16, inner)),
        st.tuples(st.just(2), st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)
simple_values = st.one_of(
    st.sampled_from([(0, None), (255, None), (3, True), (3, False), (3, 77)]),
    *(st.tuples(st.just(tag), st.integers(*limits)) for tag, limits in RANGES.items()),
    st.tuples(st.just(4), bits),
    st.tuples(st.just(9), st.binary(max_size=140)),
    st.tuples(st.just(10), texts),
    st.tuples(st.just(12), st.text(max_size=20)),
    st.tuples(
        st.just(12), st.binary(max_size=9).map(lambda raw: raw.decode(errors="surrogateescape"))
    ),
    st.tuples(st.just(19), st.builds(CompactArray, descriptions, octets)),
    st.tuples(st.just(23), st.floats(width=32)),
    st.tuples(st.just(24), st.floats()),
    st.tuples(st.just(24), st.just(NotANumber(bytes.fromhex("fff0000000000001")))),
    st.tuples(st.just(25), st.binary(min_size=12, max_size=12)),
    st.tuples(st.just(26), st.binary(min_size=5, max_size=5)),
    st.tuples(st.just(27), st.binary(min_size=4, max_size=4)),
)
values = st.recursive(
    simple_values,
    lambda inner: st.tuples(st.sampled_from((1, 2)), st.lists(inner, max_size=4)),
    max_leaves=6,
)
data = st.builds(encode_data, values)
name = st.binary(min_size=6, max_size=6)
i8 = st.integers(-128, 127)
attribute = st.builds(AttributeDescriptor, u16, name, i8)
method = st.builds(MethodDescriptor, u16, name, i8)
selection = st.builds(Selection, u8, data)
selected = st.tuples(attribute, st.none() | selection)
attributes = st.lists(selected, max_size=4)
result = st.sampled_from(DataAccessResult)
action_result = st.sampled_from(ActionResult)
block = (st.booleans(), u32, octets)
date_time = st.just(b"") | st.binary(min_size=12, max_size=12)
outcome = st.one_of(
    st.builds(action.ActionOutcome, action_result, st.none() | data, st.none()),
    st.builds(action.ActionOutcome, action_result, st.none(), result),
)
conformance = st.builds(Conformance, st.integers(0, (1 << 24) - 1))
specification = st.one_of(
    st.builds(
        access.AccessSpecification,
        st.sampled_from((access.AccessChoice.GET, access.AccessChoice.SET)),
        attribute,
        st.none(),
    ),
    st.builds(access.AccessSpecification, st.just(access.AccessChoice.ACTION), method, st.none()),
    st.builds(
        access.AccessSpecification,
        st.sampled_from(
            (access.AccessChoice.GET_WITH_SELECTION, access.AccessChoice.SET_WITH_SELECTION)
        ),
        attribute,
        selection,
    ),
)
access_result = st.one_of(
    st.builds(
        access.AccessResult,
        st.sampled_from((access.AccessChoice.GET, access.AccessChoice.SET)),
        result,
    ),
    st.builds(access.AccessResult, st.just(access.AccessChoice.ACTION), action_result),
)
variable = st.one_of(
    st.builds(short_name.VariableName, u16),
    st.builds(short_name.ParameterisedAccess, u16, selection),
    st.builds(short_name.BlockNumberAccess, u16),
    st.builds(short_name.ReadDataBlockAccess, st.booleans(), u16, octets),
    st.builds(short_name.WriteDataBlockAccess, st.booleans(), u16),
)
variables = st.lists(variable, max_size=4)
values_list = st.lists(data, max_size=4)
key_info = st.one_of(
    st.none(),
    st.builds(general.IdentifiedKey, u8),
    st.builds(general.WrappedKey, u8, octets),
    st.builds(general.AgreedKey, octets, octets),
)
header = (octets, octets, octets, date_time, octets)
number = st.none() | st.integers(-(1 << 31), (1 << 31) - 1)
context = st.sampled_from(acse.ApplicationContext)
mechanism = st.none() | st.sampled_from(acse.Mechanism)
secret = st.none() | st.binary(max_size=80)

APDUS: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        acse.Aarq,
        context,
        optional,
        mechanism,
        secret,
        st.none(),
        *([st.none() | title, optional, number, number] * 2),
        optional,
    ),
    st.builds(
        acse.Aare,
        context,
        st.sampled_from(AssociationResult),
        st.sampled_from(ServiceUserDiagnostic) | st.sampled_from(ServiceProviderDiagnostic),
        optional,
        mechanism,
        secret,
        st.none(),
        st.none() | title,
        optional,
        number,
        number,
        optional,
    ),
    st.builds(acse.Rlrq, st.none() | st.sampled_from(ReleaseRequestReason), optional),
    st.builds(acse.Rlre, st.none() | st.sampled_from(ReleaseResponseReason), optional),
    st.builds(
        initiate.InitiateRequest, conformance, u16, optional, st.booleans(), st.none() | i8, u8
    ),
    st.builds(initiate.InitiateResponse, conformance, u16, u16, st.none() | i8, u8),
    st.builds(
        errors.ConfirmedServiceError,
        st.sampled_from(ConfirmedService),
        st.sampled_from(ServiceErrorChoice),
        u8,
    ),
    st.builds(
        errors.ExceptionResponse,
        st.sampled_from(StateError),
        st.sampled_from(ExceptionServiceError),
    ),
    st.builds(
        errors.ExceptionResponse,
        st.sampled_from(StateError),
        st.just(ExceptionServiceError.INVOCATION_COUNTER_ERROR),
        u32,
    ),
    st.builds(get.GetRequestNormal, u8, attribute, st.none() | selection),
    st.builds(get.GetRequestNext, u8, u32),
    st.builds(get.GetRequestWithList, u8, attributes),
    st.builds(get.GetResponseNormal, u8, st.just(DataAccessResult.SUCCESS), data),
    st.builds(get.GetResponseNormal, u8, result),
    st.builds(get.GetResponseWithBlock, u8, *block),
    st.builds(get.GetResponseWithBlock, u8, st.booleans(), u32, st.none(), result),
    st.builds(get.GetResponseWithList, u8, st.lists(data | result, max_size=5)),
    st.builds(set_service.SetRequestNormal, u8, attribute, st.none() | selection, data),
    st.builds(set_service.SetRequestFirstBlock, u8, attribute, st.none() | selection, *block),
    st.builds(set_service.SetRequestBlock, u8, *block),
    st.builds(set_service.SetRequestWithList, u8, attributes, values_list),
    st.builds(set_service.SetRequestListFirstBlock, u8, attributes, *block),
    st.builds(set_service.SetResponseNormal, u8, result),
    st.builds(set_service.SetResponseBlock, u8, u32),
    st.builds(set_service.SetResponseLastBlock, u8, result, u32),
    st.builds(set_service.SetResponseLastBlockWithList, u8, st.lists(result), u32),
    st.builds(set_service.SetResponseWithList, u8, st.lists(result)),
    st.builds(action.ActionRequestNormal, u8, method, st.none() | data),
    st.builds(action.ActionRequestNextBlock, u8, u32),
    st.builds(action.ActionRequestWithList, u8, st.lists(method, max_size=4), values_list),
    st.builds(action.ActionRequestFirstBlock, u8, method, *block),
    st.builds(action.ActionRequestListFirstBlock, u8, st.lists(method, max_size=4), *block),
    st.builds(action.ActionRequestBlock, u8, *block),
    st.builds(action.ActionResponseNormal, u8, action_result, st.none() | data),
    st.builds(action.ActionResponseNormal, u8, action_result, st.none(), result),
    st.builds(action.ActionResponseBlock, u8, *block),
    st.builds(action.ActionResponseWithList, u8, st.lists(outcome, max_size=4)),
    st.builds(action.ActionResponseNextBlock, u8, u32),
    st.builds(
        access.AccessRequest, u32, date_time, st.lists(specification, max_size=4), values_list
    ),
    st.builds(
        access.AccessResponse,
        u32,
        date_time,
        st.none() | st.lists(specification, max_size=3),
        values_list,
        st.lists(access_result, max_size=4),
    ),
    st.builds(notify.DataNotification, u32, date_time, data),
    st.builds(notify.DataNotificationConfirm, u32, date_time),
    st.builds(notify.EventNotification, st.none() | date_time, attribute, data),
    st.builds(short_name.ReadRequest, variables),
    st.builds(
        short_name.ReadResponse,
        st.lists(
            st.one_of(
                data,
                result,
                st.builds(short_name.DataBlockResult, st.booleans(), u16, octets),
                st.builds(short_name.BlockNumberResult, u16),
            ),
            max_size=4,
        ),
    ),
    st.builds(short_name.WriteRequest, variables, values_list),
    st.builds(
        short_name.WriteResponse,
        st.lists(result | st.builds(short_name.BlockNumberResult, u16), max_size=4),
    ),
    st.builds(short_name.UnconfirmedWriteRequest, variables, values_list),
    st.builds(short_name.InformationReportRequest, st.none() | octets, variables, values_list),
    st.builds(
        short_name.InformationReportRequest,
        st.binary(min_size=12, max_size=12),
        variables,
        values_list,
        st.just(True),
    ),
    st.builds(
        general.ServiceCiphered,
        st.sampled_from((*GLOBAL.values(), *DEDICATED.values())),
        octets,
    ),
    st.builds(general.GeneralGlo, octets, octets),
    st.builds(general.GeneralDed, octets, octets),
    st.builds(general.GeneralCiphering, *header, key_info, octets),
    st.builds(general.GeneralSigning, *header, octets, octets),
    st.builds(
        general.GeneralBlockTransfer,
        st.booleans(),
        st.booleans(),
        st.integers(0, 63),
        u16,
        u16,
        octets,
    ),
    st.builds(gateway.GatewayRequest, u8, octets, st.binary(min_size=1, max_size=50)),
    st.builds(gateway.GatewayResponse, u8, octets, st.binary(min_size=1, max_size=50)),
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(APDUS)
def test_every_apdu_survives_the_wire(apdu: Any) -> None:
    encoded = encode(apdu)
    again = decode(encoded, strict=True)
    assert again == apdu
    assert type(again) is type(apdu)
    assert encode(again) == encoded


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(APDUS)
def test_every_apdu_survives_documents(apdu: Any) -> None:
    encoded = encode(apdu)
    tree = to_tree(encoded)
    assert len(tree.children) == 1
    assert from_tree(tree) == encoded
    assert from_tree(read_xml(write_xml(tree).encode())) == encoded
    assert from_tree(read_json(write_json(tree).encode())) == encoded
