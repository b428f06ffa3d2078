"""OBIS codes: the six-octet names of COSEM objects, from and to every usual spelling.

`Obis` is its six octets, so it goes wherever a logical name goes. Spellings understood by
`Obis.parse`, groups A-B:C.D.E*F:

* `1-0:1.8.0*255`, `1-0:1.8.0&255`, `1-0:1.8.0.255`; without F it is 255,
* `1.0.1.8.0.255` and any other six numbers parted by `.`, `-`, `:`, `,`, `*` or space,
* `1.8.0`, `1.8.0*01`, `1.8`: the short form of electricity meters, A is 1 and B is 0; E is 0,
* `C.1.0`, `F.F`, `L.1`, `P.98`: short forms with letters for 96 to 99; A and B are 0,
* `0100010800FF`, and six octets; parted by spaces, colons or hyphens when a letter is in it.
"""

from __future__ import annotations

import re

from ferraris.core.errors import UsageError

__all__ = ["Obis"]

_FULL = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[*&.](\d{1,3}))?")
_SIX = re.compile(r"\s*[-.:,*&\s]\s*".join([r"(\d{1,3})"] * 6))
_SHORT = re.compile(
    r"(\d{1,3}|[CFLP])\.(\d{1,3}|[CFLP])(?:\.(\d{1,3}))?(?:[*&](\d{1,3}))?", re.IGNORECASE
)
_HEX = re.compile(r"(?:0x)?([0-9A-F]{2}(?:[ :-]?[0-9A-F]{2}){5})", re.IGNORECASE)
_LETTERS = {"C": 96, "F": 97, "L": 98, "P": 99}


class Obis(bytes):
    """The name of an object: six groups A to F of one octet each."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Obis:
        """Wrap six octets; another length raises `UsageError`."""
        if len(octets) != 6:
            raise UsageError(f"an OBIS code has 6 octets, not {len(octets)}")
        return super().__new__(cls, octets)

    @classmethod
    def of(  # noqa: PLR0917 - six groups are six arguments
        cls, a: int, b: int, c: int, d: int, e: int, f: int = 255
    ) -> Obis:
        """Make it group by group; groups above 255 raise `UsageError`."""
        return _from_groups((a, b, c, d, e, f), (a, b, c, d, e, f))

    @classmethod
    def parse(cls, spelling: str | bytes) -> Obis:
        """Read any usual spelling; `UsageError` when it is none."""
        if isinstance(spelling, Obis):
            return spelling
        if not isinstance(spelling, str):
            return cls(bytes(spelling))
        text = spelling.strip()
        if found := _HEX.fullmatch(text):
            # Twelve digits alone are octets: no decimal spelling goes without separators.
            digits = re.sub("[ :-]", "", found[1])
            if not _SIX.fullmatch(text):
                return cls(bytes.fromhex(digits))
        if found := _FULL.fullmatch(text) or _SIX.fullmatch(text):
            return _from_groups(tuple(int(group or 255) for group in found.groups()), spelling)
        if found := _SHORT.fullmatch(text):
            return _short(found, spelling)
        raise UsageError(f"not an OBIS code: {spelling[:40]!r} (try 1-0:1.8.0*255)")

    @property
    def a(self) -> int:
        """Medium: 0 abstract, 1 electricity, 7 gas, ..."""
        return self[0]

    @property
    def b(self) -> int:
        """Channel, 0 when there is only one."""
        return self[1]

    @property
    def c(self) -> int:
        """Quantity."""
        return self[2]

    @property
    def d(self) -> int:
        """Processing of the quantity."""
        return self[3]

    @property
    def e(self) -> int:
        """Rate or further classification, 0 for the total."""
        return self[4]

    @property
    def f(self) -> int:
        """Billing period, 255 for the current value."""
        return self[5]

    @property
    def dotted(self) -> str:
        """`1.0.1.8.0.255`."""
        return ".".join(map(str, self))

    @property
    def short(self) -> str:
        """`1.8.0`, with `*F` unless that is 255."""
        end = "" if self[5] == 255 else f"*{self[5]}"
        return f"{self[2]}.{self[3]}.{self[4]}{end}"

    @property
    def is_manufacturer_specific(self) -> bool:
        """B 128-199, C 128-199 or 240, or D, E or F 128-254 [facts-g]."""
        _, b, c, d, e, f = self
        groups = 128 <= b <= 199 or 128 <= c <= 199 or c == 240
        return groups or any(128 <= group <= 254 for group in (d, e, f))

    def with_groups(
        self,
        *,
        a: int | None = None,
        b: int | None = None,
        c: int | None = None,
        d: int | None = None,
        e: int | None = None,
        f: int | None = None,
    ) -> Obis:
        """The same code with some groups changed."""
        groups = zip(self, (a, b, c, d, e, f), strict=True)
        new = (old if group is None else group for old, group in groups)
        return Obis.of(*new)

    def __str__(self) -> str:
        a, b, c, d, e, f = self
        return f"{a}-{b}:{c}.{d}.{e}*{f}"

    def __repr__(self) -> str:
        return f"Obis({str(self)!r})"


def _from_groups(groups: tuple[int, ...], spelling: object) -> Obis:
    if not all(0 <= group <= 255 for group in groups):
        raise UsageError(f"the groups of an OBIS code go up to 255: {spelling!r:.60}")
    return Obis(bytes(groups))


def _short(found: re.Match[str], spelling: str) -> Obis:
    c, d, e, f = found.groups()
    named = c.upper() in _LETTERS or d.upper() in _LETTERS
    first = int(_LETTERS.get(c.upper(), c))
    second = int(_LETTERS.get(d.upper(), d))
    medium = 0 if named else 1
    return _from_groups((medium, 0, first, second, int(e or 0), int(f or 255)), spelling)
