"""SET: writing attributes, whole, in lists and in blocks [asn1]."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.data.axdr import Limits, length_octets
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection, attribute_from_octets
from ferraris.messaging.dlms.reading import (
    DEFAULT_LIMITS,
    ApduReader,
    attribute_list,
    octet_string,
    optional_selection,
    sequence_of,
)

__all__ = [
    "SetRequest",
    "SetRequestBlock",
    "SetRequestFirstBlock",
    "SetRequestListFirstBlock",
    "SetRequestNormal",
    "SetRequestWithList",
    "SetResponse",
    "SetResponseBlock",
    "SetResponseLastBlock",
    "SetResponseLastBlockWithList",
    "SetResponseNormal",
    "SetResponseWithList",
]

_RESULTS = DataAccessResult.table()


@dataclass(slots=True)
class SetRequestNormal:
    """Write one attribute, or a selection of it; `data` is encoded."""

    invoke_id_and_priority: int
    attribute: AttributeDescriptor
    selection: Selection | None
    data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C1."""
        head = bytes((0xC1, 1, self.invoke_id_and_priority)) + self.attribute.to_octets()
        return head + optional_selection(self.selection) + self.data


@dataclass(slots=True)
class SetRequestFirstBlock:
    """Begin to write one attribute in blocks."""

    invoke_id_and_priority: int
    attribute: AttributeDescriptor
    selection: Selection | None
    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C1."""
        head = bytes((0xC1, 2, self.invoke_id_and_priority)) + self.attribute.to_octets()
        block = block_octets(self.last_block, self.block_number, self.raw_data)
        return head + optional_selection(self.selection) + block


@dataclass(slots=True)
class SetRequestBlock:
    """One more block of a write."""

    invoke_id_and_priority: int
    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C1."""
        head = bytes((0xC1, 3, self.invoke_id_and_priority))
        return head + block_octets(self.last_block, self.block_number, self.raw_data)


@dataclass(slots=True)
class SetRequestWithList:
    """Write several attributes at once; one encoded Data for each."""

    invoke_id_and_priority: int
    attributes: list[tuple[AttributeDescriptor, Selection | None]]
    data: list[bytes]

    def to_octets(self) -> bytes:
        """Encode with tag C1."""
        head = bytes((0xC1, 4, self.invoke_id_and_priority))
        return head + attribute_list(self.attributes) + sequence_of(self.data)


