"""The secondary station: the server's end of an HDLC line.

A secondary is passive: it opens a link with each SNRM, sends only when polled, and goes on
listening after DISC. Every client has a link of its own to each logical device, with its own
numbers, windows and clocks; primaries alone poll, so that one of them has the turn.
"""

from __future__ import annotations

from collections.abc import Container

from ferraris.core.errors import DecodeError, LineError, UsageError
from ferraris.core.layer import Closed, Ended, Failed, Notice, Opened, Progress, To
from ferraris.transport.addresses import ALL_STATIONS, NO_STATION, Addresses
from ferraris.transport.hdlc.address import (
    HdlcAddress,
    is_all_devices,
    is_all_stations,
    is_calling_device,
    pack_address,
    unpack_address,
)
from ferraris.transport.hdlc.frame import POLL_FINAL, Frame, Kind
from ferraris.transport.hdlc.numbers import NUMBERED
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE
from ferraris.transport.hdlc.server_link import ServerLink
from ferraris.transport.hdlc.states import Happening, State
from ferraris.transport.hdlc.station import Station
from ferraris.transport.hdlc.unconfirmed import unconfirmed_frames

__all__ = ["Secondary"]

_WHERE = "hdlc"
_AHEAD = 2  # UI frames held for the line
_RESPONSES = frozenset({Kind.UA, Kind.DM, Kind.FRMR})

Unit = To[Addresses, bytes]
Ends = tuple[bytes, bytes]
"""A client's and our own address, as on the wire."""


