"""Readings of customers: sealed under their keys, handed out to them, erased with their keys."""

from __future__ import annotations

from ferraris.headend.privacy.erasing import Erasure, complete, erase
from ferraris.headend.privacy.handing_out import Handed, hand_out
from ferraris.headend.privacy.looking import concerns_customer, look_detail
from ferraris.headend.privacy.personal import PERSONAL_DATA, Fate, Treatment
from ferraris.headend.privacy.sealer import CustomerSealer, customer_sealer
from ferraris.headend.privacy.settling import settle
from ferraris.headend.privacy.taking_over import take_over

__all__ = [
    "PERSONAL_DATA",
    "CustomerSealer",
    "Erasure",
    "Fate",
    "Handed",
    "Treatment",
    "complete",
    "concerns_customer",
    "customer_sealer",
    "erase",
    "hand_out",
    "look_detail",
    "settle",
    "take_over",
]
