"""Interface classes for values in a form of their own: compact data, status words, waveforms.

Measurement data monitoring and sensor manager rest on one public table that nobody has checked
against a second; what it does not say of a type is kept as any data.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.types import (
    AnyData,
    AnyNumber,
    ArrayOf,
    Choice,
    Enum,
    EnumCode,
    Integer,
    Long64Unsigned,
    LongUnsigned,
    OctetString,
    ScalerUnitType,
    Structure,
    Unsigned,
)
from ferraris.model.data_storage import CaptureObjectType
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static
from ferraris.model.references import RestrictedObject, RestrictedObjectType

__all__ = [
    "CaptureMethod",
    "CompactData",
    "CompactDataV1",
    "MappingTable",
    "MeasurementDataMonitoring",
    "SensorManagement",
    "StatusMapping",
    "TriggerSource",
]


class CaptureMethod(IntEnum):
    """When compact data are captured: when told to, or whenever they are read [facts-g]."""

    INVOKE = 0
    IMPLICIT = 1


class CompactData(
    InterfaceClass, class_id=62, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Compact data: captured values without their tags, and a template that has the tags."""

    compact_buffer = Attribute(2, OctetString, dynamic)
    capture_objects = Attribute(3, ArrayOf(CaptureObjectType), static)
    template_id = Attribute(4, Unsigned, static)
    template_description = Attribute(5, OctetString, dynamic)
    capture_method = Attribute(6, Enum(CaptureMethod), static)
    reset = Method(1, Integer)
    capture = Method(2, Integer)


class CompactDataV1(CompactData, version=1):
    """Compact data: with restrictions of what is captured."""

    capture_objects: Attribute[list[RestrictedObject]] = Attribute(  # type: ignore[assignment] # longer elements
        3, ArrayOf(RestrictedObjectType), static
    )


class MappingTable(NamedTuple):
    """Which entry of a reference table each bit of a status word means: the first, or each."""

    ref_table_id: int
    mapping: int | list[int]


class StatusMapping(
    InterfaceClass, class_id=63, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """Status mapping: a status word, and what its bits mean."""

    status_word = Attribute(2, AnyData, dynamic)
    mapping_table = Attribute(
        3,
        Structure(MappingTable, Unsigned, Choice(LongUnsigned, ArrayOf(LongUnsigned))),
        static,
    )


class TriggerSource(NamedTuple):
    """What made a waveform be kept."""

    origin: int
    cause: int


class MeasurementDataMonitoring(
    InterfaceClass, class_id=66, version=0, source="class-table", provenance="one-source"
):
    """Measurement data monitoring: a waveform around a trigger; `trigger_time` in microseconds."""

    waveform_data = Attribute(2, AnyData, dynamic)
    trigger_time = Attribute(3, Long64Unsigned, dynamic)
    trigger_source = Attribute(4, Structure(TriggerSource, EnumCode, LongUnsigned), dynamic)
    status = Attribute(5, AnyData, dynamic)
    sampling_rate = Attribute(6, AnyNumber, static)
    number_of_samples_before_trigger = Attribute(7, AnyNumber, static)
    number_of_samples_after_trigger = Attribute(8, AnyNumber, static)
    scaler_unit = Attribute(9, ScalerUnitType, static)
    reset = Method(1, Integer)
    trigger = Method(2, Integer)


class SensorManagement(
    InterfaceClass, class_id=67, version=0, source="class-table", provenance="one-source"
):
    """Sensor manager: identity, sealing, raw and processed value of one sensor."""

    serial_number = Attribute(2, AnyData, static)
    metrological_identification = Attribute(3, AnyData, static)
    output_type = Attribute(4, AnyData, static)
    adjustment_method = Attribute(5, AnyData, static)
    sealing_method = Attribute(6, AnyData, static)
    raw_value = Attribute(7, AnyData, dynamic)
    scaler_unit = Attribute(8, ScalerUnitType, static)
    status = Attribute(9, AnyData, dynamic)
    capture_time = Attribute(10, AnyData, dynamic)
    raw_value_thresholds = Attribute(11, AnyData, static)
    raw_value_actions = Attribute(12, AnyData, static)
    processed_value = Attribute(13, AnyData, dynamic)
    processed_value_thresholds = Attribute(14, AnyData, static)
    processed_value_actions = Attribute(15, AnyData, static)
    reset = Method(1, Integer)