class Secondary(Station[Unit, Unit]):
    """A device on one line: APDUs with their addresses above, octets below.

    `physical` is the device's own address, None for whatever a client uses; `logical_devices` are
    those that answer at the moment, None for all. Answers come from the address that was called, in
    its length.
    `parameters` are the most that is agreed to. After a poll the layer above has `answer_within_s`
    to give an answer, then the turn goes back without one. After `inactivity_timeout_s` of silence
    of both stations a link is closed, 0 for never. The end of one link among others is told by
    `Ended`, that of the last one by `Closed`; beyond `most_links` an SNRM is refused. `limit`
    bounds an APDU, in octets. Units
    marked unconfirmed leave as UI frames, one or several, from the server address of
    `address_length` octets, with or without a link. A device that is `calling` also answers to the
    address of the calling device, by which a client names the device that called it.
    """

    connectionless = True  # UI frames need no link

    def __init__(
        self,
        *,
        physical: int | None = None,
        logical_devices: Container[int] | None = None,
        address_length: int | None = None,
        parameters: Parameters = DEFAULT,
        answer_within_s: float = 0.2,
        inactivity_timeout_s: float = 120.0,
        inter_octet_timeout_s: float = 0.5,
        calling: bool = False,
        most_links: int = 32,
        limit: int = 1 << 20,
    ) -> None:
        super().__init__(
            sends=LLC_RESPONSE,
            hears=LLC_COMMAND,
            own_kinds=_RESPONSES,
            limit=limit,
            inter_octet_timeout_s=inter_octet_timeout_s,
        )
        self.physical = physical
        self.logical_devices = logical_devices
        self.address_length = address_length
        self.parameters = parameters
        self.answer_within_s = answer_within_s
        self.inactivity_timeout_s = inactivity_timeout_s
        self.calling = calling
        self.most_links = most_links
        self._links: dict[Ends, ServerLink] = {}
        self._listening = False
        self._stray: bytes | None = None  # a response to somebody without a link
        self._last: ServerLink | None = None  # whose frame was given last

    @property
    def room(self) -> bool:
        if not self._listening or len(self._down) >= _AHEAD:
            return False
        return not self._links or any(link.room for link in self._links.values())

    @property
    def deadline(self) -> float | None:
        first = self.deframer.give_up_at
        for link in self._links.values():
            for clock in (link.answer_at, link.inactive_at):
                if clock is not None and (first is None or clock < first):
                    first = clock
        return first

    def link(self, address: Addresses) -> ServerLink | None:
        """The link between a client and a logical device, None when there is none."""
        found = (link for link in self._links.values() if link.addresses == address)
        return next(found, None)

    # -- from above -------------------------------------------------------------------------

    def open(self, now: float) -> None:
        self._listening = True
        self.deframer.reset()

    def close(self, now: float) -> None:
        self._hang_up(Happening.DISCONNECT)
        self._up.append(Closed())

    def cancel(self, now: float) -> None:
        for link in self._links.values():
            link.cancel()

    def send(self, unit: Unit, now: float) -> None:
        if not self.room:
            raise UsageError("the line has no room", where=_WHERE)
        link = self.link(unit.address)
        if not unit.confirmed:
            self._queue_unconfirmed(unit, link)
        elif link is None or not link.is_open:
            self._complain(f"no link to {unit.address}: the unit is dropped")
        elif link.crowded:
            self._complain(f"{unit.address} fetches no answers: the unit is dropped")
        else:
            link.put(unit.unit)

    def _queue_unconfirmed(self, unit: Unit, link: ServerLink | None) -> None:
        if link is not None:
            client, server = link.ends
            longest = link.agreed.max_transmit
        else:
            client = pack_address(unit.address.client_sap, length=1)
            server = pack_address(
                unit.address.server_sap, self.physical, length=self.address_length
            )
            longest = DEFAULT.max_transmit
        self._down += unconfirmed_frames(client, server, LLC_RESPONSE, unit.unit, longest)

    # -- from below -------------------------------------------------------------------------

    def receive(self, unit: bytes, now: float) -> None:
        if self._listening:
            super().receive(unit, now)

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._hang_up(Happening.LOST)
            self._up.append(what)
        else:
            super().notice(what, now)

    def wake(self, now: float) -> None:
        super().wake(now)
        for link in list(self._links.values()):
            if link.answer_at is not None and now >= link.answer_at:
                link.answer_at = None
                link.yields = True
            if link.inactive_at is not None and now >= link.inactive_at:
                text = f"no frame for {self.inactivity_timeout_s:g} s"
                self._end(link, Happening.INACTIVITY)
                self._tell(Ended(link.addresses, LineError(text, where=_WHERE)))
                del self._links[link.ends]

    def transmit(self, now: float, expecting: bool = False) -> bytes | None:
        if self._last is not None:
            self._up += self._last.after
            self._last.after = []
            self._last = None
        return self._next_frame(now)

    def _active(self, link: ServerLink, now: float) -> None:
        """A long answer is no silence: both directions count."""
        if link.inactive_at is not None:
            link.inactive_at = now + self.inactivity_timeout_s

    # -- sending ----------------------------------------------------------------------------

    def _next_frame(self, now: float) -> bytes | None:
        links = self._links.values()
        for link in links:
            if link.reply is not None:
                return self._give_reply(link, now)
        if self._stray is not None:
            stray, self._stray = self._stray, None
            return stray
        polled = [link for link in links if link.state is State.NRM_POLLED]
        if self._down and (polled or all(link.state is not State.NRM for link in links)):
            octets = self._down.popleft()
            self._echo.sent(octets)
            return octets
        for link in polled:
            frame = link.use_turn(self.holding)
            if frame is not None:
                self._last = link
                self._active(link, now)
                return self._leaving(frame)
        return None

    def _give_reply(self, link: ServerLink, now: float) -> bytes | None:
        reply, link.reply = link.reply, None
        told, link.told = link.told, []
        self._tell(*told)
        if link.is_open:
            self._active(link, now)
        else:
            del self._links[link.ends]
        return reply

    # -- receiving --------------------------------------------------------------------------

    def _take(self, frame: Frame, now: float) -> None:
        ends = (frame.source, frame.destination)
        link = self._links.get(ends)
        if link is not None and link.is_open and frame.kind in NUMBERED:  # the usual case
            devices = self.logical_devices
            if devices is None or link.addresses.server_sap in devices:
                self._take_within_link(link, frame, frame.kind, now)
            return
        try:
            client = unpack_address(frame.source)
            server = unpack_address(frame.destination)
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        octets = len(frame.destination)
        if client.physical is not None or not self._is_ours(server, octets):
            return
        kind = frame.kind
        to_all = is_all_stations(server.logical)
        addresses = Addresses(client.logical, ALL_STATIONS if to_all else server.logical)
        if kind is Kind.UI:
            self._deliver(
                lambda: self._unconfirmed.add(frame), lambda apdu: To(addresses, apdu, False)
            )
        elif to_all or is_all_devices(server.physical, octets=octets) or kind in _RESPONSES:
            return  # nobody answers what everybody hears, nor another device
        elif kind is Kind.SNRM:
            self._take_snrm(frame, addresses, now)
        elif link is None or not link.is_open:
            if frame.poll_final:
                self._answer(Kind.DM, ends, link)
        elif kind is Kind.DISC:
            self._end(link, Happening.DISC)
            self._answer(Kind.UA, ends, link)
            link.told = [Ended(link.addresses)]
        else:
            self._take_within_link(link, frame, kind, now)

    def _is_ours(self, server: HdlcAddress, octets: int) -> bool:
        logical, physical = server
        if NO_STATION in server:
            return False
        if is_calling_device(physical, octets=octets):
            this_device = self.calling
        else:
            this_device = is_all_devices(physical, octets=octets) or (
                None in {self.physical, physical} or self.physical == physical
            )
        devices = self.logical_devices
        return this_device and (devices is None or is_all_stations(logical) or logical in devices)

    def _take_snrm(self, frame: Frame, addresses: Addresses, now: float) -> None:
        ends = (frame.source, frame.destination)
        link = self._links.get(ends)
        try:
            stated = Parameters.from_octets(frame.information)
        except DecodeError as error:
            self._up.append(Failed(error))
            if link is not None and link.is_open:
                self._end(link, Happening.DISC)
                self._tell(Ended(addresses, error))
            self._answer(Kind.DM, ends, link)
            return
        if link is None:
            link = self._new_link(ends, addresses)
            if link is None:
                self._complain(f"{self.most_links} links are open: {addresses} is refused")
                self._answer(Kind.DM, ends, None)
                return
        repeated = link.untouched
        told = link.told
        if Ended(addresses) in told:  # a DISC just before: what is above hears of it first
            self._tell(Ended(addresses))
            told = []
        if link.is_open and not repeated:
            self._end(link, Happening.DISC)
            self._tell(Ended(addresses))
        link.step(Happening.SNRM)
        link.begin(self.parameters.agree(stated))
        self._echo.forget()
        link.untouched = True
        if self.inactivity_timeout_s:
            link.inactive_at = now + self.inactivity_timeout_s
        self._answer(Kind.UA, ends, link, link.agreed.to_octets() if frame.information else b"")
        link.told = told if repeated else [Opened()]

    def _new_link(self, ends: Ends, addresses: Addresses) -> ServerLink | None:
        """A place for a link; None when all are taken."""
        other = self.link(addresses)  # the same two, by an address of another length
        if other is not None:
            if other.is_open:
                self._end(other, Happening.DISC)
                self._tell(Ended(addresses))
            del self._links[other.ends]
        if len(self._links) >= self.most_links:
            return None
        link = self._links[ends] = ServerLink(ends, addresses, self._limit)
        return link

    def _take_within_link(self, link: ServerLink, frame: Frame, kind: Kind, now: float) -> None:
        link.untouched = False
        self._active(link, now)
        if link.rejection is None:
            reasons = link.fault_of(frame, kind)
            if not reasons:
                self._take_numbered(link, frame, kind, now)
                return
            self._complain(str(link.reject(frame, reasons)))
        if frame.poll_final:
            link.step(Happening.POLL)
            self._answer(Kind.FRMR, link.ends, link, link.rejection or b"")

    def _take_numbered(self, link: ServerLink, frame: Frame, kind: Kind, now: float) -> None:
        acknowledged, fresh = link.take(frame, kind, now + self.answer_within_s, self.holding)
        addresses = link.addresses
        if acknowledged or (fresh and frame.segmented):
            self._up.append(Progress())
        if fresh:
            self._deliver(lambda: link.gathered(frame), lambda apdu: To(addresses, apdu))

    def _answer(
        self, kind: Kind, ends: Ends, link: ServerLink | None, information: bytes = b""
    ) -> None:
        reply = self._leaving(Frame(*ends, kind.control | POLL_FINAL, information))
        if link is None:
            self._stray = reply
        else:
            link.reply = reply

    # -- beginning and ending ---------------------------------------------------------------

    def _end(self, link: ServerLink, happening: Happening) -> None:
        """The link is over; the line is not."""
        link.end(happening)
        if not self._any_open():
            self._unconfirmed.reset()

    def _tell(self, *notices: Notice) -> None:
        """Tell above; the end of the last link is that of all."""
        for what in notices:
            if type(what) is Ended and not self._any_open():
                what = Closed(what.error)
            self._up.append(what)

    def _any_open(self) -> bool:
        return any(link.is_open for link in self._links.values())

    def _hang_up(self, happening: Happening) -> None:
        """The line is over, and so are its links."""
        self._listening = False
        self.deframer.reset()
        self._unconfirmed.reset()
        self._down.clear()
        self._stray = None
        for link in self._links.values():
            if link.is_open:
                link.end(happening)
        self._links.clear()
