"""Services of short-name referencing: READ, WRITE, unconfirmed WRITE, information report [asn1]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.names import Selection
from ferraris.messaging.dlms.reading import (
    DEFAULT_LIMITS,
    ApduReader,
    octet_string,
    sequence_of,
)

__all__ = [
    "BlockNumberAccess",
    "BlockNumberResult",
    "DataBlockResult",
    "InformationReportRequest",
    "ParameterisedAccess",
    "ReadDataBlockAccess",
    "ReadRequest",
    "ReadResponse",
    "ReadResult",
    "UnconfirmedWriteRequest",
    "VariableAccess",
    "VariableName",
    "WriteDataBlockAccess",
    "WriteRequest",
    "WriteResponse",
    "WriteResult",
]

_RESULTS = DataAccessResult.table()
_COSEM_TIME_LENGTH = 12


@dataclass(slots=True)
class VariableName:
    """An attribute or method by its short name, 0..65535."""

    name: int

    def to_octets(self) -> bytes:
        """Encode with choice 02."""
        return b"\x02" + self.name.to_bytes(2, "big")


@dataclass(slots=True)
class ParameterisedAccess:
    """A short name with a selection, or a method with its parameter (selector 0)."""

    name: int
    selection: Selection

    def to_octets(self) -> bytes:
        """Encode with choice 04."""
        return b"\x04" + self.name.to_bytes(2, "big") + self.selection.to_octets()


@dataclass(slots=True)
class BlockNumberAccess:
    """Ask for the block after this one, 0..65535."""

    block_number: int

    def to_octets(self) -> bytes:
        """Encode with choice 05."""
        return b"\x05" + self.block_number.to_bytes(2, "big")


@dataclass(slots=True)
class ReadDataBlockAccess:
    """One block of a long READ request."""

    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with choice 06."""
        head = bytes((6, self.last_block)) + self.block_number.to_bytes(2, "big")
        return head + octet_string(self.raw_data)


@dataclass(slots=True)
class WriteDataBlockAccess:
    """One block of a long WRITE request; its data are in the list of Data."""

    last_block: bool
    block_number: int

    def to_octets(self) -> bytes:
        """Encode with choice 07."""
        return bytes((7, self.last_block)) + self.block_number.to_bytes(2, "big")


VariableAccess = (
    VariableName
    | ParameterisedAccess
    | BlockNumberAccess
    | ReadDataBlockAccess
    | WriteDataBlockAccess
)


@dataclass(slots=True)
class DataBlockResult:
    """One block of a long READ response."""

    last_block: bool
    block_number: int
    raw_data: bytes

    def to_octets(self) -> bytes:
        """Encode with choice 02."""
        head = bytes((2, self.last_block)) + self.block_number.to_bytes(2, "big")
        return head + octet_string(self.raw_data)


@dataclass(slots=True)
class BlockNumberResult:
    """The number of the block that arrived."""

    block_number: int


ReadResult = bytes | DataAccessResult | DataBlockResult | BlockNumberResult
WriteResult = DataAccessResult | BlockNumberResult


@dataclass(slots=True)
class ReadRequest:
    """Read attributes, or invoke methods that return something."""

    variables: list[VariableAccess]

    def to_octets(self) -> bytes:
        """Encode with tag 05."""
        return b"\x05" + _variables_octets(self.variables)


@dataclass(slots=True)
class ReadResponse:
    """One encoded Data, reason, block or block number for each variable."""

    results: list[ReadResult]

    def to_octets(self) -> bytes:
        """Encode with tag 0C."""
        return b"\x0c" + sequence_of(map(_read_result_octets, self.results))


@dataclass(slots=True)
class WriteRequest:
    """Write attributes: one encoded Data for each variable."""

    variables: list[VariableAccess]
    data: list[bytes]

    def to_octets(self) -> bytes:
        """Encode with tag 06."""
        return b"\x06" + _variables_octets(self.variables) + sequence_of(self.data)


@dataclass(slots=True)
class WriteResponse:
    """Success, a reason, or a block number for each variable."""

    results: list[WriteResult]

    def to_octets(self) -> bytes:
        """Encode with tag 0D."""
        return b"\x0d" + sequence_of(map(_write_result_octets, self.results))


@dataclass(slots=True)
class UnconfirmedWriteRequest:
    """Write attributes without an answer."""

    variables: list[VariableAccess]
    data: list[bytes]

    def to_octets(self) -> bytes:
        """Encode with tag 16."""
        return b"\x16" + _variables_octets(self.variables) + sequence_of(self.data)


