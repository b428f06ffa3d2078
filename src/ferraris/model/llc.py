"""Interface classes of the logical link control of ISO/IEC 8802-2, types 1 to 3.

The source tells no types; every attribute is a number.
"""

from __future__ import annotations

from ferraris.data.types import AnyNumber
from ferraris.model.interface_class import Attribute, InterfaceClass, static

__all__ = ["LlcType1Setup", "LlcType2Setup", "LlcType3Setup"]


class LlcType1Setup(
    InterfaceClass, class_id=57, version=0, source="bluebook-quoted", provenance="one-source"
):
    """ISO/IEC 8802-2 LLC type 1 set-up: link control without connections."""

    max_octets_ui_pdu = Attribute(2, AnyNumber, static)


class LlcType2Setup(
    InterfaceClass, class_id=58, version=0, source="bluebook-quoted", provenance="one-source"
):
    """ISO/IEC 8802-2 LLC type 2 set-up: link control with connections."""

    transmit_window_size_k = Attribute(2, AnyNumber, static)
    receive_window_size_rw = Attribute(3, AnyNumber, static)
    max_octets_i_pdu = Attribute(4, AnyNumber, static)
    max_number_transmissions = Attribute(5, AnyNumber, static)
    acknowledgement_timer = Attribute(6, AnyNumber, static)
    p_bit_timer = Attribute(7, AnyNumber, static)
    reject_timer = Attribute(8, AnyNumber, static)
    busy_state_timer = Attribute(9, AnyNumber, static)


class LlcType3Setup(
    InterfaceClass, class_id=59, version=0, source="bluebook-quoted", provenance="one-source"
):
    """ISO/IEC 8802-2 LLC type 3 set-up: link control with acknowledgement, without connections."""

    max_octets_acn_pdu = Attribute(2, AnyNumber, static)
    max_number_transmissions = Attribute(3, AnyNumber, static)
    acknowledgement_time = Attribute(4, AnyNumber, static)
    receive_lifetime = Attribute(5, AnyNumber, static)
    transmit_lifetime = Attribute(6, AnyNumber, static)
