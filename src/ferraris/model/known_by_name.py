"""Interface classes of which no more than identifier and name is certain.

Their layout is not known here, so nothing of it is declared: objects of these classes read
generically, attribute by attribute, as plain data. The same goes for versions that newer editions
are said to have.
"""

from __future__ import annotations

from typing import NamedTuple

from ferraris.model.interface_class import Provenance

__all__ = ["LATER_VERSIONS", "NAMED_CLASSES", "LaterVersion", "NamedClass"]


class NamedClass(NamedTuple):
    """A class by its name alone."""

    class_id: int
    name: str
    group: str
    source: str
    provenance: Provenance


class LaterVersion(NamedTuple):
    """A version of a declared class that is heard of."""

    class_id: int
    version: int
    source: str
    provenance: Provenance


_ZIGBEE = "ZigBee"
_HS_PLC = "High-speed power line"
_ISO_14908 = "ISO/IEC 14908"
_WI_SUN = "Wi-SUN"
_LPWAN = "LPWAN and LoRaWAN"
_G3_HYBRID = "G3 hybrid of power line and radio"

_ROWS: tuple[tuple[str, str, Provenance, dict[int, str]], ...] = (
    (
        _WI_SUN,
        "class-table",
        "one-source",
        {
            95: "Wi-SUN set-up",
            96: "Wi-SUN diagnostic",
            97: "RPL diagnostic",
            98: "MPL diagnostic",
        },
    ),
    (
        _ZIGBEE,
        "class-lists",
        "two-sources",
        {
            101: "ZigBee SAS start-up",
            102: "ZigBee SAS join",
            103: "ZigBee SAS APS fragmentation",
            104: "ZigBee network control",
            105: "ZigBee tunnel set-up",
        },
    ),
    (
        _LPWAN,
        "class-table",
        "one-source",
        {
            126: "SCHC-LPWAN set-up",
            127: "SCHC-LPWAN diagnostic",
            128: "LoRaWAN set-up",
            129: "LoRaWAN diagnostic",
        },
    ),
    (
        _ISO_14908,
        "class-table",
        "two-sources",
        {
            130: "ISO/IEC 14908 identification",
            131: "ISO/IEC 14908 protocol set-up",
            132: "ISO/IEC 14908 protocol status",
            133: "ISO/IEC 14908 diagnostic",
        },
    ),
    (
        _HS_PLC,
        "class-lists",
        "one-source",
        {
            140: "HS-PLC ISO/IEC 12139-1 MAC set-up",
            141: "HS-PLC ISO/IEC 12139-1 CPAS set-up",
            142: "HS-PLC ISO/IEC 12139-1 IP SSAS set-up",
            143: "HS-PLC ISO/IEC 12139-1 HDLC SSAS set-up",
        },
    ),
    (
        _G3_HYBRID,
        "class-table",
        "two-sources",
        {
            160: "G3-PLC hybrid RF MAC layer counters",
            161: "G3-PLC hybrid RF MAC set-up",
            162: "G3-PLC hybrid 6LoWPAN adaptation layer set-up",
        },
    ),
    ("National", "facts-g", "one-source", {8192: "Tariff plan (Italy, UNI/TS 11291)"}),
)

NAMED_CLASSES = {
    class_id: NamedClass(class_id, name, group, source, provenance)
    for group, source, provenance, names in _ROWS
    for class_id, name in names.items()
}
"""By class identifier; none of these is declared."""

LATER_VERSIONS = {
    (class_id, version): LaterVersion(class_id, version, "memory", "memory")
    for class_id, version in ((18, 1), (40, 3), (72, 2))
}
"""By class identifier and version; said to be in newer editions, layout not known."""
