"""Readings of customers: sealed under their keys, handed out to them, erased with their keys."""

from __future__ import annotations

from ferraris.headend.privacy.sealer import CustomerSealer

__all__ = ["CustomerSealer"]
