"""GET: reading attributes, whole, in lists and in blocks [asn1]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection, attribute_from_octets
from ferraris.messaging.dlms.reading import (
    DEFAULT_LIMITS,
    ApduReader,
    attribute_list,
    octet_string,
    sequence_of,
)

__all__ = [
    "GetRequest",
    "GetRequestNext",
    "GetRequestNormal",
    "GetRequestWithList",
    "GetResponse",
    "GetResponseNormal",
    "GetResponseWithBlock",
    "GetResponseWithList",
    "decode_results",
]

_NORMAL = Struct(">BBBH6sb?")  # a descriptor, and whether a selection follows
_RESULTS = DataAccessResult.table()
_SUCCESS = DataAccessResult.SUCCESS


@dataclass(slots=True)
class GetRequestNormal:
    """Read one attribute, or a selection of it."""

    invoke_id_and_priority: int
    attribute: AttributeDescriptor
    selection: Selection | None = None

    def to_octets(self) -> bytes:
        """Encode with tag C0."""
        selection = self.selection
        here = selection is not None
        head = _NORMAL.pack(0xC0, 1, self.invoke_id_and_priority, *self.attribute, here)
        return head if selection is None else head + selection.to_octets()


@dataclass(slots=True)
class GetRequestNext:
    """Ask for the block after `block_number`, the one just received."""

    invoke_id_and_priority: int
    block_number: int

    def to_octets(self) -> bytes:
        """Encode with tag C0."""
        return bytes((0xC0, 2, self.invoke_id_and_priority)) + self.block_number.to_bytes(4, "big")


@dataclass(slots=True)
class GetRequestWithList:
    """Read several attributes at once."""

    invoke_id_and_priority: int
    attributes: list[tuple[AttributeDescriptor, Selection | None]]

    def to_octets(self) -> bytes:
        """Encode with tag C0."""
        return bytes((0xC0, 3, self.invoke_id_and_priority)) + attribute_list(self.attributes)


@dataclass(slots=True)
class GetResponseNormal:
    """The value as encoded Data, or the reason why there is none (then `data` is None)."""

    invoke_id_and_priority: int
    result: DataAccessResult
    data: bytes | None = None

    def to_octets(self) -> bytes:
        """Encode with tag C4."""
        data = self.data
        if data is None:
            return bytes((0xC4, 1, self.invoke_id_and_priority, 1, self.result))
        return bytes((0xC4, 1, self.invoke_id_and_priority, 0)) + data


@dataclass(slots=True)
class GetResponseWithBlock:
    """One block of a long answer; `raw_data` None with a result ends the transfer."""

    invoke_id_and_priority: int
    last_block: bool
    block_number: int
    raw_data: bytes | None = None
    result: DataAccessResult = DataAccessResult.SUCCESS

    def to_octets(self) -> bytes:
        """Encode with tag C4."""
        head = bytes((0xC4, 2, self.invoke_id_and_priority, self.last_block))
        head += self.block_number.to_bytes(4, "big")
        if self.raw_data is None:
            return head + bytes((1, self.result))
        return head + b"\x00" + octet_string(self.raw_data)


@dataclass(slots=True)
class GetResponseWithList:
    """One encoded Data or one reason for each attribute asked for, in order."""

    invoke_id_and_priority: int
    results: list[bytes | DataAccessResult]

    def to_octets(self) -> bytes:
        """Encode with tag C4."""
        return bytes((0xC4, 3, self.invoke_id_and_priority)) + sequence_of(
            b"\x00" + result if isinstance(result, bytes) else bytes((1, result))
            for result in self.results
        )


GetRequest = GetRequestNormal | GetRequestNext | GetRequestWithList
GetResponse = GetResponseNormal | GetResponseWithBlock | GetResponseWithList


def decode_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GetRequest:
    """Decode a GET request from its tag C0 on."""
    if len(octets) >= 13 and octets[1] == 1:
        if octets[12] == 0 and len(octets) == 13:
            return GetRequestNormal(octets[2], attribute_from_octets(octets[3:12]))
        if octets[12] == 1 and len(octets) > 14:
            selection = Selection(octets[13], octets[14:])
            return GetRequestNormal(octets[2], attribute_from_octets(octets[3:12]), selection)
    if len(octets) == 7 and octets[1] == 2:
        return GetRequestNext(octets[2], int.from_bytes(octets[3:], "big"))
    reader = ApduReader(octets, "dlms get-request", limits, 1)
    choice = reader.u8()
    invoke_id = reader.u8()
    if choice == 1:
        attribute = reader.attribute()
        selected = reader.selection()
        reader.finish()
        return GetRequestNormal(invoke_id, attribute, selected)
    if choice == 2:
        block_number = reader.u32()
        reader.finish()
        return GetRequestNext(invoke_id, block_number)
    if choice == 3:
        attributes = reader.attributes()
        reader.finish()
        return GetRequestWithList(invoke_id, attributes)
    reader.position = 1
    raise reader.error(f"unknown choice {choice}")


def decode_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GetResponse:
    """Decode a GET response from its tag C4 on."""
    if len(octets) > 4 and octets[1] == 1 and octets[3] == 0:
        return GetResponseNormal(octets[2], _SUCCESS, octets[4:])
    reader = ApduReader(octets, "dlms get-response", limits, 1)
    choice = reader.u8()
    invoke_id = reader.u8()
    if choice == 1:
        data, result = _data_or_result(reader, trailing=True)
        reader.finish()
        return GetResponseNormal(invoke_id, result, data)
    if choice == 2:
        last_block = reader.boolean()
        block_number = reader.u32()
        raw_data, result = _block_or_result(reader)
        reader.finish()
        return GetResponseWithBlock(invoke_id, last_block, block_number, raw_data, result)
    if choice == 3:
        results = read_results(reader)
        reader.finish()
        return GetResponseWithList(invoke_id, results)
    reader.position = 1
    raise reader.error(f"unknown choice {choice}")


def read_results(reader: ApduReader) -> list[bytes | DataAccessResult]:
    """Read a list of Get-Data-Result: what a list response, or its joined blocks, holds."""
    results: list[bytes | DataAccessResult] = []
    for _ in range(reader.count(2)):
        data, result = _data_or_result(reader, trailing=False)
        results.append(result if data is None else data)
    return results


def decode_results(
    octets: bytes, limits: Limits = DEFAULT_LIMITS
) -> list[bytes | DataAccessResult]:
    """Decode the joined blocks of a GET with list: count and Get-Data-Results."""
    reader = ApduReader(octets, "dlms get-response blocks", limits)
    results = read_results(reader)
    reader.finish()
    return results


def _data_or_result(reader: ApduReader, *, trailing: bool) -> tuple[bytes | None, DataAccessResult]:
    choice = reader.u8()
    if choice == 0:
        if not trailing:
            return reader.data(), _SUCCESS
        if not reader.remaining:
            raise reader.error("Data expected, none left")
        return reader.rest(), _SUCCESS
    if choice == 1:
        return None, _RESULTS[reader.u8()]
    reader.position -= 1
    raise reader.error(f"Data (00) or result (01) expected, not {choice:02x}")


def _block_or_result(reader: ApduReader) -> tuple[bytes | None, DataAccessResult]:
    choice = reader.u8()
    if choice == 0:
        return reader.octet_string(), _SUCCESS
    if choice == 1:
        return None, _RESULTS[reader.u8()]
    reader.position -= 1
    raise reader.error(f"raw data (00) or result (01) expected, not {choice:02x}")
