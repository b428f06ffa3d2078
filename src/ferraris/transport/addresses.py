"""Who speaks to whom: service access points of clients and logical devices.

The same two numbers name the ends of an association in every communication profile: wrapper ports,
and the upper HDLC addresses [facts-g].
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ALL_STATIONS",
    "DLMS_PORT",
    "LONGEST_DATAGRAM_OCTETS",
    "MANAGEMENT_CLIENT",
    "MANAGEMENT_LOGICAL_DEVICE",
    "NO_STATION",
    "PUBLIC_CLIENT",
    "Addresses",
]

NO_STATION = 0x00
"""Nobody; never the address of an association. [memory]"""

MANAGEMENT_CLIENT = 0x01
"""The client management process. [memory]"""

PUBLIC_CLIENT = 0x10
"""The client that needs no security and may read little. [memory]"""

MANAGEMENT_LOGICAL_DEVICE = 0x01
"""The logical device that every physical device has. [memory]"""

ALL_STATIONS = 0x7F
"""Every logical device; units sent to it are not answered. [memory]"""

DLMS_PORT = 4059
"""The port registered for DLMS/COSEM over TCP and UDP."""


LONGEST_DATAGRAM_OCTETS = 65_507
"""What UDP carries in one datagram over IPv4: 65,535 octets less both headers, 20 and 8. [memory]

IPv6 would carry 20 octets more, which is not worth a second figure.
"""


class Addresses(NamedTuple):
    """The two ends of an association, each 0 to 65535 in the wrapper, less in HDLC."""

    client_sap: int
    server_sap: int

    def __str__(self) -> str:
        return f"client {self.client_sap}, server {self.server_sap}"
