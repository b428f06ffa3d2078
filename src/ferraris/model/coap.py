"""Interface classes of CoAP: how it is set up, and what it counted."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.types import (
    AnyNumber,
    DoubleLongUnsigned,
    Enum,
    Integer,
    LogicalName,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static
from ferraris.model.references import AttributeCaptureType

__all__ = [
    "CoapBlockTransfers",
    "CoapDiagnostic",
    "CoapMessages",
    "CoapRequests",
    "CoapSetup",
    "CoapTransportMode",
]


class CoapTransportMode(IntEnum):
    """Which messages of CoAP carry requests [facts-g]."""

    RELIABLE = 1
    UNRELIABLE = 2
    RELIABLE_AND_UNRELIABLE = 3


class CoapSetup(
    InterfaceClass, class_id=152, version=0, source="bluebook-quoted", provenance="one-source"
):
    """CoAP set-up: timers and limits, as RFC 7252 names them."""

    udp_reference = Attribute(2, LogicalName, static)
    ack_timeout = Attribute(3, LongUnsigned, static)
    ack_random_factor = Attribute(4, AnyNumber, static)
    max_retransmit = Attribute(5, AnyNumber, static)
    nstart = Attribute(6, AnyNumber, static)
    delay_ack_timeout = Attribute(7, AnyNumber, static)
    exponential_back_off = Attribute(8, AnyNumber, static)
    probing_rate = Attribute(9, AnyNumber, static)
    coap_uri_path = Attribute(10, OctetString, static)
    transport_mode = Attribute(11, Enum(CoapTransportMode), static)
    wrapper_version = Attribute(12, AnyNumber, static)
    token_length = Attribute(13, Unsigned, static)


class CoapMessages(NamedTuple):
    """Messages sent and received, by what became of them."""

    tx: int
    rx: int
    tx_resend: int
    tx_reset: int
    rx_reset: int
    tx_ack: int
    rx_ack: int
    rx_drop: int
    tx_non_piggybacked: int
    max_rtx_exceeded: int


class CoapRequests(NamedTuple):
    """Requests and responses; what each of the eight counts is not known."""

    counter_1: int
    counter_2: int
    counter_3: int
    counter_4: int
    counter_5: int
    counter_6: int
    counter_7: int
    counter_8: int


class CoapBlockTransfers(NamedTuple):
    """Block transfers, by how they ended."""

    started: int
    completed: int
    timed_out: int


class CoapDiagnostic(
    InterfaceClass, class_id=153, version=0, source="bluebook-quoted", provenance="one-source"
):
    """CoAP diagnostic: counters."""

    messages_counter = Attribute(2, Structure(CoapMessages, *(DoubleLongUnsigned,) * 10), dynamic)
    request_response_counter = Attribute(
        3, Structure(CoapRequests, *(DoubleLongUnsigned,) * 8), dynamic
    )
    bt_counter = Attribute(4, Structure(CoapBlockTransfers, *(DoubleLongUnsigned,) * 3), dynamic)
    capture_time = Attribute(5, AttributeCaptureType, dynamic)
    reset = Method(1, Integer)
