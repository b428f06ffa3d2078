"""Interface classes for payment: account, credit, charge, token gateway, STS attributes."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.kinds import BitString
from ferraris.data.obis import Obis
from ferraris.data.types import (
    ArrayOf,
    BitStringType,
    Choice,
    DateTimeType,
    DoubleLong,
    DoubleLongUnsigned,
    Enum,
    Integer,
    LogicalName,
    Long,
    Long64Unsigned,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
    Utf8,
    VisibleString,
)
from ferraris.model.interface_class import (
    Attribute,
    InterfaceClass,
    Method,
    dynamic,
    static,
    unverified,
)
from ferraris.model.references import AttributeIdentity, AttributeIdentityType

__all__ = [
    "Account",
    "AccountMode",
    "AccountModeAndStatus",
    "AccountStatus",
    "Charge",
    "ChargeBit",
    "ChargePerUnit",
    "ChargeScaling",
    "ChargeType",
    "CollectionBit",
    "Credit",
    "CreditBit",
    "CreditChargeLink",
    "CreditStatus",
    "CreditStatusBit",
    "CreditType",
    "Currency",
    "CurrencyUnit",
    "DeliveryMethod",
    "MeterPan",
    "StsAttributes",
    "TokenGateway",
    "TokenGatewayLink",
    "TokenStatus",
    "TokenStatusCode",
    "UnitCharge",
]


class AccountMode(IntEnum):
    """When energy is paid for [facts-g]."""

    CREDIT = 1
    PREPAYMENT = 2


class AccountStatus(IntEnum):
    """State of an account [facts-g]."""

    NEW_INACTIVE = 1
    ACTIVE = 2
    CLOSED = 3


class AccountModeAndStatus(NamedTuple):
    """Mode and state of an account."""

    mode: AccountMode | int
    status: AccountStatus | int


class CreditStatusBit(IntEnum):
    """Bits of an account's `current_credit_status` [facts-g]."""

    IN_CREDIT = 0
    LOW_CREDIT = 1
    NEXT_CREDIT_ENABLED = 2
    NEXT_CREDIT_SELECTABLE = 3
    NEXT_CREDIT_SELECTED = 4
    SELECTABLE_CREDIT_IN_USE = 5
    OUT_OF_CREDIT = 6


class CollectionBit(IntEnum):
    """Bits that say when a charge is collected from a credit [facts-g]."""

    WHEN_SUPPLY_DISCONNECTED = 0
    IN_LOAD_LIMITING_PERIODS = 1
    IN_FRIENDLY_CREDIT_PERIODS = 2


class CreditChargeLink(NamedTuple):
    """Which charge is collected from which credit, and when."""

    credit_reference: Obis
    charge_reference: Obis
    collection_configuration: BitString


class TokenGatewayLink(NamedTuple):
    """Which part of a token goes to a credit, in percent."""

    credit_reference: Obis
    token_proportion: int


class CurrencyUnit(IntEnum):
    """What an account counts in [facts-g]."""

    TIME = 0
    CONSUMPTION = 1
    MONETARY = 2


class Currency(NamedTuple):
    """Name of the currency, power of ten of all amounts, and what it counts."""

    name: str
    scale: int
    unit: CurrencyUnit | int


_CREDIT_CHARGE_LINK = Structure(
    CreditChargeLink, LogicalName, LogicalName, BitStringType(3, CollectionBit)
)


