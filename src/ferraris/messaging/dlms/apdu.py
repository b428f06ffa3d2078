"""Every APDU of ACSE and xDLMS: octets to values and back, by the first octet.

`decode` raises `DecodeError` for whatever octets are not an APDU, and nothing else. Data that
ends an APDU is handed on without looking into it; `strict=True` checks that it is one Data.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.axdr import Limits, skip
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
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL, ApduTag, tag_name

__all__ = ["Apdu", "ApduTag", "decode", "encode", "tag_name"]

Apdu = (
    acse.Aarq
    | acse.Aare
    | acse.Rlrq
    | acse.Rlre
    | initiate.InitiateRequest
    | initiate.InitiateResponse
    | errors.ConfirmedServiceError
    | errors.ExceptionResponse
    | get.GetRequest
    | get.GetResponse
    | set_service.SetRequest
    | set_service.SetResponse
    | action.ActionRequest
    | action.ActionResponse
    | access.AccessRequest
    | access.AccessResponse
    | notify.DataNotification
    | notify.DataNotificationConfirm
    | notify.EventNotification
    | short_name.ReadRequest
    | short_name.ReadResponse
    | short_name.WriteRequest
    | short_name.WriteResponse
    | short_name.UnconfirmedWriteRequest
    | short_name.InformationReportRequest
    | general.ServiceCiphered
    | general.GeneralGlo
    | general.GeneralDed
    | general.GeneralCiphering
    | general.GeneralSigning
    | general.GeneralBlockTransfer
    | gateway.GatewayRequest
    | gateway.GatewayResponse
)

_DECODERS: dict[int, Callable[[bytes, Limits], Apdu]] = {
    ApduTag.AARQ: acse.decode_aarq,
    ApduTag.AARE: acse.decode_aare,
    ApduTag.RLRQ: acse.decode_rlrq,
    ApduTag.RLRE: acse.decode_rlre,
    ApduTag.INITIATE_REQUEST: initiate.decode_request,
    ApduTag.INITIATE_RESPONSE: initiate.decode_response,
    ApduTag.CONFIRMED_SERVICE_ERROR: errors.decode_confirmed_service_error,
    ApduTag.EXCEPTION_RESPONSE: errors.decode_exception_response,
    ApduTag.GET_REQUEST: get.decode_request,
    ApduTag.GET_RESPONSE: get.decode_response,
    ApduTag.SET_REQUEST: set_service.decode_request,
    ApduTag.SET_RESPONSE: set_service.decode_response,
    ApduTag.ACTION_REQUEST: action.decode_request,
    ApduTag.ACTION_RESPONSE: action.decode_response,
    ApduTag.ACCESS_REQUEST: access.decode_request,
    ApduTag.ACCESS_RESPONSE: access.decode_response,
    ApduTag.DATA_NOTIFICATION: notify.decode_data_notification,
    ApduTag.DATA_NOTIFICATION_CONFIRM: notify.decode_data_notification_confirm,
    ApduTag.EVENT_NOTIFICATION_REQUEST: notify.decode_event_notification,
    ApduTag.READ_REQUEST: short_name.decode_read_request,
    ApduTag.READ_RESPONSE: short_name.decode_read_response,
    ApduTag.WRITE_REQUEST: short_name.decode_write_request,
    ApduTag.WRITE_RESPONSE: short_name.decode_write_response,
    ApduTag.UNCONFIRMED_WRITE_REQUEST: short_name.decode_unconfirmed_write_request,
    ApduTag.INFORMATION_REPORT_REQUEST: short_name.decode_information_report,
    ApduTag.GENERAL_GLO_CIPHERING: general.decode_general_glo,
    ApduTag.GENERAL_DED_CIPHERING: general.decode_general_ded,
    ApduTag.GENERAL_CIPHERING: general.decode_general_ciphering,
    ApduTag.GENERAL_SIGNING: general.decode_general_signing,
    ApduTag.GENERAL_BLOCK_TRANSFER: general.decode_general_block_transfer,
    ApduTag.GATEWAY_REQUEST: gateway.decode_request,
    ApduTag.GATEWAY_RESPONSE: gateway.decode_response,
}
_DECODERS |= dict.fromkeys((*GLOBAL.values(), *DEDICATED.values()), general.decode_service_ciphered)

# Where Data ends the APDU unread, and which field holds it.
_TRAILING: dict[type, Callable[[Any], bytes | None]] = {
    get.GetRequestNormal: lambda apdu: apdu.selection and apdu.selection.parameter,
    get.GetResponseNormal: lambda apdu: apdu.data,
    set_service.SetRequestNormal: lambda apdu: apdu.data,
    action.ActionRequestNormal: lambda apdu: apdu.data,
    action.ActionResponseNormal: lambda apdu: apdu.data,
    notify.DataNotification: lambda apdu: apdu.body,
    notify.EventNotification: lambda apdu: apdu.data,
}


def decode(octets: bytes, *, strict: bool = False, limits: Limits = DEFAULT_LIMITS) -> Apdu:
    """Decode one APDU that fills `octets`; `strict` also checks Data at its end."""
    if type(octets) is not bytes:
        octets = bytes(octets)
    try:
        decoder = _DECODERS[octets[0]]
    except (IndexError, KeyError):
        raise _unknown(octets) from None
    apdu = decoder(octets, limits)
    if strict:
        _check_trailing(apdu, octets, limits)
    return apdu


def encode(apdu: Apdu) -> bytes:
    """Encode one APDU; `UsageError` when a field is out of range."""
    try:
        return apdu.to_octets()
    except (ValueError, OverflowError, struct.error) as error:
        name = type(apdu).__name__
        raise UsageError(f"a field of {name} is out of range: {error}", where="dlms") from error


def _check_trailing(apdu: Apdu, octets: bytes, limits: Limits) -> None:
    field = _TRAILING.get(type(apdu))
    data = field(apdu) if field else None
    if data is None:
        return
    end = skip(octets, len(octets) - len(data), limits)
    if end != len(octets):
        where = f"dlms {tag_name(octets[0])}"
        message = f"{len(octets) - end} octets too many after the data"
        raise DecodeError(message, where=where, offset=end, octets=octets[end:])


def _unknown(octets: bytes) -> DecodeError:
    if not octets:
        return DecodeError("no octets", where="dlms apdu")
    return DecodeError(f"unknown tag {octets[0]:02x}", where="dlms apdu", octets=octets)
