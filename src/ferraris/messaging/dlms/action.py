"""ACTION: invoking methods, single, in lists and in blocks [asn1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import MethodDescriptor, method_from_octets
from ferraris.messaging.dlms.reading import (
    DEFAULT_LIMITS,
    ApduReader,
    optional_data,
    sequence_of,
)
from ferraris.messaging.dlms.set import block_octets, read_block

__all__ = [
    "ActionOutcome",
    "ActionRequest",
    "ActionRequestBlock",
    "ActionRequestFirstBlock",
    "ActionRequestListFirstBlock",
    "ActionRequestNextBlock",
    "ActionRequestNormal",
    "ActionRequestWithList",
    "ActionResponse",
    "ActionResponseBlock",
    "ActionResponseNextBlock",
    "ActionResponseNormal",
    "ActionResponseWithList",
]

_ACTION_RESULTS = ActionResult.table()
_DATA_RESULTS = DataAccessResult.table()


class ActionOutcome(NamedTuple):
    """How one method of a list ended: its result, and returned Data or why there is none."""

    result: ActionResult
    data: bytes | None = None
    data_result: DataAccessResult | None = None


@dataclass(slots=True)
class ActionRequestNormal:
    """Invoke one method; `data` is the encoded parameter, None when it takes none."""

    invoke_id_and_priority: int
    method: MethodDescriptor
    data: bytes | None = None

    def to_octets(self) -> bytes:
        """Encode with tag C3."""
        head = bytes((0xC3, 1, self.invoke_id_and_priority)) + self.method.to_octets()
        return head + optional_data(self.data)


@dataclass(slots=True)
class ActionRequestNextBlock:
    """Ask for the block after `block_number`, the one just received."""

    invoke_id_and_priority: int
    block_number: int

    def to_octets(self) -> bytes:
        """Encode with tag C3."""
        return bytes((0xC3, 2, self.invoke_id_and_priority)) + self.block_number.to_bytes(4, "big")


@dataclass(slots=True)
class ActionRequestWithList:
    """Invoke several methods; one encoded Data for each, null-data when it takes none."""

    invoke_id_and_priority: int
    methods: list[MethodDescriptor]
    data: list[bytes]

    def to_octets(self) -> bytes:
        """Encode with tag C3."""
        head = bytes((0xC3, 3, self.invoke_id_and_priority)) + _methods(self.methods)
        return head + sequence_of(self.data)


@dataclass(slots=True)
class ActionRequestFirstBlock:
    """Begin to invoke one method with a parameter in blocks."""

    invoke_id_and_priority: int
    method: MethodDescriptor
    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C3."""
        head = bytes((0xC3, 4, self.invoke_id_and_priority)) + self.method.to_octets()
        return head + block_octets(self.last_block, self.block_number, self.raw_data)


@dataclass(slots=True)
class ActionRequestListFirstBlock:
    """Begin to invoke several methods with parameters in blocks."""

    invoke_id_and_priority: int
    methods: list[MethodDescriptor]
    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C3."""
        head = bytes((0xC3, 5, self.invoke_id_and_priority)) + _methods(self.methods)
        return head + block_octets(self.last_block, self.block_number, self.raw_data)


@dataclass(slots=True)
class ActionRequestBlock:
    """One more block of parameters."""

    invoke_id_and_priority: int
    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C3."""
        head = bytes((0xC3, 6, self.invoke_id_and_priority))
        return head + block_octets(self.last_block, self.block_number, self.raw_data)


@dataclass(slots=True)
class ActionResponseNormal:
    """How the method ended; `data` is what it returned, `data_result` why it could not."""

    invoke_id_and_priority: int
    result: ActionResult
    data: bytes | None = None
    data_result: DataAccessResult | None = None

    def to_octets(self) -> bytes:
        """Encode with tag C7."""
        head = bytes((0xC7, 1, self.invoke_id_and_priority))
        return head + _outcome_octets(self.result, self.data, self.data_result)