class Account(
    InterfaceClass, class_id=111, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Account: credits and charges of a customer, and what is left.

    Amounts are in units of the currency's scale. Whether `current_credit_in_use` counts the list
    of credits from 0 or from 1 is not settled.
    """

    account_mode_and_status = Attribute(
        2, Structure(AccountModeAndStatus, Enum(AccountMode), Enum(AccountStatus)), static
    )
    current_credit_in_use = Attribute(3, Unsigned, dynamic)
    current_credit_status = Attribute(4, BitStringType(8, CreditStatusBit), dynamic)
    available_credit = Attribute(5, DoubleLong, dynamic)
    amount_to_clear = Attribute(6, DoubleLong, dynamic)
    clearance_threshold = Attribute(7, DoubleLong, static)
    aggregated_debt = Attribute(8, DoubleLong, dynamic)
    credit_reference_list = Attribute(9, ArrayOf(LogicalName), static)
    charge_reference_list = Attribute(10, ArrayOf(LogicalName), static)
    credit_charge_configuration = Attribute(
        11,
        ArrayOf(_CREDIT_CHARGE_LINK),
        static,
    )
    token_gateway_configuration = Attribute(
        12, ArrayOf(Structure(TokenGatewayLink, LogicalName, Unsigned)), static
    )
    account_activation_time = Attribute(13, DateTimeType, static)
    account_closure_time = Attribute(14, DateTimeType, static)
    currency = Attribute(15, Structure(Currency, Utf8, Integer, Enum(CurrencyUnit)), static)
    low_credit_threshold = Attribute(16, DoubleLong, static)
    next_credit_available_threshold = Attribute(17, DoubleLong, static)
    max_provision = Attribute(18, LongUnsigned, static)
    max_provision_period = Attribute(19, DoubleLong, static)
    activate_account = Method(1, Integer)
    close_account = Method(2, Integer)
    reset_account = Method(3, Integer)


class CreditType(IntEnum):
    """Where a credit comes from [facts-g]."""

    TOKEN = 0
    RESERVED = 1
    EMERGENCY = 2
    TIME_BASED = 3
    CONSUMPTION_BASED = 4


class CreditStatus(IntEnum):
    """State of a credit [facts-g]."""

    ENABLED = 0
    SELECTABLE = 1
    SELECTED = 2
    IN_USE = 3
    EXHAUSTED = 4


class CreditBit(IntEnum):
    """Bits of a credit's configuration [facts-g]."""

    VISUAL_INDICATION = 0
    CONFIRMATION = 1
    PAID_BACK = 2
    RESETTABLE = 3
    ACCEPTS_TOKENS = 4


class Credit(
    InterfaceClass, class_id=112, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Credit: one source of credit of an account.

    `update_amount` adds to the amount and may be negative. `invoke_credit` takes an integer; one
    client sends an unsigned.
    """

    current_credit_amount = Attribute(2, DoubleLong, dynamic)
    credit_type = Attribute(3, Enum(CreditType), static)
    priority = Attribute(4, Unsigned, static)
    warning_threshold = Attribute(5, DoubleLong, static)
    limit = Attribute(6, DoubleLong, static)
    credit_configuration = Attribute(7, BitStringType(5, CreditBit), static)
    credit_status = Attribute(8, Enum(CreditStatus), dynamic)
    preset_credit_amount = Attribute(9, DoubleLong, static)
    credit_available_threshold = Attribute(10, DoubleLong, static)
    period = Attribute(11, DateTimeType, static)
    update_amount = Method(1, DoubleLong)
    set_amount_to_value = Method(2, DoubleLong)
    invoke_credit = Method(3, Choice(Integer, Unsigned))


class ChargeType(IntEnum):
    """What a charge is collected for [facts-g]."""

    CONSUMPTION = 0
    TIME = 1
    PAYMENT_EVENT = 2


class ChargeBit(IntEnum):
    """Bits of a charge's configuration [facts-g]."""

    PERCENTAGE_BASED = 0
    CONTINUOUS = 1


class ChargeScaling(NamedTuple):
    """Powers of ten of the commodity's quantity and of the price."""

    commodity_scale: int
    price_scale: int


class ChargePerUnit(NamedTuple):
    """Price for one unit of the commodity while this index (the tariff) is active."""

    charge_index: bytes
    charge_per_unit: int


class UnitCharge(NamedTuple):
    """What a unit of a commodity costs; the commodity is the attribute that counts it."""

    scaling: ChargeScaling
    commodity: AttributeIdentity
    charge_table: list[ChargePerUnit]


_CHARGE_TABLE = ArrayOf(Structure(ChargePerUnit, OctetString, Long))
_CHARGE_TABLE_OR_NOTHING = Choice(_CHARGE_TABLE, Integer)
_UNIT_CHARGE = Structure(
    UnitCharge,
    Structure(ChargeScaling, Integer, Integer),
    AttributeIdentityType,
    _CHARGE_TABLE,
)


class Charge(
    InterfaceClass, class_id=113, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Charge: one thing that an account pays for; `period` in seconds, `proportion` 0..10000.

    That `update_unit_charge` also takes a charge table rests on memory.
    """

    total_amount_paid = Attribute(2, DoubleLong, dynamic)
    charge_type = Attribute(3, Enum(ChargeType), static)
    priority = Attribute(4, Unsigned, static)
    unit_charge_active = Attribute(5, _UNIT_CHARGE, static)
    unit_charge_passive = Attribute(6, _UNIT_CHARGE, static)
    unit_charge_activation_time = Attribute(7, DateTimeType, static)
    period = Attribute(8, DoubleLongUnsigned, static)
    charge_configuration = Attribute(9, BitStringType(2, ChargeBit), static)
    last_collection_time = Attribute(10, DateTimeType, dynamic)
    last_collection_amount = Attribute(11, DoubleLong, dynamic)
    total_amount_remaining = Attribute(12, DoubleLong, dynamic)
    proportion = Attribute(13, LongUnsigned, static)
    update_unit_charge = Method(1, _CHARGE_TABLE_OR_NOTHING, unverified)
    activate_passive_unit_charge = Method(2, Integer)
    collect = Method(3, Integer)
    update_total_amount_remaining = Method(4, DoubleLong)
    set_total_amount_remaining = Method(5, DoubleLong)


class DeliveryMethod(IntEnum):
    """How a token came [facts-g]."""

    REMOTE = 0
    LOCAL = 1
    MANUAL = 2


class TokenStatusCode(IntEnum):
    """How far a token came [facts-g]."""

    FORMAT_OK = 0
    AUTHENTICATION_OK = 1
    VALIDATION_OK = 2
    EXECUTION_OK = 3
    FORMAT_FAILURE = 4
    AUTHENTICATION_FAILURE = 5
    VALIDATION_FAILURE = 6
    EXECUTION_FAILURE = 7
    RECEIVED = 8


class TokenStatus(NamedTuple):
    """Result of a token, with data that its kind defines."""

    code: TokenStatusCode | int
    data: BitString


_TOKEN_STATUS = Structure(TokenStatus, Enum(TokenStatusCode), BitStringType())


class TokenGateway(
    InterfaceClass, class_id=115, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Token gateway: takes tokens, and says what became of the last one."""

    token = Attribute(2, OctetString, dynamic)
    token_time = Attribute(3, DateTimeType, dynamic)
    token_description = Attribute(4, ArrayOf(OctetString), dynamic)
    token_delivery_method = Attribute(5, Enum(DeliveryMethod), dynamic)
    token_status = Attribute(6, _TOKEN_STATUS, dynamic)
    enter = Method(1, OctetString, returns=_TOKEN_STATUS)


class MeterPan(NamedTuple):
    """Primary account number of a meter: issuer, decoder reference number, check digit."""

    issuer_identification_number: int
    decoder_reference_number: int
    check_digit: int


class StsAttributes(
    InterfaceClass, class_id=116, version=0, source="bluebook-quoted", provenance="one-source"
):
    """IEC 62055-41 attributes: what a meter for STS tokens knows of its keys."""

    meter_pan = Attribute(
        2, Structure(MeterPan, DoubleLongUnsigned, Long64Unsigned, Unsigned), static
    )
    commodity = Attribute(3, VisibleString, static)
    token_carrier_types = Attribute(4, ArrayOf(Unsigned), static)
    encryption_algorithm = Attribute(5, Unsigned, static)
    supply_group_code = Attribute(6, DoubleLongUnsigned, static)
    tariff_index = Attribute(7, Unsigned, static)
    key_revision_number = Attribute(8, Unsigned, static)
    key_type = Attribute(9, Unsigned, static)
    key_expiry_number = Attribute(10, Unsigned, static)
    kct_supported = Attribute(11, Unsigned, static)
    sts_certificate_number = Attribute(12, VisibleString, static)
