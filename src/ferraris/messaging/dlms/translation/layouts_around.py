"""The table of APDUs: what goes around other APDUs [asn1]."""

from __future__ import annotations

from ferraris.messaging.dlms import (
    gateway,
    general,
)
from ferraris.messaging.dlms.translation.building import (
    DATE_TIME,
    OCTETS,
    Layout,
    single,
)
from ferraris.messaging.dlms.translation.kinds import (
    U8,
    U16,
)
from ferraris.messaging.dlms.translation.nested import NESTED, PROTECTED
from ferraris.messaging.dlms.translation.records import (
    Alternative,
    Choice,
    Field,
    Record,
    of_type,
)
from ferraris.messaging.dlms.translation.special import (
    BlockControl,
)

__all__ = ["AROUND"]

_TITLE_AND_CONTENT = (
    Field("system_title", "system-title", OCTETS),
    Field("content", "ciphered-content", PROTECTED),
)
_HEADER = (
    Field("transaction_id", "transaction-id", OCTETS),
    Field("originator_system_title", "originator-system-title", OCTETS),
    Field("recipient_system_title", "recipient-system-title", OCTETS),
    DATE_TIME,
    Field("other_information", "other-information", OCTETS),
)
_KEY_CIPHERED_DATA = Field("key_ciphered_data", "key-ciphered-data", OCTETS)
_KEY_INFO = Choice(
    (
        Alternative(
            "identified-key",
            of_type(general.IdentifiedKey),
            Record(general.IdentifiedKey, (Field("key_id", "key-id", U8),)),
        ),
        Alternative(
            "wrapped-key",
            of_type(general.WrappedKey),
            Record(general.WrappedKey, (Field("kek_id", "kek-id", U8), _KEY_CIPHERED_DATA)),
        ),
        Alternative(
            "agreed-key",
            of_type(general.AgreedKey),
            Record(
                general.AgreedKey,
                (Field("key_parameters", "key-parameters", OCTETS), _KEY_CIPHERED_DATA),
            ),
        ),
    )
)


def _gateway(kind: type, element: str) -> tuple[type, Layout]:
    return single(
        kind,
        element,
        Field("network_id", "network-id", U8),
        Field("physical_device_address", "physical-device-address", OCTETS),
        Field("apdu", "apdu", NESTED),
    )


AROUND: tuple[tuple[type, Layout], ...] = (
    single(general.GeneralGlo, "general-glo-ciphering", *_TITLE_AND_CONTENT),
    single(general.GeneralDed, "general-ded-ciphering", *_TITLE_AND_CONTENT),
    single(
        general.GeneralCiphering,
        "general-ciphering",
        *_HEADER,
        Field("key_info", "key-info", _KEY_INFO, absent=None),
        Field("content", "ciphered-content", PROTECTED),
    ),
    single(
        general.GeneralSigning,
        "general-signing",
        *_HEADER,
        Field("content", "content", NESTED),
        Field("signature", "signature", OCTETS),
    ),
    single(
        general.GeneralBlockTransfer,
        "general-block-transfer",
        BlockControl(),
        Field("block_number", "block-number", U16),
        Field("block_number_ack", "block-number-ack", U16),
        Field("block_data", "block-data", OCTETS),
    ),
    _gateway(gateway.GatewayRequest, "gateway-request"),
    _gateway(gateway.GatewayResponse, "gateway-response"),
)