@dataclass(slots=True)
class SetRequestListFirstBlock:
    """Begin to write several attributes in blocks."""

    invoke_id_and_priority: int
    attributes: list[tuple[AttributeDescriptor, Selection | None]]
    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with tag C1."""
        head = bytes((0xC1, 5, self.invoke_id_and_priority)) + attribute_list(self.attributes)
        return head + block_octets(self.last_block, self.block_number, self.raw_data)


@dataclass(slots=True)
class SetResponseNormal:
    """How the write ended."""

    invoke_id_and_priority: int
    result: DataAccessResult

    def to_octets(self) -> bytes:
        """Encode with tag C5."""
        return bytes((0xC5, 1, self.invoke_id_and_priority, self.result))


@dataclass(slots=True)
class SetResponseBlock:
    """Block `block_number` arrived, more are expected."""

    invoke_id_and_priority: int
    block_number: int

    def to_octets(self) -> bytes:
        """Encode with tag C5."""
        return bytes((0xC5, 2, self.invoke_id_and_priority)) + self.block_number.to_bytes(4, "big")


@dataclass(slots=True)
class SetResponseLastBlock:
    """The last block arrived, or the transfer ended with an error."""

    invoke_id_and_priority: int
    result: DataAccessResult
    block_number: int

    def to_octets(self) -> bytes:
        """Encode with tag C5."""
        head = bytes((0xC5, 3, self.invoke_id_and_priority, self.result))
        return head + self.block_number.to_bytes(4, "big")


@dataclass(slots=True)
class SetResponseLastBlockWithList:
    """The last block of a list arrived: one result for each attribute."""

    invoke_id_and_priority: int
    results: list[DataAccessResult]
    block_number: int

    def to_octets(self) -> bytes:
        """Encode with tag C5."""
        head = bytes((0xC5, 4, self.invoke_id_and_priority)) + length_octets(len(self.results))
        return head + bytes(self.results) + self.block_number.to_bytes(4, "big")


@dataclass(slots=True)
class SetResponseWithList:
    """One result for each attribute, in order."""

    invoke_id_and_priority: int
    results: list[DataAccessResult]

    def to_octets(self) -> bytes:
        """Encode with tag C5."""
        head = bytes((0xC5, 5, self.invoke_id_and_priority)) + length_octets(len(self.results))
        return head + bytes(self.results)


SetRequest = (
    SetRequestNormal
    | SetRequestFirstBlock
    | SetRequestBlock
    | SetRequestWithList
    | SetRequestListFirstBlock
)
SetResponse = (
    SetResponseNormal
    | SetResponseBlock
    | SetResponseLastBlock
    | SetResponseLastBlockWithList
    | SetResponseWithList
)


def decode_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> SetRequest:
    """Decode a SET request from its tag C1 on."""
    if len(octets) > 13 and octets[1] == 1 and octets[12] == 0:
        attribute = attribute_from_octets(octets[3:12])
        return SetRequestNormal(octets[2], attribute, None, octets[13:])
    reader = ApduReader(octets, "dlms set-request", limits, 1)
    choice = reader.u8()
    invoke_id = reader.u8()
    request: SetRequest
    if choice == 1:
        attribute, selection = reader.attribute(), reader.selection()
        if not reader.remaining:
            raise reader.error("Data expected, none left")
        request = SetRequestNormal(invoke_id, attribute, selection, reader.rest())
    elif choice == 2:
        attribute, selection = reader.attribute(), reader.selection()
        request = SetRequestFirstBlock(invoke_id, attribute, selection, *read_block(reader))
    elif choice == 3:
        request = SetRequestBlock(invoke_id, *read_block(reader))
    elif choice == 4:
        request = SetRequestWithList(invoke_id, reader.attributes(), reader.data_list())
    elif choice == 5:
        attributes = reader.attributes()
        request = SetRequestListFirstBlock(invoke_id, attributes, *read_block(reader))
    else:
        reader.position = 1
        raise reader.error(f"unknown choice {choice}")
    reader.finish()
    return request


def decode_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> SetResponse:
    """Decode a SET response from its tag C5 on."""
    if len(octets) == 4 and octets[1] == 1:
        return SetResponseNormal(octets[2], _RESULTS[octets[3]])
    reader = ApduReader(octets, "dlms set-response", limits, 1)
    choice = reader.u8()
    invoke_id = reader.u8()
    response: SetResponse
    if choice == 1:
        response = SetResponseNormal(invoke_id, _RESULTS[reader.u8()])
    elif choice == 2:
        response = SetResponseBlock(invoke_id, reader.u32())
    elif choice == 3:
        response = SetResponseLastBlock(invoke_id, _RESULTS[reader.u8()], reader.u32())
    elif choice == 4:
        response = SetResponseLastBlockWithList(invoke_id, _results(reader), reader.u32())
    elif choice == 5:
        response = SetResponseWithList(invoke_id, _results(reader))
    else:
        reader.position = 1
        raise reader.error(f"unknown choice {choice}")
    reader.finish()
    return response


def block_octets(last_block: bool, block_number: int, raw_data: bytes) -> bytes:
    """Encode a DataBlock of SET or ACTION: last, number, raw data."""
    head = bytes((last_block,)) + block_number.to_bytes(4, "big")
    return head + octet_string(raw_data)


def read_block(reader: ApduReader) -> tuple[bool, int, bytes]:
    """Read a DataBlock of SET or ACTION: last, number, raw data."""
    return reader.boolean(), reader.u32(), reader.octet_string()


def _results(reader: ApduReader) -> list[DataAccessResult]:
    return [_RESULTS[octet] for octet in reader.octet_string()]
