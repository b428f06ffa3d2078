"""Profiles of serial lines: HDLC at once, behind the opening of mode E, or through a modem.

The options are those of a URL: `serial:///dev/ttyUSB0?baud=9600&mode=e`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

from ferraris.core.errors import UsageError
from ferraris.core.stack import over, then
from ferraris.transport.iec62056_21.messages import BAUD_RATES, Identification
from ferraris.transport.iec62056_21.metering import MeterOpening
from ferraris.transport.iec62056_21.opening import Opening
from ferraris.transport.modem.modem import Modem
from ferraris.transport.profiles import (
    ClientStack,
    HdlcProfile,
    Profile,
    ServerStack,
)

__all__ = ["ModeEProfile", "ModemProfile", "held_line", "profile_of_port"]

_WHERE = "url"
_USUAL_BAUD = 9600
_LIMIT = 1 << 20  # octets of an APDU
_CLOCK_BAUD = 2400
_IDENTIFICATION = Identification("FER", "5", "2", "Ferraris")


@dataclass(frozen=True, slots=True)
class ModeEProfile:
    """HDLC behind the opening of IEC 62056-21 mode E, on an optical head.

    `device` is the address in the request, empty for whichever is there; `fastest` the highest
    speed that we can do, in baud, None for any. `software_parity`: the port has 8 bits only.
    """

    device: str = ""
    fastest: int | None = None
    software_parity: bool = False
    name: str = "hdlc, mode e"
    stream: bool = True
    limit: int = _LIMIT

    @property
    def hdlc(self) -> HdlcProfile:
        """The link. Its speed is agreed on later, so its clocks suit slow lines, and fast ones."""
        return replace(
            HdlcProfile.at(min(self.fastest or _CLOCK_BAUD, _CLOCK_BAUD)), limit=self.limit
        )

    def client_stack(
        self, client_sap: int, server_sap: int, *, physical: int | None = None
    ) -> ClientStack:
        """An opening, then a new link for one client."""
        opening = Opening(
            address=self.device, fastest=self.fastest, software_parity=self.software_parity
        )
        return then(opening, self.hdlc.client_stack(client_sap, server_sap, physical=physical))

    def server_stack(
        self, *, physical: int | None = None, devices: Container[int] | None = None
    ) -> ServerStack:
        """A passive link over the meter's end of the opening."""
        speeds = [z for z, baud in BAUD_RATES.items() if baud <= (self.fastest or _USUAL_BAUD)]
        known = _IDENTIFICATION
        opening = MeterOpening(
            Identification(
                known.manufacturer, speeds[-1], known.capabilities, known.identification
            ),
            address=self.device,
            software_parity=self.software_parity,
        )
        return over(self.hdlc.server_stack(physical=physical, devices=devices), opening)


@dataclass(frozen=True, slots=True)
class ModemProfile:
    """HDLC through a modem that dials `phone`; `initialisation` are AT commands."""

    phone: str
    initialisation: tuple[str, ...] = ("ATE0V1",)
    dial: str = "ATD"
    escape: bool = True
    baud: int = _USUAL_BAUD
    name: str = "hdlc, modem"
    stream: bool = True
    limit: int = _LIMIT

    def client_stack(
        self, client_sap: int, server_sap: int, *, physical: int | None = None
    ) -> ClientStack:
        """A new link for one client, over the modem."""
        link = self.hdlc.client_stack(client_sap, server_sap, physical=physical)
        return over(link, self.modem())

    @property
    def hdlc(self) -> HdlcProfile:
        """The link; the air may be slower than the port."""
        return replace(HdlcProfile.at(min(self.baud, _CLOCK_BAUD)), limit=self.limit)

    def modem(self) -> Modem:
        """A new modem, which makes one call."""
        return Modem(
            self.phone, initialisation=self.initialisation, dial=self.dial, escape=self.escape
        )

    def server_stack(
        self, *, physical: int | None = None, devices: Container[int] | None = None
    ) -> ServerStack:
        """Nobody is served at a modem: `UsageError`."""
        raise UsageError("meters do not wait at modem://: give them the port", where=_WHERE)


def held_line(profile: Profile) -> tuple[HdlcProfile, Modem | None] | None:
    """What stays when one link on a port follows another: the profile of links, and the modem.

    None when nothing does: meters behind an optical head are signed on to for each session.
    """
    if isinstance(profile, ModemProfile):
        return profile.hdlc, profile.modem()
    return (profile, None) if isinstance(profile, HdlcProfile) else None


def profile_of_port(scheme: str, options: Mapping[str, str]) -> Profile:
    """The profile that a URL of a port asks for, `serial` or `modem`.

    Options of `serial`: `baud`; `mode=e` with `device`, its address, and `soft_parity=1`. Options
    of `modem`: `phone`, `init` (AT commands with | between them), `dial` (such as ATDT), `hangup`
    (escape or dtr). Raises `UsageError`.
    """
    if scheme == "modem":
        return _modem(options)
    mode = options.get("mode", "hdlc").lower()
    if mode == "hdlc":
        return HdlcProfile.at(_baud(options) or _USUAL_BAUD)
    if mode != "e":
        raise UsageError(f"mode={mode}: it is hdlc or e", where=_WHERE)
    fastest = _baud(options)
    if fastest is not None and fastest < min(BAUD_RATES.values()):
        raise UsageError(f"baud={fastest}: mode E begins at 300 baud", where=_WHERE)
    return ModeEProfile(options.get("device", ""), fastest, options.get("soft_parity") == "1")


def _modem(options: Mapping[str, str]) -> ModemProfile:
    phone = options.get("phone", "")
    if not phone:
        raise UsageError("a modem needs a number: modem:///dev/ttyS0?phone=...", where=_WHERE)
    hang_up = options.get("hangup", "escape")
    if hang_up not in ("escape", "dtr"):
        raise UsageError(f"hangup={hang_up}: it is escape or dtr", where=_WHERE)
    commands = tuple(each for each in options.get("init", "ATE0V1").split("|") if each)
    return ModemProfile(
        phone,
        commands,
        options.get("dial", "ATD"),
        hang_up == "escape",
        _baud(options) or _USUAL_BAUD,
    )


def _baud(options: Mapping[str, str]) -> int | None:
    text = options.get("baud")
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        raise UsageError(f"baud={text} in the URL is not a number", where=_WHERE) from None
