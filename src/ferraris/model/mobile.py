"""Interface classes for mobile networks: GPRS set-up, GSM diagnostic, LTE monitoring."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.kinds import Data, Tag
from ferraris.data.types import (
    AnyOf,
    ArrayOf,
    DateTimeType,
    DoubleLongUnsigned,
    Enum,
    EnumCode,
    Integer,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
    VisibleString,
)
from ferraris.model.interface_class import (
    Attribute,
    InterfaceClass,
    dynamic,
    static,
    unverified,
)

__all__ = [
    "AdjacentCell",
    "CellInfo",
    "CellInfoV1",
    "GprsQuality",
    "GprsQualityOfService",
    "GprsSetup",
    "GsmDiagnostic",
    "GsmDiagnosticV1",
    "GsmDiagnosticV2",
    "LteMonitoring",
    "LteMonitoringV1",
    "LteNetworkParameters",
    "LteQualityOfService",
    "PacketSwitchedStatus",
    "RegistrationStatus",
]


class GprsQuality(NamedTuple):
    """Quality of service as GPRS numbers it."""

    precedence: int
    delay: int
    reliability: int
    peak_throughput: int
    mean_throughput: int


class GprsQualityOfService(NamedTuple):
    """What is offered at least, and what is asked for."""

    default: GprsQuality
    requested: GprsQuality


_QUALITY = Structure(GprsQuality, Unsigned, Unsigned, Unsigned, Unsigned, Unsigned)


class GprsSetup(
    InterfaceClass, class_id=45, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """GPRS modem set-up: access point, PIN and quality of service."""

    apn = Attribute(2, OctetString, static)
    pin_code = Attribute(3, LongUnsigned, static)
    quality_of_service = Attribute(4, Structure(GprsQualityOfService, _QUALITY, _QUALITY), static)


class RegistrationStatus(IntEnum):
    """Whether a modem is registered with a network [facts-g]."""

    NOT_REGISTERED = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5


class PacketSwitchedStatus(IntEnum):
    """What carries packets; 7 to 9 from version 2 on [facts-g]."""

    INACTIVE = 0
    GPRS = 1
    EDGE = 2
    UMTS = 3
    HSDPA = 4
    LTE = 5
    CDMA = 6
    LTE_M = 7
    NB_1 = 8
    NB_2 = 9


class CellInfo(NamedTuple):
    """The cell in use: identity, area, signal quality and bit error rate as GSM numbers them."""

    cell_id: int
    location_id: int
    signal_quality: int
    bit_error_rate: int


class CellInfoV1(NamedTuple):
    """The cell in use, with country, network and channel."""

    cell_id: int
    location_id: int
    signal_quality: int
    bit_error_rate: int
    mobile_country_code: int
    mobile_network_code: int
    channel_number: int


class AdjacentCell(NamedTuple):
    """A cell heard besides the one in use, with its signal quality."""

    cell_id: int
    signal_quality: int


class GsmDiagnostic(
    InterfaceClass, class_id=47, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """GSM diagnostic: network, cell and signal of a modem."""

    operator = Attribute(2, VisibleString, dynamic)
    status = Attribute(3, Enum(RegistrationStatus), dynamic)
    cs_attachment = Attribute(4, EnumCode, dynamic)
    ps_status = Attribute(5, Enum(PacketSwitchedStatus), dynamic)
    cell_info = Attribute(
        6, Structure(CellInfo, LongUnsigned, LongUnsigned, Unsigned, Unsigned), dynamic
    )
    adjacent_cells = Attribute(7, ArrayOf(Structure(AdjacentCell, LongUnsigned, Unsigned)), dynamic)
    capture_time = Attribute(8, DateTimeType, dynamic)


class GsmDiagnosticV1(GsmDiagnostic, version=1, provenance="one-source"):
    """GSM diagnostic: with longer cell identities, country, network and channel."""

    cell_info: Attribute[CellInfoV1] = Attribute(  # type: ignore[assignment] # longer
        6,
        Structure(
            CellInfoV1,
            DoubleLongUnsigned,
            LongUnsigned,
            Unsigned,
            Unsigned,
            LongUnsigned,
            LongUnsigned,
            DoubleLongUnsigned,
        ),
        dynamic,
    )
    adjacent_cells = Attribute(
        7, ArrayOf(Structure(AdjacentCell, DoubleLongUnsigned, Unsigned)), dynamic
    )


class GsmDiagnosticV2(GsmDiagnosticV1, version=2):
    """GSM diagnostic: with newer networks in `ps_status`."""


class LteMonitoring(
    InterfaceClass, class_id=151, version=0, source="bluebook-quoted", provenance="one-source"
):
    """LTE monitoring: timers and signal of an LTE modem, in one structure.

    The structure starts with T3402 and T3412 and has RSRQ and RSRP; it is kept as data, as its
    further fields are not certain.
    """

    network_parameters: Attribute[Data] = Attribute(
        2, AnyOf((Tag.STRUCTURE,), "structure of LTE parameters"), dynamic, unverified
    )


class LteNetworkParameters(NamedTuple):
    """Timers and thresholds that the network gave, as 3GPP numbers them."""

    t3402: int
    t3412: int
    t3412_ext2: int
    t3324: int
    t_edrx: int
    t_ptw: int
    q_rx_lev_min: int
    q_rx_lev_min_ce: int
    q_rx_lev_min_ce1: int


class LteQualityOfService(NamedTuple):
    """Signal of the cell in use: RSRQ, RSRP, signal to noise, level of coverage enhancement."""

    rsrq: int
    rsrp: int
    snr: int
    coverage_enhancement: int


class LteMonitoringV1(
    InterfaceClass, class_id=151, version=1, source="bluebook-quoted", provenance="one-source"
):
    """LTE monitoring: timers and signal of an LTE modem, narrow-band ones included."""

    network_parameters = Attribute(
        2,
        Structure(
            LteNetworkParameters,
            LongUnsigned,
            LongUnsigned,
            DoubleLongUnsigned,
            LongUnsigned,
            DoubleLongUnsigned,
            LongUnsigned,
            Integer,
            Integer,
            Integer,
        ),
        dynamic,
    )
    quality_of_service = Attribute(
        3, Structure(LteQualityOfService, Integer, Integer, Integer, EnumCode), dynamic
    )
