"""Interface classes of the way over the internet: ports, addresses, PPP, mail, network time."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.types import (
    AnyData,
    ArrayOf,
    Boolean,
    DoubleLongUnsigned,
    Enum,
    EnumCode,
    Integer,
    LogicalName,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
    sized_octets,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, static, unverified

__all__ = [
    "AddressConfigurationMode",
    "IpOption",
    "Ipv4Setup",
    "Ipv6AddressOfKind",
    "Ipv6Setup",
    "MacAddressSetup",
    "NeighborDiscovery",
    "NtpAuthenticationKey",
    "NtpAuthenticationMethod",
    "NtpSetup",
    "PppSetup",
    "SmtpSetup",
    "TcpUdpSetup",
]


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


class MacAddressSetup(
    InterfaceClass, class_id=43, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """MAC address set-up: the address of a link."""

    mac_address = Attribute(2, OctetString, static)


class PppSetup(
    InterfaceClass, class_id=44, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """PPP set-up: options of the link and of IP, and authentication (none, PAP, CHAP or EAP)."""

    phy_reference = Attribute(2, LogicalName, static)
    lcp_options = Attribute(3, ArrayOf(AnyData), static)
    ipcp_options = Attribute(4, ArrayOf(AnyData), static)
    ppp_authentication = Attribute(5, AnyData, static)


class SmtpSetup(
    InterfaceClass, class_id=46, version=0, source="bluebook-quoted", provenance="one-source"
):
    """SMTP set-up: the server that sends mail."""

    server_port = Attribute(2, LongUnsigned, static)
    user_name = Attribute(3, OctetString, static)
    login_password = Attribute(4, OctetString, static)
    server_address = Attribute(5, OctetString, static)
    sender_address = Attribute(6, OctetString, static)


class AddressConfigurationMode(IntEnum):
    """How a device gets its addresses of IPv6 [facts-g]."""

    AUTO = 0
    DHCP_V6 = 1
    MANUAL = 2
    NEIGHBOUR_DISCOVERY = 3


class NeighborDiscovery(NamedTuple):
    """How routers are looked for: tries, seconds between them, seconds until their word is sent."""

    retries: int
    retry_wait_time: int
    send_period: int


class Ipv6AddressOfKind(NamedTuple):
    """An address of IPv6 for one of the lists: unicast, multicast or gateway."""

    kind: int
    address: bytes


_IPV6_ADDRESS = sized_octets(16)
_IPV6_OF_KIND = Structure(Ipv6AddressOfKind, EnumCode, _IPV6_ADDRESS)


class Ipv6Setup(
    InterfaceClass, class_id=48, version=0, source="bluebook-quoted", provenance="one-source"
):
    """IPv6 set-up: addresses of 16 octets."""

    data_link_reference = Attribute(2, LogicalName, static)
    address_config_mode = Attribute(3, Enum(AddressConfigurationMode), static)
    unicast_ip_addresses = Attribute(4, ArrayOf(_IPV6_ADDRESS), static)
    multicast_ip_addresses = Attribute(5, ArrayOf(_IPV6_ADDRESS), static)
    gateway_ip_addresses = Attribute(6, ArrayOf(_IPV6_ADDRESS), static)
    primary_dns_address = Attribute(7, OctetString, static)
    secondary_dns_address = Attribute(8, OctetString, static)
    traffic_class = Attribute(9, Unsigned, static)
    neighbor_discovery_setup = Attribute(
        10,
        ArrayOf(Structure(NeighborDiscovery, Unsigned, LongUnsigned, DoubleLongUnsigned)),
        static,
    )
    add_ip_address = Method(1, _IPV6_OF_KIND)
    remove_ip_address = Method(2, _IPV6_OF_KIND)


class NtpAuthenticationMethod(IntEnum):
    """How a time server proves itself [facts-g]."""

    NONE = 0
    SHARED_SECRETS = 1
    AUTOKEY_IFF = 2


class NtpAuthenticationKey(NamedTuple):
    """A key shared with a time server, by its number."""

    key_id: int
    key: bytes


_NTP_KEY = Structure(NtpAuthenticationKey, DoubleLongUnsigned, OctetString)


class NtpSetup(
    InterfaceClass, class_id=100, version=0, source="bluebook-quoted", provenance="one-source"
):
    """NTP set-up: the server that the clock is set by; parameters of the key methods by memory."""

    activated = Attribute(2, Boolean, static)
    server_address = Attribute(3, OctetString, static)
    server_port = Attribute(4, LongUnsigned, static)
    authentication_method = Attribute(5, Enum(NtpAuthenticationMethod), static)
    authentication_keys = Attribute(6, ArrayOf(_NTP_KEY), static)
    client_key = Attribute(7, OctetString, static)
    synchronize = Method(1, Integer)
    add_authentication_key = Method(2, _NTP_KEY, unverified)
    delete_authentication_key = Method(3, DoubleLongUnsigned, unverified)
