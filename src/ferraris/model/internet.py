"""Interface classes of the way over the internet: ports of TCP and UDP, addresses of IPv4."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.data.types import (
    ArrayOf,
    Boolean,
    DoubleLongUnsigned,
    Integer,
    LogicalName,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, static

__all__ = ["IpOption", "Ipv4Setup", "TcpUdpSetup"]


class TcpUdpSetup(
    InterfaceClass,
    class_id=41,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
):
    """TCP-UDP set-up: the port listened on; `inactivity_time_out` is in seconds."""

    port = Attribute(2, LongUnsigned, static)
    ip_reference = Attribute(3, LogicalName, static)
    maximum_segment_size = Attribute(4, LongUnsigned, static)
    number_of_simultaneous_connections = Attribute(5, Unsigned, static)
    inactivity_time_out = Attribute(6, LongUnsigned, static)


class IpOption(NamedTuple):
    """An option of IPv4: kind, length and data."""

    kind: int
    length: int
    data: bytes


class Ipv4Setup(
    InterfaceClass,
    class_id=42,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x60,
):
    """IPv4 set-up: addresses as numbers of 32 bits."""

    data_link_reference = Attribute(2, LogicalName, static)
    ip_address = Attribute(3, DoubleLongUnsigned, static)
    multicast_ip_address = Attribute(4, ArrayOf(DoubleLongUnsigned), static)
    ip_options = Attribute(5, ArrayOf(Structure(IpOption, Unsigned, Unsigned, OctetString)), static)
    subnet_mask = Attribute(6, DoubleLongUnsigned, static)
    gateway_ip_address = Attribute(7, DoubleLongUnsigned, static)
    use_dhcp = Attribute(8, Boolean, static)
    primary_dns_address = Attribute(9, DoubleLongUnsigned, static)
    secondary_dns_address = Attribute(10, DoubleLongUnsigned, static)
    add_multicast_address = Method(1, DoubleLongUnsigned)
    delete_multicast_address = Method(2, DoubleLongUnsigned)
    get_number_of_multicast_addresses = Method(3, Integer)
