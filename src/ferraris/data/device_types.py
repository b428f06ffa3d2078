"""Device types of M-Bus: what a meter measures, or what else a device on a bus or radio is.

Codes that are not listed are reserved [mbus-facts]. Readers of either family and the classes of
M-Bus devices take the names from here.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DEVICE_TYPES", "DeviceType", "device_type"]


class DeviceType(NamedTuple):
    """A device type: its code, its name, and group A of OBIS codes for its values, if any."""

    code: int
    name: str
    medium: int | None = None


def device_type(code: int) -> DeviceType:
    """The device type of a code; a code that is not listed gives one that says so."""
    known = DEVICE_TYPES.get(code)
    return known if known is not None else DeviceType(code, f"reserved {code:02X}h")


_TABLE = """
00|other|15
01|oil|16
02|electricity|1
03|gas|7
04|heat, volume measured at the outlet|6
05|steam|15
06|warm water, 30 to 90 °C|9
07|water|8
08|heat cost allocator|4
09|compressed air|17
0A|cooling, volume measured at the outlet|5
0B|cooling, volume measured at the inlet|5
0C|heat, volume measured at the inlet|6
0D|heat and cooling|6
0E|bus or system component
0F|unknown
10|irrigation water|8
11|water data logger|8
12|gas data logger|7
13|gas converter|7
14|calorific value|7
15|hot water, 90 °C and more|9
16|cold water|8
17|hot and cold water|9
18|pressure|15
19|analogue-digital converter
1A|smoke detector
1B|room sensor
1C|gas detector
20|breaker, electricity
21|valve, gas or water
25|customer unit, display
28|waste water|8
29|garbage
2A|carbon dioxide
30|system device, service tool
31|communication controller
32|unidirectional repeater
33|bidirectional repeater
36|radio converter, system side
37|radio converter, meter side
38|bus converter, meter side
FF|any, in searches
"""


def _device_types() -> dict[int, DeviceType]:
    table: dict[int, DeviceType] = {}
    for line in _TABLE.strip().split("\n"):
        code, name, medium = (*line.split("|"), "")[:3]
        number = int(code, 16)
        table[number] = DeviceType(number, name, int(medium) if medium else None)
    return table


DEVICE_TYPES = _device_types()
"""Every known device type by its code."""