@dataclass(slots=True)
class InformationReportRequest:
    """Attributes and their values, unasked.

    `current_time` is the text of a GeneralizedTime, or with `cosem_time` the twelve octets of a
    COSEM date-time, which some stacks send in its place without a presence octet [facts-g].
    """

    current_time: bytes | None
    variables: list[VariableAccess]
    data: list[bytes]
    cosem_time: bool = False

    def to_octets(self) -> bytes:
        """Encode with tag 18."""
        time = b"\x00"
        if self.current_time is not None:
            time = b"" if self.cosem_time else b"\x01"
            time += octet_string(self.current_time)
        return b"\x18" + time + _variables_octets(self.variables) + sequence_of(self.data)


def decode_read_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> ReadRequest:
    """Decode a READ request from its tag 05 on."""
    reader = ApduReader(octets, "dlms read-request", limits, 1)
    variables = _variables(reader)
    reader.finish()
    return ReadRequest(variables)


def decode_read_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> ReadResponse:
    """Decode a READ response from its tag 0C on."""
    reader = ApduReader(octets, "dlms read-response", limits, 1)
    results = [_read_result(reader) for _ in range(reader.count(2))]
    reader.finish()
    return ReadResponse(results)


def decode_write_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> WriteRequest:
    """Decode a WRITE request from its tag 06 on."""
    reader = ApduReader(octets, "dlms write-request", limits, 1)
    request = WriteRequest(_variables(reader), reader.data_list())
    reader.finish()
    return request


def decode_write_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> WriteResponse:
    """Decode a WRITE response from its tag 0D on."""
    reader = ApduReader(octets, "dlms write-response", limits, 1)
    results = [_write_result(reader) for _ in range(reader.count(1))]
    reader.finish()
    return WriteResponse(results)


def decode_unconfirmed_write_request(
    octets: bytes, limits: Limits = DEFAULT_LIMITS
) -> UnconfirmedWriteRequest:
    """Decode an unconfirmed WRITE request from its tag 16 on."""
    reader = ApduReader(octets, "dlms unconfirmed-write-request", limits, 1)
    request = UnconfirmedWriteRequest(_variables(reader), reader.data_list())
    reader.finish()
    return request


def decode_information_report(
    octets: bytes, limits: Limits = DEFAULT_LIMITS
) -> InformationReportRequest:
    """Decode an information report from its tag 18 on; both forms of time are taken."""
    reader = ApduReader(octets, "dlms information-report-request", limits, 1)
    cosem_time = reader.peek() == _COSEM_TIME_LENGTH
    time = reader.octet_string() if cosem_time or reader.present() else None
    report = InformationReportRequest(time, _variables(reader), reader.data_list(), cosem_time)
    reader.finish()
    return report


def _variables(reader: ApduReader) -> list[VariableAccess]:
    return [_variable(reader) for _ in range(reader.count(3))]


def _variable(reader: ApduReader) -> VariableAccess:
    choice = reader.u8()
    if choice == 2:
        return VariableName(reader.u16())
    if choice == 4:
        return ParameterisedAccess(reader.u16(), Selection(reader.u8(), reader.data()))
    if choice == 5:
        return BlockNumberAccess(reader.u16())
    if choice == 6:
        return ReadDataBlockAccess(reader.boolean(), reader.u16(), reader.octet_string())
    if choice == 7:
        return WriteDataBlockAccess(reader.boolean(), reader.u16())
    reader.position -= 1
    raise reader.error(f"unknown variable access {choice}")


def _read_result(reader: ApduReader) -> ReadResult:
    choice = reader.u8()
    if choice == 0:
        return reader.data()
    if choice == 1:
        return _RESULTS[reader.u8()]
    if choice == 2:
        return DataBlockResult(reader.boolean(), reader.u16(), reader.octet_string())
    if choice == 3:
        return BlockNumberResult(reader.u16())
    reader.position -= 1
    raise reader.error(f"unknown read result {choice}")


def _write_result(reader: ApduReader) -> WriteResult:
    choice = reader.u8()
    if choice == 0:
        return DataAccessResult.SUCCESS
    if choice == 1:
        return _RESULTS[reader.u8()]
    if choice == 2:
        return BlockNumberResult(reader.u16())
    reader.position -= 1
    raise reader.error(f"unknown write result {choice}")


def _variables_octets(variables: Sequence[VariableAccess]) -> bytes:
    return sequence_of(variable.to_octets() for variable in variables)


def _read_result_octets(result: ReadResult) -> bytes:
    if isinstance(result, bytes):
        return b"\x00" + result
    if isinstance(result, DataAccessResult):
        return bytes((1, result))
    if isinstance(result, DataBlockResult):
        return result.to_octets()
    return b"\x03" + result.block_number.to_bytes(2, "big")


def _write_result_octets(result: WriteResult) -> bytes:
    if isinstance(result, BlockNumberResult):
        return b"\x02" + result.block_number.to_bytes(2, "big")
    return b"\x00" if result == DataAccessResult.SUCCESS else bytes((1, result))
