"""The security control octet that opens every protected APDU [facts-g]."""

from __future__ import annotations

__all__ = [
    "AUTHENTICATION",
    "BOTH",
    "COMPRESSION",
    "ENCRYPTION",
    "KEY_SET",
    "SIGNED",
    "SUITE_MASK",
    "SecurityControl",
]

COMPRESSION = 0x80
KEY_SET = 0x40
ENCRYPTION = 0x20
AUTHENTICATION = 0x10
BOTH = AUTHENTICATION | ENCRYPTION
SUITE_MASK = 0x0F
SIGNED = 0x100
"""Mark beside the octet's bits: the APDU came in a signed envelope."""


class SecurityControl(int):
    """A security control octet with names for its bits; an ordinary `int` does as well."""

    __slots__ = ()

    @classmethod
    def of(
        cls,
        suite: int = 0,
        *,
        authentication: bool = True,
        encryption: bool = True,
        broadcast: bool = False,
    ) -> SecurityControl:
        """Put the octet together; both protections and the unicast key unless said otherwise."""
        value = suite & SUITE_MASK
        value |= AUTHENTICATION * authentication
        value |= ENCRYPTION * encryption
        value |= KEY_SET * broadcast
        return cls(value)

    @property
    def suite(self) -> int:
        """The suite number, bits 0 to 3."""
        return self & SUITE_MASK

    @property
    def authentication(self) -> bool:
        """Bit 4: the APDU carries a tag."""
        return bool(self & AUTHENTICATION)

    @property
    def encryption(self) -> bool:
        """Bit 5: the APDU is encrypted."""
        return bool(self & ENCRYPTION)

    @property
    def broadcast(self) -> bool:
        """Bit 6, key set: the broadcast encryption key is used."""
        return bool(self & KEY_SET)

    @property
    def compression(self) -> bool:
        """Bit 7: the APDU was compressed before it was protected."""
        return bool(self & COMPRESSION)

    def __repr__(self) -> str:
        names = [
            name
            for name in ("authentication", "encryption", "broadcast", "compression")
            if getattr(self, name)
        ]
        return (
            f"SecurityControl(0x{int(self):02X}: suite {self.suite}, {'+'.join(names) or 'none'})"
        )
