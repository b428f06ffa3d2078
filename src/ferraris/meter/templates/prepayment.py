"""The template `prepayment`: a household meter with the objects of payment, which rest.

Account, credits, charge and token gateway are there and can be configured; what would move them -
collection, tokens, the switch that follows the account - is not simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.configured import Configured
from ferraris.meter.consumption import Consumption
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.plausible import of_type
from ferraris.meter.templates.residential import (
    MANAGEMENT,
    OPERATOR,
    READING,
    associations,
    residential_objects,
)
from ferraris.meter.zone import Zone
from ferraris.model import payment
from ferraris.model.interface_class import InterfaceClass

__all__ = ["prepayment"]

_KNOWN = frozenset((MANAGEMENT, READING))
_MANAGEMENT = frozenset((MANAGEMENT,))
_ACCOUNT, _GATEWAY = "0-0:19.0.0*255", "0-0:19.40.0*255"
_CREDITS = ("0-0:19.10.0*255", "0-0:19.10.1*255")
_CHARGE, _STS = "0-0:19.20.0*255", "0-0:19.60.0*255"
_PREPAYMENT, _ACTIVE = 2, 2
_TOKEN_CREDIT, _EMERGENCY_CREDIT = 0, 2


def prepayment(
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template; arguments as for `residential`."""
    consumption = Consumption(zone or Zone(), tariff or Tariff(), region)
    placed = [*residential_objects(consumption, suite), *_payment()]
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "prepayment",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
    )


class _Resting(Configured):
    """An object of payment whose attributes are what they were configured to be."""

    def __init__(self, declares: type[InterfaceClass], name: str, known: dict[int, Data]) -> None:
        self.declares = declares  # type: ignore[misc] # one behaviour serves several classes
        values = {
            index: known.get(index) or of_type(attribute.type)
            for index, attribute in declares.attributes.items()
            if index != 1
        }
        super().__init__(name, values)


def _payment() -> Iterator[Placed]:
    account = payment.Account
    known = {
        2: _dumped(account.account_mode_and_status, (_PREPAYMENT, _ACTIVE)),
        9: _dumped(account.credit_reference_list, [Obis.parse(name) for name in _CREDITS]),
        10: _dumped(account.charge_reference_list, [Obis.parse(_CHARGE)]),
        15: _dumped(account.currency, ("EUR", -2, payment.CurrencyUnit.MONETARY)),
    }
    yield _placed(_Resting(account, _ACCOUNT, known))
    for priority, (name, kind) in enumerate(
        zip(_CREDITS, (_TOKEN_CREDIT, _EMERGENCY_CREDIT), strict=True), 1
    ):
        credit = {3: _dumped(payment.Credit.credit_type, kind), 4: (17, priority)}
        yield _placed(_Resting(payment.Credit, name, credit))
    yield _placed(_Resting(payment.Charge, _CHARGE, {}))
    yield _placed(_Resting(payment.TokenGateway, _GATEWAY, {}))


def _dumped(attribute: Any, value: Any) -> Data:
    data: Data = attribute.type.dump(value)
    return data


def _placed(behaviour: _Resting) -> Placed:
    """Static attributes are written by the management client."""
    declared = behaviour.declares.attributes
    writes = {index: _MANAGEMENT for index in behaviour.fixed if declared[index].is_static}
    return Placed(behaviour, _KNOWN, writes)
