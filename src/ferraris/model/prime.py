"""Interface classes of the PRIME power line: its layers, its counters, and what the node is.

Where the source tells no type, numbers are any number and the rest is any data.
"""

from __future__ import annotations

from ferraris.data.types import AnyData, AnyNumber, Integer, OctetString
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static

__all__ = [
    "PrimeApplicationIdentification",
    "PrimeLlcSscsSetup",
    "PrimeMacCounters",
    "PrimeMacFunctionalParameters",
    "PrimeMacNetworkAdministration",
    "PrimeMacSetup",
    "PrimePhysicalCounters",
]


class PrimeLlcSscsSetup(
    InterfaceClass, class_id=80, version=0, source="bluebook-quoted", provenance="one-source"
):
    """61334-4-32 LLC SSCS set-up: addresses of this node and of its base node."""

    service_node_address = Attribute(2, AnyData, dynamic)
    base_node_address = Attribute(3, AnyData, dynamic)
    reset = Method(1, Integer)


class PrimePhysicalCounters(
    InterfaceClass, class_id=81, version=0, source="bluebook-quoted", provenance="one-source"
):
    """PRIME physical layer counters: bursts with errors, and bursts dropped."""

    phy_stats_crc_incorrect_count = Attribute(2, AnyNumber, dynamic)
    phy_stats_crc_fail_count = Attribute(3, AnyNumber, dynamic)
    phy_stats_tx_drop_count = Attribute(4, AnyNumber, dynamic)
    phy_stats_rx_drop_count = Attribute(5, AnyNumber, dynamic)
    reset = Method(1, Integer)


class PrimeMacSetup(
    InterfaceClass, class_id=82, version=0, source="bluebook-quoted", provenance="one-source"
):
    """PRIME MAC set-up: timers and limits of the MAC layer."""

    mac_min_switch_search_time = Attribute(2, AnyNumber, static)
    mac_max_promotion_pdu = Attribute(3, AnyNumber, static)
    mac_promotion_pdu_tx_period = Attribute(4, AnyNumber, static)
    mac_beacons_per_frame = Attribute(5, AnyNumber, static)
    mac_scp_max_tx_attempts = Attribute(6, AnyNumber, static)
    mac_ctl_re_tx_timer = Attribute(7, AnyNumber, static)
    mac_max_ctl_re_tx = Attribute(8, AnyNumber, static)


class PrimeMacFunctionalParameters(
    InterfaceClass, class_id=83, version=0, source="bluebook-quoted", provenance="one-source"
):
    """PRIME MAC functional parameters: the node's place in its network."""

    mac_lnid = Attribute(2, AnyNumber, dynamic)
    mac_lsid = Attribute(3, AnyNumber, dynamic)
    mac_sid = Attribute(4, AnyNumber, dynamic)
    mac_sna = Attribute(5, OctetString, dynamic)
    mac_state = Attribute(6, AnyData, dynamic)
    mac_scp_length = Attribute(7, AnyNumber, dynamic)
    mac_node_hierarchy_level = Attribute(8, AnyNumber, dynamic)
    mac_beacon_slot_count = Attribute(9, AnyNumber, dynamic)
    mac_beacon_rx_slot = Attribute(10, AnyNumber, dynamic)
    mac_beacon_tx_slot = Attribute(11, AnyNumber, dynamic)
    mac_beacon_rx_frequency = Attribute(12, AnyNumber, dynamic)
    mac_beacon_tx_frequency = Attribute(13, AnyNumber, dynamic)
    mac_capabilities = Attribute(14, AnyData, dynamic)


class PrimeMacCounters(
    InterfaceClass, class_id=84, version=0, source="bluebook-quoted", provenance="one-source"
):
    """PRIME MAC counters: packets sent and received, and when the channel was busy."""

    mac_tx_data_pkt_count = Attribute(2, AnyNumber, dynamic)
    mac_rx_data_pkt_count = Attribute(3, AnyNumber, dynamic)
    mac_tx_ctrl_pkt_count = Attribute(4, AnyNumber, dynamic)
    mac_rx_ctrl_pkt_count = Attribute(5, AnyNumber, dynamic)
    mac_csma_fail_count = Attribute(6, AnyNumber, dynamic)
    mac_csma_ch_busy_count = Attribute(7, AnyNumber, dynamic)
    reset = Method(1, Integer)


class PrimeMacNetworkAdministration(
    InterfaceClass, class_id=85, version=0, source="bluebook-quoted", provenance="one-source"
):
    """PRIME MAC network administration data: groups, switches and connections."""

    mac_list_multicast_entries = Attribute(2, AnyData, dynamic)
    mac_list_switch_table = Attribute(3, AnyData, dynamic)
    mac_list_direct_table = Attribute(4, AnyData, dynamic)
    mac_list_available_switches = Attribute(5, AnyData, dynamic)
    mac_list_phy_comm = Attribute(6, AnyData, dynamic)
    reset = Method(1, Integer)


class PrimeApplicationIdentification(
    InterfaceClass, class_id=86, version=0, source="bluebook-quoted", provenance="one-source"
):
    """PRIME MAC application identification: firmware, vendor and product."""

    firmware_version = Attribute(2, AnyData, static)
    vendor_id = Attribute(3, AnyNumber, static)
    product_id = Attribute(4, AnyNumber, static)