@dataclass(slots=True)
class ActionResponseBlock:
    """One block of a long return value."""

    invoke_id_and_priority: int
    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C7."""
        head = bytes((0xC7, 2, self.invoke_id_and_priority))
        return head + block_octets(self.last_block, self.block_number, self.raw_data)


@dataclass(slots=True)
class ActionResponseWithList:
    """One outcome for each method, in order."""

    invoke_id_and_priority: int
    results: list[ActionOutcome]

    def to_octets(self) -> bytes:
        """Encode with tag C7."""
        head = bytes((0xC7, 3, self.invoke_id_and_priority))
        return head + sequence_of(_outcome_octets(*outcome) for outcome in self.results)


@dataclass(slots=True)
class ActionResponseNextBlock:
    """Block `block_number` of the parameters arrived, more are expected."""

    invoke_id_and_priority: int
    block_number: int

    def to_octets(self) -> bytes:
        """Encode with tag C7."""
        return bytes((0xC7, 4, self.invoke_id_and_priority)) + self.block_number.to_bytes(4, "big")


ActionRequest = (
    ActionRequestNormal
    | ActionRequestNextBlock
    | ActionRequestWithList
    | ActionRequestFirstBlock
    | ActionRequestListFirstBlock
    | ActionRequestBlock
)
ActionResponse = (
    ActionResponseNormal | ActionResponseBlock | ActionResponseWithList | ActionResponseNextBlock
)


def decode_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> ActionRequest:
    """Decode an ACTION request from its tag C3 on."""
    if len(octets) >= 13 and octets[1] == 1:
        if octets[12] == 0 and len(octets) == 13:
            return ActionRequestNormal(octets[2], method_from_octets(octets[3:12]))
        if octets[12] == 1 and len(octets) > 13:
            return ActionRequestNormal(octets[2], method_from_octets(octets[3:12]), octets[13:])
    reader = ApduReader(octets, "dlms action-request", limits, 1)
    choice = reader.u8()
    invoke_id = reader.u8()
    request: ActionRequest
    if choice == 1:
        method = reader.method()
        request = ActionRequestNormal(
            invoke_id, method, reader.data() if reader.present() else None
        )
    elif choice == 2:
        request = ActionRequestNextBlock(invoke_id, reader.u32())
    elif choice == 3:
        request = ActionRequestWithList(invoke_id, reader.methods(), reader.data_list())
    elif choice == 4:
        request = ActionRequestFirstBlock(invoke_id, reader.method(), *read_block(reader))
    elif choice == 5:
        request = ActionRequestListFirstBlock(invoke_id, reader.methods(), *read_block(reader))
    elif choice == 6:
        request = ActionRequestBlock(invoke_id, *read_block(reader))
    else:
        reader.position = 1
        raise reader.error(f"unknown choice {choice}")
    reader.finish()
    return request


def decode_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> ActionResponse:
    """Decode an ACTION response from its tag C7 on."""
    size = len(octets)
    if size > 4 and octets[1] == 1:
        if octets[4] == 0 and size == 5:
            return ActionResponseNormal(octets[2], _ACTION_RESULTS[octets[3]])
        if size > 6 and octets[4] == 1 and octets[5] == 0:
            return ActionResponseNormal(octets[2], _ACTION_RESULTS[octets[3]], octets[6:])
    reader = ApduReader(octets, "dlms action-response", limits, 1)
    choice = reader.u8()
    invoke_id = reader.u8()
    response: ActionResponse
    if choice == 1:
        response = ActionResponseNormal(invoke_id, *_read_outcome(reader))
    elif choice == 2:
        response = ActionResponseBlock(invoke_id, *read_block(reader))
    elif choice == 3:
        outcomes = [_read_outcome(reader) for _ in range(reader.count(2))]
        response = ActionResponseWithList(invoke_id, outcomes)
    elif choice == 4:
        response = ActionResponseNextBlock(invoke_id, reader.u32())
    else:
        reader.position = 1
        raise reader.error(f"unknown choice {choice}")
    reader.finish()
    return response


def _read_outcome(reader: ApduReader) -> ActionOutcome:
    result = _ACTION_RESULTS[reader.u8()]
    if not reader.present():
        return ActionOutcome(result)
    choice = reader.u8()
    if choice == 0:
        return ActionOutcome(result, reader.data())
    if choice == 1:
        return ActionOutcome(result, None, _DATA_RESULTS[reader.u8()])
    reader.position -= 1
    raise reader.error(f"Data (00) or result (01) expected, not {choice:02x}")


def _outcome_octets(
    result: ActionResult, data: bytes | None, data_result: DataAccessResult | None
) -> bytes:
    if data is not None:
        return bytes((result, 1, 0)) + data
    if data_result is not None:
        return bytes((result, 1, 1, data_result))
    return bytes((result, 0))


def _methods(methods: list[MethodDescriptor]) -> bytes:
    return sequence_of(method.to_octets() for method in methods)
