"""What all tables share: one `MetaData`, and the kinds of columns in the words of the store."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Text,
)

__all__ = [
    "METADATA",
    "flag",
    "identity",
    "instant",
    "moment",
    "number",
    "octets",
    "refers",
    "small",
    "tenant",
    "text",
]

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives numbers by itself only to a plain INTEGER PRIMARY KEY.
_BIG: Final = BigInteger().with_variant(Integer, "sqlite")


def identity() -> Column[int]:
    """The surrogate number of a row, given by the database."""
    return Column("id", _BIG, primary_key=True)


def tenant(*, key: bool = False) -> Column[int]:
    """Whose row it is; every table has it."""
    return Column("tenant", _BIG, ForeignKey("tenant.id"), nullable=False, primary_key=key)


def refers(name: str, table: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """The number of a row of another table."""
    return Column(name, _BIG, ForeignKey(f"{table}.id"), nullable=null, primary_key=key)


def number(name: str, *, null: bool = False, key: bool = False, default: Any = None) -> Column[int]:
    """A whole number of 64 bits."""
    given = None if default is None else str(default)
    return Column(name, _BIG, nullable=null, primary_key=key, server_default=given)


def small(name: str, *, key: bool = False) -> Column[int]:
    """A whole number of 32 bits, where rows are many and short."""
    return Column(name, Integer, nullable=False, primary_key=key)


def flag(name: str, *, default: bool = False) -> Column[int]:
    """0 or 1."""
    return Column(name, Integer, nullable=False, server_default=str(int(default)))


def instant(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """Whole seconds UTC since 1970; its name ends in `_s`."""
    return Column(name, _BIG, nullable=null, primary_key=key)


def moment(name: str, *, null: bool = False) -> Column[float]:
    """Seconds UTC since 1970 with fractions; its name ends in `_s`."""
    return Column(name, Double, nullable=null)


def text(
    name: str, *, null: bool = False, key: bool = False, default: str | None = None
) -> Column[str]:
    """Words, names, and documents as JSON."""
    return Column(name, Text, nullable=null, primary_key=key, server_default=default)


def octets(name: str, *, null: bool = False) -> Column[bytes]:
    """Octets as they are."""
    return Column(name, LargeBinary, nullable=null)
