"""Telling octet by octet what an APDU says: a cursor that writes lines, and parts to combine.

A part is a function that reads from a `Teller` and names what it read. Lines with octets are
leaves: joined they are the input. Headings carry no octets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.core.explain import Line
from ferraris.data.date_time import DateTime
from ferraris.messaging.dlms.enumerations import OctetEnum
from ferraris.messaging.dlms.reading import ApduReader

__all__ = [
    "Deciphered",
    "Open",
    "Part",
    "Protected",
    "Teller",
    "boolean",
    "choice",
    "counted",
    "each",
    "enumerated",
    "number",
    "optional",
    "sequence",
    "string",
    "system_title",
]

_MAX_STEPS_PER_OCTET = 16
_MAX_NESTED_APDUS = 8


class Deciphered(NamedTuple):
    """What became of a protected content: the plain APDU or None, and a word about the tag."""

    plain: bytes | None
    verdict: str


class Protected(NamedTuple):
    """A content from its security header on, the system title of its sender if that is known.

    `fields` are what the tag of general-ciphering covers besides; `dedicated` says whose key it is.
    """

    content: bytes
    title: bytes | None = None
    fields: bytes = b""
    dedicated: bool = False


Open = Callable[[Protected], Deciphered]
"""Opens a protected content where it can."""


class Teller(ApduReader):
    """A reader that writes down a line for all it reads.

    It gives up, as `DecodeError`, on input made to explode: the number of lines is bounded by the
    number of octets. While it is `hiding`, strings and whatever is not understood are secret. An
    authentication value is a password unless the mechanism has said that it is a `challenge`.
    """

    __slots__ = (
        "_steps",
        "_told",
        "challenge",
        "depth",
        "fields",
        "hiding",
        "lines",
        "nested",
        "open",
        "title",
    )

    def __init__(
        self,
        octets: bytes,
        where: str = "dlms apdu",
        opens: Open | None = None,
        title: bytes | None = None,
    ) -> None:
        super().__init__(octets, where)
        self.lines: list[Line] = []
        self.depth = 0
        self.nested = 0
        self.hiding = False
        self.challenge = False
        self.fields = b""
        self.open = opens
        self.title = title
        self._told = 0  # end of what the lines cover
        self._steps = 256 + _MAX_STEPS_PER_OCTET * len(octets)

    def say(self, text: str) -> None:
        """Write a heading."""
        self._line(self.position, b"", text)

    def tell(
        self, count: int, text: str | Callable[[bytes], str], *, secret: bool = False
    ) -> bytes:
        """Read `count` octets and write what they are."""
        start = self.position
        octets = self.take(count)
        self._line(start, octets, text if isinstance(text, str) else text(octets), secret=secret)
        return octets

    def tell_hidden(self, count: int, name: str) -> None:
        """Read `count` octets that nobody is shown."""
        self.tell(count, f"{name}, {count} octets, not shown", secret=True)

    def length(self) -> int:
        """Read a length or count that ends before `end`."""
        start = self.position
        length = super().length()
        if self.position > self.end:
            self.position = start
            raise self.error("the octets end within a length")
        return length

    def tell_length(self, text: str, start: int | None = None) -> int:
        """Read a length; write it with `{}` in `text` replaced, from `start` or here on."""
        start = self.position if start is None else start
        length = self.length()
        self._line(start, self.octets[start : self.position], text.format(length))
        if length > self.remaining:
            raise self.error(f"length {length} exceeds the {self.remaining} octets left")
        return length

    def tell_rest(self, text: str) -> None:
        """Write all octets that are left, if any."""
        if self.remaining and self.hiding:
            self.tell_hidden(self.remaining, text)
        elif self.remaining:
            self.tell(self.remaining, text)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Indent what follows."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def within(self, count: int, part: Part) -> None:
        """Tell the next `count` octets as `part`; whatever it leaves is told as not understood."""
        outer_end, depth = self.end, self.depth
        if count > self.remaining:
            raise self.error(f"length {count} exceeds the {self.remaining} octets left")
        self.end = end = self.position + count
        try:
            part(self)
            self.tell_rest("left over")
        except DecodeError as error:
            self.depth = depth
            self.end = end
            left = self.octets[self._told : end]
            text = f"not understood: {error.message}"
            self.lines.append(Line(self._told, left, depth, text, secret=self.hiding))
            self.position = self._told = end
        finally:
            self.end = outer_end

    def apdu(self, count: int, part: Part) -> None:
        """Tell an APDU within an APDU; beyond a few levels only that it is one."""
        if self.nested >= _MAX_NESTED_APDUS:
            self.tell(count, f"APDU, {count} octets", secret=self.hiding)
            return
        self.nested += 1
        hiding = self.hiding
        try:
            self.within(count, part)
        finally:
            self.nested -= 1
            self.hiding = hiding

    def deciphered(self, plain: bytes, part: Part) -> None:
        """Tell a plain APDU whose octets stand nowhere in the telegram."""
        if self.nested >= _MAX_NESTED_APDUS:
            return
        inner = Teller(plain, self.where, self.open, self.title)
        inner.nested = self.nested + 1
        inner.within(len(plain), part)
        self.lines += [
            replace(line, depth=line.depth + self.depth, deciphered=True) for line in inner.lines
        ]

    def _line(self, start: int, octets: bytes, text: str, *, secret: bool = False) -> None:
        self.step()
        self.lines.append(Line(start, octets, self.depth, text, secret))
        self._told = start + len(octets)

    def step(self) -> None:
        """Count one step of work towards the bound."""
        self._steps -= 1
        if self._steps <= 0:
            raise self.error("too many elements to tell one by one")


Part = Callable[[Teller], None]


def sequence(*parts: Part) -> Part:
    """One part after another."""

    def tell(teller: Teller) -> None:
        for part in parts:
            part(teller)

    return tell


def number(size: int, name: str, words: Callable[[int], str] | None = None) -> Part:
    """An unsigned number of `size` octets, told as `name` and the number or its words."""

    def text(octets: bytes) -> str:
        value = int.from_bytes(octets, "big")
        return f"{name} {value}" if words is None else f"{name}: {words(value)}"

    return lambda teller: _told(teller.tell(size, text))


def enumerated(name: str, kind: type[OctetEnum]) -> Part:
    """One octet of an enumeration."""
    return number(1, name, lambda value: f"{kind(value).words} ({value})")


def boolean(name: str) -> Part:
    """One octet, 00 for no."""
    return number(1, name, lambda value: "yes" if value else "no")


def optional(name: str, part: Part) -> Part:
    """Presence octet and, when it is 01, the part."""

    def tell(teller: Teller) -> None:
        start = teller.position
        if teller.present():
            teller.position = start
            teller.tell(1, f"{name} present")
            part(teller)
        else:
            teller.position = start
            teller.tell(1, f"no {name}")

    return tell


def choice(parts: Mapping[int, tuple[str, Part]]) -> Part:
    """One octet that selects the part."""

    def tell(teller: Teller) -> None:
        found = parts.get(octet) if (octet := teller.peek()) is not None else None
        if found is None:
            raise teller.error("one octet expected" if octet is None else f"unknown choice {octet}")
        teller.tell(1, f"{found[0]} ({octet:02x})")
        found[1](teller)

    return tell


def string(name: str, words: Callable[[bytes], str] | None = None, *, secret: bool = False) -> Part:
    """An octet string: length and octets, told as `name`, or as `words` says; or kept `secret`."""

    def tell(teller: Teller) -> None:
        start = teller.position
        hidden = secret or teller.hiding
        try:
            length = teller.tell_length(f"{name}: {{}}" if words else f"length of {name}: {{}}")
        except DecodeError:  # a secret cut short is a secret
            teller.hiding = hidden
            teller.position = start
            raise
        if length:
            with teller.deeper():
                if hidden:
                    teller.tell_hidden(length, name)
                else:
                    teller.tell(length, name if words is None else words)

    return tell


def counted(name: str, part: Part) -> Part:
    """A count and so many parts, each under a heading."""

    def tell(teller: Teller) -> None:
        count = teller.tell_length(f"{{}} x {name}")
        with teller.deeper():
            for index in range(count):
                teller.say(f"{name} {index + 1}")
                with teller.deeper():
                    part(teller)

    return tell


def each(name: str, part: Part) -> Part:
    """A count and so many parts, without headings."""

    def tell(teller: Teller) -> None:
        count = teller.tell_length(f"{{}} x {name}")
        with teller.deeper():
            for _ in range(count):
                teller.step()
                part(teller)

    return tell


def moment(octets: bytes) -> str:
    """A date-time of twelve octets in words, or what it is instead."""
    return f"date-time {DateTime(octets)}" if len(octets) == 12 else f"{len(octets)} octets"


def system_title(octets: bytes) -> str:
    """A system title: the three letters of its manufacturer when it has them."""
    letters = octets[:3].decode("latin-1")
    if len(octets) == 8 and letters.isascii() and letters.isalpha():
        return f"system title {octets.hex()}, manufacturer {letters.upper()}"
    return f"system title {octets.hex()}"


def _told(_: bytes) -> None:
    """A part returns nothing."""
