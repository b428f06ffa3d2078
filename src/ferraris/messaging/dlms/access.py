"""ACCESS: many reads, writes and invocations in one exchange [asn1]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.reading import (
    DEFAULT_LIMITS,
    ApduReader,
    octet_string,
    sequence_of,
)

__all__ = [
    "AccessChoice",
    "AccessRequest",
    "AccessResponse",
    "AccessResult",
    "AccessSpecification",
]

_ACTION_RESULTS = ActionResult.table()
_DATA_RESULTS = DataAccessResult.table()


class AccessChoice(IntEnum):
    """What one specification asks for."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_WITH_SELECTION = 4
    SET_WITH_SELECTION = 5


class AccessSpecification(NamedTuple):
    """One thing to do: an attribute or a method (ACTION), a selection where the choice has one."""

    choice: AccessChoice
    descriptor: AttributeDescriptor | MethodDescriptor
    selection: Selection | None = None

    def to_octets(self) -> bytes:
        """Encode with its choice octet."""
        head = bytes((self.choice,)) + self.descriptor.to_octets()
        return head if self.selection is None else head + self.selection.to_octets()


class AccessResult(NamedTuple):
    """How one specification ended; `choice` is GET, SET or ACTION."""

    choice: AccessChoice
    result: DataAccessResult | ActionResult


@dataclass(slots=True)
class AccessRequest:
    """Specifications and one encoded Data for each, null-data when it takes none.

    `date_time` is empty or twelve octets.
    """

    long_invoke_id_and_priority: int
    date_time: bytes
    specifications: list[AccessSpecification]
    data: list[bytes]

    def to_octets(self) -> bytes:
        """Encode with tag D9."""
        return b"".join(
            (
                b"\xd9",
                self.long_invoke_id_and_priority.to_bytes(4, "big"),
                octet_string(self.date_time),
                sequence_of(each.to_octets() for each in self.specifications),
                sequence_of(self.data),
            )
        )


@dataclass(slots=True)
class AccessResponse:
    """One encoded Data and one result for each specification, which may be repeated."""

    long_invoke_id_and_priority: int
    date_time: bytes
    specifications: list[AccessSpecification] | None
    data: list[bytes]
    results: list[AccessResult]

    def to_octets(self) -> bytes:
        """Encode with tag DA."""
        specifications = b"\x00"
        if self.specifications is not None:
            specifications = b"\x01" + sequence_of(each.to_octets() for each in self.specifications)
        return b"".join(
            (
                b"\xda",
                self.long_invoke_id_and_priority.to_bytes(4, "big"),
                octet_string(self.date_time),
                specifications,
                sequence_of(self.data),
                sequence_of(bytes(result) for result in self.results),
            )
        )


def decode_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> AccessRequest:
    """Decode an ACCESS request from its tag D9 on."""
    reader = ApduReader(octets, "dlms access-request", limits, 1)
    invoke_id = reader.u32()
    date_time = reader.octet_string()
    specifications = _specifications(reader)
    data = reader.data_list()
    reader.finish()
    return AccessRequest(invoke_id, date_time, specifications, data)


def decode_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> AccessResponse:
    """Decode an ACCESS response from its tag DA on."""
    reader = ApduReader(octets, "dlms access-response", limits, 1)
    invoke_id = reader.u32()
    date_time = reader.octet_string()
    specifications = _specifications(reader) if reader.present() else None
    data = reader.data_list()
    results = [_result(reader) for _ in range(reader.count(2))]
    reader.finish()
    return AccessResponse(invoke_id, date_time, specifications, data, results)


def _specifications(reader: ApduReader) -> list[AccessSpecification]:
    return [_specification(reader) for _ in range(reader.count(10))]


def _specification(reader: ApduReader) -> AccessSpecification:
    choice = _choice(reader, AccessChoice.SET_WITH_SELECTION)
    if choice is AccessChoice.ACTION:
        return AccessSpecification(choice, reader.method())
    attribute = reader.attribute()
    if choice < AccessChoice.GET_WITH_SELECTION:
        return AccessSpecification(choice, attribute)
    return AccessSpecification(choice, attribute, Selection(reader.u8(), reader.data()))


def _result(reader: ApduReader) -> AccessResult:
    choice = _choice(reader, AccessChoice.ACTION)
    table = _ACTION_RESULTS if choice is AccessChoice.ACTION else _DATA_RESULTS
    return AccessResult(choice, table[reader.u8()])


def _choice(reader: ApduReader, last: AccessChoice) -> AccessChoice:
    octet = reader.u8()
    if not 1 <= octet <= last:
        reader.position -= 1
        raise reader.error(f"unknown choice {octet}")
    return AccessChoice(octet)
