"""Passes three and four of high-level security as APDUs, by logical and by short name.

The proof is the parameter of a method of the current association: an ACTION by logical name; by
short name a READ with a parameter, which returns the server's own proof. Some clients WRITE theirs:
a server takes that as well, though its answer then has no place for a proof [facts-g].
"""

from __future__ import annotations

from ferraris.core.errors import SecurityError, SequenceError
from ferraris.data.axdr import encode as encode_data
from ferraris.data.kinds import octet_string
from ferraris.messaging.dlms.action import ActionRequestNormal, ActionResponseNormal
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import MethodDescriptor, Selection
from ferraris.messaging.dlms.short_name import (
    ParameterisedAccess,
    ReadRequest,
    ReadResponse,
    VariableName,
    WriteRequest,
    WriteResponse,
)

__all__ = ["CURRENT_ASSOCIATION_NAME", "answer_to", "proof_in", "proof_request", "proof_returned"]

CURRENT_ASSOCIATION_NAME = 0xFA00
"""Base name of the Association SN object in use [facts-g]."""

_REPLY_TO_HLS = MethodDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 1)  # [bluebook-quoted]
_REPLY_TO_HLS_NAME = CURRENT_ASSOCIATION_NAME + 0x58  # [facts-g]
_METHOD = 0  # the selector by which a READ invokes a method [facts-g]


def proof_request(proof: bytes, *, short_names: bool) -> Apdu:
    """Pass three, the client's proof."""
    data = encode_data(octet_string(proof))
    if short_names:
        selection = Selection(_METHOD, data)
        return ReadRequest([ParameterisedAccess(_REPLY_TO_HLS_NAME, selection)])
    return ActionRequestNormal(0, _REPLY_TO_HLS, data)


def proof_in(request: Apdu) -> bytes | None:
    """The client's encoded proof, None for a request that is none."""
    if isinstance(request, ActionRequestNormal):
        return (request.data or b"") if request.method == _REPLY_TO_HLS else None
    if isinstance(request, ReadRequest) and len(request.variables) == 1:
        wanted = request.variables[0]
        if isinstance(wanted, ParameterisedAccess) and wanted.name == _REPLY_TO_HLS_NAME:
            return wanted.selection.parameter
    if isinstance(request, WriteRequest) and len(request.variables) == len(request.data) == 1:
        written = request.variables[0]
        if isinstance(written, VariableName) and written.name == _REPLY_TO_HLS_NAME:
            return request.data[0]
    return None


def answer_to(request: Apdu, proof: bytes | None) -> Apdu:
    """Pass four in the form of pass three: the server's proof, or None for a refusal."""
    data = None if proof is None else encode_data(octet_string(proof))
    if isinstance(request, ActionRequestNormal):
        result = ActionResult.OTHER_REASON if data is None else ActionResult.SUCCESS
        return ActionResponseNormal(request.invoke_id_and_priority, result, data)
    if isinstance(request, ReadRequest):
        return ReadResponse([DataAccessResult.OTHER_REASON if data is None else data])
    refused = data is None
    return WriteResponse([DataAccessResult.OTHER_REASON if refused else DataAccessResult.SUCCESS])


def proof_returned(answer: Apdu) -> bytes:
    """The server's encoded proof.

    Raises `SecurityError` when it refused the client's, `SequenceError` for another answer.
    """
    found: object = None
    if isinstance(answer, ActionResponseNormal):
        found = answer.data if answer.result == ActionResult.SUCCESS else None
    elif isinstance(answer, ReadResponse) and len(answer.results) == 1:
        found = answer.results[0]
    else:
        raise SequenceError(
            f"{type(answer).__name__} instead of the meter's proof", where="association"
        )
    if not isinstance(found, bytes):
        raise SecurityError(
            "the meter did not accept the proof: wrong key or secret", where="association"
        )
    return found
