"""Every octet of a telegram with what it says, framing and content, in one list.

Lines with octets are leaves: joined in order they are the telegram, but for those that are
deciphered, which stand behind the ciphertext that they came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ferraris.cli.opening import opening_lines
from ferraris.cli.protected import Secrets, opening
from ferraris.cli.session import Session
from ferraris.cli.telegram import LLC, Telegram
from ferraris.core.explain import Line
from ferraris.messaging.dlms.explain import explain
from ferraris.messaging.dlms.explain_data import tell_data
from ferraris.messaging.dlms.telling import Teller
from ferraris.transport.explain import EnclosedApdu, Explanation, explain_wrapper
from ferraris.transport.explain_hdlc import explain_hdlc

__all__ = ["explained", "framed_lines"]


def explained(
    octets: bytes,
    telegram: Telegram,
    secrets: Secrets | None = None,
    session: Session | None = None,
) -> list[Line]:
    """The lines of a telegram that was read; of one that was not, what it seems to be."""
    secrets, session = secrets or Secrets(), session or Session()
    if telegram.framing is not None:
        return framed_lines(telegram.framing, secrets, session)
    if telegram.protocol == "apdu":
        return _apdu_lines(octets, secrets, session)
    if telegram.protocol == "data":
        teller = Teller(octets, "data")
        teller.within(len(octets), tell_data)
        return teller.lines
    if telegram.protocol == "opening":
        return opening_lines(octets)
    if octets[:1] == b"~":
        return framed_lines(explain_hdlc(octets), secrets, session)
    if octets[:2] == b"\0\1":
        return framed_lines(explain_wrapper(octets), secrets, session)
    return _apdu_lines(octets, secrets, session)


def framed_lines(framing: Explanation, secrets: Secrets, session: Session) -> list[Line]:
    """The lines of frames or wrapper units with those of their APDUs in place."""
    pieces: dict[int, list[Line]] = {}
    for apdu in framing.apdus:
        title, peer = session.title(apdu.ends, apdu.octets), session.peer(apdu.ends)
        opens = opening(secrets, session.dedicated_key(apdu.ends), peer)
        lines = explain(apdu.octets, opens, title)
        pieces |= _placed(apdu, lines)
    found: list[Line] = []
    for line in framing.lines:
        placed = pieces.get(line.offset) if line.octets else None
        if placed is None:
            found.append(line)
            continue
        depth = line.depth
        if line.text.startswith(("part", "beginning")):
            found.append(replace(line, octets=b""))
            depth += 1
        found += [replace(each, depth=each.depth + depth) for each in placed]
    return found


def _placed(apdu: EnclosedApdu, lines: Sequence[Line]) -> dict[int, list[Line]]:
    """The lines of an APDU at the places where its pieces stand, cut where a piece ends."""
    if not apdu.complete:
        lines = list(_going_on(lines))
    placed: dict[int, list[Line]] = {}
    start = apdu.before
    for place, count in apdu.pieces:
        end = start + count
        last = end == len(apdu.octets)
        placed[place] = list(_between(lines, start, end, place - start, last))
        start = end
    return placed


def _going_on(lines: Sequence[Line]) -> Iterator[Line]:
    """The octets behind the last whole field are no failure: the rest is still to come."""
    for line in lines:
        cut = line.text.startswith("not understood")
        yield replace(line, text="begins here, goes on in the next segment") if cut else line


def _between(lines: Sequence[Line], start: int, end: int, shift: int, last: bool) -> Iterator[Line]:
    """The lines from `start` to `end`, octets of the APDU, moved to their place by `shift`."""
    at = 0
    for line in lines:
        if line.deciphered or not line.octets:
            if start <= at < end or (last and at >= start):
                yield line if line.deciphered else replace(line, offset=at + shift)
            continue
        at = line.offset + len(line.octets)
        low, high = max(line.offset, start), min(at, end)
        if low < high:
            octets = line.octets[low - line.offset : high - line.offset]
            text = line.text if low == line.offset else f"{line.text} (goes on)"
            yield replace(line, offset=low + shift, octets=octets, text=text)


def _apdu_lines(octets: bytes, secrets: Secrets, session: Session) -> list[Line]:
    found: list[Line] = []
    size = 0
    if octets[:3] in LLC:
        size = 3
        direction = "command of a client" if octets[1] == 0xE6 else "response of a server"
        found.append(Line(0, octets[:3], 0, f"LLC header, {direction}"))
    apdu = octets[size:]
    title = session.title((0, 0), apdu)
    for line in explain(apdu, opening(secrets, session.dedicated_key((0, 0))), title):
        found.append(line if line.deciphered else replace(line, offset=line.offset + size))
    return found
