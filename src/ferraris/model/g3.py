"""Interface classes of the G3 power line: counters, MAC layer, 6LoWPAN adaptation.

Where the source tells no type, numbers are any number and the rest is any data.
"""

from __future__ import annotations

from ferraris.data.types import AnyData, AnyNumber, DoubleLongUnsigned, Integer
from ferraris.model.interface_class import (
    Attribute,
    InterfaceClass,
    Method,
    dynamic,
    static,
    unverified,
)

__all__ = [
    "G3MacCounters",
    "G3MacSetup",
    "G3MacSetupV1",
    "G3MacSetupV2",
    "G3MacSetupV3",
    "G3SixLowpanSetup",
    "G3SixLowpanSetupV1",
    "G3SixLowpanSetupV2",
    "G3SixLowpanSetupV3",
]


class G3MacCounters(
    InterfaceClass, class_id=90, version=1, source="bluebook-quoted", provenance="one-source"
):
    """G3-PLC MAC layer counters: packets sent and received, and what went wrong."""

    mac_tx_data_packet_count = Attribute(2, DoubleLongUnsigned, dynamic)
    mac_rx_data_packet_count = Attribute(3, DoubleLongUnsigned, dynamic)
    mac_tx_cmd_packet_count = Attribute(4, DoubleLongUnsigned, dynamic)
    mac_rx_cmd_packet_count = Attribute(5, DoubleLongUnsigned, dynamic)
    mac_csma_fail_count = Attribute(6, DoubleLongUnsigned, dynamic)
    mac_csma_no_ack_count = Attribute(7, DoubleLongUnsigned, dynamic)
    mac_bad_crc_count = Attribute(8, DoubleLongUnsigned, dynamic)
    mac_tx_data_broadcast_count = Attribute(9, DoubleLongUnsigned, dynamic)
    mac_rx_data_broadcast_count = Attribute(10, DoubleLongUnsigned, dynamic)
    reset = Method(1, Integer)


class G3MacSetup(
    InterfaceClass, class_id=91, version=0, source="bluebook-quoted", provenance="one-source"
):
    """G3-PLC MAC set-up: addresses, neighbours and how the channel is shared."""

    mac_short_address = Attribute(2, AnyNumber, dynamic)
    mac_rc_coord = Attribute(3, AnyNumber, dynamic)
    mac_pan_id = Attribute(4, AnyNumber, dynamic)
    mac_key_table = Attribute(5, AnyData, dynamic)
    mac_frame_counter = Attribute(6, AnyNumber, dynamic)
    mac_tone_mask = Attribute(7, AnyData, static)
    mac_tmr_ttl = Attribute(8, AnyNumber, static)
    mac_max_frame_retries = Attribute(9, AnyNumber, static)
    mac_neighbour_table_entry_ttl = Attribute(10, AnyNumber, static)
    mac_neighbour_table = Attribute(11, AnyData, dynamic)
    mac_high_priority_window_size = Attribute(12, AnyNumber, static)
    mac_csma_fairness_limit = Attribute(13, AnyNumber, static)
    mac_beacon_randomization_window_length = Attribute(14, AnyNumber, static)
    mac_a = Attribute(15, AnyNumber, static)
    mac_k = Attribute(16, AnyNumber, static)
    mac_min_cw_attempts = Attribute(17, AnyNumber, static)
    mac_cenelec_legacy_mode = Attribute(18, AnyData, static)
    mac_fcc_legacy_mode = Attribute(19, AnyData, static)
    mac_max_be = Attribute(20, AnyNumber, static)
    mac_max_csma_backoffs = Attribute(21, AnyNumber, static)
    mac_min_be = Attribute(22, AnyNumber, static)
    mac_get_neighbour_table_entry = Method(1, AnyNumber, unverified, returns=AnyData)


class G3MacSetupV1(G3MacSetup, version=1):
    """G3-PLC MAC set-up: attributes as before."""


class G3MacSetupV2(G3MacSetupV1, version=2):
    """G3-PLC MAC set-up: with broadcasts, attenuation and a table of modulations."""

    mac_broadcast_max_cw_enabled = Attribute(23, AnyData, static)
    mac_transmit_atten = Attribute(24, AnyNumber, static)
    mac_pos_table = Attribute(25, AnyData, dynamic)


class G3MacSetupV3(G3MacSetupV2, version=3):
    """G3-PLC MAC set-up: with the time to live of duplicates."""

    mac_duplicate_detection_ttl = Attribute(26, AnyNumber, static)
    mac_get_pos_table_entry = Method(2, AnyNumber, unverified, returns=AnyData)


class G3SixLowpanSetup(
    InterfaceClass, class_id=92, version=0, source="bluebook-quoted", provenance="one-source"
):
    """G3-PLC 6LoWPAN adaptation layer set-up: security, prefixes and routes."""

    adp_max_hops = Attribute(2, AnyNumber, static)
    adp_weak_lqi_value = Attribute(3, AnyNumber, static)
    adp_security_level = Attribute(4, AnyNumber, static)
    adp_prefix_table = Attribute(5, AnyData, dynamic)
    adp_routing_configuration = Attribute(6, AnyData, static)
    adp_broadcast_log_table_entry_ttl = Attribute(7, AnyNumber, static)
    adp_routing_table = Attribute(8, AnyData, dynamic)
    adp_context_information_table = Attribute(9, AnyData, static)
    adp_blacklist_table = Attribute(10, AnyData, dynamic)
    adp_broadcast_log_table = Attribute(11, AnyData, dynamic)
    adp_group_table = Attribute(12, AnyData, static)
    adp_max_join_wait_time = Attribute(13, AnyNumber, static)
    adp_path_discovery_time = Attribute(14, AnyNumber, static)
    adp_active_key_index = Attribute(15, AnyNumber, dynamic)
    adp_metric_type = Attribute(16, AnyNumber, static)


class G3SixLowpanSetupV1(G3SixLowpanSetup, version=1):
    """G3-PLC 6LoWPAN adaptation layer set-up: with coordinator, default routing and device type."""

    adp_coord_short_address = Attribute(17, AnyNumber, dynamic)
    adp_disable_default_routing = Attribute(18, AnyData, static)
    adp_device_type = Attribute(19, AnyData, static)


class G3SixLowpanSetupV2(G3SixLowpanSetupV1, version=2):
    """G3-PLC 6LoWPAN adaptation layer set-up: with a default route and destinations."""

    adp_default_coord_route_enabled = Attribute(20, AnyData, static)
    adp_destination_address = Attribute(21, AnyData, static)


class G3SixLowpanSetupV3(G3SixLowpanSetupV2, version=3):
    """G3-PLC 6LoWPAN adaptation layer set-up: with two thresholds of link quality."""

    adp_low_lqi_value = Attribute(22, AnyNumber, static)
    adp_high_lqi_value = Attribute(23, AnyNumber, static)
